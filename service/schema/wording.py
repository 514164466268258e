"""Pointers, quotations and reports that are safe and short, whatever the input holds."""

import re
from collections.abc import Iterable, Sequence

from service.errors import Fault

PathKey = str | int
"""One step into the data: a member name or an index from 0."""

REPORT_LIMIT = 200
"""Most faults in one report; one more says how many were left out."""

_SEGMENT_LIMIT = 200
_QUOTE_LIMIT = 40
_LISTED_CHARS = 10
# What would vanish, turn a line round or fail to encode when a message is shown.
_UNSHOWABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ue000-\uf8ff\ufe00-\ufe0f\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U0010ffff]"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def code_point(char: str) -> str:
    """Return the usual name of a character's code point, e.g. ``U+4DAE``."""
    return f"U+{ord(char):04X}"


def json_pointer(path: Sequence[PathKey]) -> str:
    r"""Return the JSON Pointer (RFC 6901) of a place in the data.

    A lone surrogate cannot be encoded, so it is written as ``\udXXX``; a member name of more
    than 200 characters is cut, so that a report stays small whatever was sent.

    Args:
        path: Member names and indexes from the root.
    """
    return "".join(f"/{_segment(key)}" for key in path)


def _segment(key: PathKey) -> str:
    if isinstance(key, int):
        return str(key)
    if len(key) > _SEGMENT_LIMIT:
        key = key[:_SEGMENT_LIMIT] + "…"
    key = _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found.group()):04x}", key)
    return key.replace("~", "~0").replace("/", "~1")


def printable(text: str, limit: int = _QUOTE_LIMIT) -> str:
    """Return input text in a form that can be shown: cut, and invisible characters named.

    Args:
        text: Any string, hostile or not.
        limit: Most characters of it to show.
    """
    shown = text[:limit] + ("…" if len(text) > limit else "")
    return _UNSHOWABLE.sub(lambda found: f"<{code_point(found.group())}>", shown)


def cap_report(faults: Sequence[Fault]) -> list[Fault]:
    """Return at most 200 faults, the first of them, and one more for the rest."""
    rest = len(faults) - REPORT_LIMIT
    if rest <= 0:
        return list(faults)
    return [*faults[:REPORT_LIMIT], Fault("", "more", f"另有至少 {rest} 处问题没有列出，请先改正列出的各处")]


def list_chars(chars: Iterable[str], limit: int = _LISTED_CHARS) -> str:
    """Return distinct characters for a message, each with its code point.

    Args:
        chars: The characters.
        limit: Most to list; how many there are in all is said if there are more.
    """
    distinct = sorted(set(chars))
    named = "、".join(_named(char) for char in distinct[:limit])
    rest = len(distinct) - limit
    return f"{named} 等 {len(distinct)} 个" if rest > 0 else named


def _named(char: str) -> str:
    return code_point(char) if _UNSHOWABLE.match(char) else f"{char}（{code_point(char)}）"
