"""Equality of JSON values in linear time, for ``uniqueItems``."""

from collections.abc import Hashable, Sequence
from typing import Any


def frozen(value: Any) -> Hashable:
    """Return a hashable stand-in that is equal for equal JSON values (JSON Schema core §4.2.2).

    ``true`` is not 1, and 1 is 1.0.
    """
    if isinstance(value, dict):
        return ("object", frozenset((key, frozen(member)) for key, member in value.items()))
    if isinstance(value, list):
        return ("array", tuple(frozen(item) for item in value))
    return (isinstance(value, bool), value)


def first_repeat(items: Sequence[Any]) -> tuple[int, int] | None:
    """Return the indexes of the first item that repeats an earlier one, earlier first, or ``None``."""
    seen: dict[Hashable, int] = {}
    for index, item in enumerate(items):
        earlier = seen.setdefault(frozen(item), index)
        if earlier != index:
            return earlier, index
    return None
