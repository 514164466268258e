"""Claims to deterministic CBOR and back; the only place that knows the payload's keys.

A key is absent where its value is the default, so that equal claims have one encoding.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

import cbor2

from service.errors import InvalidRequest
from service.model import Claims
from service.verification.fulltext import FULL_TEXT, is_packed_text, pack_text, unpack_text

TITLE_CHARACTERS = 40
"""Longest title in a token; a longer one ends in ``…``."""

TYPE_NAMES: Mapping[int, str] = {
    1: "通知",
    2: "筹备方案",
    3: "总结报告",
    4: "牌匾邮寄标签",
    5: "通报表扬",
}
"""Chinese names of `Claims.doc_type`; the numbers above them, up to 255, are for templates of other kinds."""

MOST_TYPES = 255
"""Largest `Claims.doc_type`."""

OTHER_TYPE = "其他文件"
"""Name of a type whose template is not known here."""

LABEL_TYPE = 4
"""The `Claims.doc_type` whose text digest covers field values instead of a page."""

_EPOCH = date(2020, 1, 1)
_FIRST_DAY = (date(1949, 10, 1) - _EPOCH).days
_LAST_DAY = (date(2199, 12, 31) - _EPOCH).days
_REF_CHARACTERS = 64
_FACT_CHARACTERS = 120
_MOST_FACTS = 16
_MAC_BYTES = 8
_PROFILE = 1
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_WORDS_ACROSS_LINES = re.compile(r"(?<=[!-~])\s*[\n\r\v\f\x85\u2028\u2029]\s*(?=[!-~])")
_LINE_BREAK = re.compile(r"\s*[\n\r\v\f\x85\u2028\u2029]\s*")


class BadPayloadError(ValueError):
    """The payload is not the one encoding of allowed claims."""


def pack_claims(claims: Claims, limit_bytes: int) -> bytes:
    """Encode claims.

    Args:
        claims: Texts are brought to NFC on one line, the title is cut.
        limit_bytes: Longest result.

    Returns:
        Deterministic CBOR (RFC 8949 §4.2.1).

    Raises:
        InvalidRequest: A value is out of range, or the result is too long.
    """
    facts = [one_line(fact) for fact in claims.facts]
    while facts and not facts[-1]:
        facts.pop()
    values: dict[int, Any] = {
        1: claims.doc_type,
        2: one_line(claims.ref or "") or None,
        3: _day_number(claims.issued_on),
        4: cut_title(one_line(claims.title or "")) or None,
        5: facts or None,
        6: _day_number(claims.expires_on),
        7: claims.pages,
        8: claims.pdf_text_mac,
        9: claims.docx_text_mac,
        10: claims.seal_mode or None,
        11: None if claims.profile == _PROFILE else claims.profile,
        12: None if claims.template_version == 1 else claims.template_version,
        13: claims.draft or None,
        14: None if claims.text is None else pack_text(claims.text),
    }
    payload = {key: value for key, value in values.items() if value is not None}
    for key, value in payload.items():
        if not _CHECKS[key](value):
            raise InvalidRequest(
                f"{_FIELD_NAMES[key]}不能写入验证码：过长或超出范围，请修改后重试。", code="claims-invalid"
            )
    encoded = cbor2.dumps(payload, canonical=True)
    if len(encoded) > limit_bytes:
        raise InvalidRequest("验证码要素合计过长，请缩短标题或减少核验要素。", code="claims-invalid")
    return encoded


def unpack_claims(payload: bytes) -> Claims:
    """Decode claims strictly: what `pack_claims` would not have written is refused.

    Args:
        payload: Untrusted bytes, bounded by the caller.

    Returns:
        The claims, defaults filled in.

    Raises:
        BadPayloadError: Not CBOR, not deterministic, a key unknown, a value of a wrong type or range.
    """
    try:
        values = cbor2.loads(payload, max_depth=3, allow_indefinite=False, allow_duplicate_keys=False)
    except Exception as error:  # the decoder's tag handlers raise whatever the value provokes
        raise BadPayloadError("not CBOR") from error
    if type(values) is not dict or 1 not in values:
        raise BadPayloadError("not a map with a type")
    for key, value in values.items():
        # `True == 1` and `1.0 == 1` as dict keys, hence the exact type.
        if type(key) is not int or key not in _CHECKS or not _CHECKS[key](value):
            raise BadPayloadError(f"key {key!r}")
    if cbor2.dumps(values, canonical=True) != payload:
        raise BadPayloadError("not deterministic")
    return Claims(
        doc_type=values[1],
        ref=values.get(2),
        issued_on=_day(values.get(3)),
        title=values.get(4),
        facts=tuple(values.get(5, ())),
        expires_on=_day(values.get(6)),
        pages=values.get(7),
        pdf_text_mac=values.get(8),
        docx_text_mac=values.get(9),
        seal_mode=values.get(10, 0),
        profile=_PROFILE,
        template_version=values.get(12, 1),
        draft=values.get(13, False),
        text=unpack_text(values[14]) if 14 in values else None,
    )


def one_line(text: str) -> str:
    """Return the text in NFC without line breaks, as the verdict page prints it.

    Args:
        text: A title or fact; Chinese lines are joined bare, Latin words with a space.

    Returns:
        One line without surrounding space.
    """
    joined = _LINE_BREAK.sub("", _WORDS_ACROSS_LINES.sub(" ", text))
    return unicodedata.normalize("NFC", joined).strip()


def cut_title(title: str) -> str:
    """Shorten a title to `TITLE_CHARACTERS`, never through a character and its marks.

    Args:
        title: NFC, one line.

    Returns:
        The title, or its beginning and ``…``.
    """
    if len(title) <= TITLE_CHARACTERS:
        return title
    end = TITLE_CHARACTERS - 1
    while end > 0 and unicodedata.category(title[end]).startswith("M"):
        end -= 1
    return title[:end] + "…"


def _day_number(day: date | None) -> int | None:
    return None if day is None else (day - _EPOCH).days


def _day(number: int | None) -> date | None:
    return None if number is None else _EPOCH + timedelta(days=number)


def _is_int(low: int, high: int) -> Callable[[object], bool]:
    # `type` and not `isinstance`: CBOR true would pass for 1.
    return lambda value: type(value) is int and low <= value <= high


def _is_text(low: int, high: int) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        return (
            isinstance(value, str)
            and low <= len(value) <= high
            and one_line(value) == value
            and not any(c in _BIDI or unicodedata.category(c) in ("Cc", "Cs") for c in value)
        )

    return check


def _is_mac(value: object) -> bool:
    return type(value) is bytes and len(value) == _MAC_BYTES


def _is_facts(value: object) -> bool:
    is_fact = _is_text(0, _FACT_CHARACTERS)
    return (
        type(value) is list
        and 1 <= len(value) <= _MOST_FACTS
        and all(is_fact(fact) for fact in value)
        and value[-1] != ""
    )


_CHECKS: Mapping[int, Callable[[object], bool]] = {
    1: _is_int(min(TYPE_NAMES), MOST_TYPES),
    2: _is_text(1, _REF_CHARACTERS),
    3: _is_int(_FIRST_DAY, _LAST_DAY),
    4: _is_text(1, TITLE_CHARACTERS),
    5: _is_facts,
    6: _is_int(_FIRST_DAY, _LAST_DAY),
    7: _is_int(1, 9_999),
    8: _is_mac,
    9: _is_mac,
    10: _is_int(1, 2),
    11: lambda _: False,  # profile 1 is left out, and there is no other yet
    12: _is_int(2, 65_535),
    13: lambda value: value is True,
    14: is_packed_text,
}

_FIELD_NAMES: Mapping[int, str] = {
    1: "文件类型",
    2: "发文字号",
    3: "成文日期",
    4: "标题",
    5: "核验要素",
    6: "有效期",
    7: "页数",
    8: "PDF 文字校验值",
    9: "Word 文字校验值",
    10: "印章方式",
    11: "文字规范版本",
    12: "模板版本",
    13: "草稿标记",
    14: FULL_TEXT,
}
