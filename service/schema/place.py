"""What a schema says about one place of the data, looked up while the data is walked.

A place is described by every subschema that applies there: through ``$ref`` and ``allOf`` always, through
``anyOf``, ``oneOf``, ``then`` and ``else`` perhaps. Limits are taken from the first kind only; titles, known
names and line breaks from both.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.schema.patterns import compile_pattern
from service.schema.wording import PathKey, printable

_SURE = ("allOf",)
_PERHAPS = ("anyOf", "oneOf")
_PERHAPS_ONE = ("then", "else")

Node = Mapping[str, Any]
Spoken = tuple[tuple[Node, bool], ...]
"""Subschemas that apply to a place, each with whether it surely does."""


class SchemaMap:
    """All places of one schema; equal places are one object, so recursion stays finite.

    Args:
        schema: A schema that `check_schema` has accepted.
    """

    def __init__(self, schema: Node) -> None:
        self.schema = schema
        self._places: dict[tuple[tuple[int, bool], ...], Place] = {}
        self.root = self.place([(schema, True)])

    def place(self, heads: Sequence[tuple[Any, bool]]) -> "Place":
        """Return the place that these subschemas describe, references followed."""
        spoken = tuple(self._spread(heads))
        key = tuple((id(node), sure) for node, sure in spoken)
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = Place(self, spoken)
        return found

    def resolve(self, reference: str) -> Any:
        """Return the subschema behind a local reference; ``True`` if there is none."""
        node: Any = self.schema
        for part in reference.removeprefix("#").split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            node = node.get(key, True) if isinstance(node, Mapping) else True
        return node

    def _spread(self, heads: Sequence[tuple[Any, bool]]) -> Iterator[tuple[Node, bool]]:
        waiting = list(heads)
        seen: set[int] = set()
        while waiting:
            node, sure = waiting.pop(0)
            if not isinstance(node, Mapping) or id(node) in seen:
                continue
            seen.add(id(node))
            yield node, sure
            if "$ref" in node:
                waiting.append((self.resolve(node["$ref"]), sure))
            waiting.extend((part, sure) for name in _SURE for part in node.get(name, ()))
            waiting.extend((part, False) for name in _PERHAPS for part in node.get(name, ()))
            waiting.extend((node[name], False) for name in _PERHAPS_ONE if name in node)
            waiting.extend((part, False) for part in node.get("dependentSchemas", {}).values())


class Place:
    """One place of the data, as the schema sees it.

    Attributes:
        title: Chinese title, or an empty string.
        multiline: Whether line feeds are allowed in a string here.
        max_length: Most characters of a string here, if there is a sure limit.
        max_items: Most items of an array here, if there is a sure limit.
        whole: Whether a number here must be whole.
        item_kinds: How many items of an array are told apart: those of ``prefixItems``, and the rest.
        members: Declared member names in the schema's order; the values mean nothing.
    """

    def __init__(self, schema_map: SchemaMap, spoken: Spoken) -> None:
        self._map = schema_map
        self._spoken = spoken
        self._children: dict[tuple[PathKey, ...], Place] = {}
        self.title: str = next((node["title"] for node, _ in spoken if "title" in node), "")
        self.multiline = any(node.get("x-multiline") is True for node, _ in spoken)
        self.max_length = self._limit("maxLength")
        self.max_items = self._limit("maxItems")
        self.whole = any(sure and node.get("type") == "integer" for node, sure in spoken)
        names = (name for node, _ in spoken for name in node.get("properties", ()))
        self.members: dict[str, None] = dict.fromkeys(names)
        prefix = max((len(node.get("prefixItems", ())) for node, _ in spoken), default=0)
        self.item_kinds = prefix + 1
        texts = (text for node, _ in spoken for text in node.get("patternProperties", ()))
        self._patterns = tuple(dict.fromkeys(texts))

    def _limit(self, keyword: str) -> int | None:
        limits = [int(node[keyword]) for node, sure in self._spoken if sure and keyword in node]
        return min(limits, default=None)

    def place_of(self, part: Any) -> "Place":
        """Return the place that one alternative alone describes."""
        return self._map.place([(part, True)])

    def child(self, key: PathKey) -> "Place":
        """Return the place one step further down."""
        kind = self._kind(key)
        found = self._children.get(kind)
        if found is None:
            heads = self._items(kind) if isinstance(key, int) else self._named(key)
            found = self._children[kind] = self._map.place(heads)
        return found

    def _kind(self, key: PathKey) -> tuple[PathKey, ...]:
        # Names that the schema does not know share one entry, or a caller could fill the memory with them.
        if isinstance(key, int):
            return (min(key, self.item_kinds - 1),)
        name = key if key in self.members else ""
        return (name, *(text for text in self._patterns if _fits(text, key)))

    def _items(self, kind: tuple[PathKey, ...]) -> list[tuple[Any, bool]]:
        index = int(kind[0])
        heads: list[tuple[Any, bool]] = []
        for node, sure in self._spoken:
            prefix = node.get("prefixItems", ())
            heads.append((prefix[index] if index < len(prefix) else node.get("items"), sure))
        return heads

    def _named(self, key: str) -> list[tuple[Any, bool]]:
        heads: list[tuple[Any, bool]] = []
        for node, sure in self._spoken:
            own = [node["properties"][key]] if key in node.get("properties", ()) else []
            own += [part for text, part in node.get("patternProperties", {}).items() if _fits(text, key)]
            heads += [(part, sure) for part in own or [node.get("additionalProperties")]]
        return heads

    def said(self, keyword: str, *, surely: bool = False) -> list[Any]:
        """Return what the subschemas of this place say under a keyword, the nearest first.

        Args:
            keyword: Of JSON Schema, or an annotation.
            surely: Leave out the subschemas that only perhaps apply.
        """
        return [node[keyword] for node, sure in self._spoken if keyword in node and (sure or not surely)]

    def title_of(self, key: str) -> str:
        """Return a member's title in 「」, or its quoted name where it has none."""
        title = self.child(key).title if key in self.members else ""
        return f"「{title or printable(key)}」"


def _fits(pattern: str, name: str) -> bool:
    return compile_pattern(pattern).search(name) is not None


def field_name(schema: Node, pointer: str) -> str:
    """Return the Chinese name of the place that a JSON Pointer names, e.g. ``「正文」第 3 项「文字」``.

    Args:
        schema: A schema that `check_schema` has accepted.
        pointer: To a value that keeps to the schema.
    """
    steps = (step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])
    return name_of(SchemaMap(schema).root, [int(step) if step.isdecimal() else step for step in steps])


def name_of(root: Place, path: Sequence[PathKey]) -> str:
    """Return the Chinese name of a place, e.g. ``「正文」第 3 项「文字」``.

    Args:
        root: The outermost place.
        path: Member names and indexes from the root.
    """
    place = root
    words: list[str] = []
    for key in path:
        words.append(f"第 {key + 1} 项" if isinstance(key, int) else place.title_of(key))
        place = place.child(key)
    return "".join(words) or "数据"
