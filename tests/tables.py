"""Rows for tests of spreadsheets: label rows and the ways to write them down."""

import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import xlsxwriter
from python_calamine import CalamineWorkbook

from service.catalog import load_template
from service.model import TemplateSpec
from service.schema import parse_json
from tools.make_row_fixtures import label

TEMPLATES = Path(__file__).resolve().parent.parent / "templates" / "docx"
TEMPLATE_IDS = ("notice", "plan-form", "summary-report", "commendation", "plaque-labels")
LABEL_TITLES = ("收件单位", "收件人", "联系电话", "邮政编码", "收件地址", "表扬名称", "牌匾编号")


def spec_of(template_id: str) -> TemplateSpec:
    """Return a shipped template."""
    return load_template(TEMPLATES / template_id)


def sample_items(template_id: str) -> list[Any]:
    """Return the items that a batch of the template's sample has."""
    sample = parse_json((TEMPLATES / template_id / "sample.json").read_bytes())
    return list(sample["labels"]) if template_id == "plaque-labels" else [sample]


def label_row(number: int = 1) -> dict[str, str]:
    """Return the data of one label."""
    return {
        "unit": f"云州市第{number}科学技术促进会",
        "attn": "欧阳䶮",
        "phone": "010-0000-0000",
        "postcode": "010000",
        "address": f"云江省云州市不存在路{number}号",
        "award": "excellent_organizer",
        "plaque_no": f"2026-{number:03d}",
    }


def label_cells(number: int = 1) -> list[str]:
    """Return the same as a clerk would type it."""
    row = label_row(number)
    return [*list(row.values())[:5], "优秀组织单位", row["plaque_no"]]


def as_json(items: list[Any]) -> bytes:
    """Return JSON, decimals written as numbers."""
    return json.dumps(
        items, ensure_ascii=False, default=lambda one: float(one) if isinstance(one, Decimal) else one
    ).encode()


def workbook_of(sheets: Mapping[str, Sequence[Sequence[Any]]], **options: Any) -> bytes:
    """Return a workbook as some other program might have written it; cells by their Python type."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_formulas": False, **options}) as book:
        day = book.add_format({"num_format": "yyyy/m/d"})
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                for index, value in enumerate(row):
                    if isinstance(value, date):
                        sheet.write_datetime(number, index, datetime(value.year, value.month, value.day), day)
                    elif isinstance(value, tuple):
                        text, code = value
                        sheet.write_number(number, index, text, book.add_format({"num_format": code}))
                    elif value != "":
                        sheet.write(number, index, value)
    return buffer.getvalue()


def mend_labels(book: bytes, lines: Sequence[int]) -> bytes:
    """Return a workbook of faulty rows as a clerk sends it back: each row of the list typed anew.

    Args:
        book: As it was handed out; its last two columns stay.
        lines: Which rows of the thousand it holds.
    """
    (name, *_) = (reader := CalamineWorkbook.from_filelike(io.BytesIO(book))).sheet_names
    head, *rows = reader.get_sheet_by_name(name).to_python()
    return workbook_of(
        {"名单": [head, *(label(line - 1) + row[-2:] for line, row in zip(lines, rows, strict=True))]}
    )


def with_part(data: bytes, name: str, change: Callable[[bytes], bytes], level: int = 6) -> bytes:
    """Return an archive with one part changed."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as new,
    ):
        for part in old.namelist():
            content = old.read(part)
            new.writestr(part, change(content) if part == name else content)
    return buffer.getvalue()


def renamed(content: bytes, name: str, **attributes: str) -> bytes:
    """Give a workbook's first sheet a name that no program would."""
    more = "".join(f' {key}="{value}"' for key, value in attributes.items())
    sheet = f"<sheet name={quoteattr(name)}{more}".encode()
    return with_part(
        content,
        "xl/workbook.xml",
        lambda part: re.sub(rb'<sheet name="[^"]*"', lambda _: sheet, part, count=1),
    )
