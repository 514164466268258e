"""Small builders for the parts of a docx, in the order that ISO/IEC 29500-1 demands.

Nothing here knows a document type. `run` escapes its text; everything else that is handed in is XML already.
Units are in the names: ``twips`` (1/20 pt), ``emu`` (1/36000 mm), ``mm``.
"""

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from service.archive import write_docx

EMU_PER_MM = 36_000
_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006"
_WPS = "http://schemas.microsoft.com/office/word/2010/wordprocessingShape"
_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml."
_HEADER = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
NAMESPACES = (
    f'xmlns:w="{_W}" xmlns:r="{_REL}" xmlns:wp="{_DRAWING}/wordprocessingDrawing" xmlns:a="{_DRAWING}/main" '
    f'xmlns:pic="{_DRAWING}/picture" xmlns:wps="{_WPS}" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office" '
    'xmlns:w10="urn:schemas-microsoft-com:office:word"'
)
_ORDER = {
    "pPr": (
        "pStyle keepNext keepLines pageBreakBefore framePr widowControl numPr suppressLineNumbers pBdr shd tabs "
        "suppressAutoHyphens kinsoku wordWrap overflowPunct topLinePunct autoSpaceDE autoSpaceDN bidi "
        "adjustRightInd snapToGrid spacing ind contextualSpacing mirrorIndents suppressOverlap jc textDirection "
        "textAlignment textboxTightWrap outlineLvl rPr sectPr"
    ).split(),
    "rPr": (
        "rStyle rFonts b bCs i iCs caps smallCaps strike dstrike outline shadow emboss imprint noProof snapToGrid "
        "vanish webHidden color spacing w kern position sz szCs highlight u effect bdr shd fitText vertAlign rtl "
        "cs em lang"
    ).split(),
}


@dataclass(frozen=True, slots=True)
class Style:
    """One style of ``styles.xml``.

    Attributes:
        style_id: Identifier used in the document.
        name: Name shown in Word; Word's built-in English names keep their meaning there.
        ppr: Children of ``w:pPr`` by name, each with its attributes or inner XML.
        rpr: Children of ``w:rPr``, likewise.
        based_on: Identifier of the parent style.
        kind: ``paragraph``, ``character`` or ``table``.
        default: Whether it is the default style of its kind.
    """

    style_id: str
    name: str
    ppr: Mapping[str, str] = field(default_factory=dict)
    rpr: Mapping[str, str] = field(default_factory=dict)
    based_on: str = ""
    kind: str = "paragraph"
    default: bool = False

    def xml(self) -> str:
        """Return the ``w:style`` element."""
        default = ' w:default="1"' if self.default else ""
        based_on = f'<w:basedOn w:val="{self.based_on}"/>' if self.based_on else ""
        return (
            f'<w:style w:type="{self.kind}"{default} w:styleId="{self.style_id}"><w:name w:val="{self.name}"/>'
            f"{based_on}<w:qFormat/>{properties('pPr', self.ppr)}{properties('rPr', self.rpr)}</w:style>"
        )


def properties(kind: str, children: Mapping[str, str]) -> str:
    """Return ``w:pPr`` or ``w:rPr`` with its children in schema order.

    Args:
        kind: ``pPr`` or ``rPr``.
        children: Child name to attributes (``w:val="1"``) or, if it starts with ``<``, to inner XML.
    """
    order = _ORDER[kind]
    inner = ""
    for name in sorted(children, key=order.index):
        value = children[name]
        inner += (
            f"<w:{name}>{value}</w:{name}>" if value.startswith("<") else f"<w:{name} {value}".rstrip() + "/>"
        )
    return f"<w:{kind}>{inner}</w:{kind}>" if inner else ""


def fonts(east_asian: str, latin: str = "Times New Roman") -> str:
    """Return the attributes of ``w:rFonts``."""
    return f'w:ascii="{latin}" w:hAnsi="{latin}" w:eastAsia="{east_asian}" w:cs="{latin}"'


