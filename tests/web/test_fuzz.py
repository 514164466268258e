"""Five hundred broken tokens and five hundred broken files: nothing better than they deserve, and no fault of ours."""

import dataclasses
import io
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pypdf
import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf.generic import NameObject, StreamObject

from service.bootstrap import Services, make_examiner_host
from service.model import Deadline
from service.pdf import pdf_text
from service.pipeline.examine_server import EXAMINE_S
from service.pipeline.verify import VerificationDesk
from service.verification import canonical_text, token_from_url
from service.verification.urls import digits_of
from service.web.app import create_app
from tests.conftest import FIXTURES
from tests.supervision.test_examiner import NoFallback
from tests.web.test_attacks import written

pytestmark = pytest.mark.libreoffice
FILES = 500
PARTS = 5
LATEST_S = 2 * EXAMINE_S + 20
MINIMAL = (FIXTURES / "notice" / "minimal.json").read_bytes()


@dataclasses.dataclass(frozen=True)
class Target:
    """An application, and a genuine document of its issuer."""

    app: Flask
    pdf: bytes
    token: bytes

    def judge(self, content: bytes) -> tuple[int, dict[str, Any], float]:
        begun = time.monotonic()
        data = {"file": (io.BytesIO(content), "a.pdf")}
        answer = self.app.test_client().post("/v1/verify", data=data, content_type="multipart/form-data")
        return answer.status_code, answer.get_json(), time.monotonic() - begun


@pytest.fixture(scope="module")
def target(services: Services) -> Iterator[Target]:
    host = make_examiner_host(services.settings)
    host.start()
    desk = VerificationDesk(services.catalog, services.keyring, host.client(NoFallback()))
    made = services.renderer.render("notice", MINIMAL, Deadline.after(120))
    token = token_from_url(made.verify_url)
    assert token
    yield Target(create_app(dataclasses.replace(services, desk=desk)), made.pdf, token)
    host.close()


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Return other bytes: flipped, cut, doubled, taken out, put in, moved."""
    place, length = chance.randrange(len(content)), 1 + chance.randrange(40)
    piece = content[place : place + length]
    flipped = bytes([content[place] ^ (1 << chance.randrange(8))])
    changes: list[Callable[[], bytes]] = [
        lambda: content[:place] + flipped + content[place + 1 :],
        lambda: content[:place],
        lambda: content[:place] + piece + content[place:],
        lambda: content[:place] + content[place + length :],
        lambda: content[:place] + chance.randbytes(length) + content[place:],
        lambda: content[place:] + content[:place],
    ]
    return chance.choice(changes)()


@settings(max_examples=500, derandomize=True, deadline=None, database=None)
@given(seed=st.integers(0, 2**32), rounds=st.integers(1, 3), digits=st.booleans())
def _no_token_but_the_true_one(target: Target, seed: int, rounds: int, digits: bool) -> None:
    chance = random.Random(seed)
    content = digits_of(target.token).encode() if digits else target.token
    for _ in range(rounds):
        content = mutated(content, chance) or b"1"
    text = content.decode("latin-1") if digits else digits_of(content)
    answer = target.app.test_client().post("/v1/verify", json={"token": text})
    assert answer.status_code == 200, answer.get_json()
    true = text.strip() == digits_of(target.token)
    assert (answer.get_json()["verdict"] in ("BAD_TOKEN", "UNKNOWN_KEY")) is not true, text


def test_no_mutated_token_is_believed(target: Target) -> None:
    _no_token_but_the_true_one(target)


def swapped_objects(content: bytes, chance: random.Random) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(content))
    streams = [item for item in writer._objects if isinstance(item, StreamObject)]
    one, other = chance.sample(streams, 2)
    key = NameObject("/Length")
    one._data, other._data = other._data, one._data
    for name in (NameObject("/Filter"), key):
        one_value, other_value = one.get(name), other.get(name)
        for item, value in ((one, other_value), (other, one_value)):
            item.pop(name, None)
            if value is not None:
                item[name] = value
    return written(writer)


def edited_text(content: bytes, chance: random.Random) -> bytes:
    """Change glyphs on the page, or what the glyphs are said to mean."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(content))
    chosen: Any = writer.pages[0].get_contents()
    if chance.random() < 0.5:
        fonts: Any = writer.pages[0]["/Resources"]["/Font"]  # type: ignore[index]
        chosen = fonts[chance.choice(list(fonts))]["/ToUnicode"].get_object()
    data = bytearray(chosen.get_data())
    hexes = [place for place, byte in enumerate(data) if chr(byte) in "0123456789ABCDEF"]
    for place in chance.sample(hexes, min(len(hexes), 3)):
        data[place] = ord(chance.choice("0123456789ABCDEF"))
    fresh = StreamObject()
    fresh.set_data(bytes(data))
    reference = writer._add_object(fresh)
    if chosen is writer.pages[0].get_contents():
        writer.pages[0][NameObject("/Contents")] = reference
    else:
        chosen.set_data(bytes(data))
    return written(writer)


def appended(content: bytes, chance: random.Random) -> bytes:
    writer = pypdf.PdfWriter(io.BytesIO(content), incremental=True)
    if chance.random() < 0.5:
        writer.add_metadata({"/Subject": str(chance.random())})
    else:
        writer.pages[0].rotate(90 * chance.randrange(1, 4))
    return written(writer)


KINDS: Sequence[Callable[[bytes, random.Random], bytes]] = [mutated] * 7 + [
    swapped_objects,
    edited_text,
    appended,
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(PARTS))
def test_no_mutated_file_is_taken_for_the_true_one(target: Target, part: int) -> None:
    true = canonical_text(pdf_text(target.pdf))
    assert target.judge(target.pdf)[1]["verdict"] == "EXACT"
    seen: dict[str, int] = {}

    def check(seed: int) -> None:
        chance = random.Random(seed)
        content = KINDS[seed // PARTS % len(KINDS)](target.pdf, chance)
        status, answer, seconds = target.judge(content)
        assert status in (200, 415, 422), (seed, status, answer)
        assert seconds < LATEST_S, seed
        code = answer.get("verdict", str(status))
        seen[code] = seen.get(code, 0) + 1
        assert code != "EXACT" or content == target.pdf, seed
        for found in (answer, *answer.get("documents", ())):
            if found.get("verdict") == "TEXT_MATCH":
                assert canonical_text(found["authenticated_text"]) == true, seed

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(check, range(part, FILES, PARTS)))
    # The mutations did reach all layers.
    assert {"TEXT_MATCH", "ALTERED", "422"} <= set(seen), seen
