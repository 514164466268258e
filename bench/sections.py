"""A benchmark's table: on the terminal, and in docs/performance.md."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tests.conftest import ROOT


def show(lines: Sequence[Sequence[str]]) -> None:
    """Print a table.

    Args:
        lines: The head and the rows.
    """
    table = Table(*lines[0])
    for line in lines[1:]:
        table.add_row(*line)
    Console().print(table)


def write_section(mark: str, title: str, made_by: str, lines: Sequence[Sequence[str]]) -> None:
    """Put a table between its marks; where there are none yet, at the end of the page.

    Args:
        mark: Names the two comments around the table.
        title: Heading of a new section, in Chinese.
        made_by: The command, for the sentence below a new heading.
        lines: The head and the rows.
    """
    path = ROOT / "docs" / "performance.md"
    text = path.read_text("utf-8")
    body = [f"| {' | '.join(line)} |" for line in lines]
    section = "\n".join([body[0], "|---" * len(lines[0]) + "|", *body[1:]])
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    if begin not in text:
        text = f"{text.rstrip()}\n\n## {title}\n\n由 `{made_by}` 测得。\n\n{begin}\n{end}\n"
    head, tail = text.split(begin)[0], text.split(end)[1]
    path.write_text(f"{head}{begin}\n{section}\n{end}{tail}", "utf-8")
