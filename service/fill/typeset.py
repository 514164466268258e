"""Pure functions of Chinese typesetting, offered to templates as jinja filters.

Lengths are in twips (1/20 pt) or in half-ems (a hanzi is 2, an ASCII character 1), and say so. The figures
are those of GB/T 9704-2012: text of 3号 (16 pt) in a type area of 156 mm.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import pairwise
from typing import Any

_DIGITS = "零一二三四五六七八九"
_TYPE_AREA_TWIPS = 8844
_HANZI_TWIPS = 315  # 16 pt less 0.25 pt of letter-spacing: 28 characters in 442.2 pt
_SEAM_TWIPS = 70  # what LibreOffice and Word put between a hanzi and a digit or letter
_DATE_INDENT_TWIPS = 4 * 320
_ONE_MORE_LINE = 300.0  # less than a word cut in two, more than any other blemish
_OPENERS = frozenset("（〔［｛《〈「『【“‘([{")
_CLOSERS = frozenset("）〕］｝》〉」』】”’)]}")
_NOT_FIRST = _CLOSERS | frozenset("、，。；：？！…·～—％℃,.;:?!%")
_UNITS_AFTER_DIGITS = frozenset("年月日号届次期第个项周名级")
_SHORT_QUOTE = re.compile(r"《[^》]{1,10}》|“[^”]{1,10}”|（[^）]{1,8}）")
_LONG_WORD = re.compile(r"[!-~]{14}")
_GOOD_AFTER = frozenset("》”、，；）")
_GOOD_BEFORE = frozenset("《“（")
# Words of titles that a line must not cut in two; GB/T 9704-2012 7.3.1 asks for whole words.
_WORD = re.compile(
    "科学技术|优秀组织单位|积极贡献单位|领导小组|科技馆|工作者|研究会|委员会|办公室|办公厅|促进会|进一步|关于|全年|半年|季度|年终|印发|"
    "通知|通报|通告|公告|意见|决定|方案|办法|规定|规划|计划|实施|工作|"
    "活动|开展|组织|做好|举办|举行|申报|推荐|评选|表彰|表扬|先进|优秀|"
    "单位|个人|集体|科技|科学|技术|全国|全省|全市|中国|协会|学会|服务|"
    "中心|年度|会议|培训|征集|报送|总结|报告|加强|推进|有关|事项|安排|"
    "主题|系列|建设|管理|发展|创新|项目|专项|资金|人才|教育|宣传|普及|"
    "安全|检查|情况|名单|公布|试点|示范|指导|联合|转发|调整|成立"
)


@dataclass(frozen=True, slots=True)
class NumberedParagraph:
    """A body paragraph with its printed number.

    Attributes:
        level: 0 text, 1 一、 2 （一） 3 1. 4 （1）.
        number: The printed number; empty at level 0.
        text: The text as given.
        lead: What is set in the heading's face: for levels 1 and 2 the first sentence, else all of it.
        rest: What follows the lead in the same paragraph, in the text's face.
        has_long_word: Whether it holds a web or mail address or the like, which looks bad in justified text.
    """

    level: int
    number: str
    text: str
    lead: str
    rest: str
    has_long_word: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """Where 发文机关署名 and 成文日期 stand; GB/T 9704-2012 7.3.5.1, form with a seal.

    Attributes:
        lines: The issuer's name, one line as a rule.
        left: Left indent of the name, twips; the name is centred between its indents.
        right: Right indent of the name, twips.
        date_right: Right indent of the date, twips.
    """

    lines: tuple[str, ...]
    left: int
    right: int
    date_right: int


def cn_date(value: str | date) -> str:
    """Print an ISO date as ``2021年5月8日``: full year, no leading zeros (GB/T 9704-2012 7.3.5.4)."""
    day = value if isinstance(value, date) else date.fromisoformat(value)
    return f"{day.year}年{day.month}月{day.day}日"


def cn_number(value: int) -> str:
    """Print 1..9999 in hanzi: 十一, 二十, 一百零一, 一千零一十."""
    if not 0 < value < 10_000:
        raise ValueError(value)
    printed = ""
    for digit, unit in zip(f"{value:04}", "千百十 ", strict=True):
        if digit != "0":
            printed += _DIGITS[int(digit)] + unit.strip()
        elif printed and not printed.endswith("零"):
            printed += "零"
    printed = printed.rstrip("零")
    return printed[1:] if 10 <= value < 20 else printed


def numbered(body: Sequence[Mapping[str, Any]]) -> list[NumberedParagraph]:
    """Number body paragraphs; a paragraph starts all deeper levels afresh (GB/T 9704-2012 7.3.3).

    Args:
        body: ``{"level": 0..4, "text": …}`` in order; text (level 0) leaves the counters alone.
    """
    counters = [0] * 5
    paragraphs = []
    for item in body:
        level, text = int(item["level"]), str(item["text"])
        if level:
            counters[level] += 1
            counters[level + 1 :] = [0] * (4 - level)
        count = counters[level]
        number = (
            "",
            f"{cn_number(count)}、" if level == 1 else "",
            f"（{cn_number(count)}）" if level == 2 else "",
            f"{count}.",
            f"（{count}）",
        )[level]
        lead, rest = _first_sentence(text) if level in (1, 2) else (text, "")
        paragraphs.append(NumberedParagraph(level, number, text, lead, rest, bool(_LONG_WORD.search(text))))
    return paragraphs


def paragraphs(text: str) -> list[NumberedParagraph]:
    """Split a text of several lines into paragraphs without numbers; blank lines and indents fall away.

    Args:
        text: Text in which each line feed ends a paragraph.
    """
    lines = (line.strip() for line in text.split("\n"))
    return numbered([{"level": 0, "text": line} for line in lines if line])


def _first_sentence(text: str) -> tuple[str, str]:
    depth = 0
    for position, char in enumerate(text):
        depth += (char in _OPENERS) - (char in _CLOSERS)
        if char == "。" and depth <= 0:
            return text[: position + 1], text[position + 1 :]
    return text, ""


def half_ems(text: str) -> int:
    """Measure a text in half-ems: hanzi and full-width marks 2, others 1, combining marks 0."""
    return sum(_half_ems(char) for char in text)


def _half_ems(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WFA" else 1


def width_twips(text: str) -> int:
    """Measure one line of 3号 text in twips, the gaps between hanzi and digits included."""
    return half_ems(text) * _HANZI_TWIPS // 2 + _seams(text) * _SEAM_TWIPS


def _seams(text: str) -> int:
    """Count the places where hanzi and Latin meet; a gap is set there."""
    return sum(1 for one, two in pairwise(text) if _is_hanzi(one) != _is_hanzi(two))


def _is_hanzi(char: str) -> bool:
    return unicodedata.east_asian_width(char) in "WFA"


def signature(issuer: str, issued_on: str | date) -> Signature:
    """Place name and date for a sealed document (GB/T 9704-2012 7.3.5.1).

    The date ends four characters before the right edge and the name is centred over it. A name so long that
    it would pass the right edge pushes the date to the left; one wider than the type area is set in
    balanced lines.

    Args:
        issuer: 发文机关署名.
        issued_on: 成文日期.
    """
    date_width = width_twips(cn_date(issued_on))
    lines = tuple(balanced(issuer, 26).split("\n"))
    # Letters may be wider than the half em they count for: keep room, so that no line turns by itself.
    name_width = max(width_twips(line) + 40 + sum(40 for char in line if char.isascii()) for line in lines)
    name_width = min(name_width, _TYPE_AREA_TWIPS)  # a word that long is broken to fill its lines
    overhang = max(0, (name_width - date_width) // 2)
    date_right = max(_DATE_INDENT_TWIPS, overhang)
    right = date_right + (date_width - name_width) // 2
    left = max(0, _TYPE_AREA_TWIPS - right - name_width)
    return Signature(lines, left, max(0, right), date_right)


def fit_size(text: str, largest_pt: float, width_mm: float) -> float:
    """Return the largest type size, in half points, at which a text stays on one line.

    Args:
        text: The line.
        largest_pt: Size that is wanted, points.
        width_mm: Room, mm.
    """
    room_pt = width_mm * 72 / 25.4
    # Bold capitals are wider than half an em, and so are the gaps between them and hanzi: allow for it.
    latin = sum(1 for char in text if char.isascii() and not char.isspace())
    fitting = room_pt / max(1.0, half_ems(text) / 2 + latin * 0.2 + _seams(text) * 0.25 + 0.05)
    return min(largest_pt, int(fitting * 2) / 2)


def line_count(text: str, characters: int) -> int:
    """Return how many lines of so many full-width characters a text needs at most."""
    return max(1, -(-(half_ems(text) + _seams(text) // 2) // (2 * characters - 2)))


def lines(text: str) -> int:
    """Return how many lines a text that is broken already has."""
    return text.count("\n") + 1


def joined(names: Sequence[str]) -> str:
    """List names with 、, or with ， where a name holds a 、 itself (各学会、协会，各县科促会)."""
    mark = "，" if any("、" in name for name in names) else "、"
    return mark.join(names)


def ended(text: str, mark: str) -> str:
    """Make a text end with a mark, once."""
    return text.rstrip("：:，、；。 ") + mark


def bracketed(text: str) -> str:
    """Put a text in （）, unless it is already."""
    return text if text.startswith("（") and text.endswith("）") else f"（{text}）"


def one_line(text: str) -> str:
    """Join the lines of a text; a space only where two Latin words meet."""
    return re.sub(r"(?<=[!-~])\s*\n\s*(?=[!-~])", " ", text).replace("\n", "")


def annex_number(title: str, index: int, annex_count: int, attachments: Sequence[str] | None) -> str:
    """Return the number printed after 附件 on an annex page; it agrees with the list of attachments.

    Args:
        title: Title of the annex.
        index: Its place among the annexes, from 0.
        annex_count: How many annexes the document has.
        attachments: 附件说明, if there is one.
    """
    names = [one_line(name) for name in attachments or ()]
    if max(len(names), annex_count) < 2:
        return ""
    plain = one_line(title)
    return str(names.index(plain) + 1 if plain in names else index + 1)


def balanced(title: str, characters: int) -> str:
    r"""Break a long title into lines of like length (GB/T 9704-2012 7.3.1: 梯形 or 菱形, whole words).

    Numbers, Latin words and common official words stay whole, no closing mark begins a line and no opening
    mark ends one. Breaks next to 《》 and “” are preferred. A title with ``\n`` stays as its author broke it.

    Args:
        title: The title.
        characters: Most full-width characters in a line.
    """
    if "\n" in title or half_ems(title) <= 2 * characters:
        return title
    costs = _break_costs(title)
    prefix = [0]
    for char in title:
        prefix.append(prefix[-1] + _half_ems(char))
    first = -(-prefix[-1] // (2 * characters))
    choices = (
        (cost + _ONE_MORE_LINE * more, breaks)
        for more in range(3)
        for cost, breaks in [_best_breaks(prefix, costs, first + more, 2 * characters)]
    )
    cost, breaks = min(choices)
    if cost == float("inf"):
        return title
    return "\n".join(title[a:b].strip() for a, b in pairwise([0, *breaks, len(title)]))


def _best_breaks(
    prefix: list[int], costs: dict[int, int], count: int, widest: int
) -> tuple[float, tuple[int, ...]]:
    target = prefix[-1] / count
    end = len(prefix) - 1

    @cache
    def best(start: int, lines: int) -> tuple[float, tuple[int, ...]]:
        if lines == 1:
            width = prefix[end] - prefix[start]
            return ((width - target) ** 2, ()) if width <= widest else (float("inf"), ())
        found: tuple[float, tuple[int, ...]] = (float("inf"), ())
        for place, cost in costs.items():
            width = prefix[place] - prefix[start]
            if place <= start or width > widest:
                continue
            rest, breaks = best(place, lines - 1)
            found = min(found, ((width - target) ** 2 + cost + rest, (place, *breaks)))
        return found

    return best(0, count)


def _break_costs(title: str) -> dict[int, int]:
    """Give every place where a line may end its cost; places that are forbidden are absent."""
    inside: set[int] = set()
    for pattern in (_WORD, _SHORT_QUOTE):
        for match in pattern.finditer(title):
            inside.update(range(match.start() + 1, match.end()))
    costs: dict[int, int] = {}
    for place in range(1, len(title)):
        before, after = title[place - 1], title[place]
        latin = before.isascii() and after.isascii() and " " not in (before, after)
        counted = (before.isdigit() and after in _UNITS_AFTER_DIGITS) or (before == "第" and after.isdigit())
        if latin or counted or after in _NOT_FIRST or before in _OPENERS:
            continue
        costs[place] = 400 if place in inside else 60
        if place not in inside and (
            before in _GOOD_AFTER or after in _GOOD_BEFORE or title.startswith("关于", place)
        ):
            costs[place] = 0
        if after in "的了和与及等":
            costs[place] += 60
    return costs


FILTERS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        annex_number,
        balanced,
        bracketed,
        cn_date,
        cn_number,
        ended,
        fit_size,
        half_ems,
        joined,
        line_count,
        lines,
        numbered,
        one_line,
        paragraphs,
        signature,
    )
}
