"""Data as a filled-in form: the controls, what is in them, and what is wrong with it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from service.errors import Fault
from service.rules import DataRule, WordLimit
from service.schema import Field, word_count

FIRST = "*"
"""Where to go first in a form that nobody has begun: to the first field that must be filled in and is empty."""

CUSTOM = "#"
"""What a list of choices sends when the value is filled in instead."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_MOST_BESIDE = 5
_LINE_CHARS = 38
_MOST_LINES = 30


@dataclass(frozen=True, slots=True)
class Counter:
    """A limit on the 字数 of several controls together.

    Attributes:
        rule: Number of the rule, which its controls carry too.
        words: Word's 字数 now.
        limit: Most 字.
        titles: Titles of what is counted.
        strict: Whether more is refused.
    """

    rule: int
    words: int
    limit: int
    titles: tuple[str, ...]
    strict: bool


@dataclass(slots=True)
class Node:
    """One control, or a group of them.

    Attributes:
        pointer: JSON Pointer of its value; the name of the control.
        asked: What it asks for.
        needed: Whether it must be filled in whatever else is; not so within a group that may be left out.
        text: What a text control shows.
        picked: What is picked of the choices.
        children: Members of an object, or rows.
        custom: Group that may be filled in instead of picking.
        number: Place among its rows, from 1; 0 for what is no row.
        last: Whether it is the last of its rows.
        faults: Chinese sentences.
        counters: Limits that hold for this group.
        rules: Numbers of the limits that count this control.
        focus: Whether to go here first.
        quiet: Whether the row before has said already what to write here.
    """

    pointer: str
    asked: Field
    needed: bool = False
    text: str = ""
    picked: frozenset[str] = frozenset()
    children: list["Node"] = field(default_factory=list)
    custom: "Node | None" = None
    number: int = 0
    last: bool = False
    faults: list[str] = field(default_factory=list)
    counters: list[Counter] = field(default_factory=list)
    rules: list[int] = field(default_factory=list)
    focus: bool = False
    quiet: bool = False

    @property
    def hint(self) -> str:
        """What to write here; not where it explains codes that the reader picks by their titles."""
        asked = self.asked
        codes = [choice.text for choice in asked.choices if choice.text != choice.title]
        if self.quiet or any(code in asked.description for code in codes):
            return ""
        said = (
            asked.description.replace("填 true（是）", "请勾选")
            if asked.kind == "flag"
            else asked.description
        )
        return said + ("每行写一个。" if asked.kind == "lines" else "")

    @property
    def group(self) -> bool:
        """Whether it holds controls rather than being one."""
        return self.asked.kind in ("object", "rows")

    @property
    def listed(self) -> bool:
        """Whether its choices are too many, or something stands for them, so that they drop down from a list."""
        asked = self.asked
        few = len(asked.choices) <= _MOST_BESIDE and not asked.custom and asked.default is None
        return asked.kind == "choice" and (bool(self.text) or not few)

    @property
    def lines(self) -> int:
        """How many lines a text control should show."""
        least = 6 if (self.asked.max_length or 0) > 500 and self.asked.multiline else 1
        least = max(least, {"lines": 3, "raw": 6}.get(self.asked.kind, 1))
        needed = sum(1 + len(line) // _LINE_CHARS for line in self.text.split("\n"))
        return min(max(least, needed), _MOST_LINES)

    @property
    def plain_date(self) -> bool:
        """Whether a date control can hold the text; if not, it would drop it."""
        try:
            return not self.text or date.fromisoformat(self.text).isoformat() == self.text
        except ValueError:
            return False

    def walk(self) -> Iterator["Node"]:
        """Yield the node and all below it, in the order of the page."""
        yield self
        for child in [*self.children, *([self.custom] if self.custom else [])]:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class FormView:
    """A form ready to be shown.

    Attributes:
        root: All controls.
        summary: Every fault with the control that it is about.
    """

    root: Node
    summary: tuple[tuple[Node, str], ...]


def view(
    asked: Field, rules: Sequence[DataRule], state: Any, faults: Sequence[Fault], focus: str
) -> FormView:
    """Return the controls with what is in them.

    Args:
        asked: The whole form.
        rules: Rules of the template; limits on 字数 become counters.
        state: Data as `service.pipeline.form.Form.read` gives it, or any JSON value.
        faults: Each is shown at the control that its pointer leads nearest to.
        focus: Pointer of where to go first, or `FIRST`; faults go before.
    """
    root = _node(asked, state, "", needed=True)
    nodes = {node.pointer: node for node in root.walk()}
    for fault in faults:
        owner = _nearest(nodes, fault.pointer)
        message = fault.message.replace("，收到的是文字，请去掉双引号", "，请只填数字")
        message = message.removeprefix("数据") if message.startswith("数据缺少必填项") else message
        owner.faults.append(message)
    summary = [(node, message) for node in nodes.values() for message in node.faults]
    for number, rule in enumerate(rules):
        if isinstance(rule, WordLimit):
            _count(root, nodes, rule, number)
    target = summary[0][0] if summary else _first_empty(root) if focus == FIRST else nodes.get(focus)
    if target is not None and target is not root:
        first = next((node for node in target.walk() if not node.group), target)
        first.focus = True
    return FormView(root, tuple(summary))


def _first_empty(root: Node) -> Node | None:
    return next(
        (node for node in root.walk() if node.needed and not (node.group or node.text or node.picked)), None
    )


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def _node(asked: Field, value: Any, pointer: str, *, needed: bool) -> Node:
    needed = needed and asked.required
    node = Node(pointer, asked, needed)
    if value is None:
        value = asked.default
    if asked.kind == "object":
        known = value if isinstance(value, dict) else {}
        node.children = [
            _node(member, known.get(name), f"{pointer}/{_escaped(name)}", needed=needed)
            for name, member in asked.members
        ]
    elif asked.kind == "rows" and asked.item:
        rows = value if isinstance(value, list) else []
        shown = rows or ([{}] if asked.required or asked.min_items else [])
        node.children = [
            _node(asked.item, row, f"{pointer}/{at}", needed=True) for at, row in enumerate(shown)
        ]
        for number, child in enumerate(node.children, 1):
            child.number, child.last = number, number == len(shown)
        for child in node.children[1:]:
            for below in child.walk():
                below.quiet = True
    elif asked.kind in ("choice", "checks", "flag"):
        _pick(node, value)
    elif asked.kind == "lines" and isinstance(value, list):
        node.text = "\n".join(_shown(item) for item in value)
    elif value is not None:
        node.text = _shown(value)
    return node


def _pick(node: Node, value: Any) -> None:
    asked = node.asked
    values = value if isinstance(value, list) else [value]
    if asked.kind == "flag":
        node.picked = frozenset(["1"] if value is True else [])
    elif asked.custom and isinstance(value, dict):
        node.picked = frozenset([CUSTOM])
    else:
        node.picked = frozenset(choice.text for choice in asked.choices if choice.value in values)
        if value is not None and asked.kind == "choice" and not node.picked:
            node.text = _shown(value)
    if asked.custom:
        filled = value if isinstance(value, dict) else None
        node.custom = _node(asked.custom, filled, node.pointer, needed=False)
        node.custom.pointer = f"{node.pointer}/{CUSTOM}"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False, default=str)


