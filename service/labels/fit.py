"""Text that fits a label: sizes are tried from the largest, lines are broken where an address allows it.

Lengths are in mm; a hanzi is one em wide in every face used here, other characters are counted with the widths of
Times, rounded up.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from service.labels.stock import QR_MM, Geometry

_MM_PER_PT = 25.4 / 72
_CACHED_CHARS = 16_384
_SEAM_EM = 0.25  # between a hanzi and a digit or letter
_SMALLEST_PT = 8.0
_FULL_ENOUGH = 0.6
_SHORTEST_END_EM = 3.5
_LEADINGS = (1.5, 1.35, 1.25)
_HEAD_AFTER = re.compile(r"[省市区县州盟旗乡镇村路街道巷弄号栋幢座楼层]")
_WIDE_ASCII = frozenset("mwMW@%&")
_NARROW_ASCII = frozenset("ijlftrI.,:;'!|()[]/-` ")
_WORD = re.compile(
    "科学技术|科学院|科学|促进会|委员会|办公室|研究所|研究院|研究会|管理局|开发区|科技馆|科普站|工程|技术|产业|创新|服务|"
    "中心|学院|大学|中学|小学|医院|协会|学会|联盟|公司|集团|大厦|大道|科技|教育|管理|职业|农业|人民|政府"
)
_NOT_FIRST = frozenset("）〕》」』”’、，。；：？！…·—号栋幢座楼层室单元")
_NOT_LAST = frozenset("（〔《「『“‘")


@dataclass(frozen=True, slots=True)
class LabelLine:
    """One printed line.

    Attributes:
        kind: ``postcode``, ``text``, ``unit`` or ``small``: the style it is set in.
        text: What it says.
        size_pt: Type size.
        line_pt: Height of the line.
        before_pt: Free space above it.
    """

    kind: str
    text: str
    size_pt: float
    line_pt: float
    before_pt: float = 0.0


@dataclass(frozen=True, slots=True)
class FittedLabel:
    """The lines of one label.

    Attributes:
        upper: Lines above the QR picture.
        beside: Lines beside it.
    """

    upper: tuple[LabelLine, ...]
    beside: tuple[LabelLine, ...]

    @property
    def text(self) -> str:
        """All that is printed on it."""
        return "".join(line.text for line in (*self.upper, *self.beside))


@dataclass(frozen=True, slots=True)
class Overflow:
    """A label that does not fit at the smallest size.

    Attributes:
        field: The field that takes most room.
    """

    field: str


@dataclass(frozen=True, slots=True)
class _Part:
    """A value to be set; ``field`` is blamed when the label overflows."""

    field: str
    kind: str
    text: str


def fit_label(values: Mapping[str, str], geometry: Geometry) -> FittedLabel | Overflow:
    """Set a label at the largest size at which all of it fits.

    Args:
        values: ``postcode``, ``address``, ``unit``, ``person`` and ``plaque``; absent or empty ones
            take no line. The order is that of Chinese mail: from the large to the small, the person last.
        geometry: Of the label.
    """
    kinds = {"postcode": "postcode", "address": "text", "unit": "unit", "person": "text", "plaque": "small"}
    parts = [_Part(name, kind, values[name]) for name, kind in kinds.items() if values.get(name)]
    for size_pt in geometry.sizes_pt:
        for leading in _LEADINGS:
            lines = _flow(parts, geometry, size_pt, leading)
            if lines is not None:
                return lines
    smallest = geometry.sizes_pt[-1]
    longest = max(parts, key=lambda part: width_mm(part.text, _size(part.kind, smallest)))
    return Overflow(longest.field)


def _size(kind: str, size_pt: float) -> float:
    """Return the type size of a line: postcode and plaque number are smaller than the rest."""
    return max(_SMALLEST_PT, size_pt - 3) if kind in ("postcode", "small") else size_pt


def _flow(parts: Sequence[_Part], geometry: Geometry, size_pt: float, leading: float) -> FittedLabel | None:
    """Set all parts from the top; then once more from lower down, so that the label's middle is filled."""
    room = geometry.height - geometry.inset_top - geometry.inset_bottom
    first = _set(parts, geometry, size_pt, leading, geometry.inset_top)
    if first is None:
        return None
    used = sum(line.line_pt for line in (*first.upper, *first.beside)) * _MM_PER_PT
    start = geometry.inset_top + max(0.0, (room - used) / 2)
    return _set(parts, geometry, size_pt, leading, start) or first


