"""What a template may ask of its data that a schema cannot say."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WordLimit:
    """At most so many 字 in texts that are counted together.

    Attributes:
        parts: Pointers to the texts, from each place that ``each`` names; ``*`` is every item of a list.
        limit: Most 字, as Word counts them.
        each: Pointer with ``*`` to what is counted one by one; empty counts the whole document.
        is_error: Whether a breach refuses the request; otherwise it is a warning.
        unless: Pointer to a field that lifts the rule when it is ``true``; empty for none.
    """

    parts: tuple[str, ...]
    limit: int
    each: str = ""
    is_error: bool = False
    unless: str = ""


@dataclass(frozen=True, slots=True)
class Stages:
    """Each stage has exactly one item.

    Attributes:
        pointer: Pointer with ``*`` to the number of an item's stage.
        stages: All stages.
        is_error: As in `WordLimit`.
        unless: As in `WordLimit`.
    """

    pointer: str
    stages: tuple[int, ...]
    is_error: bool = False
    unless: str = ""


@dataclass(frozen=True, slots=True)
class NotAfter:
    """A date is not after another, if both are given.

    Attributes:
        pointer: Pointer to the ISO date.
        limit: Pointer to the latest ISO date that it may be.
        is_error: As in `WordLimit`.
        unless: As in `WordLimit`.
    """

    pointer: str
    limit: str
    is_error: bool = False
    unless: str = ""


DataRule = WordLimit | Stages | NotAfter
"""A rule about a template's data that its schema cannot say."""
