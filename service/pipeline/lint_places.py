"""Where something is in a template, in words that its owner finds in Word."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lxml import etree

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
_PART_NAMES = {
    "body": "正文",
    "document": "正文",
    "styles": "样式",
    "numbering": "编号",
    "footnotes": "脚注",
    "endnotes": "尾注",
}
_FLOWS = ("document", "header", "footer", "footnotes", "endnotes")

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a template.

    Attributes:
        words: Part, paragraph, table, row and cell, in Chinese.
        paragraph: Which paragraph of the main document it is, from 1, all paragraphs counted; 0 if it is in none.
    """

    words: str
    paragraph: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend in a template.

    Attributes:
        severity: An ``error`` spoils documents; a ``warning`` may be meant.
        place: Where, in Chinese: part, paragraph, table, row, cell.
        message: What is wrong and what to do, in Chinese.
        paragraph: See `Place`.
    """

    severity: Severity
    place: str
    message: str
    paragraph: int = field(default=0, compare=False)

    @classmethod
    def at(cls, severity: Severity, place: Place, message: str) -> "Finding":
        """Return what was found at a place."""
        return cls(severity, place.words, message, place.paragraph)


class PartTree:
    """One XML part of a template.

    Args:
        name: Part name.
        content: Its bytes.
    """

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        self.root: Any = etree.fromstring(content, _PARSER)
        stem = name.rsplit("/", 1)[-1].removesuffix(".xml")
        self.is_body = stem == "document"
        self._is_flow = stem.startswith(_FLOWS)
        self.paragraphs: list[Any] = list(self.root.iter(f"{_W}p"))
        self._numbers = {paragraph: number for number, paragraph in enumerate(self.paragraphs, 1)}

    def place(self, element: Any) -> Place:
        """Say where an element is: style, or paragraph, and table, row and cell from the outermost in."""
        style = next(element.iterancestors(f"{_W}style"), None)
        if style is not None:
            named = style.find(f"{_W}name")
            return Place(f"样式“{style.get(f'{_W}styleId') if named is None else named.get(f'{_W}val')}”")
        if not self._is_flow:
            return Place(part_name(self.name))
        lineage = [element, *element.iterancestors()]
        paragraph = next((item for item in lineage if item.tag == f"{_W}p"), None)
        words = part_name(self.name)
        number = self._numbers.get(paragraph, 0)
        if number:
            words += f" 第 {number} 段"
        cells = [_cell(item) for item in reversed(lineage) if item.tag == f"{_W}tc"]
        if cells:
            words += f"（{'，'.join(cells)}）"
        return Place(words, number if self.is_body else 0)


def part_name(part: str) -> str:
    """Return what people call a part: 正文, 页眉 …"""
    stem = part.rsplit("/", 1)[-1].removesuffix(".xml")
    if stem.startswith(("header", "footer")):
        return "页眉" if stem.startswith("header") else "页脚"
    return _PART_NAMES.get(stem, part)


def cell_words(table: int, row: int, column: int) -> str:
    """Return the words for a cell; all count from 1."""
    return f"表 {table} 行 {row} 格 {column}"


def _cell(cell: Any) -> str:
    row = cell.getparent()
    table = row.getparent()
    while table is not None and table.tag != f"{_W}tbl":
        table = table.getparent()
    places = [_position(item) for item in (table, row, cell) if item is not None]
    return cell_words(*places) if len(places) == 3 else ""


def _position(item: Any) -> int:
    return 1 + sum(1 for _ in item.itersiblings(item.tag, preceding=True))


def trees_of(parts: Mapping[str, bytes]) -> list[PartTree]:
    """Parse the parts that a template's owner can see: text, styles and numbering.

    Args:
        parts: Part name to bytes.
    """
    stems = (*_FLOWS, "styles", "numbering")
    return [
        PartTree(name, content)
        for name, content in parts.items()
        if name.startswith("word/") and name.count("/") == 1 and name.endswith(".xml")
        if name.removeprefix("word/").startswith(stems)
    ]
