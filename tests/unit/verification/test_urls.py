"""Digits in a path, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import ConfigError
from service.verification import token_from_url, verify_url

TOKEN = bytes.fromhex("8449a20126044401020304a0") + bytes(range(100))
DIGITS = str(int.from_bytes(b"\x01" + TOKEN, "big"))


@pytest.mark.parametrize(
    ("base", "start"),
    [
        ("https://v.example.gov.cn", "https://V.EXAMPLE.GOV.CN/V/"),
        ("HTTPS://v.Example.gov.cn/", "https://V.EXAMPLE.GOV.CN/V/"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/V/"),
        ("http://[::1]:8000", "http://[::1]:8000/V/"),
        ("https://example.cn/wenyin/Check/", "https://EXAMPLE.CN/wenyin/Check/V/"),
    ],
)
def test_url_has_the_fixed_form_when_built(base: str, start: str) -> None:
    url = verify_url(base, TOKEN)
    assert url == start + DIGITS
    assert token_from_url(url) == TOKEN


@pytest.mark.parametrize(
    "base",
    [
        "",
        "v.example.gov.cn",
        "ftp://a.cn",
        "https://",
        "https://a.cn?x=1",
        "https://a.cn#x",
        "https://u:p@a.cn",
        "https://中国.cn",
        "https://a.cn:99999",
        "https://a .cn",
    ],
)
def test_configuration_is_refused_when_the_base_is_no_plain_url(base: str) -> None:
    with pytest.raises(ConfigError, match="WENYIN_PUBLIC_URL"):
        verify_url(base, TOKEN)


@given(st.binary(min_size=82, max_size=990))
def test_token_survives_when_turned_into_digits_and_back(token: bytes) -> None:
    assert token_from_url(verify_url("https://a.cn", token)) == token


@pytest.mark.parametrize(
    "text",
    [
        DIGITS,
        f" {DIGITS}\n",
        f"http://other.host/V/{DIGITS}",
        f"weixin://x/a/b/V/{DIGITS}",
        f"https://a.cn/V/{DIGITS}?from=scan",
        f"https://a.cn/V/{DIGITS}/#top",
        f"https://a.cn/v/{DIGITS}",
    ],
)
def test_token_is_found_when_the_text_carries_it(text: str) -> None:
    assert token_from_url(text) == TOKEN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "690123456789",
        "https://a.cn/",
        "https://a.cn/V/",
        "https://a.cn/V/123",
        f"https://a.cn/X/{DIGITS}",
        f"https://a.cn/?u=/V/{DIGITS}",
        f"https://a.cn/V/{DIGITS}x",
        f"https://a.cn/V/{DIGITS[:99]}٣{DIGITS[100:]}",
        "９" * 300,
        "1" * 2_401,
        "https://a.cn/V/" + "1" * 2_401,
        f"看 https://a.cn/V/{DIGITS}",
        f"-{DIGITS}",
    ],
)
def test_nothing_is_found_when_the_text_carries_no_token(text: str) -> None:
    assert token_from_url(text) is None


@pytest.mark.parametrize(
    "digits", ["0" + DIGITS, str(int.from_bytes(b"\x02" + TOKEN, "big")), str(int.from_bytes(TOKEN, "big"))]
)
def test_bytes_are_undecodable_when_the_number_is_no_token_s(digits: str) -> None:
    found = token_from_url(digits)
    assert found is not None
    assert found[0] == 0
