"""The spreadsheets under fixtures/rows: what each is for."""

import dataclasses
import io
from collections.abc import Sequence

import pytest
from python_calamine import CalamineWorkbook

from service.errors import Fault, InvalidRequest
from service.model import BatchRow
from service.schema import Validator
from service.sheets import error_workbook, located, preview, read_rows
from service.sheets.cells import fold
from tests.conftest import FIXTURES
from tests.tables import as_json, label_row, mend_labels, sample_items, spec_of
from tools.make_row_fixtures import FAULTY_LINES, FILES, label

ROWS = FIXTURES / "rows"
LABELS = spec_of("plaque-labels")
VALIDATOR = Validator(LABELS.schema)


def checked(row: BatchRow) -> tuple[Fault, ...]:
    """Hold a label against the schema, as a batch does."""
    try:
        VALIDATOR.validate({"labels": [row.data]}, has_glyph=lambda _: True)
    except InvalidRequest as error:
        found: Sequence[Fault] = [
            dataclasses.replace(fault, pointer=fault.pointer.removeprefix("/labels/0"))
            for fault in error.faults
        ]
        return located(row, found)
    return located(row)


@pytest.mark.parametrize("name", FILES)
def test_each_is_what_the_tool_makes(name: str) -> None:
    assert (ROWS / name).read_bytes() == FILES[name](), "run python -m tools.make_row_fixtures"


def test_each_has_a_stated_purpose() -> None:
    listed = (FIXTURES / "README.md").read_text("utf-8")
    for path in ROWS.iterdir():
        assert f"`rows/{path.name}`" in listed, path


@pytest.mark.fault("X11")
def test_seven_of_a_thousand_are_wrong_and_come_back_mended() -> None:
    source = read_rows(ROWS / "labels-1000-with-7-faulty.xlsx", LABELS)
    found = {row.index: checked(row) for row in source}
    failures = {index: faults for index, faults in found.items() if faults}
    assert len(found) == 1_000
    assert [index + 2 for index in failures] == list(FAULTY_LINES)
    said = [fault.message for faults in failures.values() for fault in faults]
    assert [message.split("，")[0] for message in said] == [
        "C18：「联系电话」是数字 1.2e+17",
        "G150：「牌匾编号」已被表格软件变成日期或时间 2026-01-01",
        "B301：「收件人」是公式",
        "F444：「表扬名称」的 一等奖 不在可选范围内",
        "D587：「标签」第 1 项「邮政编码」应为 6 位数字",
        "E730：「标签」第 1 项缺少必填项「收件地址」",
        "A999：「标签」第 1 项「收件单位」含有改变文字方向的控制字符 U+202E",
    ]
    book = error_workbook(source, failures)
    table = CalamineWorkbook.from_filelike(io.BytesIO(book)).get_sheet_by_name(LABELS.title).to_python()
    assert [row[-1] for row in table[1:]] == [str(line) for line in FAULTY_LINES]
    mended = list(read_rows(mend_labels(book, FAULTY_LINES), LABELS))
    assert [checked(row) for row in mended] == [()] * 7
    assert [row.data["plaque_no"] for row in mended] == [label(line - 1)[6] for line in FAULTY_LINES]


@pytest.mark.fault("X10")
def test_an_office_csv_reads_as_it_looks() -> None:
    source = read_rows(ROWS / "labels-gb18030.csv", LABELS)
    assert (source.encoding, source.separator) == ("gb18030", ";")
    rows = list(source)
    assert [row.data["unit"] for row in rows] == [label(number)[0] for number in range(1, 21)]
    assert [row.line for row in rows] == list(range(2, 22))
    assert [fault.pointer for row in rows for fault in checked(row)] == ["/6/address"]


def test_fifty_plan_forms_are_fifty_labels_each_with_its_own_address() -> None:
    rows = list(read_rows(ROWS / "plan-forms-with-award.ndjson", LABELS))
    assert len(rows) == 50
    for number, row in enumerate(rows, start=1):
        unit, attn, phone, postcode, address, _, plaque_no = label(number)
        tenth = number % 10 == 0
        assert row.data["phone"] == (phone if tenth else f"1{number:010b}")
        assert row.data.get("postcode") == (None if tenth else postcode)
        assert [row.data[key] for key in ("unit", "attn", "address", "plaque_no")] == [
            unit,
            attn,
            address,
            plaque_no,
        ]
        assert checked(row) == ()


def test_a_preview_shows_rows_as_they_were_understood() -> None:
    seen = preview(read_rows(ROWS / "labels-gb18030.csv", LABELS), 3)
    assert (seen.kind, seen.encoding, seen.separator) == ("csv", "gb18030", ";")
    assert [fold(title) for title in seen.titles] == [
        "收件单位", "收件人", "联系电话", "邮政编码", "收件地址", "表扬名称", "牌匾编号"
    ]  # fmt: skip
    assert [row.line for row in seen.rows] == [2, 3, 4]
    assert list(seen.rows[0].texts) == label(1)
    broken = preview(read_rows(as_json([{**label_row(), "colour": 1}, 7]), LABELS))
    assert broken.rows[0].texts[0] == label_row()["unit"]
    assert broken.rows[1].texts[0] == ""
    book = preview(read_rows(ROWS / "labels-1000-with-7-faulty.xlsx", LABELS), 20)
    assert book.rows[16].messages[0].startswith("C18：")
    plan = preview(read_rows(as_json(sample_items("plan-form")), spec_of("plan-form")))
    assert (plan.titles[-1], plan.rows[0].texts[-1]) == ("特色亮点活动", "3 项")
