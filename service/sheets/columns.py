"""How a template's nested data lies in flat tables: which column holds which field.

One row of the first table is one item of the batch. A field inside an object is a column of its own,
``联系人/姓名``. A list of texts, or of choices, shares one cell. A list of objects is a table of its own,
tied to its item by the column 编号. Whatever fits none of these is written as JSON in one cell.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from service.model import TemplateSpec
from service.schema import Place, SchemaMap, choices, json_pointer

KEY_TITLE = "编号"
_NAME_LIMIT = 31
_LEVELS = 6
_LISTS = 3
_NOT_IN_NAMES = re.compile(r"[\[\]:*?/\\']")


class Kind(StrEnum):
    """What a cell of a column holds."""

    TEXT = "text"
    PARAGRAPHS = "paragraphs"
    TEXTS = "texts"
    CHOICE = "choice"
    CHOICES = "choices"
    DATE = "date"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a table.

    Attributes:
        path: Member names from the table's item to the field.
        title: Chinese header, e.g. ``主办单位联系人/姓名``.
        short: The field's own Chinese title.
        kind: What its cells hold.
        note: Chinese explanation from the schema, or an empty string.
        required: Whether every row must have it.
        choices: Value and Chinese label of each choice.
        max_length: Most characters, if there is a limit.
    """

    path: tuple[str, ...]
    title: str
    short: str
    kind: Kind
    note: str = ""
    required: bool = False
    choices: tuple[tuple[Any, str], ...] = ()
    max_length: int | None = None

    @property
    def pointer(self) -> str:
        """JSON Pointer within the table's item."""
        return json_pointer(self.path)


@dataclass(frozen=True, slots=True)
class Table:
    """One sheet of the workbook.

    Attributes:
        name: Of the sheet; fits Excel's rules.
        columns: In the schema's order.
        parent: Number of the table whose items hold this table's list; ``None`` for the first.
        path: Member names from the parent's item to the list.
        required: Whether every item of the parent must have the list.
        note: Chinese explanation from the schema, or an empty string.
    """

    name: str
    columns: tuple[Column, ...]
    parent: int | None = None
    path: tuple[str, ...] = ()
    required: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """All tables of a template's data.

    Attributes:
        template_id: Of the template.
        title: Its Chinese name.
        version: Its version.
        tables: The first has one row for each item.
    """

    template_id: str
    title: str
    version: int
    tables: tuple[Table, ...]

    @property
    def main(self) -> Table:
        """The table with one row for each item."""
        return self.tables[0]

    @property
    def digest(self) -> str:
        """Hex digest of what a filled workbook depends on; notes and titles may change freely."""
        seen = hashlib.sha256()
        for table in self.tables:
            seen.update(repr((table.parent, table.path)).encode())
            for column in table.columns:
                values = [str(value) for value, _ in column.choices]
                # A text that may now have several lines is filled in as before.
                kind = Kind.TEXT if column.kind is Kind.PARAGRAPHS else column.kind
                seen.update(repr((column.path, kind.value, values)).encode())
        return seen.hexdigest()[:16]

    def keys(self, number: int) -> tuple[str, ...]:
        """Return the headers of the columns that tie a table's rows to their item.

        Args:
            number: Of the table.
        """
        if len(self.tables) == 1:
            return ()
        table = self.tables[number]
        if table.parent:
            return (*self.keys(table.parent), f"{self.tables[table.parent].name}第几项")
        return (KEY_TITLE,)


def layout_of(spec: TemplateSpec) -> Layout:
    """Return how a template's items lie in tables; of a label template an item is one label.

    Args:
        spec: The template.
    """
    place = SchemaMap(spec.schema).root
    if spec.layout == "labels" and spec.verify.each:
        place = place.child(spec.verify.each.removeprefix("/")).child(0)
    tables = _Tables()
    tables.add(spec.title, place, None, (), required=True)
    return Layout(spec.template_id, spec.title, spec.version, tuple(tables.made()))


@dataclass(slots=True)
class _Open:
    name: str
    place: Place
    parent: int | None
    path: tuple[str, ...]
    required: bool
    depth: int
    columns: list[Column] = field(default_factory=list)


