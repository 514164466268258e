"""Read JSON strictly: what other readers guess at is refused here, with its place.

The standard library keeps the last of two equal keys, takes ``NaN``, turns ``1e999`` into infinity,
rounds decimals, and ends in `RecursionError` or `ValueError` on deep or long input (RFC 8259 §4, §6
and §9 leave all of these to the reader). A signed document must not rest on a guess.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from service.errors import Fault, MalformedJson
from service.schema.wording import PathKey, cap_report, json_pointer

_UTF8_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")
# Possessive, and an unfinished string runs to the end: linear on any input.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.S)
_OUT_OF_RANGE = "数值超出可以表示的范围，请改为普通大小的数字"
_SYNTAX = (
    ("Expecting property name enclosed in double quotes", "此处应为双引号括起的字段名"),
    ("Illegal trailing comma", "最后一项后面多了逗号"),
    ("Expecting ':' delimiter", "字段名后面应为冒号"),
    ("Expecting ',' delimiter", "此处缺少逗号或右括号"),
    ("Unterminated string", "字符串缺少右引号"),
    ("Invalid control character", "字符串里有未转义的换行或控制字符"),
    ("Invalid \\u", "\\u 后面应为四位十六进制数"),
    ("Invalid \\", "反斜杠后面的转义写法不对"),
    ("Extra data", "JSON 已结束，后面还有多余内容"),
    ("Expecting value", "此处应为一个值"),
)


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """Bounds on a JSON text.

    Attributes:
        depth: Most levels of objects and arrays; the outermost is level 1.
        digits: Most digits of one number.
    """

    depth: int = 32
    digits: int = 30


@dataclass(frozen=True, slots=True)
class _Flaw:
    """Stands in the tree for a number that was refused."""

    keyword: str
    message: str


@dataclass(frozen=True, slots=True)
class _Repeated:
    """Stands in the tree for an object with a repeated key; nothing of it is lost."""

    members: list[tuple[str, Any]]


class _Reader:
    """Callbacks of the standard decoder; ``flawed`` says whether a marker was left in the tree."""

    def __init__(self, limits: JsonLimits) -> None:
        self.flawed = False
        self._digits = limits.digits

    def decode(self, text: str) -> Any:
        """Return the tree with markers in it."""
        decoder = json.JSONDecoder(
            object_pairs_hook=self._members,
            parse_int=self._integer,
            parse_float=self._decimal,
            parse_constant=self._constant,
        )
        return decoder.decode(text)

    def _members(self, members: list[tuple[str, Any]]) -> dict[str, Any] | _Repeated:
        result = dict(members)
        if len(result) == len(members):
            return result
        self.flawed = True
        return _Repeated(members)

    def _flaw(self, keyword: str, message: str) -> _Flaw:
        self.flawed = True
        return _Flaw(keyword, message)

    def _integer(self, text: str) -> int | _Flaw:
        digits = len(text) - text.startswith("-")
        return int(text) if digits <= self._digits else self._too_long(digits)

    def _decimal(self, text: str) -> Decimal | _Flaw:
        mantissa = re.split("[eE]", text)[0]
        digits = len(mantissa) - mantissa.startswith("-") - ("." in mantissa)
        if digits > self._digits:
            return self._too_long(digits)
        size = abs(float(text))
        if size == float("inf") or (size == 0.0 and mantissa.strip("-0.")):
            return self._flaw("not-a-number", _OUT_OF_RANGE)
        try:
            return Decimal(text)
        except InvalidOperation:
            return self._flaw("not-a-number", _OUT_OF_RANGE)

    def _constant(self, text: str) -> _Flaw:
        return self._flaw("not-a-number", f"{text} 不是数字，请改为普通数字或删去此项")

    def _too_long(self, digits: int) -> _Flaw:
        return self._flaw(
            "number-too-long",
            f"数字有 {digits} 位，最多 {self._digits} 位；证件号、编号请加引号写成文字",
        )


def parse_json(raw: bytes, limits: JsonLimits | None = None, *, allow_array: bool = False) -> Any:
    r"""Read a JSON text strictly.

    Numbers with a fraction or an exponent come as `decimal.Decimal`, exactly as written; whole
    numbers as `int`. Lone surrogates written as ``\ud800`` are let through on purpose: the cleaning
    step names them together with all other bad characters.

    Args:
        raw: The text in UTF-8; one byte order mark at its head is accepted.
        limits: Bounds on depth and on digits.
        allow_array: Whether the outermost value may be an array, as for a batch.

    Returns:
        The value: a `dict`, or a `list` where that is allowed.

    Raises:
        MalformedJson: ``type_code`` is ``encoding``, ``json-syntax``, ``too-deep``,
            ``duplicate-key``, ``not-a-number``, ``number-too-long`` or ``not-object``.
    """
    limits = limits or JsonLimits()
    text = _decode(raw)
    _check_depth(text, limits.depth)
    reader = _Reader(limits)
    try:
        tree = reader.decode(text)
    except json.JSONDecodeError as error:
        raise _syntax_error(error, text) from error
    if reader.flawed:
        raise _malformed(_flaws(tree))
    if not isinstance(tree, dict) and not (allow_array and isinstance(tree, list)):
        wanted = "对象 {…} 或列表 […]" if allow_array else "对象 {…}"
        fault = Fault("", "type", f"JSON 最外层应为{wanted}")
        raise MalformedJson(fault.message, faults=[fault], code="not-object")
    return tree


def _malformed(faults: Iterable[Fault]) -> MalformedJson:
    faults = sorted(faults, key=lambda fault: fault.place)
    first = faults[0]
    where = f"（位置 {first.pointer}）" if first.pointer else ""
    more = f"；共 {len(faults)} 处" if len(faults) > 1 else ""
    return MalformedJson(f"{first.message}{where}{more}", faults=cap_report(faults), code=first.keyword)


def _decode(raw: bytes) -> str:
    bom_bytes = len(_UTF8_BOM) if raw.startswith(_UTF8_BOM) else 0
    offset = 0
    # JSON begins with ASCII, so a zero byte among the first four means UTF-16 or UTF-32 (RFC 4627 §3).
    if not raw.startswith(_WIDE_BOMS) and b"\0" not in raw[:4]:
        try:
            return raw[bom_bytes:].decode("utf-8")
        except UnicodeDecodeError as error:
            offset = bom_bytes + error.start
    message = f"第 {offset} 个字节（从 0 数起）起不是 UTF-8 编码，请使用 UTF-8 保存后重新提交"
    raise _malformed([Fault("", "encoding", message)])


def _check_depth(text: str, limit: int) -> None:
    if text.count("[") + text.count("{") <= limit:
        return
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        head = text[token.start()]
        if head in "[{":
            depth += 1
            if depth > limit:
                place = _place(text, token.start())
                message = f"{place}的嵌套超过 {limit} 层，请减少层次"
                raise _malformed([Fault("", "too-deep", message)])
        elif head in "]}":
            depth -= 1


def _place(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return f"第 {line} 行第 {column} 列"


def _syntax_error(error: json.JSONDecodeError, text: str) -> MalformedJson:
    if not text.strip():
        message = "第 1 行第 1 列：内容为空，请提交 JSON"
    else:
        reason = next((zh for en, zh in _SYNTAX if error.msg.startswith(en)), "写法不符合 JSON 规范")
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        hint = "（内容可能没有传完整）" if cut else ""
        message = f"{_place(text, error.pos)}：{reason}{hint}"
    return MalformedJson(
        f"JSON 有语法错误，{message}", faults=[Fault("", "json-syntax", message)], detail=error.msg
    )


def _flaws(tree: Any) -> Iterator[Fault]:
    """Yield a fault for each marker in the tree; it is never deeper than the limit."""
    waiting: list[tuple[tuple[PathKey, ...], Any]] = [((), tree)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, _Flaw):
            yield Fault(json_pointer(path), value.keyword, value.message)
        elif isinstance(value, _Repeated):
            yield from _repeated_keys(path, value)
            waiting.extend(((*path, key), member) for key, member in value.members)
        elif isinstance(value, dict):
            waiting.extend(((*path, key), member) for key, member in value.items())
        elif isinstance(value, list):
            waiting.extend(((*path, index), item) for index, item in enumerate(value))


def _repeated_keys(path: tuple[PathKey, ...], repeated: _Repeated) -> Iterator[Fault]:
    seen: set[str] = set()
    named: set[str] = set()
    for key, _ in repeated.members:
        if key in seen and key not in named:
            named.add(key)
            yield Fault(json_pointer((*path, key)), "duplicate-key", "同一个字段写了两次，请只保留一个")
        seen.add(key)
