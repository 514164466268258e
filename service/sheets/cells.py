"""One cell: from what a spreadsheet holds to the JSON value that was meant, and back to text.

A spreadsheet guesses: it turns a telephone number into a float, a plaque's number into a day. What can be
restored exactly is restored; all else is a fault that says which cell and what to do, never a guess.
"""

import json
import math
import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from service.errors import MalformedJson
from service.schema import parse_json, printable
from service.sheets.columns import Column, Kind

_EXACT = 10**15  # a spreadsheet keeps 15 digits of a number and makes the rest zero
_ERRORS = frozenset(
    [
        "#N/A",
        "#REF!",
        "#VALUE!",
        "#DIV/0!",
        "#NAME?",
        "#NULL!",
        "#NUM!",
        "#SPILL!",
        "#CALC!",
        "#FIELD!",
        "#BLOCKED!",
        "#CONNECT!",
        "#BUSY!",
    ]
)
_POWER = re.compile(r"[+-]?\d(?:\.\d+)?E\+?\d{1,3}", re.I)
_POINT_ZERO = re.compile(r"(\d{5,15})\.0")
_DATE = re.compile(r"(\d{4})([-/.年])(\d{1,2})(?:[-/.月])(\d{1,2})日?(?:[T ]?0{1,2}:00(?::00(?:\.0+)?)?)?")
_DIGITS_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})")
_SERIAL_FIRST = date(1950, 1, 1)
_SERIAL_LAST = date(2100, 12, 31)
_EPOCHS = {False: date(1899, 12, 30), True: date(1904, 1, 1)}
_LIST_BREAK = re.compile("[;；]")
_CHOICE_BREAK = re.compile("[、,，;；\n]")
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{1,25})?(?:e[+-]?[0-9]{1,3})?", re.I)
_PLAIN_NUMBER = re.compile(r"0(?:_.)?(?:;.*)?", re.S)
_YES = frozenset(["是", "true", "真", "√", "✓", "✔", "y", "yes", "1"])
_NO = frozenset(["否", "false", "假", "×", "✗", "n", "no", "0"])
_AS_TEXT = "请先把单元格格式设为“文本”，再重新填写"


@dataclass(frozen=True, slots=True)
class Shown:
    """A number that the spreadsheet shows by a format of its own, such as ``000000``."""

    value: float
    code: str


@dataclass(frozen=True, slots=True)
class Broken:
    """A cell that has no value to read.

    Attributes:
        keyword: As in `Fault`.
        message: Chinese predicate.
        text: What the cell shows, if anything.
    """

    keyword: str
    message: str
    text: str = ""


Raw = str | bool | int | float | date | datetime | time | timedelta | Shown | Broken
"""What a cell of any source holds; an empty string is an empty cell."""


class CellProblem(Exception):
    """A cell that cannot be read as its column asks; ``str()`` is a Chinese predicate."""

    def __init__(self, keyword: str, message: str) -> None:
        super().__init__(message)
        self.keyword = keyword


def is_blank(raw: Raw) -> bool:
    """Whether nothing was written."""
    return isinstance(raw, str) and not raw.strip()


def fold(text: str) -> str:
    """Return text as it is compared: NFKC, no white space, no upper case."""
    return "".join(unicodedata.normalize("NFKC", text).split()).casefold()