def _nearest(nodes: Mapping[str, Node], pointer: str) -> Node:
    while pointer not in nodes:
        pointer = pointer.rpartition("/")[0]
    return nodes[pointer]


def _count(root: Node, nodes: Mapping[str, Node], rule: WordLimit, number: int) -> None:
    for place in _expanded(root, nodes, rule.each):
        counted = [node for part in rule.parts for node in _expanded(place, nodes, part)]
        shown = place
        if place is root:
            # Of a limit on the whole document, beside the list whose texts it counts.
            shown = nodes.get(f"/{rule.parts[0].split('/')[1]}", root)
        for node in counted:
            node.rules.append(number)
        titles = tuple(dict.fromkeys(node.asked.title for node in counted))
        words = sum(word_count(node.text) for node in counted)
        shown.counters.append(Counter(number, words, rule.limit, titles, rule.is_error))


def _expanded(place: Node, nodes: Mapping[str, Node], pointer: str) -> list[Node]:
    """Return the nodes at a pointer from a place; ``*`` stands for each row."""
    found = [place]
    for step in pointer.split("/")[1:]:
        if step == "*":
            found = [child for node in found for child in node.children]
        else:
            found = [nodes[at] for node in found if (at := f"{node.pointer}/{_escaped(step)}") in nodes]
    return found