def size(points: float) -> dict[str, str]:
    """Return the run properties of a type size."""
    half_points = f'w:val="{round(points * 2)}"'
    return {"sz": half_points, "szCs": half_points}


def run(text: str, style: str = "") -> str:
    """Return a run of text that may hold template tags."""
    rpr = properties("rPr", {"rStyle": f'w:val="{style}"'} if style else {})
    return f'<w:r>{rpr}<w:t xml:space="preserve">{escape(text)}</w:t></w:r>'


def paragraph(style: str, *content: str, **ppr: str) -> str:
    """Return a paragraph in a style; content is runs, a plain string without ``<`` becomes one."""
    style_ref = {"pStyle": f'w:val="{style}"'} if style else {}
    inner = "".join(piece if piece.startswith("<") else run(piece) for piece in content)
    return f"<w:p>{properties('pPr', {**style_ref, **ppr})}{inner}</w:p>"


def block(tag: str, *content: str) -> str:
    """Return content between a paragraph-level tag and its end: ``block("if cc", …)``."""
    word = tag.split()[0]
    return f"{control(tag)}{''.join(content)}{control(f'end{word}')}"


def control(tag: str) -> str:
    """Return the paragraph that holds a paragraph-level tag and vanishes when filled."""
    return paragraph("", f"{{%p {tag} %}}")


def page_field(style: str) -> str:
    """Return the runs of a PAGE field."""
    rpr = properties("rPr", {"rStyle": f'w:val="{style}"'} if style else {})
    parts = (
        '<w:fldChar w:fldCharType="begin"/>',
        '<w:instrText xml:space="preserve"> PAGE </w:instrText>',
        '<w:fldChar w:fldCharType="separate"/>',
        "<w:t>1</w:t>",
        '<w:fldChar w:fldCharType="end"/>',
    )
    return "".join(f"<w:r>{rpr}{part}</w:r>" for part in parts)


def _anchor(
    x_mm: float, y_mm: float, width_mm: float, height_mm: float, doc_pr: str, graphic: str, *, order: int
) -> str:
    def emu(mm: float) -> int:
        return round(mm * EMU_PER_MM)

    return (
        f'<w:drawing><wp:anchor distT="0" distB="0" distL="0" distR="0" simplePos="0" relativeHeight="{order}" '
        'behindDoc="0" locked="0" layoutInCell="1" allowOverlap="1"><wp:simplePos x="0" y="0"/>'
        f'<wp:positionH relativeFrom="page"><wp:posOffset>{emu(x_mm)}</wp:posOffset></wp:positionH>'
        f'<wp:positionV relativeFrom="page"><wp:posOffset>{emu(y_mm)}</wp:posOffset></wp:positionV>'
        f'<wp:extent cx="{emu(width_mm)}" cy="{emu(height_mm)}"/><wp:effectExtent l="0" t="0" r="0" b="0"/>'
        f"<wp:wrapNone/>{doc_pr}<wp:cNvGraphicFramePr/>{graphic}</wp:anchor></w:drawing>"
    )


def picture(relationship: str, name: str, description: str, box_mm: Sequence[float], *, number: int) -> str:
    """Return a run with a floating picture, placed on the page, that text does not avoid.

    Args:
        relationship: Id of the image relationship.
        name: Name of the picture.
        description: Alternative text.
        box_mm: Left, top, width, height from the page's corner, mm.
        number: Unique id and stacking order.
    """
    x, y, width, height = box_mm
    cx, cy = round(width * EMU_PER_MM), round(height * EMU_PER_MM)
    graphic = (
        f'<a:graphic><a:graphicData uri="{_DRAWING}/picture"><pic:pic><pic:nvPicPr>'
        f'<pic:cNvPr id="{number}" name="{name}" descr="{description}"/><pic:cNvPicPr/></pic:nvPicPr>'
        f'<pic:blipFill><a:blip r:embed="{relationship}"/><a:stretch><a:fillRect/></a:stretch></pic:blipFill>'
        f'<pic:spPr><a:xfrm><a:off x="0" y="0"/><a:ext cx="{cx}" cy="{cy}"/></a:xfrm>'
        '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom></pic:spPr></pic:pic></a:graphicData></a:graphic>'
    )
    doc_pr = f'<wp:docPr id="{number}" name="{name}" descr="{description}"/>'
    return f"<w:r>{_anchor(x, y, width, height, doc_pr, graphic, order=number)}</w:r>"


