"""A file with its codes to one verdict, and one for each code where there are several.

Several codes are no fault in themselves: a sheet of labels has one on each, a merged file those of its
documents. They contradict each other where they stand for the same page of one document.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from service.evidence import PdfSignature
from service.model import Verdict, VerdictCode
from service.verification import wording
from service.verification.payload import LABEL_TYPE, TYPE_NAMES
from service.verification.urls import token_from_url
from service.verification.verdict import FileKind, Verifier

_LABEL = TYPE_NAMES[LABEL_TYPE]
_MOST_CODES = 3_000
_MOST_PARTS = 20
_WORST_FIRST = (
    VerdictCode.CONFLICT,
    VerdictCode.KEY_COMPROMISED,
    VerdictCode.REVOKED,
    VerdictCode.BAD_TOKEN,
    VerdictCode.UNKNOWN_KEY,
    VerdictCode.ALTERED,
    VerdictCode.EXPIRED,
    VerdictCode.CLAIMS_ONLY,
    VerdictCode.TEXT_MATCH,
    VerdictCode.EXACT,
)


@dataclass(frozen=True, slots=True)
class FoundCode:
    """A QR code of a file.

    Attributes:
        text: What it says, untrusted.
        page: Its page, from 1; ``None`` in a file without pages.
    """

    text: str
    page: int | None


@dataclass(frozen=True, slots=True)
class ExaminedFile:
    """What was found in an uploaded file.

    Attributes:
        kind: See `FileKind`.
        codes: All visible codes, pages in order.
        texts: The text of every page by one extractor after the other; a docx is one page.
        pages: Number of pages, where the file has any.
        flags: See `service.verification.docxtext.docx_flags`.
        signature: What a PDF's signatures show; ``None`` where that was not looked into.
    """

    kind: FileKind
    codes: tuple[FoundCode, ...]
    texts: tuple[tuple[str, ...], ...] = ()
    pages: int | None = None
    flags: tuple[str, ...] = ()
    signature: PdfSignature | None = None


@dataclass(frozen=True, slots=True)
class _Code:
    """A code that holds a token."""

    token: bytes
    text: str
    page: int | None


def judge_file(verifier: Verifier, file: ExaminedFile) -> Verdict:
    """Judge a file by all that was found in it.

    Args:
        verifier: Judges one token, with or without a text.
        file: The findings.

    Returns:
        The verdict on the whole file. Where it holds several codes, or a document that is only a part
        of it, `Verdict.documents` has a verdict for each.
    """
    codes = _tokens(file.codes)
    if len({code.token for code in codes}) > 1:
        return _judge_several(verifier, file, codes)
    whole = ["\n".join(pages) for pages in file.texts]
    verdict = verifier.judge_text([code.text for code in codes], whole, file.kind, file.flags)
    if file.kind == "scan":
        return _count_pages(verdict, file.pages)
    if file.kind == "pdf" and verdict.code is VerdictCode.ALTERED:
        return _with_parts(verifier, file, verdict, codes)
    return _signed(verifier, file, verdict)


def _tokens(codes: Sequence[FoundCode]) -> list[_Code]:
    """Return the codes that hold a token, each once for a page."""
    found: dict[tuple[bytes, int | None], _Code] = {}
    for code in codes:
        token = token_from_url(code.text)
        if token is not None:
            found.setdefault((token, code.page), _Code(token, code.text, code.page))
    return list(found.values())


def _signed(verifier: Verifier, file: ExaminedFile, verdict: Verdict) -> Verdict:
    if file.kind != "pdf" or file.signature is None:
        return verdict
    return verifier.judge_signature(verdict, file.signature)


def _count_pages(verdict: Verdict, pages: int | None) -> Verdict:
    claimed = verdict.claims.get("pages")
    if verdict.code is not VerdictCode.CLAIMS_ONLY or not claimed or not pages or pages >= claimed:
        return verdict
    return replace(verdict, message=verdict.message + wording.SCAN_SHORT.format(found=pages))


def _with_parts(verifier: Verifier, file: ExaminedFile, verdict: Verdict, codes: Sequence[_Code]) -> Verdict:
    """Name the pages of a larger file that are a document as it was issued."""
    parts = [_judge_one(verifier, file, code) for code in codes[:_MOST_PARTS]]
    whole = [part for part in parts if part.code is VerdictCode.TEXT_MATCH]
    if not whole:
        return verdict
    message = verdict.message + wording.PART.format(pages=_pages_text(part.pages for part in whole))
    return replace(verdict, message=message, documents=tuple(parts))


def _judge_one(verifier: Verifier, file: ExaminedFile, code: _Code) -> Verdict:
    """Judge one code; a document is the pages from its code on, as many as it says that it has."""
    page = code.page
    if file.kind != "pdf" or page is None:
        verdict = verifier.judge_text([code.text], ["\n".join(pages) for pages in file.texts], file.kind)
        return replace(verdict, pages=None if page is None else (page, page))
    claimed = verifier.judge_link(code.text).claims.get("pages") or 1
    texts = ["\n".join(pages[page - 1 : page - 1 + claimed]) for pages in file.texts]
    verdict = verifier.judge_text([code.text], texts, file.kind)
    here = verdict.code is VerdictCode.ALTERED or page - 1 + claimed > (file.pages or 0)
    return replace(verdict, pages=(page, page if here else page - 1 + claimed))


def _judge_several(verifier: Verifier, file: ExaminedFile, codes: Sequence[_Code]) -> Verdict:
    bare = [verifier.judge_link(code.text) for code in codes[:_MOST_CODES]]
    claimed = sum(verdict.claims.get("pages") or 1 for verdict in bare if not _is_label(verdict))
    # Documents that claim more pages than there are contradict each other, and need no long look.
    too_many = len(codes) > _MOST_CODES or claimed > 2 * (file.pages or 1)
    documents = bare if too_many else [_judge_one(verifier, file, code) for code in codes]
    if too_many or _contradict(documents, codes):
        return Verdict(
            VerdictCode.CONFLICT,
            wording.MESSAGES[VerdictCode.CONFLICT],
            not_checked=(wording.EVERYTHING,),
            documents=tuple(documents),
        )
    signed = [_signed(verifier, file, document) for document in documents]
    if all(document.code is VerdictCode.EXACT for document in signed):
        return _together(VerdictCode.EXACT, signed, (), file.flags)
    # The signature speaks for the file as a whole or not at all.
    documents = [
        before if after.code is VerdictCode.EXACT else after
        for before, after in zip(documents, signed, strict=True)
    ]
    outside = _outside(documents, file)
    codes_found = [document.code for document in documents] + [VerdictCode.ALTERED] * bool(outside)
    return _together(min(codes_found, key=_WORST_FIRST.index), documents, outside, file.flags)


def _contradict(documents: Sequence[Verdict], codes: Sequence[_Code]) -> bool:
    """Return whether two different codes stand for one place of one document."""
    by_page: dict[int | None, list[tuple[bytes, Verdict]]] = {}
    for document, code in zip(documents, codes, strict=True):
        by_page.setdefault(code.page, []).append((code.token, document))
    for document, code in zip(documents, codes, strict=True):
        if _is_label(document):
            continue
        first, last = document.pages or (1, 0)
        places = range(first, last + 1) if document.claims and code.page is not None else (code.page,)
        others = [item for place in places for item in by_page.get(place, ()) if item[0] != code.token]
        # On a sheet of labels a code that is none of ours is a false label, and no contradiction.
        if others and (document.claims or not any(_is_label(other) for _, other in others)):
            return True
    return False


def _is_label(verdict: Verdict) -> bool:
    return verdict.claims.get("type") == _LABEL


def _outside(documents: Sequence[Verdict], file: ExaminedFile) -> tuple[int, ...]:
    """Return the pages that belong to no document, in a file whose text was compared."""
    compared = [item for item in documents if item.code in (VerdictCode.TEXT_MATCH, VerdictCode.ALTERED)]
    if file.kind != "pdf" or not compared or not file.pages:
        return ()
    covered = {page for item in documents if item.pages for page in range(item.pages[0], item.pages[1] + 1)}
    return tuple(sorted(set(range(1, file.pages + 1)) - covered))


def _together(
    code: VerdictCode, documents: Sequence[Verdict], outside: Sequence[int], flags: Sequence[str]
) -> Verdict:
    first = documents[0]
    shared = {
        key: value
        for key, value in first.claims.items()
        if key not in ("facts", "pages") and all(item.claims.get(key) == value for item in documents)
    }
    own = wording.SEVERAL_ALTERED if code is VerdictCode.ALTERED else wording.MESSAGES[code]
    message = wording.SEVERAL.format(count=len(documents)) + own
    if outside:
        message += wording.OUTSIDE.format(pages=_pages_text((page, page) for page in outside))
    if flags:
        message += wording.FLAGGED.format(flags="、".join(flags))
    return Verdict(
        code=code,
        message=message,
        claims=shared,
        checked=tuple(item for item in first.checked if all(item in other.checked for other in documents)),
        not_checked=tuple(
            dict.fromkeys([item for document in documents for item in document.not_checked] + list(flags))
        ),
        development=any(document.development for document in documents),
        documents=tuple(documents),
    )


def _pages_text(ranges: "Iterator[tuple[int, int] | None] | Sequence[tuple[int, int]]") -> str:
    return "、".join(
        str(found[0]) if found[0] == found[1] else f"{found[0]}–{found[1]}" for found in ranges if found
    )
