"""Spreadsheets in and out: the rows of a batch, the workbook to fill in, the workbook of what is wrong.

`read_rows` takes a JSON array, NDJSON, CSV or .xlsx and gives a `RowSource`: go through it as often as needed,
each time the `BatchRow` items come anew. `located` joins what was wrong while reading with what the checks
found later, each fault with its cell. Stands on the schema stage alone: its strict JSON reader, and its view of
a template's fields.
"""

from service.sheets.planform import label_from_plan_form
from service.sheets.preview import Preview, PreviewRow, preview
from service.sheets.read import MEDIA_TYPES, read_rows
from service.sheets.source import Content, RowSource, SheetLimits, SourceKind, located
from service.sheets.write_xlsx import MEDIA_TYPE, error_workbook, fill_in_workbook

__all__ = [
    "MEDIA_TYPE",
    "MEDIA_TYPES",
    "Content",
    "Preview",
    "PreviewRow",
    "RowSource",
    "SheetLimits",
    "SourceKind",
    "error_workbook",
    "fill_in_workbook",
    "label_from_plan_form",
    "located",
    "preview",
    "read_rows",
]
