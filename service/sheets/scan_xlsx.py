"""What a workbook's XML says beside the values, read before the values are.

The library that reads the values aborts the whole process on a cell address that does not exist, fills the memory
for one cell at XFD1048576, and copies a long shared text for every cell that shows it. It also says nothing of
formulas without a result, error values, number formats and hidden rows. So each sheet is first gone through tag by
tag, bounded, and only its cells are handed on.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from lxml import etree

from service.archive import OTHER_ENCODING
from service.errors import UnsafeArchive
from service.sheets.cells import Broken
from service.sheets.source import SheetLimits, too_many

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
# Text and whole tags, and no bracket inside a quotation: then a tag is what stands between two brackets.
_MARKUP = re.compile(
    rb"(?:[^<]*+<[^<>\"']*+(?:(?:\"[^\"<>]*+\"|'[^'<>]*+')[^<>\"']*+)*+>)*+[^<]*+",
)
_CELL_OR_ROW = re.compile(rb"<(?:[\w.-]+:)?(row|c)(?=[\s/>])([^>]*)>")
_ATTRIBUTE = re.compile(rb"([\w:.-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_BODY = re.compile(
    rb"\s*(<(?:[\w.-]+:)?f(?=[\s/>])[^>]*>(?:(?<=/>)|[^<]*</(?:[\w.-]+:)?f\s*>))?"
    rb"\s*(?:(<(?:[\w.-]+:)?v(?:\s[^>]*)?(?:/>|>([^<]*)))|(<(?:[\w.-]+:)?is[\s>]))?"
)
_REFERENCE = re.compile(rb"([A-Z]{1,3})([1-9][0-9]{0,6})")
_RANGE = re.compile(
    rb"<(?:[\w.-]+:)?mergeCell\s+ref=[\"']([A-Z]{1,3}[1-9]\d{0,6}):([A-Z]{1,3}[1-9]\d{0,6})[\"']"
)
_SHEET = re.compile(rb"<(?:[\w.-]+:)?sheetData(?=[\s/>])")
_SHEET_END = re.compile(rb"</(?:[\w.-]+:)?sheetData\s*>")
_ROOT = re.compile(rb"<((?:[\w.-]+:)?worksheet)(?=[\s>])[^>]*>")
_STRING = re.compile(rb"<(?:[\w.-]+:)?si(?=[\s/>])")
_MAX_ROW, _MAX_COLUMN = 1_048_576, 16_384
_PLAIN_FORMATS = frozenset({0, 1, 49})
_TRUE = (b"1", b"true")


@dataclass(slots=True)
class SheetFacts:
    """What is known of one sheet beside its values; rows and columns count from 0.

    Attributes:
        rows: Rows down to the last with content.
        columns: Columns to the last with content.
        special: Cells that have no value to read.
        formats: Number cells with a format of their own, to its code.
        hidden: Hidden rows with content, as the spreadsheet numbers them.
        merged: First row, first column, last row, last column.
    """

    rows: int = 0
    columns: int = 0
    special: dict[tuple[int, int], Broken] = field(default_factory=dict)
    formats: dict[tuple[int, int], str] = field(default_factory=dict)
    hidden: list[int] = field(default_factory=list)
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SheetPart:
    """One sheet of the workbook.

    Attributes:
        name: As its tab shows it.
        visible: Whether it is shown.
        part: Name of its part, if it is a sheet of cells.
    """

    name: str
    visible: bool
    part: str


@dataclass(frozen=True, slots=True)
class BookFacts:
    """What is known of a workbook before its values are read.

    Attributes:
        sheets: In the order of the tabs.
        from_1904: Whether its days are counted from 1904.
    """

    sheets: tuple[SheetPart, ...]
    from_1904: bool


def read_book(parts: Mapping[str, bytes]) -> BookFacts:
    """Return the sheets of a workbook.

    Args:
        parts: Unpacked parts.

    Raises:
        UnsafeArchive: ``not-xlsx``, a part is not well formed or not where it should be.
    """
    root = _parse(parts, "xl/workbook.xml")
    targets = {
        one.get("Id", ""): posixpath.normpath(posixpath.join("/xl", one.get("Target", "")))[1:]
        for one in _parse(parts, "xl/_rels/workbook.xml.rels")
    }
    sheets = tuple(
        SheetPart(
            one.get("name", ""), one.get("state", "visible") == "visible", targets.get(one.get(_ID, ""), "")
        )
        for one in root.iterfind(f"{_MAIN}sheets/{_MAIN}sheet")
    )
    settings = root.find(f"{_MAIN}workbookPr")
    from_1904 = settings is not None and settings.get("date1904", "0") in ("1", "true")
    return BookFacts(sheets, from_1904)


def number_formats(parts: Mapping[str, bytes]) -> dict[bytes, str]:
    """Return the style numbers whose number format is not a plain one, each with its code."""
    if "xl/styles.xml" not in parts:
        return {}
    root = _parse(parts, "xl/styles.xml")
    codes = {one.get("numFmtId"): one.get("formatCode", "") for one in root.iter(f"{_MAIN}numFmt")}
    found = {}
    for number, style in enumerate(root.iterfind(f"{_MAIN}cellXfs/{_MAIN}xf")):
        wanted = style.get("numFmtId", "0")
        code = codes.get(wanted, f"内置格式 {wanted}")
        plain = wanted.isdecimal() and int(wanted) in _PLAIN_FORMATS
        if not plain and code not in ("General", "@"):
            found[str(number).encode()] = code
    return found


def scan_sheet(
    content: bytes, odd_styles: Mapping[bytes, str], sizes: list[int], limits: SheetLimits
) -> SheetFacts:
    """Go through a sheet's tags.

    Args:
        content: The sheet's part.
        odd_styles: As `number_formats` gives it.
        sizes: Bytes of each shared text.
        limits: Bounds on the sheet.

    Raises:
        UnsafeArchive: ``archive-limit`` or ``not-xlsx``.
        BadTable: ``too-many-rows``.
    """
    facts = SheetFacts()
    text_bytes = 0
    for row, column, attributes, body in _cells(content, facts):
        formula, given, value, inline = body.groups()
        kind = attributes.get(b"t", b"n")
        # A formula may come to an empty text; an empty number is one that was never worked out.
        worked_out = inline or value or (given and kind == b"str")
        if formula and not worked_out:
            facts.special[row, column] = Broken(
                "formula", "是公式，但文件里没有计算结果，请改为写好的内容，或用 Excel、WPS 打开后重新保存"
            )
        elif not worked_out:
            continue
        elif kind == b"e":
            shown = (value or b"").decode("ascii", "replace")
            facts.special[row, column] = Broken(
                "cell-error", f"是公式的错误值 {shown}，请改为正确的内容", shown
            )
        elif kind == b"s":
            text_bytes += _size(sizes, value or b"")
        elif kind == b"n" and (code := odd_styles.get(attributes.get(b"s", b""))) is not None:
            facts.formats[row, column] = code
        facts.rows, facts.columns = max(facts.rows, row + 1), max(facts.columns, column + 1)
        if text_bytes > limits.unpacked_bytes:
            raise _too_big()
    if facts.rows * facts.columns > limits.cells:
        raise too_many(limits.rows) if facts.rows > limits.rows else _too_big()
    facts.merged.extend(_merged(content, facts, limits))
    return facts


def cells_only(content: bytes) -> bytes:
    """Return a sheet's part with its cells and nothing else."""
    root, begin = _ROOT.search(content), _SHEET.search(content)
    if root is None or begin is None:
        raise _damaged("no sheetData")
    ends = list(_SHEET_END.finditer(content))
    inside = content[begin.start() : ends[-1].end()] if ends else b"<sheetData/>"
    return root[0] + inside + b"</" + root[1] + b">"


