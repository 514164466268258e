"""Broken input for the four readers of what strangers send, each judged by a second reader.

usage: python -m bench.fuzz json|zip|token|sheet [--minutes 10] [--seed 0]

A case is a good input with a few edits: bytes flipped, cut, doubled, or a word of the format put in. A reader
may refuse it in its own way alone (a `RequestError`, never another exception), and what it
accepts must be what a second, plainer reader makes of the same bytes. A case that ends the process is found in
the file named at the start.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import cbor2
import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bench.fuzz_docx import check_docx, docx_cases
from service.errors import MalformedJson, RequestError
from service.schema import parse_json
from service.sheets import SheetLimits, read_rows
from service.verification import BadTokenError, decode_token, token_from_url
from service.verification.payload import pack_claims
from service.verification.token import MAX_TOKEN_BYTES, claims_of, open_envelope
from service.verification.urls import MAX_DIGITS, digits_of
from tests.tables import LABEL_TITLES, as_json, label_cells, label_row, spec_of, with_part, workbook_of
from tests.unit.verification.helpers import NOTICE

ROUND = 2_000
Edit = tuple[str, int, int, bytes]
_KINDS = ("flip", "cut", "double", "drop", "put", "swap")
_FAR = 1 << 20


def edited(content: bytes, edits: Sequence[Edit]) -> bytes:
    """Return the content after a few edits."""
    for kind, place, length, word in edits:
        at = place % (len(content) + 1)
        end = at + length
        piece = content[at:end]
        content = {
            "flip": content[:at]
            + bytes(byte ^ 1 << length % 8 for byte in content[at : at + 1])
            + content[at + 1 :],
            "cut": content[:at],
            "double": content[:end] + piece + content[end:],
            "drop": content[:at] + content[end:],
            "put": content[:at] + word + content[at:],
            "swap": content[:at] + word + content[at + len(word) :],
        }[kind]
    return content


def edits(words: Sequence[bytes], most: int = 4) -> st.SearchStrategy[list[Edit]]:
    """Return a strategy of edits that know the words of a format."""
    word = st.sampled_from(words) | st.binary(max_size=6)
    one = st.tuples(st.sampled_from(_KINDS), st.integers(0, _FAR), st.integers(1, 40), word)
    return st.lists(one, max_size=most)


# -- strict JSON ------------------------------------------------------------------------------------------------

_JSON_WORDS = [
    *(b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\\u", b"\\ud800", b"\\u0000", b"null", b"true"),
    *(
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"-0",
        b"0.1e-400",
        b"1" * 31,
        b"1E+400000000",
        b'"a":1,',
        b"\xff",
        b"\0",
    ),
    *(
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"[" * 40,
        b'{"a":' * 33,
        b"\xed\xa0\x80",
        "\u2028\u202e".encode(),
        b"\x7f",
    ),
]
_JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


def _json_cases() -> st.SearchStrategy[bytes]:
    written = st.builds(
        lambda value, ascii_only: json.dumps({"a": value}, ensure_ascii=ascii_only).encode(
            "utf-8", "replace"
        ),
        _JSON_VALUES,
        st.booleans(),
    )
    soup = st.lists(st.sampled_from(_JSON_WORDS), max_size=60).map(b"".join)
    return st.builds(edited, written, edits(_JSON_WORDS)) | soup


def _check_json(raw: bytes) -> bool:
    try:
        value = parse_json(raw, allow_array=True)
    except MalformedJson:
        return False
    seen = json.loads(raw.decode("utf-8-sig"), parse_float=Decimal)
    assert value == seen, "another reader reads another value"
    return True


# -- tokens -----------------------------------------------------------------------------------------------------

_TOKEN_WORDS = [
    b"\x84",
    b"\xa0",
    b"\xa1",
    b"\x58\x40",
    b"\x18",
    b"\xff",
    b"\x5f",
    b"\xc0",
    b"\xd2",
    b"\xfb",
    b"\0",
]


def _token_cases() -> st.SearchStrategy[bytes]:
    payload = pack_claims(NOTICE, 900)
    frames = st.builds(_framed, st.builds(edited, st.just(payload), edits(_TOKEN_WORDS)))
    return st.builds(edited, frames, edits(_TOKEN_WORDS, 2))


def _framed(payload: bytes) -> bytes:
    return cbor2.dumps([b"\xa2\x01\x26\x04\x44abcd", {}, payload, b"\1" * 64], canonical=True)


def _check_token(raw: bytes) -> bool:
    text = raw.decode("latin-1")
    found = token_from_url(text)
    assert found is None or len(text) <= MAX_DIGITS + 1_800
    assert token_from_url(digits_of(raw)) == (raw if _carries(raw) else None)
    try:
        decoded = decode_token(raw)
    except BadTokenError:
        return False
    # One document has one token: its claims written again are the same bytes.
    assert pack_claims(decoded.claims, MAX_TOKEN_BYTES) == open_envelope(raw).payload
    assert claims_of(open_envelope(raw)) == decoded.claims
    return True


def _carries(raw: bytes) -> bool:
    return token_from_url("https://v.example.cn/V/" + digits_of(raw)) == raw


# -- sheets -----------------------------------------------------------------------------------------------------

_LABELS = spec_of("plaque-labels")
_SHEET_WORDS = [
    *(
        b"<row>",
        b"<c>",
        b'<c r="XFD1048576">',
        b'<c t="s"><v>9</v></c>',
        b"<f>1+1</f>",
        b'r="A0"',
        b"&lt;",
        b"<!--",
    ),
    *(
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b'"',
        b"\r",
        b"\n",
        b"\t",
        b";",
        b",",
        b"=cmd|' '!A0",
        "优".encode("gb18030"),
        b"\0",
    ),
]


def _sheet_cases() -> st.SearchStrategy[tuple[str, bytes]]:
    rows = [list(LABEL_TITLES), *(label_cells(number) for number in range(1, 4))]
    csv = "\r\n".join(",".join(row) for row in rows).encode()
    items = [label_row(number) for number in range(1, 4)]
    ndjson = b"\n".join(json.dumps(item, ensure_ascii=False).encode() for item in items)
    words = edits(_SHEET_WORDS)
    texts = st.one_of(
        st.tuples(
            st.just("a.csv"), st.builds(edited, st.sampled_from([csv, csv.decode().encode("gb18030")]), words)
        ),
        st.tuples(st.just("a.json"), st.builds(edited, st.just(as_json(items)), words)),
        st.tuples(st.just("a.ndjson"), st.builds(edited, st.just(ndjson), words)),
    )
    book = workbook_of({"Sheet1": rows})
    parts = st.sampled_from(
        [
            "xl/worksheets/sheet1.xml",
            "xl/sharedStrings.xml",
            "xl/workbook.xml",
            "xl/styles.xml",
            "[Content_Types].xml",
        ]
    )
    return texts | st.tuples(
        st.just("a.xlsx"), st.builds(_book, st.just(book), parts, words, edits([b"PK"], 1))
    )


def _book(book: bytes, part: str, inner: Sequence[Edit], outer: Sequence[Edit]) -> bytes:
    return edited(with_part(book, part, lambda content: edited(content, inner)), outer)


def _check_sheet(case: tuple[str, bytes]) -> bool:
    name, content = case
    try:
        rows = list(read_rows(content, _LABELS, name=name, limits=SheetLimits.of_rows(1_000)))
    except RequestError:
        return False
    assert 1 <= len(rows) <= 1_000
    return True


@dataclass(frozen=True, slots=True)
class Target:
    """A reader: the cases for it, and what must hold; true where a case was accepted."""

    cases: Callable[[], st.SearchStrategy[Any]]
    check: Callable[[Any], bool]


TARGETS = {
    "json": Target(_json_cases, _check_json),
    "zip": Target(lambda: docx_cases(edited, edits), check_docx),
    "token": Target(_token_cases, _check_token),
    "sheet": Target(_sheet_cases, _check_sheet),
}


def run(
    name: str, *, minutes: float = 0.0, seed: int = 0, cases: int = ROUND, last: Path | None = None
) -> tuple[int, int]:
    """Feed a reader until the time is over, at least one round.

    Args:
        name: Of the target.
        minutes: How long.
        seed: Of the first round; each round has its own.
        cases: In one round.
        last: Takes each case before it is tried.

    Returns:
        Cases tried, and how many of them were accepted.
    """
    target = TARGETS[name]
    until_s = time.monotonic() + minutes * 60
    tried = accepted = 0

    @given(target.cases())
    def one_round(case: Any) -> None:
        nonlocal tried, accepted
        if last:
            last.write_text(repr(case), encoding="utf-8")
        tried += 1
        accepted += target.check(case)

    phases = (Phase.generate, Phase.shrink)
    plan = settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    planned = plan(one_round)
    while True:
        hypothesis.seed(seed)(planned)()
        seed += 1
        if time.monotonic() >= until_s:
            return tried, accepted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.NamedTemporaryFile(prefix=f"fuzz-{arguments.target}-", delete=False) as kept:
        last = Path(kept.name)
    print(f"the case at work is in {last}", flush=True)
    tried, accepted = run(arguments.target, minutes=arguments.minutes, seed=arguments.seed, last=last)
    last.unlink()
    print(f"{arguments.target}: {tried} cases, {accepted} accepted, no fault")


if __name__ == "__main__":
    main()
