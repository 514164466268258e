"""From grids of cells to the items of a batch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from service.errors import BadTable, Fault
from service.model import BatchRow
from service.schema import json_pointer, printable
from service.sheets.cells import CellProblem, Raw, as_text, fold, is_blank, read_cell
from service.sheets.columns import KEY_TITLE, Column, Layout
from service.sheets.headers import Header, column_name, find_header
from service.sheets.source import SheetLimits, SourceKind, TextRow, TextTable, bounded

Keys = tuple[str, ...]
_FAULTS_SHOWN = 200


class Grid(Protocol):
    """Cells of one sheet.

    Attributes:
        name: Of the sheet; empty where a file is one sheet.
        from_1904: Whether days are counted from 1904.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - said above

    @property
    def from_1904(self) -> bool: ...  # noqa: D102 - said above

    def rows(self) -> Iterator[tuple[int, Sequence[Raw]]]:
        """Yield row number, as the spreadsheet shows it, and cells of each row."""
        ...


@dataclass(slots=True)
class _Record:
    """One row below a header."""

    line: int
    values: Sequence[Raw]
    keys: Keys = ()


@dataclass(slots=True)
class _Sheet:
    """One table of the layout, found in the file."""

    number: int
    grid: Grid
    header: Header
    groups: dict[Keys, list[_Record]] = field(default_factory=dict)
    columns: tuple[tuple[int, Column, str, str], ...] = ()

    def __post_init__(self) -> None:
        # Worked out once: a hundred thousand rows would pay for it.
        self.columns = tuple(
            (index, column, column.pointer, self._letters(index)) for index, column in self.header.columns
        )

    def _letters(self, index: int) -> str:
        """Return a column's name; that of a further sheet with the sheet's."""
        name = column_name(index)
        return f"{printable(self.grid.name)}!{name}" if self.number else name

    def records(self) -> Iterator[_Record]:
        """Yield what stands below the header; blank rows are passed over."""
        for line, values in self.grid.rows():
            if line > self.header.line and not all(map(is_blank, values)):
                yield _Record(line, values)

    def untitled(self, width: int) -> Iterator[int]:
        """Yield the places in a row of that width that stand under no header."""
        titles = self.header.titles
        yield from (index for index in range(width) if index >= len(titles) or not titles[index].strip())

    def address(self, index: int, line: int) -> str:
        """Return a cell's name; that of a further sheet with the sheet's."""
        return f"{self._letters(index)}{line}"


@dataclass(slots=True)
class _Item:
    """What is read of one item, its lists included."""

    cells: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


