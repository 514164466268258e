"""A workbook goes out, is filled in by whatever program, and comes back as the same data."""

import io
import re
import zipfile
from datetime import date
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from service.errors import BadTable, Fault, OutdatedWorkbook, ServiceError, UnsafeArchive
from service.model import BatchRow
from service.sheets import SourceKind, error_workbook, fill_in_workbook, located, read_rows
from service.sheets.columns import layout_of
from tests.conftest import FIXTURES
from tests.tables import (
    LABEL_TITLES,
    TEMPLATE_IDS,
    as_json,
    label_cells,
    label_row,
    renamed,
    sample_items,
    spec_of,
    with_part,
    workbook_of,
)

HOSTILE_NAMES = (
    "=cmd|' /C calc'!A1",
    "\x1b[31mred\x1b[0m",
    "甲" * 300,
    "../../etc/passwd",
    "C:\\x\\..\\y",
    "甲\u202exslx.乙\u2066",
    "第一行\n第二行",
    "<img src=x onerror=alert(1)>",
    "",
)
LABELS = spec_of("plaque-labels")
PLAN = spec_of("plan-form")


def rows_of(data: bytes, spec: Any = LABELS) -> list[BatchRow]:
    return list(read_rows(data, spec, name="名单.xlsx"))


def labels_of(*rows: list[Any], titles: tuple[str, ...] = LABEL_TITLES, **options: Any) -> bytes:
    return workbook_of({"Sheet1": [list(titles), *rows]}, **options)


def messages(row: BatchRow) -> list[str]:
    return [fault.message for fault in located(row)]


def changed(**cells: Any) -> list[Any]:
    row: list[Any] = label_cells()
    for name, value in cells.items():
        row[list(label_row()).index(name)] = value
    return row


@pytest.mark.parametrize("template_id", TEMPLATE_IDS)
def test_a_filled_workbook_comes_back_unchanged(template_id: str) -> None:
    spec, items = spec_of(template_id), sample_items(template_id)
    content = fill_in_workbook(spec, items)
    assert content == fill_in_workbook(spec, items)
    source = read_rows(content, spec)
    assert source.kind is SourceKind.XLSX
    for _ in range(2):
        rows = list(source)
        assert [row.data for row in rows] == items
        assert not any(row.faults for row in rows)


@pytest.mark.parametrize("template_id", TEMPLATE_IDS)
def test_so_does_one_that_calc_opened_and_saved_again(template_id: str) -> None:
    spec = spec_of(template_id)
    path = FIXTURES / "rows" / f"{template_id}-saved-by-calc.xlsx"
    content = path.read_bytes()
    assert b"LibreOffice" in zipfile.ZipFile(io.BytesIO(content)).read("docProps/app.xml")
    digest = layout_of(spec).digest.encode()
    today = with_part(
        content,
        "xl/sharedStrings.xml",
        lambda part: re.sub(rb"(?<=>)[0-9a-f]{16}(?=<)", digest, part),
    )
    expected = read_rows(path.with_suffix(".ndjson"), spec)
    assert [row.data for row in rows_of(today, spec)] == [row.data for row in expected]


@pytest.mark.parametrize("template_id", TEMPLATE_IDS)
def test_several_items_keep_their_own_lists(template_id: str) -> None:
    spec, items = spec_of(template_id), sample_items(template_id) * 3
    assert [row.data for row in rows_of(fill_in_workbook(spec, items), spec)] == items


def test_an_empty_workbook_says_so() -> None:
    with pytest.raises(BadTable) as caught:
        rows_of(fill_in_workbook(LABELS))
    assert caught.value.type_code == "empty"


