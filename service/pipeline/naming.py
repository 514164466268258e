"""Download names and values picked from request data."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from service.schema import printable

_FIELD = re.compile(r"\{([A-Za-z_]\w*(?:\.\w+)*)\}")
_UNSAFE = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]+')
_STEM_CHARS = 60
_NAME_SHOWN = 60


def pick(data: object, pointer: str | None) -> Any:
    """Return the value at a JSON Pointer (RFC 6901), or ``None`` when there is none.

    Args:
        data: JSON value.
        pointer: ``/a/0/b``; ``None`` gives ``None``.
    """
    if pointer is None:
        return None
    value: Any = data
    for raw in pointer.split("/")[1:]:
        key = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def as_text(value: object) -> str:
    """Return a value as the one line that a claim or a file name shows.

    A line break in a title is there for the page; in one line it is nothing.
    """
    if value is None:
        return ""
    if isinstance(value, list):
        return "、".join(as_text(item) for item in value)
    return " ".join("".join(str(value).splitlines()).split())


def file_stem(pattern: str, data: Mapping[str, Any], fallback: str) -> str:
    """Return a safe download name without its extension.

    Args:
        pattern: ``{field}`` stands for a value, ``{outer.inner}`` for one further down.
        data: Request data.
        fallback: Used when nothing is left.
    """
    filled = _FIELD.sub(
        lambda match: as_text(pick(data, "/" + match[1].replace(".", "/"))).replace(" ", ""), pattern
    )
    cleaned = _UNSAFE.sub("", unicodedata.normalize("NFC", filled)).strip(" .")
    return cleaned[:_STEM_CHARS].rstrip(" .") or fallback


def shown_name(name: str) -> str:
    """Return the name of somebody's file as it can be shown: cut, and what turns a line round is named."""
    return printable(name, _NAME_SHOWN)
