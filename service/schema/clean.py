"""Clean one string: mend what is harmless and say so, refuse what is not.

=====================================  ==========================================================
found                                  done
=====================================  ==========================================================
CR LF, CR, U+2028, U+2029              become a line feed
line feed                              fault ``multiline`` unless the field takes several lines
tab                                    becomes one space, warning: a tab pasted from a sheet is common,
                                       and a tab in a docx would jump to an unknown stop
other C0, C1, noncharacters,           fault ``illegal-char``: XML 1.0 §2.2 has no such character, and
lone surrogates                        docxtpl would drop them or cut the document short in silence
interlinear and tag characters,        fault ``illegal-char``: nothing is drawn, yet a reader of the file
Hangul fillers, over 30 stacked marks  gets other text than a reader of the paper (UAX #15 §13 for the 30)
bidirectional controls                 fault ``bidi-control``: they make "abc" print as "cba"
zero-width characters, soft hyphen     removed, warning
variation selectors                    removed, warning: no configured face has the variants, the base
                                       character is printed
private use, known to GB 18030         becomes its standard character, warning
other private use                      fault ``no-glyph``, unless the caller prints something in its place
compatibility ideographs, Kangxi       become the ordinary hanzi, warning: they look the same, but nobody
radicals                               finds or types them; text copied out of a PDF is full of them
a picture as text: a ``data:`` URI,    fault ``image``: no field takes one, and its code would be printed;
the ``=DISPIMG(…)`` of a WPS cell      the program shows a picture in place of either
anything else                          NFC, never NFKC, which would turn （）①㎡ into ASCII
=====================================  ==========================================================
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from service.schema.gb18030 import STANDARD_BY_PRIVATE
from service.schema.wording import code_point, list_chars

_BREAKS = "\r\u2028\u2029"
_PLANE_ENDS = "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
_ILLEGAL = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufff9-\ufffb\u206a-\u206f"
    f"\u115f\u1160\u3164\uffa0\U000e0000-\U000e007f{_PLANE_ENDS}"
)
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_HIDDEN = "\u00ad\u034f\u180e\u200b-\u200d\u2060-\u2064\ufeff"
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_PRIVATE = "\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd"

_ODD = re.compile(f"[\t\n{_BREAKS}{_ILLEGAL}{_BIDI}{_HIDDEN}{_SELECTORS}{_PRIVATE}]")
_BREAK_RE = re.compile(f"\r\n|[{_BREAKS}]")
_ILLEGAL_RE = re.compile(f"[{_ILLEGAL}]")
_BIDI_RE = re.compile(f"[{_BIDI}]")
_HIDDEN_RE = re.compile(f"[{_HIDDEN}]")
_SELECTORS_RE = re.compile(f"[{_SELECTORS}]")
_PRIVATE_RE = re.compile(f"[{_PRIVATE}]")
# Beside the Kangxi radicals the two radicals of the supplement that Unicode equates with a hanzi.
_COMPATIBILITY_RE = re.compile("[\u2e9f\u2ef3\u2f00-\u2fd5\uf900-\ufaff\U0002f800-\U0002fa1f]")
_STACK_LIMIT = 30
_IMAGE_RE = re.compile(r"\s*(?:data:image/|=\s*(?:_xlfn\.)?DISPIMG\()", re.IGNORECASE)
_IMAGE = "是一张图片，这里只能填文字：模板没有图片字段，印章图样只能由管理员配置"


@dataclass(frozen=True, slots=True)
class CleanText:
    """A cleaned string and what was found in it.

    Attributes:
        text: The string to go on with; refused characters are left out, so that one bad
            character gives one fault.
        faults: Pairs of keyword and Chinese predicate, to be put after the field's name.
        warnings: Chinese predicates.
    """

    text: str
    faults: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()


def clean_text(text: str, *, multiline: bool = False, keep_private: bool = False) -> CleanText:
    """Apply the rules of this module to one string.

    Args:
        text: Any string, lone surrogates included.
        multiline: Whether line feeds may stay.
        keep_private: Whether private-use characters without a standard one may stay.
    """
    faults: list[tuple[str, str]] = []
    warnings: list[str] = []
    if _IMAGE_RE.match(text):
        faults.append(("image", _IMAGE))
    if _ODD.search(text):
        text = _BREAK_RE.sub("\n", text)
        text = _refuse(text, faults)
        text = _mend(text, faults, warnings, keep_private=keep_private)
        if "\n" in text and not multiline:
            faults.append(("multiline", "只能写一行，请去掉换行"))
    if not text.isascii():
        if _too_stacked(text):
            faults.append(("illegal-char", f"有连续 {_STACK_LIMIT} 个以上的组合附加符号，请删去"))
        else:
            text = unicodedata.normalize("NFC", _to_ordinary(text, warnings))
    return CleanText(text, tuple(faults), tuple(warnings))


def _refuse(text: str, faults: list[tuple[str, str]]) -> str:
    illegal = _ILLEGAL_RE.findall(text)
    if illegal:
        faults.append(("illegal-char", f"含有不允许的控制字符 {list_chars(illegal)}，请删去"))
        text = _ILLEGAL_RE.sub("", text)
    bidi = _BIDI_RE.findall(text)
    if bidi:
        faults.append(("bidi-control", f"含有改变文字方向的控制字符 {list_chars(bidi)}，请删去"))
        text = _BIDI_RE.sub("", text)
    return text


def _mend(text: str, faults: list[tuple[str, str]], warnings: list[str], *, keep_private: bool) -> str:
    text = _strip(text, _HIDDEN_RE, warnings, "中的不可见字符 {} 已删去")
    text = _strip(text, _SELECTORS_RE, warnings, "中的字形选择符 {} 已删去，按通用字形印出")
    if "\t" in text:
        warnings.append("中的制表符已换成空格")
        text = text.replace("\t", " ")
    private = set(_PRIVATE_RE.findall(text))
    known = sorted(private & STANDARD_BY_PRIVATE.keys())
    if known:
        pairs = "、".join(f"{code_point(char)} → {STANDARD_BY_PRIVATE[char]}" for char in known)
        warnings.append(f"中的旧编码自造区字符已换成标准字符：{pairs}")
        text = _PRIVATE_RE.sub(lambda found: STANDARD_BY_PRIVATE.get(found.group(), found.group()), text)
    if len(known) < len(private) and not keep_private:
        unknown = list_chars(private - STANDARD_BY_PRIVATE.keys())
        faults.append(("no-glyph", f"含有自造区字符 {unknown}，没有通用字形，请换成标准汉字"))
        text = _PRIVATE_RE.sub("", text)
    return text


def _to_ordinary(text: str, warnings: list[str]) -> str:
    found = sorted(set(_COMPATIBILITY_RE.findall(text)))
    # Twelve of the block are ordinary hanzi in spite of its name; NFKC leaves them alone.
    ordinary = {char: unicodedata.normalize("NFKC", char) for char in found}
    changed = [char for char in found if ordinary[char] != char]
    if not changed:
        return text
    pairs = "、".join(f"{code_point(char)} → {ordinary[char]}" for char in changed)
    warnings.append(f"中的兼容汉字或康熙部首已换成标准汉字：{pairs}")
    return _COMPATIBILITY_RE.sub(lambda match: ordinary[match[0]], text)


def _strip(text: str, pattern: re.Pattern[str], warnings: list[str], wording: str) -> str:
    found = pattern.findall(text)
    if not found:
        return text
    warnings.append(wording.format(list_chars(found)))
    return pattern.sub("", text)


def _too_stacked(text: str) -> bool:
    # Normalising sorts a run of marks in quadratic time, so a long run must not get that far.
    return len(text) > _STACK_LIMIT and _stacked_marks()(text) is not None


@cache
def _stacked_marks() -> Callable[[str], re.Match[str] | None]:
    marks = [code for code in range(0x300, 0x1F000) if unicodedata.combining(chr(code))]
    ranges: list[list[int]] = []
    for code in marks:
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    char_class = "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
    return re.compile(f"[{char_class}]{{{_STACK_LIMIT + 1}}}").search
