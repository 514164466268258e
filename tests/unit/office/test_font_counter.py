"""Which place in LibreOffice's memory is its font counter, and which only looks like it."""

import ctypes

import pytest

from service.office import kit

FIRST = (4_100_000).to_bytes(4, "little")
POINTER = FIRST + (0x7F12).to_bytes(4, "little")


class Library:
    _name = "library"


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch) -> object:
    kept = []

    def find(content: bytes) -> ctypes.c_int32 | None:
        buffer = ctypes.create_string_buffer(content, len(content))
        kept.append(buffer)
        begin = ctypes.addressof(buffer)
        monkeypatch.setattr(kit, "_writable_ranges", lambda _: [(begin, begin + len(content))])
        return kit.find_font_counter(Library())  # type: ignore[arg-type]

    return find


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (bytes(16) + FIRST + bytes(12), True),
        (bytes(12) + FIRST + bytes(16), True),
        (POINTER + bytes(8) + FIRST + bytes(4), True),
        (bytes(64), False),
        (FIRST + bytes(4) + FIRST + bytes(4), False),
        (POINTER + bytes(8), False),
        (bytes(2) + FIRST + bytes(10), False),
    ],
    ids=["one", "at an odd place", "beside a pointer", "none", "two", "only a pointer", "not aligned"],
)
def test_counter_is_found_only_where_it_is_beyond_doubt(search: object, content: bytes, found: bool) -> None:
    counter = search(content)  # type: ignore[operator]
    assert (counter is not None) == found
    if counter is not None:
        assert counter.value == 4_100_000