def _set(
    parts: Sequence[_Part], geometry: Geometry, size_pt: float, leading: float, start: float
) -> FittedLabel | None:
    upper: list[LabelLine] = []
    beside: list[LabelLine] = []
    top, end = start, geometry.upper + QR_MM
    for part in parts:
        size = _size(part.kind, size_pt)
        line_pt = round(size * leading * 2) / 2
        height = line_pt * _MM_PER_PT
        rest = part.text
        while rest:
            if not beside and top + height <= geometry.upper:
                room, lines = geometry.wide, upper
            else:
                if not beside:
                    start += max(0.0, geometry.upper - top)  # close the gap over the first line beside
                    top = geometry.upper
                room, lines = geometry.narrow, beside
            if top + height > end:
                return None
            text, rest = take_line(rest, room / (size * _MM_PER_PT))
            if not text:
                return None
            lines.append(LabelLine(part.kind, text, size, line_pt))
            top += height
    if not upper:
        return None
    before = round(start / _MM_PER_PT * 20) / 20
    head = upper[0]
    upper[0] = LabelLine(head.kind, head.text, head.size_pt, head.line_pt, before)
    return FittedLabel(tuple(upper), tuple(beside))


def take_line(text: str, room_em: float) -> tuple[str, str]:
    """Take from a text what fits on one line; digits and words stay whole, closing marks do not begin a line.

    The line ends after 省, 市, 区, 县, 路, 号 and the like if that leaves it at least three fifths full, or at a
    space; otherwise where it is fullest, but not inside a common word, nor so that a character or two are left
    for the last line.

    Args:
        text: What is left.
        room_em: Length of the line in ems.

    Returns:
        The line and the rest; the line is empty when nothing can be broken off.
    """
    if width_em(text) <= room_em:
        return text, ""
    best = (0, 0)
    inside = {at for word in _WORD.finditer(text) for at in range(word.start() + 1, word.end())}
    for place in _breaks(text):
        used = width_em(text[:place].rstrip())
        if used > room_em:
            break
        is_full = used >= room_em * _FULL_ENOUGH
        is_good = text[place - 1] == " " or (is_full and _HEAD_AFTER.match(text[place - 1]) is not None)
        leaves_enough = used >= room_em / 3 and width_em(text[place:].lstrip()) >= _SHORTEST_END_EM
        best = max(best, (4 * is_good + 2 * leaves_enough + (place not in inside), place))
    place = best[1]
    return text[:place].rstrip(), text[place:].lstrip()


def _breaks(text: str) -> Iterator[int]:
    for place in range(1, len(text)):
        before, after = text[place - 1], text[place]
        inside_word = before.isascii() and after.isascii() and " " not in (before, after)
        number_and_unit = before.isascii() and before.isdigit() and after in _NOT_FIRST
        if inside_word or number_and_unit or before in _NOT_LAST:
            continue
        if after in _NOT_FIRST and not (before.isalpha() and after.isalpha()):
            continue
        yield place


def width_mm(text: str, size_pt: float) -> float:
    """Return the length of a line at a type size."""
    return width_em(text) * size_pt * _MM_PER_PT


def width_em(text: str) -> float:
    """Return the length of a line in ems, the gaps between hanzi and Latin included."""
    seams = sum(1 for one, two in pairwise(text) if " " not in (one, two) and _is_wide(one) != _is_wide(two))
    return sum(_char_em(char) for char in text) + seams * _SEAM_EM


@lru_cache(maxsize=_CACHED_CHARS)
def _is_wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in "WFA"


@lru_cache(maxsize=_CACHED_CHARS)
def _char_em(char: str) -> float:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Cf"):
        return 0.0
    if _is_wide(char):
        return 1.0
    if char in _WIDE_ASCII:
        return 0.95
    if char.isupper():
        return 0.75
    return 0.4 if char in _NARROW_ASCII else 0.52 if char.isascii() else 1.0


def label_values(label: Mapping[str, Any], award: str, *, draft: bool) -> dict[str, str]:
    """Return what is printed of a label, by the parts of `fit_label`.

    Args:
        label: Of the request: ``unit``, ``attn``, ``phone``, ``postcode``, ``address``, ``plaque_no``.
        award: Its printed name.
        draft: Whether to say 草稿.
    """
    # As long as the final text, so that a draft fits if the label does.
    plaque = f"草稿{award}" if draft else f"{award}牌匾"
    return {
        "postcode": " ".join(label.get("postcode") or ""),
        "address": str(label["address"]),
        "unit": str(label["unit"]),
        "person": f"{label['attn']}（收） {label['phone']}",
        "plaque": f"{plaque} {label['plaque_no']}",
    }
