"""What all readers give: rows that can be gone through again and again, without holding them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from service.errors import BadTable, Fault
from service.model import BatchRow
from service.schema import json_pointer
from service.sheets.columns import Layout

Content = bytes | Path
"""A file's bytes, or where it lies; a path is read as it is gone through, in little memory."""


class SourceKind(StrEnum):
    """What the rows came in."""

    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class SheetLimits:
    """Bounds on a batch's file.

    Attributes:
        rows: Most items.
        columns: Most columns of a sheet.
        cells: Most cells of a workbook's sheets, empty ones in between included.
        item_bytes: Most bytes of one line of NDJSON.
        unpacked_bytes: Most unpacked bytes of a workbook.
    """

    rows: int = 100_000
    columns: int = 256
    cells: int = 4_000_000
    item_bytes: int = 4_000_000
    unpacked_bytes: int = 200_000_000

    @classmethod
    def of_rows(cls, rows: int) -> "SheetLimits":
        """Return the bounds that so many rows of any template fit, so that fewer rows take less memory.

        Args:
            rows: Most items.
        """
        return cls(rows=rows, cells=max(100_000, 40 * rows), unpacked_bytes=max(20_000_000, 2_000 * rows))


@dataclass(frozen=True, slots=True)
class TextRow:
    """One row of a table as text, for a person to read or mend.

    Attributes:
        line: As `BatchRow.line`.
        keys: Texts of the key columns.
        cells: Place among the header's columns to text.
    """

    line: int
    keys: tuple[str, ...]
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextTable:
    """Some rows of one table as text.

    Attributes:
        number: Of the table in the layout.
        pointers: Pointer of each column, in the order of the source.
        rows: The rows.
    """

    number: int
    pointers: tuple[str, ...]
    rows: tuple[TextRow, ...]


class RowSource(Protocol):
    """The items of a batch; each iteration reads the source anew.

    Attributes:
        kind: What the rows came in.
        layout: How an item lies in tables.
        encoding: Of the text; ``utf-8``, ``gb18030`` …; empty for a workbook.
        separator: Of a CSV; else empty.
        notes: Chinese sentences about what the reader should know, such as hidden rows that were read.
    """

    kind: SourceKind
    layout: Layout
    encoding: str
    separator: str
    notes: tuple[str, ...]

    def __iter__(self) -> Iterator[BatchRow]:
        """Yield the items in their order.

        Raises:
            BadTable: ``empty`` if there is none, ``too-many-rows`` once there are too many.
        """
        ...

    def texts(self, indexes: Sequence[int]) -> Sequence[TextTable]:
        """Return some items as they were written.

        Args:
            indexes: Of the items, ascending.
        """
        ...


def bounded(rows: Iterator[BatchRow], limits: SheetLimits) -> Iterator[BatchRow]:
    """Yield rows, at least one and no more than allowed.

    Raises:
        BadTable: As `RowSource.__iter__`.
    """
    count = 0
    for row in rows:
        count += 1
        if count > limits.rows:
            raise too_many(limits.rows)
        yield row
    if not count:
        raise BadTable("文件里没有一行数据，请填写后再提交。", code="empty")


def too_many(limit: int) -> BadTable:
    """Return the error for more items than allowed."""
    return BadTable(f"数据超过 {limit} 行的上限，请分成几个文件提交。", code="too-many-rows")


def located(row: BatchRow, faults: Sequence[Fault] = ()) -> tuple[Fault, ...]:
    """Return all faults of an item, each with its place in the whole batch and in the file.

    Args:
        row: The item, with the faults of its reading.
        faults: What the checks after reading found; what only follows from an unreadable cell is dropped.

    Returns:
        Faults whose pointers begin with the item's index (``/3/unit``) and whose messages begin with the cell
        (``D17：``) or the line (``第 17 行：``).
    """
    unread = {fault.pointer for fault in row.faults}
    kept = [fault for fault in faults if not _echoes(fault, unread)]
    found = sorted({*row.faults, *kept}, key=lambda fault: fault.place)
    return tuple(_at_home(row, fault) for fault in found)


def _at_home(row: BatchRow, fault: Fault) -> Fault:
    origin = row.origins.get(fault.pointer)
    message = f"{fault.message}（取自 {origin}）" if origin else fault.message
    cell = cell_of(row.cells, fault.pointer)
    place = f"{cell}：" if cell else f"第 {row.line} 行：" if row.line else ""
    pointer = f"{json_pointer((row.index,))}{origin or fault.pointer}"
    return Fault(pointer, fault.keyword, f"{place}{message}")


def _echoes(fault: Fault, unread: set[str]) -> bool:
    if fault.pointer in unread:
        return True
    # An object of which nothing could be read is not there, and its absence is no news.
    return fault.keyword == "required" and any(one.startswith(f"{fault.pointer}/") for one in unread)


def cell_of(cells: Mapping[str, str], pointer: str) -> str:
    """Return the cell of a place in an item: its own, that of what holds it, or the first below it."""
    above = pointer
    while above:
        if above in cells:
            return cells[above]
        above = above.rpartition("/")[0]
    below = f"{pointer}/"
    return next((cell for key, cell in cells.items() if key.startswith(below)), "") if pointer else ""
