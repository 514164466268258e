"""Where the stages of a request can be watched; nobody watches unless an entry point says so.

The stages name what they do and its sizes, and know nothing of who takes them down.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

Opener = Callable[[str], AbstractContextManager[object]]
Annotator = Callable[[str, str | int], None]

_watcher: tuple[Opener, Annotator] | None = None


def watch(opener: Opener, annotator: Annotator) -> None:
    """Have all spans of this process taken down.

    Args:
        opener: Called with a stage's name; what it returns is held open while the stage lasts.
        annotator: Called with a name and a value that belong to the stage that is open.
    """
    global _watcher  # noqa: PLW0603 - one for the process, as the stages have no common owner
    _watcher = (opener, annotator)


def span(name: str) -> AbstractContextManager[object]:
    """Open a stage: ``schema``, ``fill``, ``convert``, ``seal`` or ``sign``."""
    return nullcontext() if _watcher is None else _watcher[0](name)


def annotate(name: str, value: str | int) -> None:
    """Note a size, a count or a code, never a text of the request, with the stage that is open."""
    if _watcher is not None:
        _watcher[1](name, value)
