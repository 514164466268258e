"""Items as the text of tables: what a person would have typed to say the same."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from service.sheets.cells import to_text
from service.sheets.columns import Layout
from service.sheets.source import TextRow, TextTable


def flatten(layout: Layout, items: Iterable[tuple[int, Any]]) -> tuple[TextTable, ...]:
    """Return the tables that say what the items say.

    Args:
        layout: How an item lies in tables.
        items: Line and JSON value of each; of a value that is no object the row stays empty.

    Returns:
        One for each table of the layout; the items are numbered from 1 in the key columns.
    """
    rows: list[list[TextRow]] = [[] for _ in layout.tables]
    for number, (line, item) in enumerate(items, start=1):
        _add(layout, rows, 0, (str(number),), line, item)
    return tuple(
        TextTable(number, tuple(column.pointer for column in table.columns), tuple(rows[number]))
        for number, table in enumerate(layout.tables)
    )


def _add(
    layout: Layout, rows: Sequence[list[TextRow]], number: int, keys: tuple[str, ...], line: int, item: Any
) -> None:
    table = layout.tables[number]
    cells = tuple(to_text(at(item, column.path), column) for column in table.columns)
    # The last key of a table is told by the order of its rows.
    rows[number].append(TextRow(line, keys[: len(layout.keys(number))], cells))
    for child, below in enumerate(layout.tables):
        if below.parent != number:
            continue
        listed = at(item, below.path)
        for index, one in enumerate(listed if isinstance(listed, list) else ()):
            _add(layout, rows, child, (*keys, str(index + 1)), line, one)


def at(value: Any, path: tuple[str, ...]) -> Any:
    """Return the value at the end of a path of member names; ``None`` where it breaks off."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
