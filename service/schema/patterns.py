r"""Formats and patterns, read the way JSON Schema means them.

``pattern`` is an ECMA-262 expression: its ``\d`` and ``\w`` are ASCII and its ``$`` is the very end.
Python's are not, and would let full-width digits pass for a postcode.
"""

import re
from collections.abc import Callable
from datetime import date, datetime, time
from functools import lru_cache

from jsonschema import FormatChecker

_TOKEN = re.compile(r"\\.|\[|\]|\$", re.S)
_OUTSIDE = {r"\d": "[0-9]", r"\w": "[0-9A-Za-z_]", r"\D": "[^0-9]", r"\W": "[^0-9A-Za-z_]", "$": r"\Z"}
_INSIDE = {r"\d": "0-9", r"\w": "0-9A-Za-z_"}

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.A)
_TIME = re.compile(r"\d{2}:\d{2}(:\d{2})?", re.A)
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,6})?([Zz]|[+-]\d{2}:\d{2})", re.A)
_EMAIL = re.compile(
    r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}", re.A | re.I
)
_URI = re.compile(r"[a-z][a-z0-9+.-]*:[!#$%&'()*+,/:;=?@\[\]\w.~-]+", re.A | re.I)


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    r"""Return a JSON Schema pattern as a Python expression; use its ``search``.

    Args:
        pattern: An ECMA-262 expression without property escapes (``\p{…}``).

    Raises:
        re.error: If the expression is broken or uses what Python does not know.
    """
    inside = False

    def translate(found: re.Match[str]) -> str:
        nonlocal inside
        part = found.group()
        if part in "[]":
            # A bracket that opens while a class is open is literal, and Python warns unless it is escaped.
            literal = inside and part == "["
            inside = part == "["
            return "\\[" if literal else part
        return (_INSIDE if inside else _OUTSIDE).get(part, part)

    return re.compile(_TOKEN.sub(translate, pattern))


def _is_date(text: str) -> bool:
    return bool(_DATE.fullmatch(text)) and date.fromisoformat(text) is not None


def _is_time(text: str) -> bool:
    return bool(_TIME.fullmatch(text)) and time.fromisoformat(text) is not None


def _is_date_time(text: str) -> bool:
    return bool(_DATE_TIME.fullmatch(text)) and datetime.fromisoformat(text.upper()) is not None


def _is_email(text: str) -> bool:
    local = text.partition("@")[0]
    dots_ok = not (local.startswith(".") or local.endswith(".") or ".." in local)
    return dots_ok and len(text) <= 254 and bool(_EMAIL.fullmatch(text))


def _is_uri(text: str) -> bool:
    return bool(_URI.fullmatch(text))


FORMATS: dict[str, tuple[Callable[[str], bool], str]] = {
    "date": (_is_date, "应是真实存在的日期，写成 2021-05-08 这样的形式"),
    "time": (_is_time, "应是 24 小时制的时间，写成 09:30 这样的形式"),
    "date-time": (_is_date_time, "应是带时区的日期和时间，写成 2021-05-08T09:30:00+08:00 这样的形式"),
    "email": (_is_email, "应是电子邮箱地址，写成 name@example.cn 这样的形式"),
    "uri": (_is_uri, "应是完整的网址，写成 https://example.cn/ 这样的形式"),
}
"""Formats that a template may use: the check, and what a Chinese message says of it."""


def format_checker() -> FormatChecker:
    """Return a checker that knows `FORMATS` and nothing else."""
    checker = FormatChecker(formats=())
    for name, (check, _) in FORMATS.items():
        checker.checks(name, raises=ValueError)(_only_text(check))
    return checker


def _only_text(check: Callable[[str], bool]) -> Callable[[object], bool]:
    def wrapped(value: object) -> bool:
        return not isinstance(value, str) or check(value)

    return wrapped