def read_cell(raw: Raw, column: Column, *, from_1904: bool = False) -> Any:
    """Return the JSON value of a cell, ``None`` for an empty one.

    Args:
        raw: What the source holds.
        column: What is wanted.
        from_1904: Whether the workbook counts its days from 1904.

    Raises:
        CellProblem: It cannot be told what was meant.
    """
    if isinstance(raw, Broken):
        raise CellProblem(raw.keyword, raw.message)
    number = raw.value if isinstance(raw, Shown) else raw
    if isinstance(number, float) and not math.isfinite(number):
        raise CellProblem("number", "不是普通数字，请改正")
    if isinstance(raw, str):
        if "\r" in raw:
            raw = raw.replace("\r\n", "\n").replace("\r", "\n")
        stripped = raw.strip()
        if not stripped:
            return None
        if stripped in _ERRORS:
            raise CellProblem("cell-error", f"是公式的错误值 {stripped}，请改为正确的内容")
    if column.kind is Kind.DATE:
        return _date(raw, from_1904=from_1904)
    if column.kind in (Kind.INTEGER, Kind.NUMBER):
        return _number(raw, whole=column.kind is Kind.INTEGER)
    if column.kind is Kind.BOOLEAN:
        return _boolean(raw)
    return _written(_text(raw), column)


def _written(text: str, column: Column) -> Any:
    match column.kind:
        case Kind.CHOICE:
            return _choice(text, column)
        case Kind.CHOICES:
            return _choices(text, column)
        case Kind.TEXTS:
            return _texts(text)
        case Kind.JSON:
            return _json(text)
        case Kind.PARAGRAPHS:
            return text
    return text.strip()


def as_text(raw: Raw) -> str:
    """Return what a cell shows, so that reading it again from a text cell gives the same."""
    match raw:
        case str():
            return raw
        case bool():
            return "是" if raw else "否"
        case int() | float():
            return str(int(raw)) if _is_exact(raw) else repr(raw)
        case Shown():
            padded = _padded(raw)
            return as_text(raw.value) if padded is None else padded
        case Broken():
            return raw.text
        case datetime():
            return raw.isoformat(" ").removesuffix(" 00:00:00")
        case date() | time():
            return raw.isoformat()
    return str(raw)