def text_box(name: str, content: str, box_mm: Sequence[float], *, number: int) -> str:
    """Return a run with a borderless text box on the page, its text standing on the box's lower edge.

    The content grows upwards from the lower edge, so that the box need not know how high its content is.

    Args:
        name: Name of the shape.
        content: Paragraphs and tables; the last must be a paragraph.
        box_mm: Left, top, width, height from the page's corner, mm.
        number: Unique id and stacking order.
    """
    x, y, width, height = box_mm
    cx, cy = round(width * EMU_PER_MM), round(height * EMU_PER_MM)
    graphic = (
        f'<a:graphic><a:graphicData uri="{_WPS}"><wps:wsp><wps:cNvSpPr txBox="1"/><wps:spPr>'
        f'<a:xfrm><a:off x="0" y="0"/><a:ext cx="{cx}" cy="{cy}"/></a:xfrm><a:prstGeom prst="rect"><a:avLst/>'
        f"</a:prstGeom><a:noFill/><a:ln><a:noFill/></a:ln></wps:spPr><wps:txbx><w:txbxContent>{content}"
        '</w:txbxContent></wps:txbx><wps:bodyPr rot="0" vert="horz" wrap="square" lIns="0" tIns="0" rIns="0" '
        'bIns="0" anchor="b" anchorCtr="0"><a:noAutofit/></wps:bodyPr></wps:wsp></a:graphicData></a:graphic>'
    )
    doc_pr = f'<wp:docPr id="{number}" name="{name}"/>'
    drawing = _anchor(x, y, width, height, doc_pr, graphic, order=number)
    return f'<w:r><mc:AlternateContent><mc:Choice Requires="wps">{drawing}</mc:Choice></mc:AlternateContent></w:r>'


