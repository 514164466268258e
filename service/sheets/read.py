"""Tell what a batch's file is by its content, then read its rows."""

import re
from pathlib import Path

from service.errors import BadTable
from service.model import TemplateSpec
from service.sheets.columns import layout_of
from service.sheets.read_csv import open_csv
from service.sheets.read_json import JsonSource, NdjsonSource, open_content
from service.sheets.read_xlsx import open_workbook
from service.sheets.source import Content, RowSource, SheetLimits, SourceKind
from service.sheets.tables import TableSource

_BY_SUFFIX = {
    ".json": SourceKind.JSON,
    ".ndjson": SourceKind.NDJSON,
    ".jsonl": SourceKind.NDJSON,
    ".csv": SourceKind.CSV,
    ".tsv": SourceKind.CSV,
    ".txt": SourceKind.CSV,
    ".xlsx": SourceKind.XLSX,
}
_BY_TYPE = {
    "application/json": SourceKind.JSON,
    "application/x-ndjson": SourceKind.NDJSON,
    "application/ndjson": SourceKind.NDJSON,
    "application/jsonl": SourceKind.NDJSON,
    "text/csv": SourceKind.CSV,
    "text/tab-separated-values": SourceKind.CSV,
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": SourceKind.XLSX,
}
MEDIA_TYPES = tuple(_BY_TYPE)
"""Content types that name a kind; any other leaves it to the content."""

_ZIP_MAGIC = b"PK\x03\x04"
_CFB_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MARKUP = re.compile(rb"\s*(?:<[!?a-z]|%PDF|\{\\rtf)", re.I)
_HEAD_BYTES = 4_096


def read_rows(
    content: Content,
    spec: TemplateSpec,
    *,
    name: str = "",
    content_type: str = "",
    limits: SheetLimits | None = None,
) -> RowSource:
    """Open a batch's file; its items are read as the result is gone through, as often as wanted.

    Args:
        content: The file.
        spec: Template that the items are for.
        name: The file's name, if it has one.
        content_type: Media type it was sent with, without parameters.
        limits: Bounds.

    Raises:
        BadTable: The file as a whole is of no use; ``type_code`` says why, ``faults`` names the columns.
        MalformedJson: A JSON array that cannot be read.
        UnsafeArchive: A workbook that must not be opened.
        OutdatedWorkbook: A workbook made for other fields than the template has.
    """
    limits = limits or SheetLimits()
    layout, labels = layout_of(spec), spec.layout == "labels"
    kind = detect_kind(content, name, content_type)
    if kind is SourceKind.JSON:
        return JsonSource(content, layout, limits, labels=labels)
    if kind is SourceKind.NDJSON:
        return NdjsonSource(content, layout, limits, labels=labels)
    if kind is SourceKind.CSV:
        grid = open_csv(content, layout)
        return TableSource(kind, layout, {0: grid}, limits, encoding=grid.encoding, separator=grid.separator)
    with open_content(content) as stream:
        book = open_workbook(stream.read(), layout, limits)
    return TableSource(kind, layout, book.grids, limits, notes=book.notes)


def detect_kind(content: Content, name: str = "", content_type: str = "") -> SourceKind:
    """Return what a file is: by its first bytes, then its name, then its media type.

    Args:
        content: The file.
        name: Its name, if it has one.
        content_type: Media type it was sent with, without parameters.

    Raises:
        BadTable: ``empty``, or ``not-xlsx`` for a workbook that is none.
    """
    with open_content(content) as stream:
        head = stream.read(_HEAD_BYTES)
    said = _BY_SUFFIX.get(Path(name).suffix.lower()) or _BY_TYPE.get(content_type.lower())
    if not head.strip():
        raise BadTable("文件是空的，请填写后再提交。", code="empty")
    if head.startswith((_ZIP_MAGIC, _CFB_MAGIC)):
        return SourceKind.XLSX
    if said is SourceKind.XLSX or _MARKUP.match(head):
        raise BadTable(
            "这不是 Excel 工作簿（.xlsx），只是名称像；请用 Excel 或 WPS 打开，另存为 .xlsx 后再提交。",
            code="not-xlsx",
        )
    if said is SourceKind.CSV:
        return said
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if first == b"[":
        return SourceKind.JSON
    if first == b"{":
        return SourceKind.JSON if said is SourceKind.JSON else SourceKind.NDJSON
    return said or SourceKind.CSV
