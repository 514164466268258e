"""Several filled documents of one template as sections of one, so that they are converted at once.

What would make one of them look different among others keeps them apart: numbers that go on from one to the next,
bookmarks and notes, text in headers that differs, anything placed by the right edge of the paper, words of too many other characters.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lxml import etree

from service.archive import pack_stored, read_docx

WIDER_PT = 4
"""Every second document's paper is wider by this, so that the pages tell where one ends and the next begins."""

_TWIPS_A_PT = 20
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_TITLE_MARK, _AUTHOR_MARK = "wenyin-title", "wenyin-author"
_BODY, _CORE = "word/document.xml", "docProps/core.xml"
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
_MOST_BYTES = 8_000_000
_MORE_CHARS = 1.25
_FEW_CHARS = 40
_COUNTED = re.compile(
    rb"<w:(?:numPr|bookmarkStart|footnoteReference|endnoteReference|commentReference|mirrorMargins|bidi|gutterAtTop)\b"
)
_FIELDS = re.compile(rb"<w:instrText\b[^>]*>([^<]*)</w:instrText>|w:instr=\"([^\"]*)\"")
_HARMLESS_FIELD = re.compile(rb"\s*PAGE\b")
_BY_THE_EDGE = re.compile(
    rb"relativeFrom=\"(?:page|rightMargin|insideMargin|outsideMargin)\"[^>]*>\s*<wp:align>|<w:pict\b|w:xAlign=|w:pgBorders"
)
_AFTER_PAGE_NUMBERS = frozenset(
    f"{_W}{name}"
    for name in (
        "cols",
        "formProt",
        "vAlign",
        "noEndnote",
        "titlePg",
        "textDirection",
        "bidi",
        "rtlGutter",
        "docGrid",
        "printerSettings",
        "sectPrChange",
    )
)


@dataclass(frozen=True, slots=True)
class Sections:
    """Documents laid together.

    Attributes:
        docx: All of them; its metadata have marks for names.
        names: What stands for which mark in the metadata of each.
    """

    docx: bytes
    names: tuple[Mapping[str, str], ...]


def lay_together(docxs: Sequence[bytes]) -> Sections | None:
    """Return documents as sections of one, each with its own page numbers.

    Args:
        docxs: Filled from one template.

    Returns:
        ``None`` where one might look different than by itself.
    """
    documents = [read_docx(docx) for docx in docxs]
    named = [_take_names(parts) for parts in documents]
    names = [name for name in named if name is not None]
    if len(names) < len(documents) or not _are_alike(documents):
        return None
    bodies = [etree.fromstring(parts[_BODY], _PARSER) for parts in documents]
    if not all(_is_plain(body) for body in bodies) or not _share_characters(bodies):
        return None
    whole = bodies[0]
    target = whole[0]
    for number, body in enumerate(bodies):
        _lay(body[0], target, number, is_last=number == len(bodies) - 1)
    content = etree.tostring(whole, xml_declaration=True, encoding="UTF-8", standalone=True)
    if len(content) > _MOST_BYTES:
        return None
    return Sections(pack_stored({**documents[0], _BODY: content}), tuple(names))


def _take_names(parts: dict[str, bytes]) -> dict[str, str] | None:
    """Return title and author, and leave their marks behind."""
    if _CORE not in parts:
        return None
    core = etree.fromstring(parts[_CORE], _PARSER)
    title, author = (core.find(f"{_DC}{name}") for name in ("title", "creator"))
    if title is None or author is None or not (title.text and author.text):
        return None
    found = {_TITLE_MARK: title.text, _AUTHOR_MARK: author.text}
    title.text, author.text = found
    parts[_CORE] = etree.tostring(core, xml_declaration=True, encoding="UTF-8", standalone=True)
    return found


def _are_alike(documents: Sequence[Mapping[str, bytes]]) -> bool:
    first = documents[0]
    if any(_is_entangled(content) for name, content in first.items() if name.endswith(".xml")):
        return False
    if any(_is_entangled(parts[_BODY]) for parts in documents):
        return False
    others = [name for name in first if name != _BODY]
    return all(
        parts.keys() == first.keys() and all(parts[name] == first[name] for name in others)
        for parts in documents
    )


def _is_entangled(content: bytes) -> bool:
    fields = (one or other for one, other in _FIELDS.findall(content))
    return (
        _COUNTED.search(content) is not None
        or _BY_THE_EDGE.search(content) is not None
        or not all(_HARMLESS_FIELD.match(field) for field in fields)
    )


def _is_plain(root: Any) -> bool:
    """Tell whether a document is one section that ends in a paragraph."""
    body = root[0]
    sections = list(root.iter(f"{_W}sectPr"))
    return (
        len(root) == 1
        and len(body) > 1
        and len(sections) == 1
        and body[-1] is sections[0]
        and body[-2].tag == f"{_W}p"
        and all(sections[0].find(f"{_W}{name}") is not None for name in ("pgSz", "pgMar"))
    )


def _share_characters(roots: Sequence[Any]) -> bool:
    """Tell whether no document would carry many glyphs that it does not use: the fonts' subsets are common."""
    used = [set("".join(root.itertext())) for root in roots]
    most = len(set().union(*used))
    return all(most <= len(chars) * _MORE_CHARS + _FEW_CHARS for chars in used)


def _lay(body: Any, target: Any, number: int, *, is_last: bool) -> None:
    section = body[-1]
    body.remove(section)
    _begin_anew(section)
    if number % 2:
        _widen(section)
    if not is_last:
        _end_with(body[-1], section)
    if body is not target:
        target.extend(list(body))
    if is_last:
        target.append(section)


def _begin_anew(section: Any) -> None:
    """Let the section begin a page, and its page numbers at 1 unless the template says otherwise."""
    kind = section.find(f"{_W}type")
    if kind is not None:
        section.remove(kind)
    numbers = section.find(f"{_W}pgNumType")
    if numbers is None:
        numbers = etree.Element(f"{_W}pgNumType")
        before = [item for item in section if item.tag in _AFTER_PAGE_NUMBERS]
        section.insert(section.index(before[0]) if before else len(section), numbers)
    if numbers.get(f"{_W}start") is None:
        numbers.set(f"{_W}start", "1")


def _widen(section: Any) -> None:
    for item, key in ((section.find(f"{_W}pgSz"), "w"), (section.find(f"{_W}pgMar"), "right")):
        item.set(f"{_W}{key}", str(int(item.get(f"{_W}{key}")) + WIDER_PT * _TWIPS_A_PT))


def _end_with(paragraph: Any, section: Any) -> None:
    properties = paragraph.find(f"{_W}pPr")
    if properties is None:
        properties = etree.Element(f"{_W}pPr")
        paragraph.insert(0, properties)
    change = properties.find(f"{_W}pPrChange")
    properties.insert(len(properties) if change is None else properties.index(change), section)
