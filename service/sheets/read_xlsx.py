"""A workbook as grids: which sheet is which table, and what its cells hold."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

from service.archive import ArchiveLimits, pack_stored, read_xlsx
from service.errors import BadTable, OutdatedWorkbook, UnsafeArchive
from service.schema import printable
from service.sheets.cells import Broken, Raw, Shown, as_text, fold
from service.sheets.columns import Layout
from service.sheets.scan_xlsx import (
    BookFacts,
    SheetFacts,
    SheetPart,
    cells_only,
    check_markup,
    number_formats,
    read_book,
    scan_sheet,
    text_sizes,
)
from service.sheets.source import SheetLimits
from service.sheets.write_xlsx import GUIDE_NAME, META_MARK, META_NAME

_SHOWN_ROWS = 10
_NAME_CHARS = 31  # Excel's own limit
_SPREAD = Broken("merged-cell", "与左边的单元格合并了，请取消合并后逐格填写")


@dataclass(frozen=True, slots=True)
class SheetGrid:
    """The cells of one sheet; see `Grid`."""

    name: str
    from_1904: bool
    cells: Sequence[Sequence[Raw]]

    def rows(self) -> Iterator[tuple[int, Sequence[Raw]]]:
        """Yield row number, as the spreadsheet shows it, and cells of each row."""
        return enumerate(self.cells, start=1)


@dataclass(frozen=True, slots=True)
class OpenedBook:
    """The sheets of a workbook that belong to a template.

    Attributes:
        grids: Number of the table in the layout to its cells.
        notes: Chinese sentences about what was read or left although it is hidden.
    """

    grids: Mapping[int, SheetGrid]
    notes: tuple[str, ...]


def open_workbook(data: bytes, layout: Layout, limits: SheetLimits) -> OpenedBook:
    """Open a workbook.

    Args:
        data: The file.
        layout: Whose tables are looked for.
        limits: Bounds on it.

    Raises:
        UnsafeArchive: ``not-xlsx``, ``encrypted``, ``archive-limit``, ``archive-names``, ``dtd-forbidden`` or
            ``active-content``.
        BadTable: ``empty``, or ``many-sheets`` where it cannot be told which sheet is meant.
        OutdatedWorkbook: It was made for another template, or for other fields.
    """
    parts = read_xlsx(
        data, ArchiveLimits(total_bytes=limits.unpacked_bytes, entry_bytes=limits.unpacked_bytes)
    )
    check_markup(parts)
    book = _Book(parts, limits)
    meta = next((one for one in book.facts.sheets if one.name == META_NAME), None)
    if meta is not None:
        _check_version(book.cells(meta), layout)
    chosen = _choose(book, layout)
    grids = {
        number: SheetGrid(sheet.name, book.facts.from_1904, book.cells(sheet))
        for number, sheet in chosen.items()
    }
    return OpenedBook(grids, tuple(_notes(book, chosen)))


class _Book:
    """A bounded workbook; only the cells of its sheets reach the library that reads them."""

    def __init__(self, parts: dict[str, bytes], limits: SheetLimits) -> None:
        self.facts: BookFacts = read_book(parts)
        odd, sizes = number_formats(parts), text_sizes(parts)
        self.sheets: dict[str, SheetFacts] = {}
        clean = {name: content for name, content in parts.items() if not name.startswith("xl/worksheets/")}
        cells = 0
        for sheet in self.facts.sheets:
            if sheet.part not in parts or sheet.part in clean:
                continue
            content = parts.pop(sheet.part)
            found = scan_sheet(content, odd, sizes, limits)
            cells += found.rows * found.columns
            self.sheets[sheet.part] = found
            clean[sheet.part] = cells_only(content)
        if cells > limits.cells:
            raise UnsafeArchive("工作簿里的单元格太多，请分成几个文件提交。", code="archive-limit")
        self._file = pack_stored(clean)

    def rows_in(self, sheet: SheetPart) -> int:
        """Return how many rows a sheet has down to its last with content."""
        found = self.sheets.get(sheet.part)
        return found.rows if found else 0

    def cells(self, sheet: SheetPart) -> list[list[Raw]]:
        """Return a sheet's cells, from A1."""
        facts = self.sheets.get(sheet.part)
        if facts is None or not facts.rows:
            return []
        rows = _read(self._file, sheet.name)
        for row, column in facts.special:
            _widen(rows, row, column)
        for (row, column), code in facts.formats.items():
            value = rows[row][column]
            if isinstance(value, float):
                rows[row][column] = Shown(value, code)
        for (row, column), broken in facts.special.items():
            rows[row][column] = broken
        for area in facts.merged:
            _spread(rows, *area)
        return rows


