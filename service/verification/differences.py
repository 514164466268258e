"""Where a text differs from the one that was signed."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import groupby

from service.evidence import TextSpan
from service.model import Claims, Verdict, VerdictCode
from service.verification import wording
from service.verification.fulltext import text_domain
from service.verification.text import Domain, canonical_text, readable_text

_PIECE = re.compile(r"\s*(?:[A-Za-z0-9]+|\S)")
_PAGE_NUMBER = re.compile(r"[\s\-–—]*[0-9]{0,4}[\s\-–—]*")
_LEAST_ALIKE = 0.5
# A file so much longer than what was signed holds other things, too.
_LONGEST_TIMES = 2
_SPARE_PIECES = 200
# The same for text that still holds blanks, before it costs any time.
_LONGEST_TIMES_RAW = 20
_SPARE_RAW = 5_000

_CHANGES = ("removed", "added")
_Spans = tuple[TextSpan, ...]


def with_signed_text(
    verdict: Verdict, claims: Claims, domain: Domain = "hp", found: Sequence[str] = ()
) -> Verdict:
    """Show the text that a token carries, where it tells more than the verdict.

    Args:
        verdict: On a token that is genuine.
        claims: Its claims.
        domain: What the texts are of.
        found: The file's text by each extractor.

    Returns:
        CLAIMS_ONLY with the text to compare by eye, ALTERED with the differences; else the verdict.
    """
    if claims.text is None or verdict.code not in (VerdictCode.CLAIMS_ONLY, VerdictCode.ALTERED):
        return verdict
    spans: _Spans = ()
    words = wording.SIGNED_TEXT
    if verdict.code is VerdictCode.ALTERED:
        same_medium = domain == text_domain(claims)
        spans = best_differences(claims.text, found, same_medium=same_medium)
        words = wording.UNLIKE if not spans else wording.MARKED
        words += wording.MARKED_ACROSS if spans and not same_medium else ""
    return replace(
        verdict, message=verdict.message + words, authenticated_text=claims.text, differences=spans
    )


def best_differences(signed: str, found: Iterable[str], *, same_medium: bool) -> _Spans:
    """Mark where a text differs from the signed one, by the reading of it that comes nearest.

    Args:
        signed: The text that was signed.
        found: The file's text by each extractor.
        same_medium: Whether both are a PDF's text, or both a docx's; page numbers are else left aside,
            for a docx does not hold them.

    Returns:
        Spans in order: the same and the removed make up the signed text, the same and the added the
        other one. Empty where the two are not two versions of one text.
    """
    keep = readable_text if same_medium else _without_page_numbers
    near = (
        text for text in dict.fromkeys(found) if len(text) <= _LONGEST_TIMES_RAW * len(signed) + _SPARE_RAW
    )
    marked = [spans for text in near if (spans := _differences(keep(signed), keep(text)))]
    return min(marked, key=_changed, default=())


def _without_page_numbers(text: str) -> str:
    return "\n".join(line for line in readable_text(text).splitlines() if not _PAGE_NUMBER.fullmatch(line))


def _changed(spans: _Spans) -> int:
    return sum(len(span.text) for span in spans if span.kind != "same")


def _differences(signed: str, found: str) -> _Spans:
    before, after = _PIECE.findall(signed), _PIECE.findall(found)
    if len(after) > _LONGEST_TIMES * len(before) + _SPARE_PIECES:
        return ()
    matcher = SequenceMatcher(
        None, list(map(canonical_text, before)), list(map(canonical_text, after)), autojunk=False
    )
    # The two cheap bounds first: they spare the long look at another document.
    if (
        min(matcher.real_quick_ratio(), matcher.quick_ratio()) < _LEAST_ALIKE
        or matcher.ratio() < _LEAST_ALIKE
    ):
        return ()
    return tuple(_merged(_joined(_spans(matcher.get_opcodes(), before, after))))


def _spans(
    codes: Sequence[tuple[str, int, int, int, int]], before: Sequence[str], after: Sequence[str]
) -> Iterator[TextSpan]:
    for index, (code, first, last, first_new, last_new) in enumerate(codes):
        # One character that two changes have in common by chance makes neither easier to read.
        between = 0 < index < len(codes) - 1 and last - first == 1
        if code == "equal" and not between:
            yield TextSpan("same", "".join(before[first:last]))
            continue
        yield TextSpan("removed", "".join(before[first:last]))
        yield TextSpan("added", "".join(after[first_new:last_new]))


def _joined(spans: Iterable[TextSpan]) -> Iterator[TextSpan]:
    """Yield each run of changes as one removal and one addition, without the blank before them."""
    for is_same, group in groupby(spans, lambda span: span.kind == "same"):
        run = list(group)
        if is_same:
            yield from run
            continue
        removed, added = ("".join(span.text for span in run if span.kind == kind) for kind in _CHANGES)
        if removed and added:
            yield TextSpan("same", removed[: len(removed) - len(removed.lstrip())])
            removed, added = removed.lstrip(), added.lstrip()
        yield TextSpan("removed", removed)
        yield TextSpan("added", added)


def _merged(spans: Iterable[TextSpan]) -> Iterator[TextSpan]:
    """Yield each run of one kind as one span, and none that is empty."""
    for kind, run in groupby((span for span in spans if span.text), lambda span: span.kind):
        yield TextSpan(kind, "".join(span.text for span in run))
