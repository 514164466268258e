"""Sets of code points that are small, and leave no litter of numbers in the heap."""

import sys
from collections.abc import Iterable, Iterator, Set

_SIZE = sys.maxunicode + 1
_IN = b"\1"


class CodePoints(Set[int]):
    """An immutable set of code points, a byte for each: a fiftieth of a set of as many numbers.

    Args:
        ranges: First and last code point of each stretch.
    """

    __slots__ = ("_table",)

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        table = bytearray(_SIZE)
        for first, last in ranges:
            end = min(last, sys.maxunicode) + 1
            table[first:end] = _IN * max(0, end - first)
        self._table = bytes(table)

    @classmethod
    def _from_iterable(cls, it: Iterable[int]) -> "CodePoints":  # type: ignore[override]
        return cls((code, code) for code in it)

    def __contains__(self, code: object) -> bool:
        return isinstance(code, int) and 0 <= code < _SIZE and bool(self._table[code])

    def __iter__(self) -> Iterator[int]:
        place = self._table.find(_IN)
        while place >= 0:
            yield place
            place = self._table.find(_IN, place + 1)

    def __len__(self) -> int:
        return self._table.count(_IN)

    def marks(self, count: int) -> bytes:
        """Return a byte for each of the first code points, 1 where it is in the set."""
        return self._table[:count]
