"""The normaliser and the keyed digests."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.verification import canonical_text, label_text, readable_text, text_mac

MASTER = bytes(range(32))
KID = bytes.fromhex("01020304")


def _hkdf(info: bytes) -> bytes:
    """RFC 5869 with SHA-256, empty salt, one block."""
    extracted = hmac.new(bytes(32), MASTER, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


@pytest.mark.fault("J15", "J18", "V5")
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("⽂件⼀", "文件一"),
        ("\u2e9f\u2ef3", "母龟"),
        ("\uf9d1\U0002f800", "六丽"),
        ("oﬃce ﬁle", "office file"),
        ("e\u0301", "\u00e9"),
        ("e\u200c\u0301", "\u00e9"),
        ("通 知\u3000\n\t如\u00a0下", "通知如下"),
        ("零\u200b宽\ufeff\u00ad\u2060", "零宽"),
        ("a\ue000b\U000f0000", "ab"),
        ("一\x00二\x1f", "一二"),
    ],
)
def test_texts_are_one_when_only_the_encoding_differs(left: str, right: str) -> None:
    assert canonical_text(left) == canonical_text(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("10²", "102"),
        ("①", "1"),
        ("Ⅳ", "IV"),
        ("（一）", "(一)"),
        ("１", "1"),
        ("㈠", "(一)"),
        ("，", ","),
        ("己", "已"),
        ("0", "O"),
        ("二〇", "二○"),
        ("…", "..."),
    ],
)
def test_texts_differ_when_a_reader_sees_a_difference(left: str, right: str) -> None:
    assert canonical_text(left) != canonical_text(right)


def test_rare_ideographs_stay_when_the_unicode_table_lacks_them() -> None:
    assert canonical_text("\U0002ebf0\U000323b0\U00033480") == "\U0002ebf0\U000323b0\U00033480"


@given(st.text())
def test_canonical_text_is_a_fixed_point(text: str) -> None:
    assert canonical_text(canonical_text(text)) == canonical_text(text)


@given(st.text())
def test_readable_text_keeps_the_canonical_form(text: str) -> None:
    assert canonical_text(readable_text(text)) == canonical_text(text)


def test_readable_text_has_lines_without_blanks() -> None:
    assert readable_text("标 题\n\n \u200b\n 正\u202e文  二 \x07\r\n") == "标 题\n正文 二"


@pytest.mark.parametrize("domain", ["hp", "hd"])
def test_digest_is_the_reference_s_when_computed_by_hand(domain: str) -> None:
    message = b"\x01" + domain.encode() + "通知一".encode()
    expected = hmac.new(_hkdf(b"wenyin-td" + KID), message, hashlib.sha256).digest()[:8]
    assert text_mac(MASTER, KID, domain, " 通知\n⼀") == expected  # type: ignore[arg-type]


def test_digest_is_the_recorded_one_when_nothing_changed() -> None:
    """Golden values: another result would turn every sealed document into ALTERED."""
    assert text_mac(MASTER, KID, "hp", "关于2021年的通知").hex() == "f58e8a8f9f789723"
    assert text_mac(MASTER, KID, "lb", label_text(["张三", "13800000000"])).hex() == "11454743a1c47e2f"


def test_label_digest_joins_canonical_fields_by_unit_separator() -> None:
    message = b"\x01lb" + "张三\x1f13800000000".encode()
    expected = hmac.new(_hkdf(b"wenyin-td" + KID), message, hashlib.sha256).digest()[:8]
    assert text_mac(MASTER, KID, "lb", label_text(["张 三", "138 0000 0000"])) == expected


def test_digests_differ_when_key_domain_or_field_border_differs() -> None:
    digests = {
        text_mac(MASTER, KID, "hp", "文"),
        text_mac(MASTER, KID, "hd", "文"),
        text_mac(MASTER, KID, "lb", "文"),
        text_mac(MASTER, b"\0\0\0\0", "hp", "文"),
        text_mac(bytes(32), KID, "hp", "文"),
        text_mac(MASTER, KID, "lb", label_text(["甲乙", "丙"])),
        text_mac(MASTER, KID, "lb", label_text(["甲", "乙丙"])),
    }
    assert len(digests) == 7
    assert {len(digest) for digest in digests} == {8}


def test_label_is_refused_when_a_value_holds_the_separator() -> None:
    with pytest.raises(ValueError, match="001F"):
        label_text(["甲\x1f乙"])