@pytest.mark.fault("X6")
def test_the_workbook_is_text_with_drop_downs_notes_and_marks() -> None:
    archive = zipfile.ZipFile(io.BytesIO(fill_in_workbook(LABELS)))
    sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    notes = archive.read("xl/comments1.xml").decode()
    texts = archive.read("xl/sharedStrings.xml").decode()
    book = archive.read("xl/workbook.xml").decode()
    styles = archive.read("xl/styles.xml").decode()
    assert "<t>收件单位*</t>" in texts
    assert "<t>邮政编码</t>" in texts
    assert re.search(
        r'<dataValidation type="list"[^>]*sqref="F2:F1048576"><formula1>wenyin!\$D\$1:\$D\$2<', sheet
    )
    assert 'state="frozen"' in sheet
    assert "6 位数字。" in notes
    assert "可选：优秀组织单位、积极贡献单位。" in notes
    assert re.search(r'name="wenyin" sheetId="\d" state="veryHidden"', book)
    columns = re.findall(r'<col min="(\d+)" max="\d+" width="[\d.]+" style="(\d+)"', sheet)
    assert [int(first) for first, _ in columns] == [1, 2, 3, 4, 5, 6, 7]
    formats = re.findall(r"<xf ([^>]*?)/?>", styles.split("<cellXfs")[1])
    assert all('numFmtId="49"' in formats[int(style)] for _, style in columns)


@pytest.mark.fault("T16")
def test_a_workbook_of_other_fields_or_another_template_is_refused() -> None:
    content = fill_in_workbook(PLAN, sample_items("plan-form"))
    with pytest.raises(OutdatedWorkbook) as other:
        rows_of(content, LABELS)
    assert "plan-form" in str(other.value)
    digest = layout_of(PLAN).digest.encode()
    old = with_part(content, "xl/sharedStrings.xml", lambda part: part.replace(digest, b"0" * 16))
    with pytest.raises(OutdatedWorkbook) as outdated:
        rows_of(old, PLAN)
    assert outdated.value.http_status == 409
    assert outdated.value.type_code == "schema-version"
    assert "重新下载" in str(outdated.value)


@pytest.mark.fault("X7")
def test_numbers_dates_and_formats_in_text_columns() -> None:
    good = [
        changed(phone=10000000000.0, postcode=(10000, "000000")),
        changed(plaque_no=1.0),
        changed(unit="=cmd|' /C calc'!A0", attn="+1", address="@SUM(1)"),
    ]
    rows = rows_of(labels_of(*good))
    assert [row.faults for row in rows] == [(), (), ()]
    assert (rows[0].data["phone"], rows[0].data["postcode"]) == ("10000000000", "010000")
    assert rows[1].data["plaque_no"] == "1"
    assert (rows[2].data["unit"], rows[2].data["attn"]) == ("=cmd|' /C calc'!A0", "+1")
    bad = [
        changed(phone=1.2e17),
        changed(plaque_no=date(2026, 1, 1)),
        changed(plaque_no=(1, '"2026-"000')),
        changed(attn=True),
    ]
    said = [messages(row) for row in rows_of(labels_of(*bad))]
    assert [len(one) for one in said] == [1, 1, 1, 1]
    assert said[0][0].startswith("C2：「联系电话」是数字 1.2e+17，无法确定原文，请先把单元格格式设为“文本”")
    assert said[1][0].startswith("G3：「牌匾编号」已被表格软件变成日期或时间 2026-01-01")
    assert said[2][0].startswith("G4：「牌匾编号」是按格式")
    assert said[3][0].startswith("B5：「收件人」是逻辑值")


@pytest.mark.fault("H7", "U3", "X6")
@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_name_of_a_sheet_is_shown_and_does_nothing(name: str) -> None:
    one = workbook_of({"甲": [list(LABEL_TITLES), label_cells()]})
    two = workbook_of({"甲": [list(LABEL_TITLES), label_cells()], "乙": [list(LABEL_TITLES), label_cells(2)]})
    said: list[str] = []
    try:
        assert [row.data for row in rows_of(renamed(one, name))] == [label_row()]
        said += read_rows(renamed(two, name, state="hidden"), LABELS, name="名单.xlsx").notes
        with pytest.raises(BadTable) as caught:
            rows_of(renamed(two, name))
        said.append(str(caught.value))
        assert len(said) == 2
    except UnsafeArchive as error:
        # A terminal's code is no character of XML.
        assert "\x1b" in name
        said.append(str(error))
    for text in said:
        assert not re.search("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]", text), text
        assert len(text) < 200


