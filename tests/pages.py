"""The pages of the documentation taken apart: fenced blocks, words set as code, commands."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tests.conftest import ROOT

PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
)
_FENCE = re.compile(r"^( *)```(\S*)\n(.*?)^\1```$", re.M | re.S)
_CODE = re.compile(r"`([^`\n]+)`")
# Marks with which a page writes usage; what follows a command on its line; an argument that another command gives.
_USAGE = re.compile(r"[\[\]…]")
_END = re.compile(r"\s(?:\||>|&&|#)\s.*")
_GIVEN = re.compile(r"\$\((?![^()]*/bin/)[^()]*\)")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: Path from the root of the repository.
        line: Where its fence opens, from 1.
        kind: The word after the fence; nothing where there is none.
        text: What is in it, without the indentation of the fence.
    """

    page: str
    line: int
    kind: str
    text: str

    @property
    def place(self) -> tuple[str, str]:
        """Page and first line: what a list of blocks names it by."""
        return self.page, self.text.partition("\n")[0].strip()


def page_text(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


@cache
def blocks(page: str) -> tuple[Block, ...]:
    """Return a page's fenced blocks in their order."""
    text = page_text(page)
    return tuple(
        Block(page, text.count("\n", 0, found.start()) + 1, found[2], textwrap.dedent(found[3]))
        for found in _FENCE.finditer(text)
    )


def all_blocks() -> Iterator[Block]:
    for page in PAGES:
        yield from blocks(page)


def script(page: str) -> str:
    """Return what a reader types who follows a page from its top."""
    return "".join(block.text for block in blocks(page) if block.kind == "sh")


@cache
def codes(page: str) -> tuple[str, ...]:
    """Return what a page sets as code within its sentences and tables."""
    prose = _FENCE.sub("", page_text(page))
    return tuple(found.replace("\\|", "|") for found in _CODE.findall(prose))


def lines(page: str) -> Iterator[str]:
    """Yield every command of a page, each on one line: within sentences, and in blocks for a shell."""
    yield from codes(page)
    for block in blocks(page):
        if block.kind in ("sh", "text"):
            yield from block.text.splitlines()


def uses(page: str, program: str) -> Iterator[list[str]]:
    """Yield the arguments of each use of a program on a page.

    Args:
        page: Which page.
        program: A pattern for its name, without a folder.
    """
    for line in lines(page):
        for found in re.finditer(rf"(?:^|/bin/|run --rm ){program}(?=\s|$|\))([^)]*)", _GIVEN.sub("X", line)):
            words = _USAGE.sub(" ", _END.sub("", found[1]))
            yield [word.strip("'\"") for word in words.split()]