def watermark(text: str, *, name: str) -> str:
    """Return a run with a light grey diagonal text behind the page, as Word makes its own watermarks."""
    shape_type = (
        '<v:shapetype id="_x0000_t136" coordsize="21600,21600" o:spt="136" adj="10800" '
        'path="m@7,l@8,m@5,21600l@6,21600e"><v:formulas><v:f eqn="sum #0 0 10800"/><v:f eqn="prod #0 2 1"/>'
        '<v:f eqn="sum 21600 0 @1"/><v:f eqn="sum 0 0 @2"/><v:f eqn="sum 21600 0 @3"/><v:f eqn="if @0 @3 0"/>'
        '<v:f eqn="if @0 21600 @1"/><v:f eqn="if @0 0 @2"/><v:f eqn="if @0 @4 21600"/><v:f eqn="mid @5 @6"/>'
        '<v:f eqn="mid @8 @5"/><v:f eqn="mid @7 @8"/><v:f eqn="mid @6 @7"/><v:f eqn="sum @6 0 @5"/></v:formulas>'
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
        f'<w:r><w:pict>{shape_type}<v:shape id="{name}" o:spid="_x0000_s2049" type="#_x0000_t136" '
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


@dataclass(frozen=True, slots=True)
class Package:
    """What goes into a docx besides the fixed parts.

    Attributes:
        body: Content of ``w:body`` with its last ``w:sectPr``.
        styles: All styles, the default one first.
        parts: ``header1`` … / ``footer1`` … to the content of that part; relationship id = name.
        pictures: Relationship id to PNG.
        title: Core property, may hold tags.
        author: Core property, may hold tags.
    """

    body: str
    styles: Sequence[Style]
    parts: Mapping[str, str]
    pictures: Mapping[str, bytes]
    title: str
    author: str

    def to_docx(self) -> bytes:
        """Return the docx; equal content gives equal bytes."""
        parts = {
            "[Content_Types].xml": self._content_types(),
            "_rels/.rels": _relationships(
                {
                    "rId1": (f"{_REL}/officeDocument", "word/document.xml"),
                    "rId2": (f"{_PACKAGE}/relationships/metadata/core-properties", "docProps/core.xml"),
                }
            ),
            "word/document.xml": f"<w:document {NAMESPACES}><w:body>{self.body}</w:body></w:document>",
            "word/_rels/document.xml.rels": self._document_relationships(),
            "word/styles.xml": self._styles(),
            "word/settings.xml": _settings(),
        }
        for name, content in self.parts.items():
            tag = "hdr" if name.startswith("header") else "ftr"
            parts[f"word/{name}.xml"] = f"<w:{tag} {NAMESPACES}>{content}</w:{tag}>"
        parts["docProps/core.xml"] = self._core()
        packed = {name: (_HEADER + content).encode() for name, content in parts.items()}
        for name, content in self.pictures.items():
            packed[f"word/media/{name}.png"] = content
        return write_docx(packed)

    def _content_types(self) -> str:
        overrides = {
            "/word/document.xml": f"{_TYPE}document.main+xml",
            "/word/styles.xml": f"{_TYPE}styles+xml",
            "/word/settings.xml": f"{_TYPE}settings+xml",
            **{f"/word/{name}.xml": f"{_TYPE}{name.rstrip('0123456789')}+xml" for name in self.parts},
            "/docProps/core.xml": "application/vnd.openxmlformats-package.core-properties+xml",
        }
        listed = "".join(
            f'<Override PartName="{name}" ContentType="{kind}"/>' for name, kind in overrides.items()
        )
        return (
            f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
            f'ContentType="application/xml"/><Default Extension="png" ContentType="image/png"/>{listed}</Types>'
        )

    def _document_relationships(self) -> str:
        targets = {
            "styles": (f"{_REL}/styles", "styles.xml"),
            "settings": (f"{_REL}/settings", "settings.xml"),
        }
        for name in self.parts:
            targets[name] = (f"{_REL}/{name.rstrip('0123456789')}", f"{name}.xml")
        for name in self.pictures:
            targets[name] = (f"{_REL}/image", f"media/{name}.png")
        return _relationships(targets)

    def _styles(self) -> str:
        defaults = properties("rPr", {"lang": 'w:val="en-US" w:eastAsia="zh-CN" w:bidi="ar-SA"'})
        return (
            f"<w:styles {NAMESPACES}><w:docDefaults><w:rPrDefault>{defaults}</w:rPrDefault><w:pPrDefault/>"
            f"</w:docDefaults>{''.join(style.xml() for style in self.styles)}</w:styles>"
        )

    def _core(self) -> str:
        return (
            f'<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties" '
            'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
            f"<dc:title>{self.title}</dc:title><dc:creator>{self.author}</dc:creator>"
            "<dc:language>zh-CN</dc:language></cp:coreProperties>"
        )


def _relationships(targets: Mapping[str, tuple[str, str]]) -> str:
    listed = "".join(
        f'<Relationship Id="{name}" Type="{kind}" Target="{target}"/>'
        for name, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{listed}</Relationships>'


def _settings() -> str:
    return (
        f'<w:settings {NAMESPACES}><w:zoom w:percent="100"/><w:evenAndOddHeaders/>'
        '<w:characterSpacingControl w:val="doNotCompress"/><w:compat><w:useFELayout/>'
        '<w:compatSetting w:name="compatibilityMode" w:uri="http://schemas.microsoft.com/office/word" w:val="15"/>'
        '</w:compat><w:themeFontLang w:val="en-US" w:eastAsia="zh-CN"/></w:settings>'
    )