def text_sizes(parts: Mapping[str, bytes]) -> list[int]:
    """Return the bytes of each shared text, its markup included."""
    content = parts.get("xl/sharedStrings.xml", b"")
    starts = [found.start() for found in _STRING.finditer(content)]
    return [end - start for start, end in pairwise([*starts, len(content)])]


def check_markup(parts: Mapping[str, bytes]) -> None:
    """Refuse what would let a tag hide from `scan_sheet`.

    Raises:
        UnsafeArchive: ``not-xlsx``, comments, sections or encodings that no spreadsheet program writes.
    """
    for name, content in parts.items():
        odd = b"<!" in content or content.rfind(b"<?") > 3 or OTHER_ENCODING.search(content[:200])
        if odd or not _MARKUP.fullmatch(content):
            raise _damaged(name)


def _cells(
    content: bytes, facts: SheetFacts
) -> Iterator[tuple[int, int, dict[bytes, bytes], re.Match[bytes]]]:
    """Yield row, column, attributes and what follows the tag of each cell that is not empty by itself."""
    row = column = -1
    hidden = False
    for tag in _CELL_OR_ROW.finditer(content):
        pairs = _ATTRIBUTE.findall(tag[2])
        attributes = {name: double or single for name, double, single in pairs}
        if len(attributes) < len(pairs):
            raise _damaged("an attribute twice")
        reference = attributes.get(b"r")
        if tag[1] == b"row":
            row, column = _row_number(reference, row + 1), -1
            hidden = attributes.get(b"hidden") in _TRUE
            continue
        column += 1
        if reference is not None:
            row, column = _place(reference)
        if tag[2].endswith(b"/"):
            continue
        if row < 0 or column >= _MAX_COLUMN:
            raise _damaged("cell outside the rows")
        body = _BODY.match(content, tag.end())
        if body is None:
            continue
        if hidden and (not facts.hidden or facts.hidden[-1] != row + 1):
            facts.hidden.append(row + 1)
        yield row, column, attributes, body