class TableSource:
    """The items of a CSV file or a workbook; see `RowSource`."""

    def __init__(
        self,
        kind: SourceKind,
        layout: Layout,
        grids: Mapping[int, Grid],
        limits: SheetLimits,
        *,
        encoding: str = "",
        separator: str = "",
        notes: tuple[str, ...] = (),
    ) -> None:
        """Read the headers, and what hangs on the items from further sheets.

        Args:
            kind: What the grids came in.
            layout: How an item lies in tables.
            grids: Number of the table to its cells; the first must be there.
            limits: Bounds.
            encoding: As in `RowSource`.
            separator: As in `RowSource`.
            notes: As in `RowSource`.

        Raises:
            BadTable: ``empty``, ``bad-header``, ``missing-sheet``, ``orphan-row`` or ``too-many-rows``.
        """
        self.kind, self.layout = kind, layout
        self.encoding, self.separator, self.notes = encoding, separator, notes
        self._limits = limits
        self._sheets = dict(_with_headers(layout, grids, limits))
        _refuse_missing(layout, self._sheets)
        self._main = self._sheets[0]
        grouped = [self._group(sheet) for number, sheet in self._sheets.items() if number]
        self._linked = any(grouped)
        self._lone = self._linked and self._has_one_row()
        if self._linked:
            self._refuse_orphans()

    def __iter__(self) -> Iterator[BatchRow]:
        """Yield the items; see `RowSource`."""
        return bounded(self._rows(), self._limits)

    def texts(self, indexes: Sequence[int]) -> Sequence[TextTable]:
        """Return items as they were written, their key columns filled in; see `RowSource`."""
        wanted = set(indexes)
        chosen = [record for index, record in enumerate(self._records()) if index in wanted]
        made = []
        for number, sheet in sorted(self._sheets.items()):
            kept = chosen
            if number:
                known = {record.keys[0] for record in chosen}
                kept = [one for keys, group in sheet.groups.items() for one in group if keys[0] in known]
            rows = (self._text_row(sheet, record) for record in kept)
            pointers = tuple(column.pointer for _, column in sheet.header.columns)
            made.append(TextTable(number, pointers, tuple(rows)))
        return made

    def _text_row(self, sheet: _Sheet, record: _Record) -> TextRow:
        cells = tuple(as_text(_at(record.values, index)) for index, _ in sheet.header.columns)
        return TextRow(record.line, record.keys[: len(self.layout.keys(sheet.number))], cells)

    def _rows(self) -> Iterator[BatchRow]:
        seen: dict[str, int] = {}
        for index, record in enumerate(self._records()):
            item = _Item()
            data = self._object(self._main, record, "", item)
            if self._linked:
                item.faults.extend(self._key_faults(record, seen))
            yield BatchRow(index, data, record.line, item.cells, tuple(item.faults))

    def _records(self) -> Iterator[_Record]:
        place = self._main.header.keys[0] if self._main.header.keys else None
        for record in self._main.records():
            key = "" if place is None else _key(_at(record.values, place))
            record.keys = (key or "1",) if self._lone else (key,)
            yield record

    def _key_faults(self, record: _Record, seen: dict[str, int]) -> Iterator[Fault]:
        place, (key,) = self._main.header.keys[0], record.keys
        where = f"{column_name(place)}{record.line}" if place is not None else f"第 {record.line} 行"
        if not key:
            yield Fault("", "key", f"{where} 没有填「{KEY_TITLE}」，其他工作表的内容对不上这一行，请填写")
        elif key in seen:
            yield Fault("", "key", f"{where} 的「{KEY_TITLE}」与第 {seen[key]} 行相同，请改成不同的")
        seen.setdefault(key, record.line)

    def _object(self, sheet: _Sheet, record: _Record, prefix: str, item: _Item) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for index, column, place, letters in sheet.columns:
            pointer = prefix + place
            item.cells[pointer] = f"{letters}{record.line}"
            raw = _at(record.values, index)
            try:
                value = read_cell(raw, column, from_1904=sheet.grid.from_1904)
            except CellProblem as problem:
                item.faults.append(Fault(pointer, problem.keyword, f"「{column.title}」{problem}"))
                continue
            if value is not None:
                _put(data, column.path, value)
        for index in sheet.untitled(len(record.values)):
            if not is_blank(record.values[index]):
                message = f"{sheet.address(index, record.line)} 有内容，但这一列没有表头，请补上表头或清空"
                item.faults.append(Fault(prefix, "no-header", message))
        self._lists(sheet.number, record.keys, prefix, data, item)
        return data

    def _lists(self, number: int, keys: Keys, prefix: str, data: dict[str, Any], item: _Item) -> None:
        for child, table in enumerate(self.layout.tables):
            sheet = self._sheets.get(child)
            if table.parent != number or sheet is None:
                continue
            records = sheet.groups.get(keys, [])
            made = []
            for index, record in enumerate(records):
                below = _Record(record.line, record.values, (*keys, str(index + 1)))
                place = f"{prefix}{json_pointer((*table.path, index))}"
                made.append(self._object(sheet, below, place, item))
            if made:
                _put(data, table.path, made)

    def _group(self, sheet: _Sheet) -> bool:
        """Sort a further sheet's rows by their keys; an empty key is that of the row above."""
        last: Keys = ("",) * len(sheet.header.keys)
        for record in sheet.records():
            given = tuple(
                "" if place is None else _key(_at(record.values, place)) for place in sheet.header.keys
            )
            fresh = bool(given[0]) and given[0] != last[0]
            above = ("", *("1" for _ in last[1:])) if fresh else last
            last = tuple(new or old for new, old in zip(given, above, strict=True))
            record.keys = last
            sheet.groups.setdefault(last, []).append(record)
        return bool(sheet.groups)

    def _has_one_row(self) -> bool:
        """Whether the keys may be left out, and if so take the only one for all."""
        records = self._main.records()
        only, more = next(records, None), next(records, None)
        if only is None or more is not None:
            return False
        place = self._main.header.keys[0]
        key = ("" if place is None else _key(_at(only.values, place))) or "1"
        for number, sheet in self._sheets.items():
            if not number:
                continue
            merged: dict[Keys, list[_Record]] = {}
            for keys, records_of in sheet.groups.items():
                named = (keys[0] or key, *(part or "1" for part in keys[1:]))
                for record in records_of:
                    record.keys = named
                merged.setdefault(named, []).extend(records_of)
            sheet.groups = merged
        return True

    def _refuse_orphans(self) -> None:
        known: dict[int, set[Keys]] = {0: {record.keys for record in self._records()}}
        faults: list[Fault] = []
        for number, sheet in sorted(self._sheets.items()):
            parent = self.layout.tables[number].parent
            if parent is None:
                continue
            for keys, group in sheet.groups.items():
                if keys not in known.get(parent, set()):
                    faults.append(_orphan(sheet, self.layout.keys(number), keys, group[0]))
            known[number] = {
                (*keys, str(index + 1)) for keys, group in sheet.groups.items() for index in range(len(group))
            }
        if faults:
            raise BadTable(
                f"有 {len(faults)} 处内容找不到所属的行，请按「{KEY_TITLE}」核对后重新提交",
                faults=faults[:_FAULTS_SHOWN],
                code="orphan-row",
            )


