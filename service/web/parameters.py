"""Query parameters: read, checked, refused by name."""

from collections.abc import Sequence, Set

from flask import request

from service.errors import RequestError
from service.model import OnMissingGlyph

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_BAD = "bad-parameter"
_ON_MISSING_GLYPH: dict[str, OnMissingGlyph] = {"error": "error", "geta": "geta"}


def flag(name: str) -> bool:
    """Return a yes or no; no when it is absent.

    Raises:
        RequestError: It is neither.
    """
    value = request.args.get(name, "false").lower()
    if value not in _BOOLEANS:
        raise RequestError(f"参数 {name} 只能取 true 或 false。", code=_BAD)
    return _BOOLEANS[value]


def one_of(name: str, values: Sequence[str], default: str, refuse: type[RequestError] = RequestError) -> str:
    """Return a value out of a few.

    Args:
        name: Of the parameter.
        values: Allowed.
        default: Where it is absent.
        refuse: Class of the error.

    Raises:
        RequestError: It is another.
    """
    value = request.args.get(name, default)
    if value not in values:
        message = f"参数 {name} 只能取 {'、'.join(values)}。"
        raise refuse(message) if refuse is not RequestError else refuse(message, code=_BAD)
    return value


def whole_number(name: str, default: int, most: int) -> int:
    """Return a whole number from 1 up.

    Raises:
        RequestError: It is none, or out of range.
    """
    text = request.args.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= most):
        raise RequestError(f"参数 {name} 应为 1 到 {most} 的整数。", code=_BAD)
    return int(text)


def on_missing_glyph() -> OnMissingGlyph | None:
    """Return what becomes of characters that no font draws; ``None`` leaves it to the service.

    Raises:
        RequestError: It is none of the values.
    """
    value = request.args.get("on_missing_glyph")
    if value is None:
        return None
    if value not in _ON_MISSING_GLYPH:
        raise RequestError("参数 on_missing_glyph 只能取 error 或 geta。", code=_BAD)
    return _ON_MISSING_GLYPH[value]


def only_parameters(known: Set[str]) -> None:
    """Refuse parameters that nobody reads, and those that are given twice.

    Raises:
        RequestError: There are some; it lists those that exist.
    """
    twice = [name for name, values in request.args.lists() if len(values) > 1]
    if twice:
        raise RequestError(f"参数 {twice[0][:40]} 只能写一次。", code=_BAD)
    unknown = sorted(set(request.args) - known)
    if unknown:
        names = "、".join(name[:40] for name in unknown[:5])
        raise RequestError(f"没有名为 {names} 的参数，可用的有：{'、'.join(sorted(known))}。", code=_BAD)
