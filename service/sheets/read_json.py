"""Rows from a JSON array, or from one JSON object a line; both read strictly."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from service.errors import BadTable, Fault, MalformedJson
from service.model import BatchRow
from service.schema import JsonLimits, parse_json
from service.sheets.columns import Layout
from service.sheets.flat import flatten
from service.sheets.planform import is_plan_form, label_from_plan_form
from service.sheets.source import Content, SheetLimits, SourceKind, TextTable, bounded

_BOM = b"\xef\xbb\xbf"
_ARRAY_LIMITS = JsonLimits(depth=JsonLimits().depth + 1)


def open_content(content: Content) -> BinaryIO:
    """Return the file from its beginning."""
    return content.open("rb") if isinstance(content, Path) else io.BytesIO(content)


class JsonSource:
    """The items of a JSON array; see `RowSource`."""

    kind = SourceKind.JSON
    encoding = "utf-8"
    separator = ""
    notes: tuple[str, ...] = ()

    def __init__(self, content: Content, layout: Layout, limits: SheetLimits, *, labels: bool) -> None:
        """Read the whole array.

        Args:
            content: The file.
            layout: How an item lies in tables.
            limits: Bounds on it.
            labels: Whether an item may be a plan form with an award.

        Raises:
            MalformedJson: As `parse_json`; pointers begin with the item's index.
            BadTable: ``not-array``.
        """
        self.layout = layout
        self._limits = limits
        self._labels = labels
        with open_content(content) as stream:
            items = parse_json(stream.read(), _ARRAY_LIMITS, allow_array=True)
        if not isinstance(items, list):
            raise BadTable(
                "批量数据应为列表 […]，每项是一份文件的数据；一行一份的，请声明为 application/x-ndjson。",
                code="not-array",
            )
        self._items = items

    def __iter__(self) -> Iterator[BatchRow]:
        """Yield the items."""
        rows = (_row(index, item, 0, labels=self._labels) for index, item in enumerate(self._items))
        return bounded(rows, self._limits)

    def texts(self, indexes: Sequence[int]) -> Sequence[TextTable]:
        """Return items as the text of tables, their places from 1 in place of lines."""
        rows = (_row(index, self._items[index], 0, labels=self._labels) for index in indexes)
        return flatten(self.layout, ((row.index + 1, row.data) for row in rows))


class NdjsonSource:
    """The items of a file with one JSON object a line, read as they are asked for; see `RowSource`."""

    kind = SourceKind.NDJSON
    encoding = "utf-8"
    separator = ""
    notes: tuple[str, ...] = ()

    def __init__(self, content: Content, layout: Layout, limits: SheetLimits, *, labels: bool) -> None:
        """Keep what is to be read; see `JsonSource`."""
        self.layout = layout
        self._content = content
        self._limits = limits
        self._labels = labels

    def __iter__(self) -> Iterator[BatchRow]:
        """Yield the items; a line that is no JSON object is an item with faults."""
        return bounded(self._rows(), self._limits)

    def texts(self, indexes: Sequence[int]) -> Sequence[TextTable]:
        """Return items as the text of tables."""
        wanted = set(indexes)
        rows = (row for row in self._rows() if row.index in wanted)
        return flatten(self.layout, ((row.line, row.data) for row in rows))

    def _rows(self) -> Iterator[BatchRow]:
        index = 0
        with open_content(self._content) as stream:
            for line, raw in _lines(stream, self._limits.item_bytes):
                text = raw.removeprefix(_BOM) if line == 1 else raw
                if text.strip():
                    yield self._row(index, line, text)
                    index += 1

    def _row(self, index: int, line: int, raw: bytes) -> BatchRow:
        raw = raw.rstrip(b"\r\n")
        if len(raw) > self._limits.item_bytes:
            message = f"这一行超过 {self._limits.item_bytes} 字节的上限，请减少内容"
            return BatchRow(index, None, line, faults=(Fault("", "too-large", message),))
        try:
            item = parse_json(raw)
        except MalformedJson as error:
            # The line is named already, and within itself it is always the first.
            faults = tuple(
                replace(fault, message=fault.message.removeprefix("第 1 行")) for fault in error.faults
            )
            return BatchRow(index, None, line, faults=faults)
        return _row(index, item, line, labels=self._labels)


def _row(index: int, item: Any, line: int, *, labels: bool) -> BatchRow:
    if labels and is_plan_form(item):
        label, origins = label_from_plan_form(item)
        return BatchRow(index, label, line, origins=origins)
    return BatchRow(index, item, line)


def _lines(stream: BinaryIO, limit: int) -> Iterator[tuple[int, bytes]]:
    """Yield numbered lines; of one that is too long only a little more than the limit is kept."""
    line = 0
    while chunk := stream.readline(limit + 1):
        line += 1
        rest = chunk
        while len(rest) > limit and not rest.endswith(b"\n"):
            rest = stream.readline(limit + 1)
        yield line, chunk
