"""Workbooks out: the one to fill in, and the one that says what is wrong.

Every cell that a person fills is a text cell, so that no spreadsheet program turns a telephone number or a
plaque's number into something else. The bytes depend on the content alone.
"""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from service.errors import Fault
from service.model import TemplateSpec
from service.schema import parse_json
from service.sheets.columns import Column, Kind, Layout, layout_of
from service.sheets.flat import flatten
from service.sheets.headers import LINE_TITLE, REASON_TITLE, column_name
from service.sheets.source import RowSource, TextTable

GUIDE_NAME = "说明"
META_NAME = "wenyin"
META_MARK = "wenyin-template"
MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_CELL_CHARS = 32_767  # Excel's own limit
_LAST_ROW = 1_048_575
_TEXT_FORMAT = 49  # "@"
_CHOICES_COLUMN = 3
_GUIDE_CHARS = 70
_MADE = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
_SURROGATE = re.compile("[\ud800-\udfff]")
_WIDTHS = {Kind.DATE: 13.0, Kind.INTEGER: 8.0, Kind.NUMBER: 10.0, Kind.BOOLEAN: 8.0, Kind.CHOICES: 22.0}
_HINTS = {
    Kind.DATE: "写成 2026-05-08 的样子。",
    Kind.TEXTS: "一格可填多项，每项一行（Alt+Enter），或用“；”隔开。",
    Kind.CHOICES: "可多选，用“、”隔开。",
    Kind.BOOLEAN: "填“是”或“否”。",
    Kind.INTEGER: "填整数。",
    Kind.JSON: "填 JSON。",
}


def fill_in_workbook(spec: TemplateSpec, items: Sequence[Any] = ()) -> bytes:
    """Return the workbook to fill in for a template, with some rows filled in already.

    Args:
        spec: The template.
        items: JSON values to fill in; none for an empty one.
    """
    layout = layout_of(spec)
    book = _Book(layout)
    tables = flatten(layout, ((0, item) for item in items))
    for table, sheet in zip(tables, layout.tables, strict=True):
        book.add_table(table, sheet.columns)
    return book.finish(_example(spec, layout))


def error_workbook(source: RowSource, failures: Mapping[int, Sequence[Fault]]) -> bytes:
    """Return a workbook with the items that failed, as they were written, each with the reasons.

    Mended and sent in again it gives those items; its two columns more are not read.

    Args:
        source: Where the items came from.
        failures: Index of each item that failed, to its faults as `located` gives them.
    """
    indexes = sorted(failures)
    book = _Book(source.layout)
    for table in source.texts(indexes):
        by_pointer = {column.pointer: column for column in source.layout.tables[table.number].columns}
        columns = [by_pointer[pointer] for pointer in table.pointers]
        if table.number:
            book.add_table(table, columns)
        else:
            book.add_table(table, columns, [failures[index] for index in indexes])
    return book.finish({})


def _example(spec: TemplateSpec, layout: Layout) -> Mapping[tuple[int, str], str]:
    """Return an example text for each column, from the template's sample."""
    sample = parse_json(spec.sample)
    items = sample.get(spec.verify.each.removeprefix("/"), []) if spec.verify.each else [sample]
    found: dict[tuple[int, str], str] = {}
    for table in flatten(layout, ((0, item) for item in items)):
        for row in table.rows:
            for pointer, text in zip(table.pointers, row.cells, strict=True):
                if text:
                    found.setdefault((table.number, pointer), text)
    return found


