"""What a form asks for: a schema's places as fields, in the order in which the schema declares them.

A field says how its value is typed in, nothing about how it looks. What no form control fits (members by
pattern, tuples, alternatives of several kinds) becomes ``raw``: its JSON is typed in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from service.schema.alternatives import choices as constants
from service.schema.place import Place, SchemaMap

_DEPTH_LIMIT = 8

Kind = Literal[
    "object", "rows", "lines", "checks", "choice", "flag", "whole", "number", "date", "text", "raw"
]


@dataclass(frozen=True, slots=True)
class Choice:
    """One value that may be picked.

    Attributes:
        text: What a form sends for it.
        value: The JSON value.
        title: What a reader sees.
        prefix: Pattern of what a writer puts before a text by hand to say the same; empty for none.
    """

    text: str
    value: Any
    title: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """One place of the data, as a form asks for it.

    Attributes:
        kind: ``rows`` is a list of objects, ``lines`` a list of single lines, ``checks`` a list of choices;
            a ``choice`` with a ``custom`` field may be filled in instead of picked.
        title: Chinese title.
        description: What to write there; may be empty.
        required: Whether it must not be left out.
        multiline: Whether line breaks belong to a text.
        max_length: Most characters of a text, of each line for ``lines``; ``None`` without a limit.
        min_items: Fewest items of a list.
        choices: What may be picked.
        members: Fields of an object by name.
        item: Field of each item of ``rows``.
        custom: Field that stands in for the choices.
        default: What leaving it empty means, or ``None``.
        format: JSON Schema's ``format`` of a text, or an empty string.
    """

    kind: Kind
    title: str
    description: str = ""
    required: bool = False
    multiline: bool = False
    max_length: int | None = None
    min_items: int = 0
    choices: tuple[Choice, ...] = ()
    members: tuple[tuple[str, "Field"], ...] = ()
    item: "Field | None" = None
    custom: "Field | None" = None
    default: Any = None
    format: str = ""


def outline(schema: Mapping[str, Any]) -> Field:
    """Return the fields of a schema that `check_schema` has accepted.

    Args:
        schema: JSON Schema 2020-12 of a template's data; its outermost type is ``object``.
    """
    return _field(SchemaMap(schema).root, required=True, depth=0)


def _field(place: Place, *, required: bool, depth: int) -> Field:
    title, description = place.title, str(_said(place, "description") or "")
    common: dict[str, Any] = {
        "title": title,
        "description": description,
        "required": required,
        "default": _said(place, "default"),
    }
    if depth > _DEPTH_LIMIT:
        return Field("raw", **common)
    picked = _choices(place)
    if picked:
        return Field("choice", choices=picked, **common)
    makers = {"object": _object, "array": _array, "string": _text}
    kind = _said(place, "type")
    if kind in makers:
        return makers[kind](place, common, depth)
    plain: dict[Any, Kind] = {"boolean": "flag", "integer": "whole", "number": "number"}
    if kind in plain:
        return Field(plain[kind], **common)
    return _alternatives(place, common, depth)


def _said(place: Place, keyword: str) -> Any:
    return next(iter(place.said(keyword, surely=True)), None)


def _choices(place: Place) -> tuple[Choice, ...]:
    listed = _said(place, "enum")
    labels = _said(place, "x-labels") or {}
    prefixes = _said(place, "x-prefixes") or {}
    alternatives = _said(place, "oneOf") or _said(place, "anyOf")
    found: list[tuple[Any, str]] | None = None
    if listed is not None:
        found = [(value, "") for value in listed]
    elif alternatives is not None:
        found = constants(alternatives)
    elif _said(place, "type") == "integer":
        found = [(int(text), title) for text, title in labels.items() if text.lstrip("-").isdecimal()]
    if found is None or not all(isinstance(value, (str, int)) for value, _ in found):
        return ()
    return tuple(_choice(value, title, labels, prefixes) for value, title in found)


def _choice(value: Any, title: str, labels: Mapping[str, str], prefixes: Mapping[str, str]) -> Choice:
    text = str(value)
    return Choice(text, value, title or labels.get(text) or text, prefixes.get(text, ""))


def _object(place: Place, common: dict[str, Any], depth: int) -> Field:
    if _said(place, "patternProperties") or not place.members:
        return Field("raw", **common)
    needed = _said(place, "required") or ()
    members = tuple(
        (name, _field(place.child(name), required=name in needed, depth=depth + 1)) for name in place.members
    )
    return Field("object", members=members, **common)


def _array(place: Place, common: dict[str, Any], depth: int) -> Field:
    if place.item_kinds > 1:
        return Field("raw", **common)
    item = _field(place.child(0), required=True, depth=depth + 1)
    common["min_items"] = _said(place, "minItems") or 0
    if item.kind == "choice" and item.custom is None and _said(place, "uniqueItems"):
        return Field("checks", choices=item.choices, **common)
    if item.kind == "text" and not item.multiline and not item.format:
        return Field("lines", max_length=item.max_length, **common)
    if item.kind == "object":
        return Field("rows", item=item, **common)
    return Field("raw", **common)


def _text(place: Place, common: dict[str, Any], _depth: int) -> Field:
    form = str(_said(place, "format") or "")
    if form == "date":
        return Field("date", **common)
    return Field("text", multiline=place.multiline, max_length=place.max_length, format=form, **common)


def _alternatives(place: Place, common: dict[str, Any], depth: int) -> Field:
    """Return a list to pick from with an object that may be filled in instead, where that is what it is."""
    parts = [place.place_of(part) for part in _said(place, "oneOf") or _said(place, "anyOf") or ()]
    fields = [_field(part, required=False, depth=depth + 1) for part in parts]
    if [field.kind for field in fields] == ["choice", "object"]:
        return Field("choice", choices=fields[0].choices, custom=fields[1], **common)
    return Field("raw", **common)
