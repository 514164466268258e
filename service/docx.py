"""The QR placeholders inside a docx: found by their alternative text, swapped by their parts."""

import posixpath
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lxml import etree

from service.archive import read_docx, write_docx
from service.errors import SealError

_WP = "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"
_A = "http://schemas.openxmlformats.org/drawingml/2006/main"
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_REL = "http://schemas.openxmlformats.org/package/2006/relationships"
_OWN_PICTURE = "wenyinqr"
_SIZES_IN_ROW = 40
_FRAME_GREY = 0x99
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


def set_pictures(docx: bytes, marker: str, pngs: Sequence[bytes]) -> bytes:
    """Give each of several placeholders a picture part of its own, in the order of the document.

    A template holds one placeholder in what it repeats, so that all copies share one part; LibreOffice, too,
    keeps equal pictures once. Called again, it swaps the pictures that it gave.

    Args:
        docx: The filled document.
        marker: Alternative text of the placeholders.
        pngs: A picture for each.

    Raises:
        SealError: There are more or fewer placeholders than pictures.
    """
    parts = read_docx(docx)
    root = etree.fromstring(parts["word/document.xml"], _PARSER)
    blips = _marked_blips(root, marker)
    if len(blips) != len(pngs):
        raise SealError(
            f"模板中替代文字为“{marker}”的二维码占位图应在每一项中各有一个。",
            detail=f"{len(blips)} placeholders for {len(pngs)} items",
        )
    relationships = etree.fromstring(parts["word/_rels/document.xml.rels"], _PARSER)
    known = {item.get("Id") for item in relationships}
    for number, (blip, png) in enumerate(zip(blips, pngs, strict=True), 1):
        name = f"{_OWN_PICTURE}{number}"
        blip.set(f"{{{_R}}}embed", name)
        parts[f"word/media/{name}.png"] = png
        if name not in known:
            target = {"Id": name, "Type": f"{_R}/image", "Target": f"media/{name}.png"}
            etree.SubElement(relationships, f"{{{_REL}}}Relationship", target)
    for name, tree in (("word/document.xml", root), ("word/_rels/document.xml.rels", relationships)):
        parts[name] = etree.tostring(tree, xml_declaration=True, encoding="UTF-8", standalone=True)
    return write_docx(parts)


def placeholder_size(side_px: int, number: int) -> tuple[int, int]:
    """Return the size in pixels by which the placeholder of an item is known in the PDF, no two alike.

    Args:
        side_px: Side of the template's own placeholder, whose size is none of these.
        number: The item, from 0.
    """
    return side_px + number % _SIZES_IN_ROW, side_px + 1 + number // _SIZES_IN_ROW


def placeholder_png(width: int, height: int) -> bytes:
    """Return a grey 8-bit PNG of that size in pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    edge = bytes((0, *[_FRAME_GREY] * width))
    row = bytes((0, _FRAME_GREY, *[0xFF] * (width - 2), _FRAME_GREY))
    packed = zlib.compress(edge + row * (height - 2) + edge, 1)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@dataclass(frozen=True, slots=True)
class MarkedPicture:
    """A placeholder as a template has it.

    Attributes:
        element: Its ``wp:docPr``.
        part: Part name of its picture.
        size_emu: Printed width and height, 36,000 to a millimetre.
    """

    element: Any
    part: str
    size_emu: tuple[int, int]


def marked_pictures(parts: Mapping[str, bytes], marker: str) -> list[MarkedPicture]:
    """Return all placeholders of a document.

    Args:
        parts: Part name to bytes.
        marker: Their alternative text.

    Raises:
        SealError: The picture of one is missing.
    """
    root = etree.fromstring(parts["word/document.xml"], _PARSER)
    found = []
    for item in root.iter(f"{{{_WP}}}docPr"):
        holder = item.getparent()
        if item.get("descr") != marker or holder is None:
            continue
        blip = next(holder.iter(f"{{{_A}}}blip"), None)
        extent = holder.find(f"{{{_WP}}}extent")
        sides = (0, 0) if extent is None else (int(extent.get("cx", "0")), int(extent.get("cy", "0")))
        name = _part_of(parts, None if blip is None else blip.get(f"{{{_R}}}embed"))
        found.append(MarkedPicture(item, name, sides))
    return found


def _marked_blips(root: Any, marker: str) -> list[Any]:
    holders = (item.getparent() for item in root.iter(f"{{{_WP}}}docPr") if item.get("descr") == marker)
    return [blip for holder in holders if holder is not None for blip in holder.iter(f"{{{_A}}}blip")]


def picture_part(parts: dict[str, bytes], marker: str) -> str:
    """Return the part name of the placeholder picture.

    Raises:
        SealError: As `swap_picture`.
    """
    root = etree.fromstring(parts["word/document.xml"], _PARSER)
    targets = {blip.get(f"{{{_R}}}embed") for blip in _marked_blips(root, marker)}
    if len(targets) != 1:
        raise SealError(
            f"模板中应有且只有一个替代文字为“{marker}”的二维码占位图。", detail=f"{len(targets)} found"
        )
    return _part_of(parts, targets.pop())


def _part_of(parts: Mapping[str, bytes], identifier: str | None) -> str:
    relationships = etree.fromstring(parts["word/_rels/document.xml.rels"], _PARSER)
    for item in relationships.iter(f"{{{_REL}}}Relationship"):
        if item.get("Id") == identifier:
            name = posixpath.normpath(posixpath.join("word", item.get("Target", "")))
            if name in parts:
                return name
    raise SealError("二维码占位图的图片文件缺失，请检查模板。", detail=f"relationship {identifier}")
