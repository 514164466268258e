"""Whether the printed page has all the text: what counts as lost, what does not, and which field is named."""

from typing import Any

import pytest

from service.catalog import Catalog
from service.errors import TextLost
from service.pipeline.whole import check_text
from tests.conftest import ROOT

SPEC = Catalog.load(ROOT / "templates/docx").get("notice")
DATA: dict[str, Any] = {
    "title": "关于开展活动的通知",
    "issuer": "云州市科学技术促进会",
    "body": [
        {"level": 0, "text": "会议定于上午召开，请准时参加。"},
        {"level": 0, "text": "联系人到会，请签到。"},
    ],
}
GIVEN = "关于开展活动的通知\n会议定于上午召开，请准时参加。\n联系人到会，请签到。\n特此通知。\n云州市科学技术促进会\n"


def refusal(given: str, printed: str, doubtful: str = "", data: dict[str, Any] = DATA) -> TextLost | None:
    try:
        check_text(SPEC, data, given, printed, lambda: doubtful)
    except TextLost as lost:
        return lost
    return None


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        (GIVEN, GIVEN),
        (GIVEN, "— 1 —" + GIVEN[::-1]),
        ("甲　乙\t丙", "甲\r\n乙 丙\u00a0"),
        ("é ﬁ ½ （１）", "e\u0301 fi 1⁄2 (1)"),
        ("wen-yin non\u2011stop", "wen\ufffe\r\nyin non\x02stop"),
        ("Science", "SCIENCE"),
        ("甲\u200b\uf0a8\ufe0e", "甲"),
    ],
)
def test_same_text_in_other_order_or_form_is_whole(given: str, printed: str) -> None:
    assert refusal(given, printed) is None


@pytest.mark.parametrize("char", "，。通会A1-？𬀩")
def test_every_character_is_counted(char: str) -> None:
    assert refusal(GIVEN + char * 2, GIVEN + char * 2) is None
    lost = refusal(GIVEN + char * 2, GIVEN + char)
    assert lost
    assert f"U+{ord(char.casefold()):04X}" in str(lost) or char in "，？"


def test_field_with_the_gap_is_named() -> None:
    lost = refusal(GIVEN, GIVEN.replace("到会，请", "到会请"))
    assert lost
    assert [(fault.pointer, fault.keyword) for fault in lost.faults] == [("/body/1/text", "text_lost")]
    assert "「正文」第 2 项「文字」" in str(lost)
    assert "联系人到会" in str(lost)
    assert (lost.http_status, lost.type_code) == (422, "text-lost")


def test_fields_that_hold_the_character_are_named_where_the_gap_is_elsewhere() -> None:
    lost = refusal(GIVEN, GIVEN[::-1].replace("展", ""))
    assert lost
    assert [fault.pointer for fault in lost.faults] == ["/title"]


def test_text_of_the_template_is_named_as_such() -> None:
    lost = refusal(GIVEN, GIVEN.replace("特此", "特"))
    assert lost
    assert [fault.pointer for fault in lost.faults] == [""]
    assert "模板自带的文字" in str(lost)


def test_field_that_the_template_does_not_print_is_not_missed() -> None:
    assert refusal(GIVEN, GIVEN, data={**DATA, "note": "不印的附注䶮"}) is None


def test_doubtful_text_is_not_missed() -> None:
    assert refusal(GIVEN + "仅供内部使用", GIVEN, "仅供内部使用") is None
    assert refusal(GIVEN + "仅供内部使用", GIVEN[:-9], "仅供内部使用")
