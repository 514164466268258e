"""Carry the last lines of a page over to the next, in a docx whose lines a conversion has shown.

No property of a paragraph asks Word or LibreOffice for this: kept with the next one, a long paragraph goes over as
a whole and leaves its page half empty. So the paragraph is parted where a line of it ends.
"""

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from lxml import etree

from service.archive import read_docx, write_docx

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_BODY = "word/document.xml"
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
_BEFORE_BREAK = ("pStyle", "keepNext", "keepLines")
_AFTER_INDENT = frozenset(
    [
        "contextualSpacing",
        "mirrorIndents",
        "suppressOverlap",
        "jc",
        "textDirection",
        "textAlignment",
        "textboxTightWrap",
        "outlineLvl",
        "divId",
        "cnfStyle",
        "rPr",
        "sectPr",
        "pPrChange",
    ]
)


def carry_lines(
    docx: bytes, lines: str, name: str, date: str, squeezed: Callable[[str], str]
) -> bytes | None:
    """Begin a page with the last lines of the text before a signature.

    Args:
        docx: The filled document.
        lines: What shall stand on the new page before the name, squeezed; in any order.
        name: The name of the signature, squeezed.
        date: Its printed date, squeezed.
        squeezed: How texts are compared; it may only leave characters out or replace them one by one.

    Returns:
        The document with the page break; ``None`` if the lines are not found.
    """
    parts = read_docx(docx)
    root = etree.fromstring(parts[_BODY], _PARSER)
    paragraphs = root.findall(f"{_W}body/{_W}p")
    texts = [squeezed("".join(_texts_of(paragraph))) for paragraph in paragraphs]
    whole = "".join(texts)
    end = whole.rfind(name, 0, max(0, whole.rfind(date)))
    at = end - len(lines)
    if at < 0 or not lines or Counter(whole[at:end]) != Counter(lines):
        return None
    place = _place(texts, at)
    while place and at == sum(map(len, texts[:place])) and _keeps_next(paragraphs[place - 1], parts):
        place -= 1
        at -= len(texts[place])
    within = at - sum(map(len, texts[:place]))
    if at == 0:
        return None
    new = _parted(paragraphs[place], within, squeezed) if within else paragraphs[place]
    _begin_page(new, is_rest=bool(within))
    parts[_BODY] = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)
    return write_docx(parts)


def _texts_of(paragraph: Any) -> list[str]:
    return [text.text or "" for text in paragraph.iterfind(f"{_W}r/{_W}t")]


def _place(texts: Sequence[str], at: int) -> int:
    for place, text in enumerate(texts):
        if at < len(text):
            return place
        at -= len(text)
    raise ValueError(at)


def _keeps_next(paragraph: Any, parts: dict[str, bytes]) -> bool:
    style = paragraph.find(f"{_W}pPr/{_W}pStyle")
    if style is None:
        return False
    styles = etree.fromstring(parts["word/styles.xml"], _PARSER)
    named = (item for item in styles.iter(f"{_W}style") if item.get(f"{_W}styleId") == style.get(f"{_W}val"))
    return any(item.find(f"{_W}pPr/{_W}keepNext") is not None for item in named)


def _parted(paragraph: Any, within: int, squeezed: Callable[[str], str]) -> Any:
    """Part a paragraph after so many compared characters; return the rest, put in behind it."""
    rest = copy.deepcopy(paragraph)
    paragraph.addnext(rest)
    left = within
    for own, other in zip(paragraph.findall(f"{_W}r"), rest.findall(f"{_W}r"), strict=True):
        for text, later in zip(own.findall(f"{_W}t"), other.findall(f"{_W}t"), strict=True):
            value = text.text or ""
            cut = next(
                (end for end in range(len(value) + 1) if len(squeezed(value[:end])) >= left), len(value)
            )
            left -= len(squeezed(value[:cut]))
            text.text, later.text = value[:cut], value[cut:]
        if left <= 0 and not any(squeezed(text.text or "") for text in own.findall(f"{_W}t")):
            paragraph.remove(own)
        elif not any(text.text for text in other.findall(f"{_W}t")):
            rest.remove(other)
    return rest


def _begin_page(paragraph: Any, *, is_rest: bool) -> None:
    properties = paragraph.find(f"{_W}pPr")
    if properties is None:
        properties = etree.Element(f"{_W}pPr")
        paragraph.insert(0, properties)
    names = [etree.QName(item).localname for item in properties]
    place = sum(1 for name in names if name in _BEFORE_BREAK)
    properties.insert(place, etree.Element(f"{_W}pageBreakBefore"))
    if not is_rest:
        return
    indent = properties.find(f"{_W}ind")
    if indent is None:
        indent = etree.Element(f"{_W}ind")
        after = sum(1 for name in names if name in _AFTER_INDENT)
        properties.insert(len(properties) - after, indent)
    for name in ("hanging", "hangingChars"):
        indent.attrib.pop(f"{_W}{name}", None)
    indent.set(f"{_W}firstLineChars", "0")
    indent.set(f"{_W}firstLine", "0")