class _Tables:
    """Collects tables, parents before children."""

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._names: set[str] = set()

    def add(
        self, title: str, place: Place, parent: int | None, path: tuple[str, ...], *, required: bool
    ) -> None:
        depth = 0 if parent is None else self._open[parent].depth + 1
        table = _Open(self._name(title), place, parent, path, required, depth)
        self._open.append(table)
        number = len(self._open) - 1
        self._members(table, number, place, (), (), required=True)

    def made(self) -> Iterator[Table]:
        for table in self._open:
            note = _first(table.place, "description")
            columns = tuple(_distinct(table.columns))
            yield Table(table.name, columns, table.parent, table.path, table.required, note)

    def _name(self, title: str) -> str:
        stem = _NOT_IN_NAMES.sub("", title)[: _NAME_LIMIT - 3] or "表"
        name, number = stem, 2
        while name in self._names:
            name, number = f"{stem}{number}", number + 1
        self._names.add(name)
        return name

    def _members(
        self,
        table: _Open,
        number: int,
        place: Place,
        path: tuple[str, ...],
        titles: tuple[str, ...],
        *,
        required: bool,
    ) -> None:
        needed = {name for names in place.said("required", surely=True) for name in names}
        for name in place.members:
            child = place.child(name)
            here, needs = (*path, name), required and name in needed
            if _is_object(child) and len(here) < _LEVELS:
                self._members(table, number, child, here, (*titles, child.title), required=needs)
            elif _is_list_of_objects(child) and table.depth < _LISTS:
                self.add(child.title, child.child(0), number, here, required=needs)
            else:
                table.columns.append(_column(child, here, titles, required=needs))


def _is_object(place: Place) -> bool:
    return set(place.said("type")) == {"object"} and bool(place.members) and not place.said("oneOf")


def _is_list_of_objects(place: Place) -> bool:
    return set(place.said("type")) == {"array"} and place.item_kinds == 1 and _is_object(place.child(0))


def _column(place: Place, path: tuple[str, ...], titles: tuple[str, ...], *, required: bool) -> Column:
    kind, chosen = _kind(place)
    words: list[str] = []
    for title in (*titles, place.title):
        if words and title.startswith(words[-1]):
            words.pop()
        words.append(title)
    note = _first(place, "description")
    limit = place.max_length
    return Column(path, "/".join(words), place.title, kind, note, required, chosen, limit)


def _kind(place: Place) -> tuple[Kind, tuple[tuple[Any, str], ...]]:
    chosen = _choices(place)
    types = set(place.said("type"))
    if chosen:
        return Kind.CHOICE, chosen
    if types == {"array"} and place.item_kinds == 1:
        item, chosen = _kind(place.child(0))
        listed = {Kind.TEXT: Kind.TEXTS, Kind.CHOICE: Kind.CHOICES}
        return listed.get(item, Kind.JSON), chosen
    if "object" in types or "array" in types or place.said("anyOf") or place.said("oneOf"):
        return Kind.JSON, ()
    if "date" in place.said("format"):
        return Kind.DATE, ()
    for kind in (Kind.INTEGER, Kind.NUMBER, Kind.BOOLEAN):
        if kind.value in types:
            return kind, ()
    return (Kind.PARAGRAPHS if place.multiline else Kind.TEXT), ()


def _choices(place: Place) -> tuple[tuple[Any, str], ...]:
    for values in place.said("enum"):
        return tuple((value, str(value)) for value in values)
    for keyword in ("oneOf", "anyOf"):
        for parts in place.said(keyword):
            found = choices(parts)
            if found:
                return tuple((value, title or str(value)) for value, title in found)
    return ()


def _first(place: Place, keyword: str) -> str:
    return next((str(value) for value in place.said(keyword)), "")


def _distinct(columns: Sequence[Column]) -> Iterator[Column]:
    titles = [column.title for column in columns]
    for column in columns:
        if titles.count(column.title) == 1:
            yield column
        else:
            yield replace(column, title=f"{column.title}（{'.'.join(column.path)}）")