def _with_headers(
    layout: Layout, grids: Mapping[int, Grid], limits: SheetLimits
) -> Iterator[tuple[int, _Sheet]]:
    for number, grid in sorted(grids.items()):
        header = find_header(grid.rows(), layout.tables[number], layout.keys(number))
        if header is None:
            if not number:
                raise BadTable("文件里没有一行数据，请填写后再提交。", code="empty")
            continue
        if len(header.titles) > limits.columns:
            raise BadTable(f"表格超过 {limits.columns} 列的上限，请删去多余的列。", code="too-many-columns")
        yield number, _Sheet(number, grid, header)


def _refuse_missing(layout: Layout, sheets: Mapping[int, _Sheet]) -> None:
    faults = [
        Fault(
            json_pointer(table.path),
            "missing-sheet",
            f"缺少工作表“{table.name}”，请下载模板的工作簿（.xlsx）填写",
        )
        for number, table in enumerate(layout.tables)
        if table.required and table.parent in sheets and number not in sheets
    ]
    if faults:
        raise BadTable(
            f"缺少 {len(faults)} 个必需的工作表，请补上后重新提交", faults=faults, code="missing-sheet"
        )


def _orphan(sheet: _Sheet, titles: Sequence[str], keys: Keys, record: _Record) -> Fault:
    wanted = "、".join(f"「{title}」{key or '（空）'}" for title, key in zip(titles, keys, strict=True))
    return Fault("", "orphan-row", f"{sheet.address(0, record.line)} 所在行的{wanted} 在上一级表里没有")


def _at(values: Sequence[Any], index: int) -> Any:
    return values[index] if index < len(values) else ""


def _key(raw: Raw) -> str:
    return fold(as_text(raw))


def _put(data: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        data = data.setdefault(name, {})
    data[path[-1]] = value
