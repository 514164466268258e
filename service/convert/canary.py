"""A document that proves a converter: it must keep one picture and lose two.

It holds a sentence in each of the given fonts, one embedded picture, one linked
over http and one from a local file. Ready means: the sentence is there, exactly
the embedded picture is there.
"""

import struct
import zlib
from collections.abc import Sequence
from html import escape

from service.archive import write_docx

CANARY_TEXT = "文印自检：转换正常。"
CANARY_IMAGE_PX = 23

_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_A = "http://schemas.openxmlformats.org/drawingml/2006/main"
_WP = "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"
_PIC = "http://schemas.openxmlformats.org/drawingml/2006/picture"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_EMU_PER_MM = 36_000
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


def canary_docx(
    fonts: Sequence[str],
    *,
    linked_url: str = "http://127.0.0.1:9/wenyin-canary.png",
    linked_file: str = "file:///usr/lib/libreoffice/program/intro.png",
) -> bytes:
    """Build the canary.

    Args:
        fonts: Font names, one sentence is set in each.
        linked_url: Address of the picture that must not be fetched.
        linked_file: URL of the local picture that must not be read; the default comes with LibreOffice.

    Returns:
        A docx. It is hostile on purpose and goes to the converter without the archive check.
    """
    paragraphs = "".join(
        f'<w:p><w:r><w:rPr><w:rFonts w:ascii="{name}" w:hAnsi="{name}" w:eastAsia="{name}"/></w:rPr>'
        f"<w:t>{CANARY_TEXT}</w:t></w:r></w:p>"
        for name in map(escape, fonts)
    )
    pictures = "".join(
        _picture(number, f'r:{kind}="rId{number}"')
        for number, kind in ((1, "embed"), (2, "link"), (3, "link"))
    )
    document = (
        f'{_HEAD}<w:document xmlns:w="{_W}" xmlns:r="{_R}" xmlns:a="{_A}" xmlns:wp="{_WP}"'
        f' xmlns:pic="{_PIC}"><w:body>{paragraphs}<w:p>{pictures}</w:p></w:body></w:document>'
    )
    image = f"{_R}/image"
    relationships = (
        f'<Relationship Id="rId1" Type="{image}" Target="media/embedded.png"/>'
        f'<Relationship Id="rId2" Type="{image}" Target="{escape(linked_url)}" TargetMode="External"/>'
        f'<Relationship Id="rId3" Type="{image}" Target="{escape(linked_file)}" TargetMode="External"/>'
    )
    root = f'<Relationship Id="rId1" Type="{_R}/officeDocument" Target="word/document.xml"/>'
    return write_docx(
        {
            "[Content_Types].xml": _content_types(),
            "_rels/.rels": _relationships(root),
            "word/document.xml": document.encode(),
            "word/_rels/document.xml.rels": _relationships(relationships),
            "word/media/embedded.png": _png(CANARY_IMAGE_PX),
        }
    )


def _content_types() -> bytes:
    main_type = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    text = (
        f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="xml"'
        ' ContentType="application/xml"/><Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default'
        ' Extension="png" ContentType="image/png"/><Override PartName="/word/document.xml"'
        f' ContentType="{main_type}"/></Types>'
    )
    return text.encode()


def _relationships(items: str) -> bytes:
    return f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{items}</Relationships>'.encode()


def _picture(number: int, reference: str) -> str:
    size = f'cx="{10 * _EMU_PER_MM}" cy="{10 * _EMU_PER_MM}"'
    return (
        f'<w:r><w:drawing><wp:inline distT="0" distB="0" distL="0" distR="0"><wp:extent {size}/>'
        f'<wp:docPr id="{number}" name="p{number}"/><a:graphic><a:graphicData uri="{_PIC}"><pic:pic>'
        f'<pic:nvPicPr><pic:cNvPr id="{number}" name="p{number}"/><pic:cNvPicPr/></pic:nvPicPr>'
        f"<pic:blipFill><a:blip {reference}/><a:stretch><a:fillRect/></a:stretch></pic:blipFill>"
        f'<pic:spPr><a:xfrm><a:off x="0" y="0"/><a:ext {size}/></a:xfrm><a:prstGeom prst="rect">'
        "<a:avLst/></a:prstGeom></pic:spPr></pic:pic></a:graphicData></a:graphic></wp:inline>"
        "</w:drawing></w:r>"
    )


def _png(side_px: int) -> bytes:
    """Return a grey square; written by hand so that this stage needs no picture library."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side_px, side_px, 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + bytes([128]) * side_px for _ in range(side_px))
    pieces = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(pieces)