def to_text(value: Any, column: Column) -> str:
    """Return the text of a cell that `read_cell` reads back as this value.

    Args:
        value: JSON value; one that does not fit the column is written as JSON.
        column: Where it goes.
    """
    labels = {str(chosen): label for chosen, label in column.choices}
    match column.kind, value:
        case Kind.CHOICE, (str() | int()) as chosen:
            return labels.get(str(chosen), str(chosen))
        case Kind.CHOICES, list():
            return "、".join(labels.get(str(one), str(one)) for one in value)
        case Kind.TEXTS, list() if all(isinstance(one, str) for one in value):
            text = "\n".join(value)
            # A line break, even the last, says that the items are lines and not parted by ；.
            return text + "\n" if len(value) == 1 and _LIST_BREAK.search(text) else text
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "是" if value else "否"
        case int() | Decimal():
            return str(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def _is_exact(number: float) -> bool:
    return float(number).is_integer() and abs(number) < _EXACT


def _text(raw: Raw) -> str:
    if isinstance(raw, str):
        if _POWER.fullmatch(raw.strip()):
            raise CellProblem("text-format", f"是科学记数法 {raw.strip()}，后面的数字已经丢失，{_AS_TEXT}")
        exact = _POINT_ZERO.fullmatch(raw.strip())
        return exact[1] if exact else raw
    if isinstance(raw, Shown):
        padded = _padded(raw)
        if padded is None:
            shown = printable(raw.code, 20)
            raise CellProblem("text-format", f"是按格式“{shown}”显示的数字，无法确定原文，{_AS_TEXT}")
        return padded
    if isinstance(raw, bool):
        raise CellProblem("text-format", f"是逻辑值，不是文字，{_AS_TEXT}")
    if isinstance(raw, (int, float)):
        if _is_exact(raw):
            return str(int(raw))
        raise CellProblem("text-format", f"是数字 {raw:.15g}，无法确定原文，{_AS_TEXT}")
    raise CellProblem("text-format", f"已被表格软件变成日期或时间 {as_text(raw)}，{_AS_TEXT}")


def _padded(shown: Shown) -> str | None:
    """Return the number with its leading zeros, if its format does nothing else."""
    if shown.value < 0 or not _is_exact(shown.value):
        return None
    text = str(int(shown.value))
    if shown.code.strip("0") == "":
        return text.zfill(len(shown.code))
    return text if _PLAIN_NUMBER.fullmatch(shown.code) else None


def _date(raw: Raw, *, from_1904: bool) -> str:
    if isinstance(raw, datetime):
        if raw.time() != time(0):
            raise CellProblem("date", f"带有时刻 {raw:%H:%M}，请只填日期，如 2026-05-08")
        return raw.date().isoformat()
    if isinstance(raw, date):
        return raw.isoformat()
    if isinstance(raw, Shown):
        raw = raw.value
    if isinstance(raw, (int, float)) and not isinstance(raw, bool):
        return _serial(raw, from_1904=from_1904)
    text = " ".join(unicodedata.normalize("NFKC", as_text(raw)).split())
    found = _DATE.fullmatch(text.replace(" ", "") if "年" in text else text)
    parts = (found[1], found[3], found[4]) if found else None
    if parts is None and (digits := _DIGITS_DATE.fullmatch(text)):
        parts = (digits[1], digits[2], digits[3])
    if parts is None:
        raise CellProblem("date", f"的 {printable(text)} 看不出是哪一天，请写成 2026-05-08 的样子")
    try:
        return date(*map(int, parts)).isoformat()
    except ValueError:
        raise CellProblem("date", f"的 {printable(text)} 不是有效的日期，请改正") from None


def _serial(number: float, *, from_1904: bool) -> str:
    if _is_exact(number):
        digits = _DIGITS_DATE.fullmatch(str(int(number)))
        if digits:
            return _date(digits[0], from_1904=False)
        first = _EPOCHS[from_1904]
        if (_SERIAL_FIRST - first).days <= number <= (_SERIAL_LAST - first).days:
            return (first + timedelta(days=int(number))).isoformat()
    raise CellProblem("date", f"是数字 {number:.15g}，看不出是哪一天，请写成 2026-05-08 的样子")


def _number(raw: Raw, *, whole: bool) -> int | Decimal:
    if isinstance(raw, Shown):
        raw = raw.value
    if isinstance(raw, str):
        text = unicodedata.normalize("NFKC", raw).strip()
        if not _NUMBER.fullmatch(text):
            raise CellProblem("number", f"的 {printable(text)} 不是数字，请改正")
        value = Decimal(text)
    elif isinstance(raw, (int, float)) and not isinstance(raw, bool):
        value = Decimal(repr(raw))
    else:
        raise CellProblem("number", f"应为数字，收到的是 {as_text(raw)}，请把单元格格式设为“常规”后重新填写")
    if value == value.to_integral_value():
        return int(value)
    if whole:
        raise CellProblem("integer", f"应为整数，收到的是 {value}，请改正")
    return value


def _boolean(raw: Raw) -> bool:
    if isinstance(raw, bool):
        return raw
    text = fold(as_text(raw))
    if text in _YES | _NO:
        return text in _YES
    raise CellProblem("boolean", f"的 {printable(text)} 看不懂，请填“是”或“否”")


def _choice(text: str, column: Column) -> Any:
    wanted = fold(text)
    for value, label in column.choices:
        if wanted in (fold(label), fold(str(value))):
            return value
    known = "、".join(label for _, label in column.choices)
    raise CellProblem("enum", f"的 {printable(text.strip())} 不在可选范围内，可选：{known}")


def _choices(text: str, column: Column) -> list[Any]:
    return [_choice(part, column) for part in _CHOICE_BREAK.split(text) if part.strip()]


def _texts(text: str) -> list[str]:
    parts = text.split("\n") if "\n" in text else _LIST_BREAK.split(text)
    return [part.strip() for part in parts if part.strip()]


def _json(text: str) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        return text.strip()
    try:
        return parse_json(text.encode("utf-8", "surrogatepass"), allow_array=True)
    except MalformedJson as error:
        raise CellProblem(error.type_code, f"里的 JSON 有误：{error}") from error
