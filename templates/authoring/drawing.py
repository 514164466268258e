"""Floating pictures, text boxes and watermarks of a docx, placed on the page in mm."""

import struct
import zlib
from typing import NamedTuple

_EMU_PER_MM = 36_000
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006"
_WPS = "http://schemas.microsoft.com/office/word/2010/wordprocessingShape"


class Box(NamedTuple):
    """A rectangle on the page, mm from its top left corner."""

    left: float
    top: float
    width: float
    height: float

    @property
    def size_emu(self) -> tuple[int, int]:
        """Width and height in EMU."""
        return round(self.width * _EMU_PER_MM), round(self.height * _EMU_PER_MM)


def _anchor(box: Box, doc_pr: str, graphic: str, order: int) -> str:
    x, y = round(box.left * _EMU_PER_MM), round(box.top * _EMU_PER_MM)
    cx, cy = box.size_emu
    return (
        '<w:drawing><wp:anchor distT="0" distB="0" distL="0" distR="0" simplePos="0" '
        f'relativeHeight="{order}" behindDoc="0" locked="0" layoutInCell="1" allowOverlap="1">'
        f'<wp:simplePos x="0" y="0"/><wp:positionH relativeFrom="page"><wp:posOffset>{x}</wp:posOffset>'
        f'</wp:positionH><wp:positionV relativeFrom="page"><wp:posOffset>{y}</wp:posOffset></wp:positionV>'
        f'<wp:extent cx="{cx}" cy="{cy}"/><wp:effectExtent l="0" t="0" r="0" b="0"/>'
        f"<wp:wrapNone/>{doc_pr}<wp:cNvGraphicFramePr/>{graphic}</wp:anchor></w:drawing>"
    )


def picture(relationship: str, name: str, description: str, box: Box, *, number: int) -> str:
    """Return a run with a floating picture, placed on the page, that text does not avoid.

    Args:
        relationship: Id of the image relationship.
        name: Name of the picture.
        description: Alternative text.
        box: Where it stands.
        number: Unique id and stacking order.
    """
    doc_pr = f'<wp:docPr id="{number}" name="{name}" descr="{description}"/>'
    graphic = _picture(relationship, name, description, box.size_emu, number)
    return f"<w:r>{_anchor(box, doc_pr, graphic, number)}</w:r>"


def inline_picture(relationship: str, name: str, description: str, side_mm: float, *, number: int) -> str:
    """Return a run with a square picture that stands in the line like a character.

    Args:
        relationship: Id of the image relationship.
        name: Name of the picture.
        description: Alternative text.
        side_mm: Its side.
        number: Unique id.
    """
    size = Box(0, 0, side_mm, side_mm).size_emu
    return (
        '<w:r><w:drawing><wp:inline distT="0" distB="0" distL="0" distR="0">'
        f'<wp:extent cx="{size[0]}" cy="{size[1]}"/><wp:docPr id="{number}" name="{name}" descr="{description}"/>'
        f"<wp:cNvGraphicFramePr/>{_picture(relationship, name, description, size, number)}"
        "</wp:inline></w:drawing></w:r>"
    )


def _picture(relationship: str, name: str, description: str, size: tuple[int, int], number: int) -> str:
    cx, cy = size
    return (
        f'<a:graphic><a:graphicData uri="{_DRAWING}/picture"><pic:pic><pic:nvPicPr>'
        f'<pic:cNvPr id="{number}" name="{name}" descr="{description}"/><pic:cNvPicPr/></pic:nvPicPr>'
        f'<pic:blipFill><a:blip r:embed="{relationship}"/><a:stretch><a:fillRect/></a:stretch></pic:blipFill>'
        f'<pic:spPr><a:xfrm><a:off x="0" y="0"/><a:ext cx="{cx}" cy="{cy}"/></a:xfrm>'
        '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom></pic:spPr></pic:pic></a:graphicData></a:graphic>'
    )


