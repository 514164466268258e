"""A cell says one thing, or says that it cannot be told."""

import contextlib
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.sheets.cells import Broken, CellProblem, Raw, Shown, as_text, read_cell, to_text
from service.sheets.columns import Column, Kind

CHOICES = (("unity", "团结引领"), ("home", "建家办事"), ("service", "为民服务"))


def column(kind: Kind) -> Column:
    chosen = CHOICES if kind in (Kind.CHOICE, Kind.CHOICES) else ()
    return Column(("a",), "甲/乙", "乙", kind, choices=chosen)


@pytest.mark.fault("X7")
@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (10000000000.0, "10000000000"),
        (1.0, "1"),
        (999999999999999.0, "999999999999999"),
        ("10000000000.0", "10000000000"),
        ("1.0", "1.0"),
        (" 云州 ", "云州"),
        ("'010000", "'010000"),
        ("=1+1", "=1+1"),
        ("#N", "#N"),
        (Shown(10000.0, "000000"), "010000"),
        (Shown(13800.0, "0_ "), "13800"),
        (Shown(13800.0, "0_);[Red]\\(0\\)"), "13800"),
    ],
)
def test_text_is_restored_where_it_can_be(raw: Raw, text: str) -> None:
    assert read_cell(raw, column(Kind.TEXT)) == text


@pytest.mark.fault("X7")
@pytest.mark.parametrize(
    ("raw", "keyword"),
    [
        (1.2e17, "text-format"),
        (1e15, "text-format"),
        (2.5, "text-format"),
        ("1.2E+17", "text-format"),
        (True, "text-format"),
        (date(2026, 1, 1), "text-format"),
        (datetime(2026, 1, 1, 8), "text-format"),
        (time(8), "text-format"),
        (timedelta(hours=30), "text-format"),
        (Shown(1.0, '"2026-"000'), "text-format"),
        (Shown(0.5, "0%"), "text-format"),
        (Shown(-5.0, "000"), "text-format"),
        ("#N/A", "cell-error"),
        (" #REF! ", "cell-error"),
        (Broken("formula", "是公式"), "formula"),
        (float("inf"), "number"),
        (float("nan"), "number"),
    ],
)
def test_text_is_never_guessed(raw: Raw, keyword: str) -> None:
    with pytest.raises(CellProblem) as caught:
        read_cell(raw, column(Kind.TEXT))
    assert caught.value.keyword == keyword


@pytest.mark.fault("X8")
@pytest.mark.parametrize(
    ("raw", "from_1904"),
    [
        (date(2026, 5, 8), False),
        (datetime(2026, 5, 8), True),
        (46150.0, False),
        (44688.0, True),
        (20260508.0, False),
        (Shown(46150.0, "0_ "), False),
        *((text, False) for text in ("2026-05-08", "2026-5-8", "2026.5.8", "2026/5/8", "20260508")),
        *(
            (text, False)
            for text in ("2026年5月8日", "2026 年 5 月 8 日", "２０２６．５．８", "2026-05-08 00:00:00")
        ),
    ],
)
def test_a_date_has_one_value(raw: Raw, from_1904: bool) -> None:
    assert read_cell(raw, column(Kind.DATE), from_1904=from_1904) == "2026-05-08"


@pytest.mark.fault("X8")
@pytest.mark.parametrize(
    "raw",
    [
        "2026-13-40",
        "2026年2月30日",
        "5/8/2026",
        "26.5.8",
        "五月八日",
        8.0,
        1e9,
        46150.5,
        True,
        datetime(2026, 5, 8, 9),
    ],
)
def test_a_doubtful_date_is_refused(raw: Raw) -> None:
    with pytest.raises(CellProblem) as caught:
        read_cell(raw, column(Kind.DATE))
    assert caught.value.keyword == "date"


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (Kind.INTEGER, 2026.0, 2026),
        (Kind.INTEGER, "２０２６", 2026),
        (Kind.NUMBER, "-1.50", Decimal("-1.50")),
        (Kind.NUMBER, 0.1, Decimal("0.1")),
        (Kind.BOOLEAN, "是", True),
        (Kind.BOOLEAN, "√", True),
        (Kind.BOOLEAN, False, False),
        (Kind.BOOLEAN, 1.0, True),
        (Kind.CHOICE, " 团结 引领", "unity"),
        (Kind.CHOICE, "UNITY", "unity"),
        (Kind.CHOICES, "为民服务、团结引领", ["service", "unity"]),
        (Kind.CHOICES, "unity；home\n", ["unity", "home"]),
        (Kind.TEXTS, "甲；乙;丙", ["甲", "乙", "丙"]),
        (Kind.TEXTS, "甲；乙\n丙\n\n", ["甲；乙", "丙"]),
        (Kind.PARAGRAPHS, "　　甲\r\n乙\r", "　　甲\n乙\n"),
        (Kind.JSON, '{"a": [1.5]}', {"a": [Decimal("1.5")]}),
        (Kind.JSON, "甲", "甲"),
    ],
)
def test_other_kinds(kind: Kind, raw: Raw, value: Any) -> None:
    found = read_cell(raw, column(kind))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (Kind.INTEGER, 2.5),
        (Kind.INTEGER, "二"),
        (Kind.INTEGER, True),
        (Kind.NUMBER, date(2026, 1, 1)),
        (Kind.BOOLEAN, "也许"),
        (Kind.CHOICE, "团结"),
        (Kind.CHOICES, "团结引领、别的"),
        (Kind.JSON, '{"a": 1, "a": 2}'),
    ],
)
def test_other_kinds_refuse(kind: Kind, raw: Raw) -> None:
    with pytest.raises(CellProblem):
        read_cell(raw, column(kind))


RAW = st.one_of(
    st.text(max_size=40),
    st.booleans(),
    st.floats(),
    st.dates(),
    st.datetimes(),
    st.times(),
    st.builds(Shown, st.floats(), st.sampled_from(["0", "000000", "0_ ", "#,##0", '"a"0'])),
)


@given(RAW, st.sampled_from(Kind), st.booleans())
def test_any_cell_gives_a_value_or_a_problem(raw: Raw, kind: Kind, from_1904: bool) -> None:
    with contextlib.suppress(CellProblem):
        read_cell(raw, column(kind), from_1904=from_1904)
    assert isinstance(as_text(raw), str)


@given(
    RAW.filter(lambda raw: isinstance(raw, (str, float, date))),
    st.sampled_from([Kind.TEXT, Kind.DATE, Kind.INTEGER]),
)
def test_a_cell_written_as_text_means_the_same(raw: Raw, kind: Kind) -> None:
    try:
        value = read_cell(raw, column(kind))
    except CellProblem:
        return
    assert read_cell(as_text(raw), column(kind)) == value


LINE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20)
PLAIN = LINE.map(str.strip).filter(bool)


def unharmed(text: str) -> bool:
    try:
        return bool(read_cell(text, column(Kind.TEXT)) == text)
    except CellProblem:
        return False


@given(st.lists(PLAIN, min_size=1, max_size=5))
def test_lists_of_texts_come_back(texts: list[str]) -> None:
    kind = column(Kind.TEXTS)
    written = to_text(texts, kind)
    if len(texts) > 1 or unharmed(written):
        assert read_cell(written, kind) == texts


@given(st.lists(st.sampled_from([value for value, _ in CHOICES]), min_size=1, unique=True))
def test_lists_of_choices_come_back(chosen: list[str]) -> None:
    kind = column(Kind.CHOICES)
    assert read_cell(to_text(chosen, kind), kind) == chosen
