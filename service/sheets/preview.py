"""The first rows of a file as they were understood, for a person to look at before anything is printed."""

from dataclasses import dataclass
from itertools import islice
from typing import Any

from service.model import BatchRow
from service.sheets.cells import to_text
from service.sheets.columns import Column, Layout
from service.sheets.flat import at
from service.sheets.source import RowSource, SourceKind, located


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One item.

    Attributes:
        line: As `BatchRow.line`.
        texts: One for each column of the preview.
        messages: What could not be read, in Chinese, each with its cell.
    """

    line: int
    texts: tuple[str, ...]
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file looks like to the service.

    Attributes:
        kind: What it is.
        encoding: Of its text; empty for a workbook.
        separator: Of a CSV; else empty.
        titles: Of the columns that the shown rows fill; a list of objects is one column with their number.
        rows: The first items.
        notes: Chinese sentences about the file as a whole.
    """

    kind: SourceKind
    encoding: str
    separator: str
    titles: tuple[str, ...]
    rows: tuple[PreviewRow, ...]
    notes: tuple[str, ...]


def preview(source: RowSource, count: int = 20) -> Preview:
    """Return the first items of a source.

    Args:
        source: The rows.
        count: Most items to show.

    Raises:
        BadTable: As going through the source does.
    """
    rows = list(islice(source, count))
    shown = [_texts(source.layout, row) for row in rows]
    titles = _titles(source.layout)
    used = [index for index in range(len(titles)) if any(texts[index] for texts in shown)]
    return Preview(
        kind=source.kind,
        encoding=source.encoding,
        separator=source.separator,
        titles=tuple(titles[index] for index in used),
        rows=tuple(
            PreviewRow(
                row.line,
                tuple(texts[index] for index in used),
                tuple(fault.message for fault in located(row)),
            )
            for row, texts in zip(rows, shown, strict=True)
        ),
        notes=source.notes,
    )


def _titles(layout: Layout) -> list[str]:
    lists = [table.name for table in layout.tables if table.parent == 0]
    return [*(column.title for column in layout.main.columns), *lists]


def _texts(layout: Layout, row: BatchRow) -> list[str]:
    cells = [_text(row.data, column) for column in layout.main.columns]
    for table in layout.tables:
        if table.parent == 0:
            listed = at(row.data, table.path)
            cells.append(f"{len(listed)} 项" if isinstance(listed, list) else "")
    return cells


def _text(data: Any, column: Column) -> str:
    return to_text(at(data, column.path), column)
