"""The QR placeholder inside a docx: found by its alternative text, swapped by its part."""

import posixpath

from lxml import etree

from service.archive import read_docx, write_docx
from service.errors import SealError

_WP = "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"
_A = "http://schemas.openxmlformats.org/drawingml/2006/main"
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_REL = "http://schemas.openxmlformats.org/package/2006/relationships"
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


def swap_picture(docx: bytes, marker: str, png: bytes) -> bytes:
    """Put a picture where the template's author left the placeholder.

    Size, place and anchor stay the author's; only the picture part changes.

    Args:
        docx: The filled document.
        marker: Alternative text (``descr``) of the placeholder.
        png: The picture.

    Returns:
        The document with the picture, its other bytes unchanged.

    Raises:
        SealError: The placeholder is not there, or shares its part with another picture.
    """
    parts = read_docx(docx)
    name = picture_part(parts, marker)
    parts[name] = png
    return write_docx(parts)


def picture_part(parts: dict[str, bytes], marker: str) -> str:
    """Return the part name of the placeholder picture.

    Raises:
        SealError: As `swap_picture`.
    """
    root = etree.fromstring(parts["word/document.xml"], _PARSER)
    targets: set[str | None] = set()
    for properties in root.iter(f"{{{_WP}}}docPr"):
        if properties.get("descr") != marker:
            continue
        holder = properties.getparent()
        if holder is not None:
            targets.update(blip.get(f"{{{_R}}}embed") for blip in holder.iter(f"{{{_A}}}blip"))
    if len(targets) != 1:
        raise SealError(
            f"模板中应有且只有一个替代文字为“{marker}”的二维码占位图。", detail=f"{len(targets)} found"
        )
    identifier = targets.pop()
    relationships = etree.fromstring(parts["word/_rels/document.xml.rels"], _PARSER)
    for item in relationships.iter(f"{{{_REL}}}Relationship"):
        if item.get("Id") == identifier:
            name = posixpath.normpath(posixpath.join("word", item.get("Target", "")))
            if name in parts:
                return name
    raise SealError("二维码占位图的图片文件缺失，请检查模板。", detail=f"relationship {identifier}")