def _row_number(reference: bytes | None, following: int) -> int:
    if reference is None:
        return following
    if not reference.isdigit() or not 1 <= len(reference) <= 7 or not 1 <= int(reference) <= _MAX_ROW:
        raise _damaged(repr(reference[:20]))
    return int(reference) - 1


def _place(reference: bytes) -> tuple[int, int]:
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise _damaged(repr(reference[:20]))
    column = 0
    for letter in found[1]:
        column = column * 26 + letter - 64
    row = int(found[2])
    if column > _MAX_COLUMN or row > _MAX_ROW:
        raise _damaged(repr(reference))
    return row - 1, column - 1


def _size(sizes: list[int], index: bytes) -> int:
    number = int(index) if index.isdigit() and len(index) < 9 else len(sizes)
    if number >= len(sizes):
        raise _damaged("no such shared text")
    return sizes[number]


def _merged(content: bytes, facts: SheetFacts, limits: SheetLimits) -> Iterator[tuple[int, int, int, int]]:
    area = 0
    for first, last in _RANGE.findall(content):
        (top, left), (bottom, right) = _place(first), _place(last)
        bottom, right = min(bottom, facts.rows - 1), min(right, facts.columns - 1)
        area += max(0, bottom - top + 1) * max(0, right - left + 1)
        if area > limits.cells:
            raise _too_big()
        yield top, left, bottom, right


def _parse(parts: Mapping[str, bytes], name: str) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        return etree.fromstring(parts[name], parser)
    except (KeyError, etree.XMLSyntaxError) as error:
        raise _damaged(name) from error


def _too_big() -> UnsafeArchive:
    return UnsafeArchive(
        "工作簿里的单元格太多或太散，请删去用不到的行、列和格式，或分成几个文件提交。", code="archive-limit"
    )


def _damaged(detail: str) -> UnsafeArchive:
    return UnsafeArchive(
        "工作簿无法读取，请用 Excel 或 WPS 打开，另存为 .xlsx 后再提交。", code="not-xlsx", detail=detail
    )
