"""The fault matrix: which tests prove what wenyin does about each fault.

The rows stand in ``tests/faults.toml``; a test names those that it proves by ``@pytest.mark.fault("J1")``.
The marks are read from the source, so that the page needs no test run.
"""

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
_NO_TEST = "没有测试"


@dataclass(frozen=True, slots=True)
class Row:
    """One fault and what is to happen.

    Attributes:
        number: Letter of the section and number, as in ``J1``.
        fault: What is wrong.
        expected: What a caller or an operator then sees.
        reason: Why no test proves it; empty where one does.
    """

    number: str
    fault: str
    expected: str
    reason: str


@dataclass(frozen=True, slots=True)
class Section:
    """Rows of one kind."""

    title: str
    rows: tuple[Row, ...]


def sections(text: str) -> list[Section]:
    """Read the rows from the text of ``faults.toml``."""
    return [
        Section(
            section["title"],
            tuple(
                Row(number, row["fault"], row["expected"], row.get("reason", ""))
                for number, row in section["rows"].items()
            ),
        )
        for section in tomllib.loads(text).values()
    ]


def marked_tests(folder: Path) -> dict[str, list[str]]:
    """Return the tests that prove each row, as ``unit/test_fill.py::test_name``, sorted.

    Raises:
        ValueError: A mark whose rows are not written out, or that belongs to no test.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(folder.rglob("test_*.py")):
        place = path.relative_to(folder).as_posix()
        for number, name in _marks(ast.parse(path.read_text("utf-8")), place):
            found[number].add(f"{place}::{name}")
    return {number: sorted(names) for number, names in found.items()}


def _marks(tree: ast.Module, place: str) -> Iterator[tuple[str, str]]:
    assigned = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    everywhere = list(_rows(assigned.get("pytestmark", ast.Constant(None)), place))
    claimed: set[ast.Call] = {call for call, _ in everywhere}
    for name, decorators in _tests(tree.body, ()):
        # Parameters with marks of their own may stand in a list above the test.
        listed = [
            assigned[node.id]
            for decorator in decorators
            for node in ast.walk(decorator)
            if isinstance(node, ast.Name) and node.id in assigned
        ]
        own = [found for node in [*decorators, *listed] for found in _rows(node, place)]
        claimed.update(call for call, _ in own)
        yield from ((number, name) for _, numbers in [*everywhere, *own] for number in numbers)
    stray = {call.lineno for call, _ in _rows(tree, place) if call not in claimed}
    if stray:
        raise ValueError(f"{place}: fault marks that belong to no test, lines {sorted(stray)}")


def _tests(
    body: Iterable[ast.stmt], above: tuple[ast.expr, ...]
) -> Iterator[tuple[str, tuple[ast.expr, ...]]]:
    for node in body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from _tests(node.body, (*above, *node.decorator_list))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name, (*above, *node.decorator_list)


def _rows(node: ast.AST, place: str) -> Iterator[tuple[ast.Call, list[str]]]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.fault":
            numbers = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
            if not call.args or len(numbers) != len(call.args):
                raise ValueError(f"{place}:{call.lineno}: write the rows out")
            yield call, [str(number) for number in numbers]


def counts(found: list[Section], proved: Mapping[str, list[str]]) -> tuple[int, int]:
    """Return how many rows have a test, and how many rows there are."""
    rows = [row for section in found for row in section.rows]
    return sum(row.number in proved for row in rows), len(rows)


def matrix_tables(found: list[Section], proved: Mapping[str, list[str]]) -> str:
    """Return the page's tables as Markdown."""
    covered, total = counts(found, proved)
    lines = [f"共 {total} 行，{covered} 行有测试。"]
    for section in found:
        lines += [
            "",
            f"## {section.title}",
            "",
            "| 编号 | 故障 | 应有的表现 | 证明它的测试 |",
            "|---|---|---|---|",
        ]
        for row in section.rows:
            tests = "<br>".join(f"`{name}`" for name in proved.get(row.number, ()))
            lines.append(
                f"| {row.number} | {row.fault} | {row.expected} | {tests or f'{_NO_TEST}：{row.reason}'} |"
            )
    return "\n".join(lines)