class _Book:
    """A workbook in the making."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._buffer = io.BytesIO()
        options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        self._book = xlsxwriter.Workbook(self._buffer, options)
        self._book.set_properties({"title": layout.title, "created": _MADE})
        self._ranges: dict[tuple[Any, ...], str] = {}
        self._lists: list[list[str]] = []
        base = {
            "num_format": _TEXT_FORMAT,
            "text_wrap": True,
            "valign": "top",
            "font_name": "宋体",
            "font_size": 11,
        }
        head = {**base, "bold": True, "border": 1, "valign": "vcenter", "align": "center"}
        self._text = self._book.add_format(base)
        self._faulty = self._book.add_format({**base, "bg_color": "#FFD9D9"})
        self._reason = self._book.add_format({**base, "font_color": "#B00020"})
        self._head = self._book.add_format({**head, "bg_color": "#E8EEF4"})
        self._needed = self._book.add_format({**head, "bg_color": "#FCE8C8"})
        self._plain_head = self._book.add_format({**head, "bg_color": "#EEEEEE"})
        self._title = self._book.add_format({**base, "bold": True, "font_size": 14, "text_wrap": False})

    def add_table(
        self, table: TextTable, columns: Sequence[Column], reasons: Sequence[Sequence[Fault]] | None = None
    ) -> None:
        """Add the sheet of one table, with its rows and, for failed items, the reasons."""
        layout, keys = self._layout, self._layout.keys(table.number)
        sheet = self._book.add_worksheet(layout.tables[table.number].name)
        for index, title in enumerate(keys):
            self._column(sheet, index, title, self._needed, 12.0)
            sheet.write_comment(0, index, _key_note(table.number, index, layout))
        for index, column in enumerate(columns, start=len(keys)):
            self._add_column(sheet, index, column)
        width = len(keys) + len(columns)
        if reasons is not None:
            self._column(sheet, width, REASON_TITLE, self._plain_head, 48.0)
            self._column(sheet, width + 1, LINE_TITLE, self._plain_head, 9.0)
            sheet.write_comment(0, width, "单元格和行号指原来的文件。改正后整份提交即可，这两列不读。")
        for number, row in enumerate(table.rows, start=1):
            faults = reasons[number - 1] if reasons else ()
            broken = {fault.pointer.split("/", 2)[-1] for fault in faults}
            self._write_row(sheet, number, row.keys, zip(columns, row.cells, strict=True), broken)
            if reasons is not None:
                said = "\n".join(fault.message for fault in faults)
                self._write(sheet, number, width, said, self._reason)
                self._write(sheet, number, width + 1, str(row.line), self._text)
        _set_up_page(sheet, width if reasons is None else width + 2)

    def finish(self, examples: Mapping[tuple[int, str], str]) -> bytes:
        """Add the explanations and the hidden sheet, and return the file.

        Args:
            examples: Table number and pointer to an example.
        """
        self._add_guide(examples)
        layout = self._layout
        meta = self._book.add_worksheet(META_NAME)
        for row, values in enumerate(
            [(META_MARK, layout.template_id), ("version", str(layout.version)), ("fields", layout.digest)]
        ):
            for index, value in enumerate(values):
                meta.write_string(row, index, value)
        for index, labels in enumerate(self._lists):
            for row, label in enumerate(labels):
                meta.write_string(row, _CHOICES_COLUMN + index, label)
        meta.very_hidden()
        self._book.close()
        return self._buffer.getvalue()

    def _column(self, sheet: Worksheet, index: int, title: str, head: Format, width: float) -> None:
        sheet.set_column(index, index, width, self._text)
        sheet.write_string(0, index, title, head)

    def _add_column(self, sheet: Worksheet, index: int, column: Column) -> None:
        title = f"{column.title}*" if column.required else column.title
        self._column(sheet, index, title, self._needed if column.required else self._head, _width(column))
        note = _note(column)
        sheet.write_comment(0, index, note, {"width": 260, "height": 30 + 18 * (1 + len(note) // 18)})
        labels = ["是", "否"] if column.kind is Kind.BOOLEAN else [label for _, label in column.choices]
        if column.kind in (Kind.BOOLEAN, Kind.CHOICE):
            rule: dict[str, Any] = {
                "validate": "list",
                "source": self._range(labels),
                "error_title": column.short[:32],
                "error_message": "请从下拉列表中选择。",
            }
        elif column.kind is Kind.TEXT and column.max_length:
            rule = {
                "validate": "length",
                "criteria": "<=",
                "value": column.max_length,
                "error_type": "warning",
                "error_title": column.short[:32],
                "error_message": f"最多 {column.max_length} 个字。",
            }
        else:
            return
        sheet.data_validation(1, index, _LAST_ROW, index, rule)

    def _range(self, labels: list[str]) -> str:
        """Return the cells of the hidden sheet that list these labels."""
        if labels not in self._lists:
            self._lists.append(labels)
        name = column_name(_CHOICES_COLUMN + self._lists.index(labels))
        return f"={META_NAME}!${name}$1:${name}${len(labels)}"

    def _write_row(
        self,
        sheet: Worksheet,
        number: int,
        keys: Sequence[str],
        cells: Iterable[tuple[Column, str]],
        broken: set[str],
    ) -> None:
        for index, key in enumerate(keys):
            self._write(sheet, number, index, key, self._text)
        for index, (column, text) in enumerate(cells, start=len(keys)):
            bad = any(f"{one}/".startswith(f"{column.pointer[1:]}/") for one in broken)
            if text or bad:
                self._write(sheet, number, index, text, self._faulty if bad else self._text)

    def _write(self, sheet: Worksheet, row: int, index: int, text: str, style: Format) -> None:
        shown = _SURROGATE.sub("\ufffd", text)
        if len(shown) > _CELL_CHARS:
            shown = shown[: _CELL_CHARS - 20] + "……（太长，已截断）"
        sheet.write_string(row, index, shown, style)

    def _add_guide(self, examples: Mapping[tuple[int, str], str]) -> None:
        layout = self._layout
        sheet = self._book.add_worksheet(GUIDE_NAME)
        for index, width in enumerate((16, 26, 7, 52, 52)):
            sheet.set_column(index, index, width, self._text)
        sheet.write_string(0, 0, f"{layout.title}填写说明", self._title)
        row = 1
        for line in _guide_lines(layout):
            sheet.merge_range(row, 0, row, 4, line, self._text)
            # A merged cell does not grow with its text.
            sheet.set_row(row, 17.0 * (1 + len(line) // _GUIDE_CHARS))
            row += 1
        row += 1
        for index, title in enumerate(("工作表", "列", "必填", "说明", "示例")):
            sheet.write_string(row, index, title, self._head)
        for number, table in enumerate(layout.tables):
            for column in table.columns:
                row += 1
                example = examples.get((number, column.pointer), "")
                cells = (
                    table.name,
                    column.title,
                    "是" if column.required else "",
                    _note(column),
                    example[:300],
                )
                for index, text in enumerate(cells):
                    self._write(sheet, row, index, text, self._text)
        _set_up_page(sheet, 5)
        sheet.freeze_panes(0, 0)


def _guide_lines(layout: Layout) -> list[str]:
    lines = [
        f"在“{layout.main.name}”中从第 2 行起填写，一行一份；表头不要改，空行会跳过，带 * 的必填。",
        "单元格都是文本格式，电话、编号照原样填写；从别处复制时请选“只粘贴值”。",
    ]
    if len(layout.tables) > 1:
        names = "、".join(f"“{table.name}”" for table in layout.tables[1:])
        lines.append(
            f"{names}中一行一项，“编号”与“{layout.main.name}”中的编号相同；编号空着的，与上一行同属一份。"
            "只有一份时可以都不填编号。"
        )
    return lines


def _key_note(number: int, index: int, layout: Layout) -> str:
    if not number:
        return "自己编的号，每行不同，用来对应其他工作表中的内容；只有一行时可以不填。"
    if not index:
        return f"与“{layout.main.name}”中的编号相同；空着的，与上一行同属一份。"
    return "属于上一级表中同一编号的第几项，从 1 数起；空着的，与上一行相同。"


def _note(column: Column) -> str:
    parts = [column.note]
    if column.kind in (Kind.CHOICE, Kind.CHOICES):
        # The schema's note speaks to programs: of keys, which nobody types into a cell.
        parts = [f"可选：{'、'.join(label for _, label in column.choices)}。"]
    parts.append(_HINTS.get(column.kind, ""))
    if column.max_length:
        parts.append(f"最多 {column.max_length} 个字。")
    return "".join(part for part in parts if part) or column.title


def _width(column: Column) -> float:
    title = 2.0 * len(column.title) + 3
    if column.kind in _WIDTHS:
        return max(_WIDTHS[column.kind], min(title, 24))
    if column.kind is Kind.PARAGRAPHS:
        return 60.0
    if column.kind is Kind.TEXTS:
        return 40.0
    if column.choices:
        return max(title, 2.0 * max(len(label) for _, label in column.choices) + 4)
    return max(min(title, 24), min(0.6 * (column.max_length or 8) + 4, 44))


def _set_up_page(sheet: Worksheet, columns: int) -> None:
    sheet.freeze_panes(1, 0)
    sheet.ignore_errors({"number_stored_as_text": f"A1:{column_name(max(columns, 1) - 1)}{_LAST_ROW + 1}"})
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
