"""Lists of commended units: their names, their place among the attachments, their two columns.

Offered to templates as jinja filters, like `service.fill.typeset`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from service.fill.typeset import one_line, width_twips

AWARDS: Mapping[str, str] = {
    "excellent_organizer": "优秀组织单位",
    "active_contributor": "积极贡献单位",
}
"""Award of the data to what is printed."""

_HANZI_TWIPS = 315


@dataclass(frozen=True, slots=True)
class ListRow:
    """A row of a list of units.

    Attributes:
        left: The unit in the left column, or in the whole row.
        right: The unit in the right column; may be empty.
        is_long: Whether ``left`` takes the whole row.
    """

    left: str
    right: str = ""
    is_long: bool = False


@dataclass(frozen=True, slots=True)
class AnnexPage:
    """What begins on a page of its own after the signed text: a list of units, or a text.

    Attributes:
        number: What is printed after 附件; empty when there is one alone.
        title: Of the list or annex.
        units: Of a list; empty for a text.
        body: Paragraphs of a text; empty for a list.
    """

    number: str
    title: str
    units: Sequence[str]
    body: Sequence[Mapping[str, Any]]


def award_name(award: str) -> str:
    """Return the printed name of an award; one that is not known is printed as it is."""
    return AWARDS.get(award, award)


def list_name(award: str) -> str:
    """Return the title of the list of an award's units: 优秀组织单位名单."""
    return f"{award_name(award)}名单"


def with_lists(
    attachments: Sequence[str] | None,
    awards: Sequence[Mapping[str, Any]],
    annexes: Sequence[Mapping[str, Any]] | None,
) -> list[str]:
    """Return 附件说明 with all lists and annexes named (GB/T 9704-2012 7.3.4).

    Those that the author named keep their places; lists that were not named come first, annexes that were
    not named come last.

    Args:
        attachments: 附件说明 as given.
        awards: Awards with their units.
        annexes: Further annexes.
    """
    given = list(attachments or ())
    named = {one_line(name) for name in given}
    lists = [name for item in awards if (name := list_name(item["award"])) not in named]
    titles = (one_line(item["title"]) for item in annexes or ())
    return [*lists, *given, *(title for title in titles if title not in named)]


def annex_pages(
    attachments: Sequence[str],
    awards: Sequence[Mapping[str, Any]],
    annexes: Sequence[Mapping[str, Any]] | None,
) -> list[AnnexPage]:
    """Return lists and annexes in the order of 附件说明, numbered as there.

    Args:
        attachments: From `with_lists`: every list and annex is named in it.
        awards: Awards with their units.
        annexes: Further annexes.
    """
    names = [one_line(name) for name in attachments]
    pages = [(list_name(item["award"]), item["units"], ()) for item in awards]
    pages += [(item["title"], (), item["body"]) for item in annexes or ()]
    placed = sorted(
        ((names.index(one_line(title)), title, *rest) for title, *rest in pages), key=itemgetter(0)
    )
    return [
        AnnexPage(str(place + 1) if len(names) > 1 else "", title, units, body)
        for place, title, units, body in placed
    ]


def in_two_columns(units: Sequence[str], characters: int) -> list[ListRow]:
    """Set units in two columns, left to right, in the order given; a long name takes a row of its own.

    Args:
        units: Names.
        characters: Most full-width characters in a column.
    """
    widest = characters * _HANZI_TWIPS
    rows: list[ListRow] = []
    left: str | None = None
    for unit in units:
        is_long = width_twips(unit) > widest
        if left is not None and is_long:
            rows.append(ListRow(left))
            left = None
        if is_long:
            rows.append(ListRow(unit, is_long=True))
        elif left is None:
            left = unit
        else:
            rows.append(ListRow(left, unit))
            left = None
    return rows if left is None else [*rows, ListRow(left)]


FILTERS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (annex_pages, award_name, in_two_columns, list_name, with_lists)
}
