"""Typesetting filters: numbers, dates, measures, line breaks."""

from datetime import date
from itertools import pairwise

import pytest

from service.fill.typeset import (
    annex_number,
    balanced,
    bracketed,
    cn_date,
    cn_number,
    ended,
    fit_size,
    half_ems,
    joined,
    line_count,
    numbered,
    one_line,
    signature,
    width_twips,
)


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (1, "一"),
        (10, "十"),
        (11, "十一"),
        (19, "十九"),
        (20, "二十"),
        (21, "二十一"),
        (99, "九十九"),
        (100, "一百"),
        (101, "一百零一"),
        (110, "一百一十"),
        (115, "一百一十五"),
        (1001, "一千零一"),
        (1010, "一千零一十"),
        (9999, "九千九百九十九"),
    ],
)
def test_numbers_in_hanzi(value: int, printed: str) -> None:
    assert cn_number(value) == printed


@pytest.mark.fault("J23")
@pytest.mark.parametrize("value", [0, -1, 10_000])
def test_number_out_of_range_is_refused(value: int) -> None:
    with pytest.raises(ValueError):
        cn_number(value)


@pytest.mark.fault("J22")
def test_date_has_no_leading_zeros() -> None:
    assert cn_date("2021-05-08") == cn_date(date(2021, 5, 8)) == "2021年5月8日"
    assert cn_date("2024-02-29") == "2024年2月29日"
    with pytest.raises(ValueError):
        cn_date("2023-02-29")


def test_numbering_starts_deeper_levels_afresh() -> None:
    levels = [0, 1, 2, 3, 4, 4, 3, 4, 0, 4, 2, 3, 1, 3, 2, 0, 2]
    printed = [p.number for p in numbered([{"level": level, "text": "x"} for level in levels])]
    assert printed == [
        "", "一、", "（一）", "1.", "（1）", "（2）", "2.", "（1）", "", "（2）",
        "（二）", "1.", "二、", "1.", "（一）", "", "（二）",
    ]  # fmt: skip


def test_numbering_goes_past_ten_and_a_hundred() -> None:
    printed = [p.number for p in numbered([{"level": 2, "text": "x"}] * 101)]
    assert (printed[9], printed[10], printed[19], printed[100]) == (
        "（十）",
        "（十一）",
        "（二十）",
        "（一百零一）",
    )


def test_heading_runs_in_up_to_its_first_full_stop() -> None:
    one, two, three = numbered(
        [
            {"level": 2, "text": "第一阶段（筹备。试点）。动员部署。"},
            {"level": 1, "text": "总体要求"},
            {"level": 3, "text": "明确责任。落实到人。"},
        ]
    )
    assert (one.lead, one.rest) == ("第一阶段（筹备。试点）。", "动员部署。")
    assert (two.lead, two.rest) == ("总体要求", "")
    assert (three.lead, three.rest) == ("明确责任。落实到人。", "")
    assert one.text == one.lead + one.rest


def test_long_word_is_seen() -> None:
    found = [
        p.has_long_word
        for p in numbered([{"level": 0, "text": t} for t in ("见https://a.example.cn/", "2026年")])
    ]
    assert found == [True, False]


def test_half_ems() -> None:
    assert half_ems("甲，A1 ") == 7
    assert half_ems("𬀩") == 2
    assert half_ems("e\u0301") == 1


def test_sealed_signature_has_its_date_four_characters_in() -> None:
    place = signature("云州市科技馆", "2026-05-08")
    date_width, name_width = width_twips("2026年5月8日"), width_twips("云州市科技馆")
    assert place.date_right == 4 * 320
    date_middle = place.date_right + date_width / 2
    assert abs((place.right + (8844 - place.left)) / 2 - date_middle) < 60
    assert 8844 - place.left - place.right >= name_width


def test_long_name_pushes_the_date_in() -> None:
    place = signature("云州市科学技术促进会青少年科技实践活动指导中心", "2026-05-08")
    assert len(place.lines) == 1
    assert place.right == 0
    assert place.date_right > 4 * 320


def test_endless_name_is_set_in_lines_inside_the_type_area() -> None:
    place = signature("云州市科学技术促进会" * 8, "2026-05-08")
    assert len(place.lines) > 1
    assert "".join(place.lines) == "云州市科学技术促进会" * 8
    assert all(width_twips(line) <= 8844 - place.left - place.right for line in place.lines)


TITLES = [
    "云州市科学技术促进会办公室关于印发《2026年云州市科技工作者服务月活动实施方案》的通知",
    "云州市科学技术促进会关于开展2026年度优秀科技工作者推荐评选工作的通知",
    "云州市科学技术促进会关于公布2026年度“最美科技工作者”名单并开展学习宣传活动有关事项的通知",
    "关于做好2026年WorldScienceFestival（云州站）志愿者招募工作的通知",
]


@pytest.mark.parametrize("title", TITLES)
def test_balanced_lines_keep_words_whole(title: str) -> None:
    lines = balanced(title, 20).split("\n")
    assert "".join(lines) == title
    assert max(half_ems(line) for line in lines) <= 40
    assert min(half_ems(line) for line in lines) >= 0.5 * max(half_ems(line) for line in lines)
    for line, following in pairwise(lines):
        assert following[0] not in "）》”、，。"
        assert line[-1] not in "（《“"
        assert not (line[-1].isascii() and following[0].isascii())
        assert not (line[-1].isdigit() and following[0] in "年月日")
    for word in ("工作者", "促进会", "通知", "活动", "WorldScienceFestival", "2026年", "最美"):
        assert any(word in line for line in lines) == (word in title)


@pytest.mark.parametrize("length", range(1, 90))
def test_balanced_never_leaves_a_stray_character(length: int) -> None:
    lines = balanced("甲" * length, 20).split("\n")
    assert len(lines) == -(-length // 20)
    assert max(map(len, lines)) - min(map(len, lines)) <= 1


def test_short_and_broken_titles_stay() -> None:
    assert balanced("关于放假的通知", 20) == "关于放假的通知"
    assert balanced("甲" * 30 + "\n乙", 20) == "甲" * 30 + "\n乙"
    assert balanced("A" * 80, 20) == "A" * 80


def test_lists_change_their_mark_when_an_item_holds_it() -> None:
    assert joined(["甲", "乙"]) == "甲、乙"
    assert joined(["甲、乙", "丙"]) == "甲、乙，丙"


def test_small_ones() -> None:
    assert ended("甲：", "：") == ended("甲", "：") == "甲："
    assert bracketed("甲") == bracketed("（甲）") == "（甲）"
    assert one_line("甲\n乙 World\nScience") == "甲乙 World Science"
    assert line_count("甲" * 25, 26) == 1
    assert line_count("甲" * 26, 26) == 2
    assert fit_size("甲乙", 48, 156) == 48
    assert fit_size("甲" * 20, 48, 156) == 22


def test_annex_number_agrees_with_the_list() -> None:
    assert annex_number("甲", 0, 1, None) == ""
    assert annex_number("甲", 0, 1, ["甲"]) == ""
    assert annex_number("丙", 0, 1, ["甲", "乙", "丙"]) == "3"
    assert annex_number("丁", 1, 2, None) == "2"
