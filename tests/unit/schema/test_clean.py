"""Cleaning of one string: rows J9, J10, J13 to J16 and J18 of the fault matrix."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.schema import clean_text


def keywords(text: str, *, multiline: bool = False) -> list[str]:
    return [keyword for keyword, _ in clean_text(text, multiline=multiline).faults]


@pytest.mark.fault("J9", "J13")
@pytest.mark.parametrize(
    "char",
    [
        *map(chr, range(0x20)),
        *map(chr, range(0x7F, 0xA0)),
        "\ufffe",
        "\uffff",
        "\ufdd0",
        "\U0001ffff",
        "\U0010fffe",
    ],
)
def test_j9_control_and_noncharacters_are_named(char: str) -> None:
    found = clean_text(f"甲{char}乙", multiline=True)
    if char in "\t\n\r":
        assert not found.faults
    else:
        assert found.faults[0][0] == "illegal-char"
        assert f"U+{ord(char):04X}" in found.faults[0][1]
        assert found.text == "甲乙"


@pytest.mark.fault("J24")
@pytest.mark.parametrize(
    "text",
    [
        "data:image/png;base64,iVBORw0KGgo=",
        " DATA:image/svg+xml,<svg/>",
        '=DISPIMG("ID_0A1B",1)',
        "=_xlfn.dispimg(",
    ],
)
def test_j24_picture_sent_as_text_is_refused(text: str) -> None:
    ((keyword, said),) = clean_text(text).faults
    assert keyword == "image"
    assert "只能填文字" in said


@pytest.mark.fault("J24")
@pytest.mark.parametrize("text", ["data:image", "见 data:image/png", "=DISPIMG", "DISPIMG(1)", "=SUM(1)"])
def test_j24_text_about_pictures_is_text(text: str) -> None:
    assert keywords(text) == []


@pytest.mark.fault("J10")
@pytest.mark.parametrize("char", ["\ud800", "\ufff9", "\u3164", "\U000e0041"])
def test_j10_surrogates_and_hidden_carriers_are_refused(char: str) -> None:
    found = clean_text(f"甲{char}")
    assert keywords(f"甲{char}") == ["illegal-char"]
    found.text.encode()
    found.faults[0][1].encode()


@pytest.mark.fault("J13")
@pytest.mark.parametrize("breaks", ["\r\n", "\r", "\n", "\u2028", "\u2029"])
def test_j13_line_breaks_become_line_feeds_where_allowed(breaks: str) -> None:
    assert clean_text(f"甲{breaks}乙", multiline=True).text == "甲\n乙"
    assert keywords(f"甲{breaks}乙") == ["multiline"]


@pytest.mark.fault("J13")
def test_j13_tab_becomes_a_space_with_a_warning() -> None:
    found = clean_text("甲\t乙")
    assert found.text == "甲 乙"
    assert not found.faults
    assert "制表符" in found.warnings[0]


@pytest.mark.fault("J14")
@pytest.mark.parametrize(
    "char", [*"\u061c\u200e\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))]
)
def test_j14_bidirectional_controls_are_refused(char: str) -> None:
    assert keywords(f"abc{char}") == ["bidi-control"]


@pytest.mark.fault("J15")
@pytest.mark.parametrize("char", [*"\u200b\u200c\u200d\u2060\ufeff\u00ad"])
def test_j15_zero_width_is_stripped_and_reported(char: str) -> None:
    found = clean_text(f"张{char}三")
    assert found.text == "张三"
    assert not found.faults
    assert f"U+{ord(char):04X}" in found.warnings[0]


@pytest.mark.fault("J16")
def test_j16_private_use_becomes_its_standard_character() -> None:
    found = clean_text("\ue863\ue816")
    assert found.text == "䶮𠂇"
    assert not found.faults
    assert "U+E863 → 䶮" in found.warnings[0]


@pytest.mark.fault("J16")
def test_j16_unknown_private_use_and_selectors() -> None:
    assert keywords("\ue000\U000f0000\ue863") == ["no-glyph"]
    found = clean_text("葛\U000e0100")
    assert (found.text, found.faults) == ("葛", ())
    assert "U+E0100" in found.warnings[0]


@pytest.mark.fault("J18")
def test_j18_nfc_and_never_nfkc() -> None:
    assert clean_text("e\u0301").text == clean_text("é").text == "é"
    assert clean_text("豈").text == "豈"
    assert clean_text("（）①㎡Ａ１：").text == "（）①㎡Ａ１："


@pytest.mark.parametrize(
    ("sent", "printed", "named"),
    [
        ("\uf900\u2f00\u2fd5", "豈一龠", "U+2F00 → 一、U+2FD5 → 龠、U+F900 → 豈"),
        ("\U0002f800\u2ef3", "丽龟", "U+2EF3 → 龟、U+2F800 → 丽"),
    ],
)
def test_compatibility_ideographs_and_radicals_become_hanzi(sent: str, printed: str, named: str) -> None:
    found = clean_text(f"甲{sent}乙")
    assert (found.text, found.faults) == (f"甲{printed}乙", ())
    assert named in found.warnings[0]


def test_what_has_no_ordinary_form_stays() -> None:
    # The twelve hanzi of the compatibility block, and radicals that are signs of their own.
    text = "\ufa0e\ufa0f\ufa11\ufa13\ufa14\ufa1f\ufa21\ufa23\ufa24\ufa27\ufa28\ufa29⺁⺄⺮"
    assert (clean_text(text).text, clean_text(text).warnings) == (text, ())


def test_unknown_private_use_may_stay_for_another_to_replace() -> None:
    found = clean_text("甲\ue000\ue863", keep_private=True)
    assert (found.text, found.faults) == ("甲\ue000䶮", ())


def test_all_faults_of_a_string_come_together() -> None:
    assert keywords("\x00\u202e\ue000\n") == ["illegal-char", "bidi-control", "no-glyph", "multiline"]


def test_many_bad_characters_are_listed_short() -> None:
    message = clean_text("".join(map(chr, range(0x0E, 0x20)))).faults[0][1]
    assert "等 18 个" in message
    assert message.count("U+") == 10


def test_stacked_marks_are_refused_before_they_cost_time() -> None:
    assert keywords("a" + "\u0315\u0300" * 200_000) == ["illegal-char"]
    assert keywords("a" + "\u0301" * 30) == []


@given(st.text(st.characters()), st.booleans())
def test_cleaned_text_is_clean_and_stable(text: str, multiline: bool) -> None:
    once = clean_text(text, multiline=multiline)
    assert unicodedata.is_normalized("NFC", once.text)
    once.text.encode()
    again = clean_text(once.text, multiline=True)
    assert again.text == once.text
    assert not again.faults
    assert not again.warnings