@pytest.mark.fault("X5")
def test_formulas_without_a_result_and_error_values_are_named_by_cell() -> None:
    content = labels_of(changed(), changed(), changed(attn="占位"), changed())
    formulas = {
        b'<c r="D3" t="s"><v>': b'<c r="D3"><f>VLOOKUP(A3,B:C,2,0)</f></c><c r="X3" t="s"><v>',
        b'<c r="C4" t="s"><v>': b'<c r="C4" t="e"><f>NA()</f><v>#N/A</v></c><c r="Y4" t="s"><v>',
        b'<c r="B5" t="s"><v>': b'<c r="B5" t="e"><v>#REF!</v></c><c r="Z5" t="s"><v>',
    }

    def plant(part: bytes) -> bytes:
        for old, new in formulas.items():
            assert old in part
            part = part.replace(old, new)
        return re.sub(rb'<c r="[XYZ]\d" t="s"><v>\d+</v></c>', b"", part)

    rows = rows_of(with_part(content, "xl/worksheets/sheet1.xml", plant))
    said = [messages(row) for row in rows]
    assert said[0] == []
    assert said[1][0].startswith("D3：「邮政编码」是公式，但文件里没有计算结果")
    assert said[2] == ["C4：「联系电话」是公式的错误值 #N/A，请改为正确的内容"]
    assert said[3] == ["B5：「收件人」是公式的错误值 #REF!，请改为正确的内容"]
    assert "postcode" not in rows[1].data


def test_a_formula_with_its_result_is_that_result() -> None:
    content = labels_of(changed(attn="占位"))
    cached = b'<c r="B2" t="str"><f>"a"&amp;"b"</f><v>\xe5\xbc\xa0\xe4\xb8\x89</v></c><c r="B2x" t="s"><v>'
    content = with_part(
        content,
        "xl/worksheets/sheet1.xml",
        lambda part: re.sub(rb'<c r="B2x".*?</c>', b"", part.replace(b'<c r="B2" t="s"><v>', cached)),
    )
    assert rows_of(content)[0].data["attn"] == "张三"


@pytest.mark.fault("X8")
@pytest.mark.parametrize("from_1904", [False, True])
def test_dates_however_they_are_held(from_1904: bool) -> None:
    title = ["submitted_on", "host.name", "campaign.year", "campaign.name", "host.unit_id"]
    serial = 44688.0 if from_1904 else 46150.0
    texts = ["2026.5.8", "2026年5月8日", date(2026, 5, 8), serial, (serial, "0_ "), 20260508.0]
    main: list[list[Any]] = [
        [*title, "编号"],
        *([text, "甲", "2026", "乙", "", str(n)] for n, text in enumerate(texts)),
    ]
    main.append(["5/8/2026", "甲", 2026.0, "乙", "", "9"])
    reports: list[list[Any]] = [
        ["编号", "阶段", "主题", "总结"],
        *([str(n), 1.0, "丙", "丁"] for n in (*range(6), 9)),
    ]
    content = workbook_of({"名单": main, "活动总结": reports}, date_1904=from_1904)
    rows = rows_of(content, spec_of("summary-report"))
    assert [row.data.get("submitted_on") for row in rows] == ["2026-05-08"] * 6 + [None]
    assert messages(rows[6]) == ["A8：「报送时间」的 5/8/2026 看不出是哪一天，请写成 2026-05-08 的样子"]
    assert rows[0].data["reports"] == [{"stage": 1, "title": "丙", "body": "丁"}]
    assert rows[1].cells["/reports/0/title"] == "活动总结!C3"


