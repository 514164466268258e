"""Label stock, and text that is made to fit or refused by name."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidRequest
from service.labels import STOCK, geometry_of, plan_sheet
from service.labels.fit import FittedLabel, fit_label, label_values, take_line, width_em, width_mm
from service.labels.plan import twips

LABEL = {
    "unit": "云州市科学技术促进会",
    "attn": "欧阳䶮",
    "phone": "010-0000-0000",
    "postcode": "010000",
    "address": "云江省云州市滨湖区不存在路1001号科技大厦11层",
    "award": "优秀组织单位",
    "plaque_no": "2026-001",
}
CUSTOM = {
    "cols": 2, "rows": 6, "width_mm": 95, "height_mm": 42, "left_mm": 8, "top_mm": 12,
    "pitch_x_mm": 98.5, "pitch_y_mm": 45,
}  # fmt: skip


def fitted(name: str = "L7163", **changes: str) -> FittedLabel:
    found = fit_label(label_values({**LABEL, **changes}, LABEL["award"], draft=False), STOCK[name])
    assert isinstance(found, FittedLabel)
    return found


def lines(label: FittedLabel) -> list[str]:
    return [line.text for line in (*label.upper, *label.beside)]


@pytest.mark.parametrize("name", list(STOCK))
def test_stock_is_symmetrical_and_lies_on_its_paper(name: str) -> None:
    geometry = STOCK[name]
    assert geometry.right_rest == pytest.approx(geometry.left, abs=0.5)
    assert geometry.foot_rest == pytest.approx(geometry.top, abs=0.5)
    assert geometry.narrow >= 30
    assert geometry.upper > geometry.inset_top + 4


def test_sheet_is_found_by_id_and_made_of_lengths() -> None:
    assert geometry_of(None) == STOCK["L7163"]
    assert geometry_of("3474") == STOCK["3474"]
    assert geometry_of(CUSTOM).place(3) == (106.5, 57)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width_mm", 40), ("height_mm", 20), ("pitch_x_mm", 90), ("pitch_y_mm", 40), ("cols", 3), ("rows", 7),
    ],
)  # fmt: skip
def test_impossible_sheet_is_refused_by_field(field: str, value: float) -> None:
    with pytest.raises(InvalidRequest) as caught:
        geometry_of({**CUSTOM, field: value})
    assert f"/sheet/{field}" in {fault.pointer for fault in caught.value.faults}
    assert {fault.keyword for fault in caught.value.faults} == {"label_geometry"}


def test_order_is_that_of_chinese_mail() -> None:
    assert lines(fitted()) == [
        "0 1 0 0 0 0",
        "云江省云州市滨湖区不存在路1001号",
        "科技大厦11层",
        "云州市科学技术促进会",
        "欧阳䶮（收） 010-0000-0000",
        "优秀组织单位牌匾 2026-001",
    ]


def test_sizes_go_down_step_by_step_and_then_the_field_is_named() -> None:
    sizes = []
    for length in range(4, 120):
        address = ("云江省滨湖区" + "甲乙丙丁戊" * 24)[:length]
        values = label_values({**LABEL, "address": address, "postcode": ""}, "优秀组织单位", draft=False)
        found = fit_label(values, STOCK["L7160"])
        if not isinstance(found, FittedLabel):
            assert found.field == "address"
            break
        sizes.append(max(line.size_pt for line in (*found.upper, *found.beside)))
    assert length < 119
    assert list(dict.fromkeys(sizes)) == [12, 10.5, 9, 8]


@pytest.mark.fault("C15")
def test_all_labels_that_do_not_fit_are_named_at_once() -> None:
    data = {
        "labels": [
            LABEL,
            {**LABEL, "address": "甲" * 120},
            {**LABEL, "unit": "乙" * 60, "address": "丙" * 60},
        ]
    }
    with pytest.raises(InvalidRequest) as caught:
        plan_sheet(data, STOCK["L7159"], str, draft=False)
    assert [(fault.pointer, fault.keyword) for fault in caught.value.faults] == [
        ("/labels/1/address", "label_overflow"),
        ("/labels/2/address", "label_overflow"),
    ]
    assert "第 2 枚" in caught.value.faults[0].message


def test_unbreakable_text_is_refused_not_cut() -> None:
    data = {"labels": [{**LABEL, "address": "https://" + "a" * 100}]}
    with pytest.raises(InvalidRequest, match="放不下"):
        plan_sheet(data, STOCK["L7160"], str, draft=False)


@pytest.mark.parametrize(
    ("text", "room", "line"),
    [
        ("云江省云州市滨湖区不存在路1001号", 11, "云江省云州市滨湖区"),
        ("云州市不存在路1001号", 9, "云州市不存在路"),
        ("云州市不存在路1001号", 8.9, "云州市不存在路"),
        ("欧阳䶮（收） 010-0000-0000", 10, "欧阳䶮（收）"),
        ("云州市科学技术促进会", 8, "云州市"),
        ("甲乙丙（丁）戊己庚辛", 4, "甲乙丙"),
        ("甲乙丙，丁戊己庚辛", 3, "甲乙"),
    ],
)
def test_line_ends_where_an_address_allows_it(text: str, room: float, line: str) -> None:
    assert take_line(text, room)[0] == line


@given(st.text("云州市滨湖区路号（）·、0123456789-AbW ", min_size=1, max_size=60), st.floats(4, 30))
def test_lines_lose_nothing_and_are_never_too_long(text: str, room: float) -> None:
    rest, taken = text.strip(), []
    while rest:
        line, rest = take_line(rest, room)
        if not line:
            break
        assert width_em(line) <= room
        taken.append(line)
    assert "".join([*taken, rest]).replace(" ", "") == text.replace(" ", "")


def test_digits_are_never_torn() -> None:
    rest = "电话010-0000-0000转1101、010-0000-0001"
    while rest:
        line, rest = take_line(rest, 9)
        assert not (line[-1:].isdigit() and rest[:1].isdigit())


def test_width_counts_gaps_between_hanzi_and_latin() -> None:
    assert width_em("云州") == 2
    assert width_em("路1号") > 2.9
    assert width_mm("云", 12) == pytest.approx(4.233, abs=0.001)


@pytest.mark.parametrize("name", list(STOCK))
@pytest.mark.parametrize(("dx", "dy"), [(0.0, 0.0), (-5.0, -5.0), (5.0, 5.0)])
def test_rows_add_up_to_the_sheet_without_drift(name: str, dx: float, dy: float) -> None:
    geometry = STOCK[name]
    data: dict[str, Any] = {"labels": [LABEL] * geometry.per_page, "offset_mm": {"dx": dx, "dy": dy}}
    sheet = plan_sheet(data, geometry, str, draft=False)
    assert sheet.pages == 1
    top = max(0, twips(geometry.top + dy))
    for row in range(geometry.rows):
        wanted = twips(max(0.0, geometry.top + dy + row * geometry.pitch_y))
        assert top == pytest.approx(wanted, abs=1)
        top += sheet.rows[row].upper + sheet.rows[row].lower
    assert top + twips(sheet.foot_mm) <= twips(geometry.page[1])


def test_start_beyond_the_sheet_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        plan_sheet({"labels": [LABEL], "start_at": 15}, STOCK["L7163"], str, draft=False)
    assert [(f.pointer, f.keyword) for f in caught.value.faults] == [("/start_at", "maximum")]
    sheet = plan_sheet({"labels": [LABEL], "start_at": 14}, STOCK["L7163"], str, draft=False)
    assert sheet.pages == 1
    assert [label is None for row in sheet.rows for label in row.labels] == [True] * 13 + [False]


def test_draft_says_so() -> None:
    found = fit_label(label_values(LABEL, "优秀组织单位", draft=True), STOCK["L7163"])
    assert isinstance(found, FittedLabel)
    assert lines(found)[-1].startswith("草稿优秀组织单位 ")
