"""Find the header row of a table and tell which column is which field."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.errors import BadTable, Fault
from service.schema import printable
from service.sheets.cells import Raw, as_text, fold, is_blank
from service.sheets.columns import Column, Table

REASON_TITLE = "错误原因"
LINE_TITLE = "原行号"
_IGNORED = frozenset({"序号", REASON_TITLE, LINE_TITLE})
_MARKS = re.compile(r"^\*+|\*+$|\((?:必填|选填|可选)\)$")
_STEP = re.compile(r"[.·・>\\:|_-]+")
_SEARCHED_ROWS = 10


@dataclass(frozen=True, slots=True)
class Header:
    """The header row of one table, understood.

    Attributes:
        line: Row as the spreadsheet shows it, from 1.
        columns: Place in the row, from 0, to the field.
        keys: Place in the row of each key column, in the order of the keys.
        titles: The texts of the row as they were written.
    """

    line: int
    columns: tuple[tuple[int, Column], ...]
    keys: tuple[int | None, ...]
    titles: tuple[str, ...]


def column_name(index: int) -> str:
    """Return the letters of a column, ``A`` for 0."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def find_header(
    rows: Iterable[tuple[int, Sequence[Raw]]], table: Table, keys: Sequence[str]
) -> Header | None:
    """Return the header among the first rows: the one with the most known columns.

    Args:
        rows: Line and cells; at most ten that are not blank are looked at.
        table: Whose columns are looked for.
        keys: Headers of the key columns.

    Returns:
        The header; ``None`` if there is no row at all.

    Raises:
        BadTable: ``bad-header``, with every unknown, missing and doubled column.
    """
    names = _names(table, keys)
    best: tuple[int, int, Sequence[Raw]] | None = None
    seen = 0
    for line, values in rows:
        if all(map(is_blank, values)):
            continue
        known = sum(1 for value in values if _folded(value) in names)
        if best is None or known > best[0]:
            best = (known, line, values)
        seen += 1
        if seen == _SEARCHED_ROWS:
            break
    return None if best is None else _read(best[1], best[2], table, keys, names)


def matched_columns(values: Sequence[Raw], table: Table, keys: Sequence[str]) -> int:
    """Return how many cells of a row are headers of this table."""
    names = _names(table, keys)
    return sum(1 for value in values if _folded(value) in names)


def _read(
    line: int, values: Sequence[Raw], table: Table, keys: Sequence[str], names: dict[str, Column | int]
) -> Header:
    faults: list[Fault] = []
    found: dict[Column | int, int] = {}
    for index, value in enumerate(values):
        text, cell = as_text(value).strip(), f"{column_name(index)}{line}"
        if not text or fold(text) in _IGNORED:
            continue
        meant = names.get(_plain(text))
        if meant is None:
            message = f"{cell}：没有名为“{printable(text)}”的列，{_nearest(text, table, keys)}"
            faults.append(Fault("", "unknown-column", message))
        elif meant in found:
            other = f"{column_name(found[meant])}{line}"
            message = f"{cell}：“{printable(text)}”与 {other} 是同一列，请只留一列"
            faults.append(Fault("", "duplicate-column", message))
        else:
            found[meant] = index
    for column in table.columns:
        if column.required and column not in found:
            message = f"缺少必填的列「{column.title}」，请在表头加上"
            faults.append(Fault(column.pointer, "missing-column", message))
    if faults:
        raise BadTable(
            f"表头（“{table.name}”第 {line} 行）有 {len(faults)} 处与模板不符，请改正后重新提交",
            faults=faults,
            code="bad-header",
        )
    columns = tuple((index, meant) for meant, index in found.items() if isinstance(meant, Column))
    places = tuple(found.get(number) for number in range(len(keys)))
    return Header(line, tuple(sorted(columns, key=lambda pair: pair[0])), places, tuple(map(as_text, values)))


def _names(table: Table, keys: Sequence[str]) -> dict[str, Column | int]:
    """Return every way to write a header: the title, the field's own title if it is the only one, the key."""
    names: dict[str, Column | int] = {}
    shorts = [_plain(column.short) for column in table.columns]
    for column in table.columns:
        if shorts.count(_plain(column.short)) == 1:
            names[_plain(column.short)] = column
    for column in table.columns:
        names[_plain("/".join(column.path))] = column
        names[_plain(column.title)] = column
    names.update({_plain(key): number for number, key in enumerate(keys)})
    return names


def _folded(value: Raw) -> str:
    return "" if is_blank(value) else _plain(as_text(value))


def _plain(text: str) -> str:
    return _STEP.sub("/", _MARKS.sub("", fold(text))).strip("/")


def _nearest(text: str, table: Table, keys: Sequence[str]) -> str:
    titles = [*keys, *(column.title for column in table.columns)]
    by_name = {_plain(title): title for title in titles}
    by_name |= {_plain(column.short): column.title for column in table.columns}
    near = difflib.get_close_matches(_plain(text)[:64], by_name, n=1, cutoff=0.5)
    if near:
        return f"是不是「{by_name[near[0]]}」？"
    return "请改名或删去；可用的列：" + "、".join(titles)