@pytest.mark.fault("X9")
def test_hidden_rows_are_read_and_said_hidden_sheets_are_not() -> None:
    content = labels_of(changed(), changed(attn="隐"))
    hidden = with_part(
        content,
        "xl/worksheets/sheet1.xml",
        lambda part: part.replace(b'<row r="3"', b'<row r="3" hidden="1"'),
    )
    source = read_rows(hidden, LABELS)
    assert [row.data["attn"] for row in source] == ["欧阳䶮", "隐"]
    assert "隐藏的第 3 行也已读取" in source.notes[0]
    two = workbook_of({"名单": [list(LABEL_TITLES), changed()], "旧名单": [list(LABEL_TITLES), changed()]})
    with pytest.raises(BadTable) as caught:
        rows_of(two)
    assert caught.value.type_code == "many-sheets"
    assert "“旧名单”" in str(caught.value)
    one = with_part(
        two, "xl/workbook.xml", lambda part: part.replace(b'sheetId="2"', b'sheetId="2" state="hidden"')
    )
    source = read_rows(one, LABELS)
    assert len(list(source)) == 1
    assert source.notes == ("隐藏的工作表“旧名单”没有读取。",)


@pytest.mark.fault("X9")
def test_a_cell_merged_down_is_for_every_row_and_one_merged_across_is_asked_about() -> None:
    content = labels_of(changed(), changed(award=""), changed(award=""), changed(attn="", phone=""), [])
    merges = (
        b'<mergeCells count="2"><mergeCell ref="F2:F4"/><mergeCell ref="A5:C5"/></mergeCells><pageMargins'
    )
    content = with_part(
        content, "xl/worksheets/sheet1.xml", lambda part: part.replace(b"<pageMargins", merges)
    )
    rows = rows_of(content)
    assert [row.data["award"] for row in rows] == ["excellent_organizer"] * 4
    assert [fault.pointer for fault in located(rows[3])] == ["/3/attn", "/3/phone"]
    assert messages(rows[3])[0].startswith("B5：「收件人」与左边的单元格合并了")


@pytest.mark.fault("X9")
def test_a_title_above_and_blank_rows_between_keep_the_line_numbers() -> None:
    content = workbook_of(
        {
            "Sheet1": [["2026年邮寄名单"], [], list(LABEL_TITLES), changed(), [], ["  "], changed()],
            "Sheet2": [],
        }
    )
    rows = rows_of(content)
    assert [row.line for row in rows] == [4, 7]
    assert rows[1].cells["/unit"] == "A7"


def test_rows_without_a_number_belong_to_the_one_above_and_strays_are_named() -> None:
    item = sample_items("plan-form")[0]
    layout = layout_of(PLAN)
    content = fill_in_workbook(PLAN, [item, item])
    grids = CalamineWorkbook.from_filelike(io.BytesIO(content))
    main, activities = (
        [list(row) for row in grids.get_sheet_by_name(table.name).to_python(skip_empty_area=False)]
        for table in layout.tables
    )
    for row in activities[2:4] + activities[5:7]:
        row[0] = ""
    again = workbook_of({layout.tables[0].name: main, layout.tables[1].name: activities})
    assert [row.data for row in rows_of(again, PLAN)] == [item, item]
    activities[4][0] = "3"
    with pytest.raises(BadTable) as caught:
        rows_of(workbook_of({layout.tables[0].name: main, layout.tables[1].name: activities}), PLAN)
    assert caught.value.type_code == "orphan-row"
    assert caught.value.faults[0].message.startswith("特色亮点活动!A5 所在行的「编号」3 在上一级表里没有")
    main[2][0], activities[4][0] = "1", "1"
    rows = rows_of(workbook_of({layout.tables[0].name: main, layout.tables[1].name: activities}), PLAN)
    assert "A3 的「编号」与第 2 行相同" in messages(rows[1])[0]


def test_one_item_needs_no_numbers() -> None:
    item = sample_items("plan-form")[0]
    content = fill_in_workbook(PLAN, [item])
    bare = with_part(
        content,
        "xl/worksheets/sheet1.xml",
        lambda part: re.sub(rb'<c r="A2" [^>]*><v>\d+</v></c>', b"", part),
    )
    bare = with_part(
        bare,
        "xl/worksheets/sheet2.xml",
        lambda part: re.sub(rb'<c r="A[2-4]" [^>]*><v>\d+</v></c>', b"", part),
    )
    assert bare != content
    assert [row.data for row in rows_of(bare, PLAN)] == [item]


