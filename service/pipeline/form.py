"""A template's data as a form: what was typed in becomes request data.

A control's name is the JSON Pointer of its value, so that a fault finds its control by its pointer.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from service.errors import Fault
from service.model import TemplateSpec
from service.pipeline.formview import CUSTOM, FormView, view
from service.rules import Stages
from service.schema import Field, compile_pattern, outline
from service.verification import china_today

_WHOLE = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")
_STEP = re.compile(r"0|[1-9][0-9]{0,5}")

_DEPTH_LIMIT = 32
_YEAR = "year"


@dataclass(slots=True)
class _Branch:
    """What was sent under one pointer, and below it."""

    values: list[str] = field(default_factory=list)
    below: dict[str, "_Branch"] = field(default_factory=dict)

    def at(self, step: str) -> "_Branch":
        return self.below.get(step) or _Branch()


class Form:
    """The form of one template.

    Args:
        spec: The template.
    """

    def __init__(self, spec: TemplateSpec) -> None:
        self.root = outline(spec.schema)
        self._rules = spec.rules

    def blank(self, today: date | None = None) -> dict[str, Any]:
        """Return what an empty form starts with: one row for each stage that a rule asks for, and the day.

        Args:
            today: Stands in each date that must be filled in, outside of lists and of what may be left out; its
                year in each such whole number that is called ``year``. ``None`` is the day in Beijing.
        """
        state = _dated(self.root, today or china_today())
        for rule in self._rules:
            if isinstance(rule, Stages):
                rows, _, key = rule.pointer.removeprefix("/").split("/")
                state[rows] = [{key: stage} for stage in rule.stages]
        return state

    def read(self, entries: Iterable[tuple[str, str]]) -> dict[str, Any]:
        """Return what was typed in, empty rows included.

        Args:
            entries: Names and values of the controls; names that the form lacks are passed over.
        """
        tree = _Branch()
        for name, value in entries:
            branch = tree
            for step in name.split("/")[1:_DEPTH_LIMIT]:
                branch = branch.below.setdefault(_unescaped(step), _Branch())
            branch.values.append(value)
        found: dict[str, Any] = _read(self.root, tree)
        return found

    def submission(self, state: Mapping[str, Any]) -> bytes:
        """Return request data as JSON: without the rows and optional groups in which nothing was typed.

        Args:
            state: As `read` gives it.
        """
        return json.dumps(_pruned(self.root, state), ensure_ascii=False, default=float).encode()

    def tidied(self, state: Mapping[str, Any]) -> Any:
        """Return what to show beside the faults of `submission`: the same places, empty rows behind the others.

        Args:
            state: As `read` gives it.
        """
        return _pruned(self.root, state, blanks=True)

    def change(self, state: dict[str, Any], verb: str, pointer: str) -> str:
        """Add, remove or move a row, in place.

        Args:
            state: As `read` gives it.
            verb: ``add``, ``remove``, ``up`` or ``down``.
            pointer: The list for ``add``, the row for the others; what is not there is passed over.

        Returns:
            Pointer of where to go next.
        """
        steps = [_unescaped(step) for step in pointer.split("/")[1:]]
        index = None if verb == "add" else steps.pop() if steps else None
        rows = _rows_at(self.root, state, steps)
        parent = pointer if verb == "add" else pointer.rpartition("/")[0]
        if rows is None:
            return ""
        if verb == "add":
            rows.append({})
            return f"{pointer}/{len(rows) - 1}"
        if index is None or not _STEP.fullmatch(index) or int(index) >= len(rows):
            return parent
        at = int(index)
        if verb == "remove":
            del rows[at]
            return f"{parent}/{min(at, len(rows) - 1)}" if rows else parent
        to = at - 1 if verb == "up" else at + 1
        if 0 <= to < len(rows):
            rows[at], rows[to] = rows[to], rows[at]
            at = to
        return f"{parent}/{at}"

    def view(self, state: Any, faults: Sequence[Fault] = (), focus: str = "") -> FormView:
        """Return the controls with what is in them; see `service.pipeline.formview.view`."""
        return view(self.root, self._rules, state, faults, focus)


def _unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")


def _read(asked: Field, tree: _Branch) -> Any:
    """Return the value typed in, or ``None`` where there is none."""
    values = tree.values
    text = values[-1].replace("\r\n", "\n").replace("\r", "\n") if values else ""
    if asked.kind == "object":
        found = ((name, _read(member, tree.at(name))) for name, member in asked.members)
        return {name: value for name, value in found if value is not None}
    if asked.kind == "rows" and asked.item:
        numbers = sorted(int(step) for step in tree.below if _STEP.fullmatch(step))
        rows = (_read(asked.item, part) for number in numbers for part in _split(asked.item, tree, number))
        return list(rows)
    if asked.kind == "checks":
        return [choice.value for choice in asked.choices if choice.text in values]
    if asked.kind == "choice":
        if asked.custom and text == CUSTOM:
            return _read(asked.custom, tree)
        return next((choice.value for choice in asked.choices if choice.text == text), text or None)
    return _read_text(asked, text)


def _split(item: Field, tree: _Branch, number: int) -> Iterator[_Branch]:
    """Yield a row, or as many as lines were pasted into the only text of it."""
    row = tree.at(str(number))
    texts = [name for name, member in item.members if member.kind not in ("choice", "flag")]
    member = dict(item.members).get(texts[0]) if len(texts) == 1 else None
    lines: list[str] = []
    if member and member.kind == "text" and not member.multiline:
        lines = [line for value in row.at(texts[0]).values for line in value.splitlines() if line.strip()]
    if len(lines) < 2:
        yield row
        return
    for line in lines:
        picked, text = _numbered(item, line.strip())
        yield _Branch(below={**row.below, **picked, texts[0]: _Branch([text])})


def _numbered(item: Field, line: str) -> tuple[dict[str, _Branch], str]:
    """Return what a number written by hand picks, and the text without it."""
    for name, member in item.members:
        for choice in member.choices:
            if choice.prefix and (found := compile_pattern(choice.prefix).match(line)):
                return {name: _Branch([choice.text])}, line[found.end() :]
    return {}, line


def _read_text(asked: Field, text: str) -> Any:
    stripped = text.strip()
    if not stripped:
        return [] if asked.kind == "lines" else None
    if asked.kind == "lines":
        return [line.strip() for line in text.split("\n") if line.strip()]
    if asked.kind == "flag":
        return True
    if asked.kind == "whole" and _WHOLE.fullmatch(stripped):
        return int(stripped)
    if asked.kind == "number" and _NUMBER.fullmatch(stripped):
        return float(stripped)
    if asked.kind == "raw":
        try:
            return json.loads(text)
        except ValueError:
            return text
    # A control of one line drops line breaks (HTML, value sanitization); one that grows must do the same.
    return text if asked.multiline else "".join(line.strip() for line in text.split("\n"))


def _dated(asked: Field, today: date) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for name, member in asked.members:
        if not member.required:
            continue
        if member.kind == "date":
            state[name] = today.isoformat()
        elif member.kind == "whole" and name == _YEAR:
            state[name] = today.year
        elif member.kind == "object" and (below := _dated(member, today)):
            state[name] = below
    return state


def _typed(asked: Field, value: Any) -> bool:
    """Whether something was typed in, and not only left as it was preset."""
    if value is None or asked.kind in ("choice", "flag"):
        return asked.custom is not None and isinstance(value, dict)
    if isinstance(value, dict):
        members = dict(asked.members)
        return any(key not in members or _typed(members[key], item) for key, item in value.items())
    if isinstance(value, list):
        return any(asked.item is None or _typed(asked.item, item) for item in value)
    return bool(value != asked.default)


def _pruned(asked: Field, value: Any, *, blanks: bool = False) -> Any:
    """Return data without optional groups and rows in which nothing was typed.

    Args:
        asked: What the form asks for here.
        value: What is there.
        blanks: Put such rows at the end instead.
    """
    if asked.kind == "object" and isinstance(value, dict):
        members = dict(asked.members)
        return {
            key: _pruned(members[key], item, blanks=blanks) if key in members else item
            for key, item in _wanted(members, value)
        }
    if asked.kind == "rows" and asked.item and isinstance(value, list):
        item = asked.item
        rows = [(_typed(item, row), _pruned(item, row, blanks=blanks)) for row in value]
        kept, empty = ([row for typed, row in rows if typed is kind] for kind in (True, False))
        # Of a list that must not be empty one row stays, so that each of its fields is asked for.
        return kept + empty if blanks else kept or empty[: bool(asked.min_items)]
    return value


def _wanted(members: Mapping[str, Field], value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, member in members.items():
        if name not in value and not (member.required and member.kind == "object"):
            continue
        item = value.get(name, {})
        empty = isinstance(item, (dict, list)) and not _typed(member, item)
        if empty and not (member.required and (member.kind in ("object", "rows") or item)):
            continue
        yield name, item
    for name, item in value.items():
        if name not in members:
            yield name, item


def _rows_at(asked: Field, state: dict[str, Any], steps: Sequence[str]) -> list[Any] | None:
    """Return the list at a place, made if need be, or ``None`` where the form has none."""
    value: Any = state
    for step in steps:
        member = dict(asked.members).get(step)
        if member and member.kind in ("object", "rows") and isinstance(value, dict):
            asked = member
            value = value.setdefault(step, [] if asked.kind == "rows" else {})
        elif asked.item and _STEP.fullmatch(step) and isinstance(value, list) and int(step) < len(value):
            asked, value = asked.item, value[int(step)]
        else:
            return None
    return value if asked.kind == "rows" and isinstance(value, list) else None
