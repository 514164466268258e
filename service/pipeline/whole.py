"""Whether a page has all the text that LibreOffice was given: it leaves out a mark now and then, in silence."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any

from service.errors import Fault, TextLost
from service.model import TemplateSpec
from service.pipeline.contract import strings_of
from service.schema import code_point
from service.schema.place import field_name

_KEYWORD = "text_lost"
_NAMED_CHARS = 10
_AROUND_CHARS = (200, 40, 10)
_SHOWN_CHARS = 10
_PAGE_NUMBER = re.compile("—[0-9]+—")  # GB/T 9704-2012 7.5
_UNDRAWN = frozenset({"Cc", "Cf", "Cn", "Co"})
# PDFium reads a hyphen at the end of a line as U+FFFE or a control: the line may have been cut there.
_HYPHENS = dict.fromkeys(map(ord, "\u00ad\u2010\u2011\ufffe\x02"), "-")


def check_text(
    spec: TemplateSpec,
    data: Mapping[str, Any],
    given: str,
    printed: str,
    doubtful: Callable[[], str] = str,
) -> None:
    """Refuse a page that lacks a character of what it was made from.

    Every character but white space is counted, of whatever script: as often as LibreOffice was given it, it must
    be there. How characters are composed, their case (a style may print capitals), and in which order the page is
    read make no difference. A field that the template does not print is not missed.

    Args:
        spec: The template.
        data: What it was filled with.
        given: What LibreOffice was to print.
        printed: The text layer.
        doubtful: What of the given text a page need not show; asked for only when something is missing.

    Raises:
        TextLost: It names the characters, and the fields that hold them.
    """
    wanted, found = _plain(given), _plain(printed)
    lost = Counter(wanted) - Counter(found)
    if lost:
        lost -= Counter(_plain(doubtful()))
    lost = Counter({char: count for char, count in lost.items() if _is_drawn(char)})
    if not lost:
        return
    faults = list(_faults(spec, data, lost.keys(), wanted, _PAGE_NUMBER.sub("", found)))
    names = "、".join(f"“{char}”（{code_point(char)}）" for char in sorted(lost)[:_NAMED_CHARS])
    raise TextLost(
        f"成品中没有印出 {names}。" + "；".join(fault.message for fault in faults[:_NAMED_CHARS]) + "。",
        faults=faults,
    )


def _faults(
    spec: TemplateSpec, data: Mapping[str, Any], lost: Set[str], given: str, printed: str
) -> Iterator[Fault]:
    """Yield the fields with a place that is not printed; if there is none, those with such a character."""
    fields = [(pointer, _plain(text)) for pointer, text in strings_of(data, "")]
    holders = [(pointer, text) for pointer, text in fields if not lost.isdisjoint(text)]
    places = _gaps(lost, given, printed)
    holders.sort(key=lambda holder: -len(holder[1]))  # a short text may be a part of a longer one
    gaps = [
        (pointer, given[max(0, place - _SHOWN_CHARS) : place + 1])
        for place in places
        for pointer in [pointer for pointer, text in holders if _stands_at(text, place, given)][:1]
    ]
    # Cells and page ends part neighbours: then no gap is found.
    for pointer, gap in gaps or [(pointer, "") for pointer, _ in holders if not places]:
        where = f"在“{gap}”处" if gap else ""
        name = field_name(spec.schema, pointer)
        yield Fault(pointer, _KEYWORD, f"{name}{where}有字没有印出，请在它前面增减几个字后重试")
    if not gaps and (places or not holders):
        yield Fault("", _KEYWORD, "缺的是模板自带的文字，请在它前面的内容中增减几个字，并告知模板维护者")


def _gaps(lost: Set[str], given: str, printed: str) -> list[int]:
    """Return the places of the given text whose neighbours are printed side by side.

    Words that come again and again need many neighbours to be told apart, and those near a cell's edge have few.
    """
    for around in _AROUND_CHARS:
        places = []
        for place in (place for place, char in enumerate(given) if char in lost):
            before, after = given[max(0, place - around) : place], given[place + 1 : place + 1 + around]
            whole = before + given[place] + after
            if before + after in printed and given.count(whole) > printed.count(whole):
                places.append(place)
        if places:
            return places
    return []


def _stands_at(text: str, place: int, given: str) -> bool:
    start = given.find(text, max(0, place - len(text) + 1))
    return 0 <= start <= place


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKD", text.translate(_HYPHENS)).casefold().split())


def _is_drawn(char: str) -> bool:
    # A template's symbol font has characters of private use; LibreOffice prints others in their place.
    return unicodedata.category(char) not in _UNDRAWN and not unicodedata.name(char, "").startswith(
        "VARIATION"
    )