def text_box(name: str, content: str, box: Box, *, number: int) -> str:
    """Return a run with a borderless text box on the page, its text standing on the box's lower edge.

    The content grows upwards from the lower edge, so that the box need not know how high its content is.

    Args:
        name: Name of the shape.
        content: Paragraphs and tables; the last must be a paragraph.
        box: Where it stands.
        number: Unique id and stacking order.
    """
    cx, cy = box.size_emu
    graphic = (
        f'<a:graphic><a:graphicData uri="{_WPS}"><wps:wsp><wps:cNvSpPr txBox="1"/><wps:spPr>'
        f'<a:xfrm><a:off x="0" y="0"/><a:ext cx="{cx}" cy="{cy}"/></a:xfrm><a:prstGeom prst="rect"><a:avLst/>'
        f"</a:prstGeom><a:noFill/><a:ln><a:noFill/></a:ln></wps:spPr><wps:txbx><w:txbxContent>{content}"
        '</w:txbxContent></wps:txbx><wps:bodyPr rot="0" vert="horz" wrap="square" lIns="0" tIns="0" rIns="0" '
        'bIns="0" anchor="b" anchorCtr="0"><a:noAutofit/></wps:bodyPr></wps:wsp></a:graphicData></a:graphic>'
    )
    doc_pr = f'<wp:docPr id="{number}" name="{name}"/>'
    drawing = _anchor(box, doc_pr, graphic, number)
    choice = f'<mc:Choice Requires="wps">{drawing}</mc:Choice>'
    return f"<w:r><mc:AlternateContent>{choice}</mc:AlternateContent></w:r>"


def watermark(text: str, *, name: str) -> str:
    """Return a run with a light grey diagonal text behind the page, as Word makes its own watermarks."""
    shape_type = (
        '<v:shapetype id="_x0000_t136" coordsize="21600,21600" o:spt="136" adj="10800" '
        'path="m@7,l@8,m@5,21600l@6,21600e"><v:formulas><v:f eqn="sum #0 0 10800"/><v:f eqn="prod #0 2 1"/>'
        '<v:f eqn="sum 21600 0 @1"/><v:f eqn="sum 0 0 @2"/><v:f eqn="sum 21600 0 @3"/><v:f eqn="if @0 @3 0"/>'
        '<v:f eqn="if @0 21600 @1"/><v:f eqn="if @0 0 @2"/><v:f eqn="if @0 @4 21600"/><v:f eqn="mid @5 @6"/>'
        '<v:f eqn="mid @8 @5"/><v:f eqn="mid @7 @8"/><v:f eqn="mid @6 @7"/>'
        '<v:f eqn="sum @6 0 @5"/></v:formulas>'
        '<v:path textpathok="t" o:connecttype="custom" o:connectlocs="@9,0;@10,10800;@11,21600;@12,10800" '
        'o:connectangles="270,180,90,0"/><v:textpath on="t" fitshape="t"/><o:lock v:ext="edit" text="t" '
        'shapetype="t"/></v:shapetype>'
    )
    place = (
        "position:absolute;margin-left:0;margin-top:0;width:400pt;height:170pt;rotation:315;z-index:-251658752;"
        "mso-position-horizontal:center;mso-position-horizontal-relative:margin;"
        "mso-position-vertical:center;mso-position-vertical-relative:margin"
    )
    return (
        f'<w:r><w:pict>{shape_type}<v:shape id="{name}" type="#_x0000_t136" '
        f'style="{place}" o:allowincell="f" fillcolor="#dedede" stroked="f"><v:fill opacity="1"/>'
        f'<v:textpath style="font-family:&quot;黑体&quot;;font-size:1pt" string="{text}"/>'
        '<w10:wrap anchorx="margin" anchory="margin"/></v:shape></w:pict></w:r>'
    )


def gray_png(side: int, dark: int = 0x99) -> bytes:
    """Return an 8-bit grey PNG: a frame with a cross, plainly no QR symbol.

    Args:
        side: Pixels.
        dark: Grey of the lines.
    """
    rows = bytearray()
    for y in range(side):
        rows.append(0)
        for x in range(side):
            edge = min(x, y, side - 1 - x, side - 1 - y)
            crossed = abs(x - y) < 3 or abs(x + y - side + 1) < 3
            rows.append(dark if 20 <= edge < 24 or (crossed and edge >= 24) else 0xFF)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    packed = zlib.compress(bytes(rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