def fail(row: BatchRow, pointer: str) -> tuple[Fault, ...]:
    return located(row, [Fault(pointer, "pattern", "「邮政编码」应为 6 位数字")])


@pytest.mark.parametrize("kind", ["xlsx", "csv", "json"])
def test_the_error_workbook_can_be_mended_and_sent_back(kind: str) -> None:
    titles = ("牌匾编号", "序号", *LABEL_TITLES[:6])
    cells = [["2026-001", "1", *label_cells(1)[:6]], ["2026-002", "2", *label_cells(2)[:6]]]
    cells[1][5] = "12"
    content = {
        "xlsx": labels_of(*cells, titles=titles),
        "csv": "\n".join(",".join(row) for row in [titles, *cells]).encode("gb18030"),
        "json": as_json([label_row(1), {**label_row(2), "postcode": "12"}]),
    }[kind]
    source = read_rows(content, LABELS)
    rows = list(source)
    book = error_workbook(source, {1: fail(rows[1], "/postcode")})
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(book)).get_sheet_by_name(LABELS.title).to_python()
    assert sheet[0][-2:] == ["错误原因", "原行号"]
    assert len(sheet) == 2
    assert "应为 6 位数字" in str(sheet[1][-2])
    assert "12" in sheet[1]
    if kind != "json":
        assert str(sheet[0][0]).startswith("牌匾编号")
        assert str(sheet[1][-2]).startswith("F3：")
        assert sheet[1][-1] == "3"
    mended = with_part(book, "xl/sharedStrings.xml", lambda part: part.replace(b"<t>12<", b"<t>010000<"))
    assert [row.data for row in rows_of(mended)] == [label_row(2)]


def test_the_error_workbook_brings_the_lists_along() -> None:
    items = sample_items("commendation") * 3
    spec = spec_of("commendation")
    source = read_rows(fill_in_workbook(spec, items), spec)
    rows = list(source)
    book = error_workbook(source, {1: fail(rows[1], "/title"), 2: fail(rows[2], "/title")})
    again = read_rows(book, spec)
    assert [row.data for row in again] == items[1:]


def test_cells_that_could_not_be_read_keep_what_they_showed() -> None:
    content = labels_of(changed(phone=1.2e17, plaque_no=date(2026, 1, 1)))
    source = read_rows(content, LABELS)
    row = next(iter(source))
    book = error_workbook(source, {0: located(row)})
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(book)).get_sheet_by_name(LABELS.title).to_python()
    assert sheet[1][2] == "1.2e+17"
    assert sheet[1][6] == "2026-01-01"


def test_an_item_that_is_no_object_still_has_its_row_of_reasons() -> None:
    source = read_rows(b'{"unit": "\\ud800"}\n{"unit"\n', LABELS)
    rows = list(source)
    book = error_workbook(source, {row.index: located(row, [Fault("", "x", "坏")]) for row in rows})
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(book)).get_sheet_by_name(LABELS.title).to_python()
    assert [row[-1] for row in sheet[1:]] == ["1", "2"]


@pytest.mark.fault("X1")
@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"Workbook", "not-xlsx"),
        (b"PK\x03\x04" + b"x" * 100, "not-xlsx"),
        ((FIXTURES.parent / "templates/docx/notice/template.docx").read_bytes(), "not-xlsx"),
        (with_part(labels_of(changed()), "[Content_Types].xml", lambda part: part.replace(b"spreadsheetml.sheet.main", b"macroEnabled.main")), "active-content"),
        (with_part(labels_of(changed()), "xl/workbook.xml", lambda part: b"<!DOCTYPE a>" + part), "dtd-forbidden"),
        (with_part(labels_of(changed()), "xl/workbook.xml", lambda part: part[:-20]), "not-xlsx"),
        (with_part(labels_of(changed()), "xl/sharedStrings.xml", lambda part: b"<sst/>"), "not-xlsx"),
    ],
)  # fmt: skip
def test_files_that_are_no_workbook_are_refused(content: bytes, code: str) -> None:
    with pytest.raises(ServiceError) as caught:
        rows_of(content)
    assert caught.value.type_code == code
    assert caught.value.http_status == 422