def _read(file: bytes, name: str) -> list[list[Any]]:
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(file)) as book:
            return book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except CalamineError as error:
        raise _unreadable(error) from error
    except BaseException as error:
        # A panic of the library is no `Exception`.
        if type(error).__name__ != "PanicException":
            raise
        raise _unreadable(error) from error


def _unreadable(error: BaseException) -> UnsafeArchive:
    return UnsafeArchive(
        "工作簿无法读取，请用 Excel 或 WPS 打开，另存为 .xlsx 后再提交。", code="not-xlsx", detail=repr(error)
    )


def _widen(rows: list[list[Any]], row: int, column: int) -> None:
    """Make room for a cell that the library took for an empty one at the sheet's edge."""
    while len(rows) <= row:
        rows.append([])
    rows[row].extend([""] * (column + 1 - len(rows[row])))


def _spread(rows: list[list[Any]], top: int, left: int, bottom: int, right: int) -> None:
    """Give every row of a merged cell its value; over several columns it cannot be told whose it is."""
    value = rows[top][left] if top < len(rows) and left < len(rows[top]) else ""
    if value == "":
        return
    for row in range(top, min(bottom + 1, len(rows))):
        cells = rows[row]
        # A row with nothing of its own stays blank.
        if row > top and all(cell == "" for cell in cells):
            continue
        for column in range(left, min(right + 1, len(cells))):
            if (row, column) != (top, left):
                cells[column] = value if column == left else _SPREAD


def _choose(book: _Book, layout: Layout) -> dict[int, SheetPart]:
    """Return which sheet holds which table: the further ones by name, the first is what is left."""
    filled = [sheet for sheet in book.facts.sheets if sheet.visible and book.rows_in(sheet)]
    names = {fold(table.name): number for number, table in enumerate(layout.tables)}
    chosen: dict[int, SheetPart] = {}
    others = []
    for sheet in filled:
        number = names.get(fold(sheet.name))
        if number is not None:
            chosen[number] = sheet
        elif sheet.name != GUIDE_NAME:
            others.append(sheet)
    if 0 not in chosen and len(others) == 1:
        chosen[0] = others.pop()
    if others:
        listed = "、".join(f"“{_shown(sheet)}”" for sheet in others[:_SHOWN_ROWS])
        raise BadTable(
            f"工作簿里有不认识的工作表 {listed}，无法确定要读哪一个；请只留下“{layout.main.name}”的数据，"
            "其余的删去或隐藏。",
            code="many-sheets",
        )
    if 0 not in chosen:
        raise BadTable("工作簿里没有一行数据，请填写后再提交；隐藏的工作表不读。", code="empty")
    return chosen


def _check_version(cells: Sequence[Sequence[Raw]], layout: Layout) -> None:
    said = {as_text(row[0]): as_text(row[1]) for row in cells if len(row) > 1}
    if META_MARK not in said:
        return
    if said[META_MARK] != layout.template_id:
        raise OutdatedWorkbook(
            f"这是模板 {printable(said[META_MARK])} 的工作簿，不是“{layout.title}”（{layout.template_id}）的，请换用对应的工作簿。"
        )
    if said.get("fields") != layout.digest:
        raise OutdatedWorkbook(
            f"这份工作簿做好以后，“{layout.title}”的字段有变化（当时版本 {printable(said.get('version', ''), 10)}，"
            f"现在版本 {layout.version}）；请重新下载工作簿，把数据粘贴过去后提交。"
        )


def _shown(sheet: SheetPart) -> str:
    """Return a sheet's name for a message: whoever made the file may have put anything into it."""
    return printable(sheet.name, _NAME_CHARS)


def _notes(book: _Book, chosen: Mapping[int, SheetPart]) -> Iterator[str]:
    for sheet in chosen.values():
        hidden = book.sheets[sheet.part].hidden
        if hidden:
            rows = "、".join(map(str, hidden[:_SHOWN_ROWS])) + (" 等" if len(hidden) > _SHOWN_ROWS else "")
            yield f"“{_shown(sheet)}”中隐藏的第 {rows} 行也已读取（共 {len(hidden)} 行）；不需要的请删去。"
    for sheet in book.facts.sheets:
        if not sheet.visible and sheet.name != META_NAME and book.rows_in(sheet):
            yield f"隐藏的工作表“{_shown(sheet)}”没有读取。"
