"""Rows from JSON, NDJSON and CSV, whatever program wrote them."""

import codecs
import csv
import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from service.errors import BadTable, Fault, MalformedJson, ServiceError
from service.sheets import SheetLimits, SourceKind, label_from_plan_form, located, read_rows
from tests.tables import LABEL_TITLES, as_json, label_cells, label_row, sample_items, spec_of

LABELS = spec_of("plaque-labels")


def csv_of(rows: list[list[str]], separator: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows(rows)
    return text.getvalue()


def refused(content: bytes, **how: Any) -> BadTable:
    with pytest.raises(BadTable) as caught:
        list(read_rows(content, LABELS, **how))
    return caught.value


def test_a_json_array_is_read_again_and_again() -> None:
    source = read_rows(as_json([label_row(1), label_row(2)]), LABELS)
    assert source.kind is SourceKind.JSON
    for _ in range(2):
        rows = list(source)
        assert [row.data for row in rows] == [label_row(1), label_row(2)]
        assert [(row.index, row.line) for row in rows] == [(0, 0), (1, 0)]


def test_a_json_array_is_read_strictly_with_the_item_in_the_pointer() -> None:
    with pytest.raises(MalformedJson) as caught:
        read_rows(b'[{"unit": "a"}, {"unit": "b", "unit": "c"}]', LABELS)
    assert caught.value.type_code == "duplicate-key"
    assert caught.value.faults[0].pointer == "/1/unit"


def test_one_object_declared_as_json_is_no_batch() -> None:
    assert refused(b'{"labels": []}', content_type="application/json").type_code == "not-array"


@pytest.mark.parametrize("content", [b"", b" \n", b"[]", b"\xef\xbb\xbf\n", "收件单位\n".encode()])
@pytest.mark.fault("X11")
def test_nothing_to_print_is_said_plainly(content: bytes) -> None:
    error = refused(content)
    assert error.type_code in ("empty", "bad-header")
    assert error.http_status == 422


def test_a_header_alone_is_empty() -> None:
    assert refused(csv_of([list(LABEL_TITLES), []]).encode()).type_code == "empty"


def test_ndjson_names_the_line_and_goes_on() -> None:
    good = json.dumps(label_row(), ensure_ascii=False)
    text = f'{good}\n\n{{"unit": NaN}}\n[1]\n{{"a"\n{good}'
    rows = list(read_rows(text.encode(), LABELS))
    assert [(row.index, row.line) for row in rows] == [(0, 1), (1, 3), (2, 4), (3, 5), (4, 6)]
    assert [row.data is None for row in rows] == [False, True, True, True, False]
    assert located(rows[1]) == (
        Fault("/1/unit", "not-a-number", "第 3 行：NaN 不是数字，请改为普通数字或删去此项"),
    )
    assert located(rows[2])[0].pointer == "/2"
    assert located(rows[3])[0].message.startswith("第 5 行：第 5 列：")


def test_ndjson_lines_are_bounded_and_the_next_is_whole() -> None:
    long = json.dumps({"unit": "长" * 500}, ensure_ascii=False)
    content = f"{long}\n{json.dumps(label_row())}\n".encode()
    rows = list(read_rows(content, LABELS, limits=SheetLimits(item_bytes=400)))
    assert [fault.keyword for fault in rows[0].faults] == ["too-large"]
    assert rows[1].data == label_row()


def test_ndjson_of_many_lines_stays_flat_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    line = json.dumps(label_row()).encode() + b"\n"
    with path.open("wb") as stream:
        for _ in range(20_000):
            stream.write(line)
    source = read_rows(path, LABELS)
    tracemalloc.start()
    count = sum(1 for _ in source)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 20_000
    assert peak_bytes < 2_000_000 < path.stat().st_size


@pytest.mark.fault("X4")
def test_more_rows_than_allowed_are_refused() -> None:
    limits = SheetLimits(rows=2)
    three = csv_of([list(LABEL_TITLES), *(label_cells(number) for number in range(3))]).encode()
    assert refused(three, limits=limits).type_code == "too-many-rows"
    assert refused(as_json([label_row()] * 3), limits=limits).type_code == "too-many-rows"


@pytest.mark.fault("X10")
@pytest.mark.parametrize(
    ("encoding", "bom"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("gb18030", b""),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-16-le", b""),
        ("utf-16-be", b""),
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_in_every_encoding_with_every_separator(encoding: str, bom: bytes, separator: str) -> None:
    text = csv_of([list(LABEL_TITLES), label_cells(1), label_cells(2)], separator)
    source = read_rows(bom + text.encode(encoding), LABELS, name="名单.csv")
    rows = list(source)
    assert [row.data for row in rows] == [label_row(1), label_row(2)]
    assert source.separator == separator
    assert [row.line for row in rows] == [2, 3]
    assert rows[1].cells["/phone"] == "C3"


@pytest.mark.fault("X10")
def test_bytes_that_are_no_text_are_named_by_their_offset() -> None:
    text = csv_of([list(LABEL_TITLES), label_cells()]).encode()
    damaged = text[:13] + b"\xff" + text[13:]
    error = refused(damaged, name="a.csv")
    assert error.type_code == "encoding"
    assert "第 13 个字节" in str(error)
    assert refused("单位".encode("gb18030") + b"\xff\xff,", name="a.csv").type_code == "encoding"


def test_utf8_with_a_byte_lost_does_not_come_out_as_other_words() -> None:
    whole = ",".join([*label_row(), "云州市第一中学"]).encode()
    damaged = whole[:-9] + whole[-8:]
    assert damaged.decode("gb18030")
    error = refused(damaged, name="a.csv")
    assert error.type_code == "encoding"
    assert "UTF-8" in str(error)
    assert "GB18030" not in str(error)


def test_the_offset_is_right_beyond_the_first_chunk() -> None:
    text = ("云" * 30_000).encode()
    error = refused(text + b"\xff", name="a.csv")
    assert "第 90000 个字节" in str(error)


@pytest.mark.fault("X10")
def test_quoted_newlines_count_as_one_row() -> None:
    notice = spec_of("summary-report")
    text = 'submitted_on,host.name,campaign.year,campaign.name\n"2026-05-08","甲\n",2026,乙\n2026-05-09,丙,2026,丁\n'
    with pytest.raises(BadTable) as caught:
        read_rows(text.encode(), notice)
    assert caught.value.type_code == "missing-sheet"
    assert "活动总结" in caught.value.faults[0].message
    cells = label_cells()
    cells[4] = "云江省\n云州市"
    rows = list(read_rows(csv_of([list(LABEL_TITLES), cells, label_cells(2)]).encode(), LABELS))
    assert rows[0].data["address"] == "云江省\n云州市"
    assert rows[1].line == 3


def test_an_unclosed_quote_is_no_row() -> None:
    text = csv_of([list(LABEL_TITLES), label_cells()]) + '"' + "云" * 1_100_000
    assert refused(text.encode()).type_code == "bad-csv"


@pytest.mark.fault("X2")
def test_headers_in_any_order_spelling_and_width() -> None:
    titles = ["＊牌匾编号", " 收件 人 ", "Phone", "/address", "award（必填）", "收件单位*", "序号"]
    row = label_row()
    cells = [row["plaque_no"], row["attn"], row["phone"], row["address"], "优秀组织单位", row["unit"], "1"]
    rows = list(read_rows(csv_of([["2026年邮寄名单"], [], titles, cells]).encode(), LABELS))
    assert rows[0].data == {key: value for key, value in row.items() if key != "postcode"}
    assert rows[0].line == 4
    assert rows[0].cells["/phone"] == "C4"


@pytest.mark.fault("X2")
def test_every_wrong_header_is_named_with_the_nearest_title() -> None:
    titles = ["收件单位", "收件单位", "收件人姓名", "电话", "收件地址", "表扬名称", "牌匾编号", "颜色"]
    error = refused(csv_of([titles, ["a"] * 8]).encode())
    assert error.type_code == "bad-header"
    said = "\n".join(fault.message for fault in error.faults)
    assert "B1：“收件单位”与 A1 是同一列" in said
    assert "没有名为“电话”的列，是不是「联系电话」？" in said
    assert "没有名为“颜色”的列，请改名或删去" in said
    assert "缺少必填的列「收件人」" in said
    assert {fault.pointer for fault in error.faults if fault.keyword == "missing-column"} == {
        "/attn",
        "/phone",
    }


def test_content_under_no_header_is_not_lost_in_silence() -> None:
    rows = list(read_rows(csv_of([list(LABEL_TITLES), [*label_cells(), "加急"]]).encode(), LABELS))
    assert "H2 有内容，但这一列没有表头" in located(rows[0])[0].message


@pytest.mark.fault("X9")
def test_blank_rows_are_passed_over_and_lines_stay() -> None:
    text = csv_of([list(LABEL_TITLES), label_cells(1), [""] * 7, [], label_cells(2)])
    assert [row.line for row in read_rows(text.encode(), LABELS)] == [2, 5]


@pytest.mark.fault("X6")
def test_text_that_looks_like_a_formula_is_text() -> None:
    odd = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t云州"]
    for text in odd:
        cells = label_cells()
        cells[0] = text
        rows = list(read_rows(csv_of([list(LABEL_TITLES), cells]).encode(), LABELS))
        assert rows[0].data["unit"] == text.strip()


def test_what_only_follows_from_an_unreadable_cell_is_not_said_again() -> None:
    cells = label_cells()
    cells[2], cells[5] = "1.38E+10", "一等奖"
    row = next(iter(read_rows(csv_of([list(LABEL_TITLES), cells]).encode(), LABELS)))
    missing = Fault("/phone", "required", "缺少必填项「联系电话」，请补上")
    other = Fault("/unit", "no-glyph", "「收件单位」含有…")
    found = located(row, [missing, other])
    assert [fault.pointer for fault in found] == ["/0/award", "/0/phone", "/0/unit"]
    assert found[0].message.startswith(
        "F2：「表扬名称」的 一等奖 不在可选范围内，可选：优秀组织单位、积极贡献单位"
    )
    assert found[1].message.startswith("C2：「联系电话」是科学记数法 1.38E+10")
    assert found[2].message.startswith("A2：")


def test_a_plan_form_with_an_award_becomes_a_label() -> None:
    form = {**sample_items("plan-form")[0], "award": "excellent_organizer", "plaque_no": "2026-001"}
    label = {
        "unit": "云州市科学技术促进会",
        "attn": "欧阳䶮",
        "phone": "10000000000",
        "postcode": "000000",
        "address": "云州市示例区样张路0号云州市科技馆000室",
        "award": "excellent_organizer",
        "plaque_no": "2026-001",
    }
    row = next(iter(read_rows(as_json([form]), LABELS)))
    assert row.data == label
    found = located(row, [Fault("/address", "maxLength", "「收件地址」最多 120 个字")])[0]
    assert found.pointer == "/0/mailing_address/text"
    assert "取自 /mailing_address/text" in found.message
    del form["contact"]["mobile"]
    assert label_from_plan_form(form)[0]["phone"] == "010-0000-0000转801"


@pytest.mark.fault("X1")
@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"<html><table>", "a.xlsx", "not-xlsx"),
        ("收件单位,a\n".encode(), "a.xlsx", "not-xlsx"),
        (b"%PDF-1.7", "", "not-xlsx"),
        (b"{\\rtf1", "a.csv", "not-xlsx"),
    ],
)
def test_what_only_has_the_name_of_a_workbook_is_refused(content: bytes, name: str, code: str) -> None:
    with pytest.raises(ServiceError) as caught:
        read_rows(content, LABELS, name=name)
    assert caught.value.type_code == code
