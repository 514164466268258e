"""Refuse a template's schema that could not be explained to a Chinese reader, before anybody uses it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, SchemaError

from service.errors import Fault, TemplateError
from service.rules import DataRule
from service.schema.keywords import LISTS, MAPS, SINGLES
from service.schema.messages import CATALOGUE
from service.schema.patterns import FORMATS, compile_pattern
from service.schema.place import Place, SchemaMap
from service.schema.rules import check_rule_pointers
from service.schema.wording import PathKey, json_pointer, printable

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NOTES = frozenset(
    {"$comment", "$ref", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"}
)
_ALLOWED = _NOTES | frozenset(MAPS) | frozenset(LISTS) | frozenset(SINGLES) | CATALOGUE.keys()
_ROOT_ONLY = frozenset({"$schema", "$id"})
_CHINESE = re.compile("[\u3400-\u9fff]")
_LOCAL_REFERENCE = re.compile(r"#(/\$defs/[^/]+)?")


def check_schema(schema: Mapping[str, Any], rules: Sequence[DataRule] = ()) -> None:
    """Check that a schema is valid, local, and can be worded in Chinese.

    Args:
        schema: JSON Schema 2020-12 of a template's data.
        rules: The template's rules, whose pointers must be fields of the schema.

    Raises:
        TemplateError: The schema breaks the meta-schema, its outermost type is not ``object``, it uses
            a keyword or format without a message, a pattern that cannot be compiled, a reference that
            leaves ``#/$defs/``, or has a property without a Chinese ``title``; all of them at once.
            Or a rule is about a field that the schema lacks.
    """
    try:
        # Patterns are compiled below, by the rules of this service.
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(formats=()))
    except SchemaError as error:
        fault = Fault(json_pointer(tuple(error.absolute_path)), "schema", "不符合 JSON Schema 2020-12")
        raise _broken([fault], error.message) from error
    faults = list(_node_faults(schema, schema, ()))
    if schema.get("type") != "object":
        faults.append(Fault("/type", "type", "最外层的 type 必须是 object"))
    if not faults:
        faults = list(_title_faults(SchemaMap(schema).root, (), set()))
    if faults:
        raise _broken(faults)
    check_rule_pointers(rules, SchemaMap(schema).root)


def _broken(faults: list[Fault], detail: str = "") -> TemplateError:
    first = min(faults, key=lambda fault: fault.place)
    message = f"模板的 schema 有 {len(faults)} 处问题，第一处在 {first.pointer or '最外层'}：{first.message}"
    return TemplateError(message, detail=detail, faults=faults)


def _node_faults(node: Any, root: Mapping[str, Any], path: tuple[PathKey, ...]) -> Iterator[Fault]:
    if not isinstance(node, Mapping):
        return
    for keyword, value in node.items():
        pointer = json_pointer((*path, keyword))
        problem = _keyword_problem(keyword, value, root, at_root=not path)
        if problem:
            yield Fault(pointer, keyword, problem)
    for keyword in MAPS:
        for name, part in node.get(keyword, {}).items():
            yield from _node_faults(part, root, (*path, keyword, name))
    for keyword in LISTS:
        for index, part in enumerate(node.get(keyword, ())):
            yield from _node_faults(part, root, (*path, keyword, index))
    for keyword in SINGLES:
        yield from _node_faults(node.get(keyword), root, (*path, keyword))


def _keyword_problem(keyword: str, value: Any, root: Mapping[str, Any], *, at_root: bool) -> str | None:
    if keyword.startswith("x-"):
        return _extension_problem(keyword, value)
    if keyword == "$schema" and value != _DIALECT:
        return f"$schema 只能是 {_DIALECT}"
    if keyword == "$ref":
        return _reference_problem(value, root)
    if keyword == "format" and value not in FORMATS:
        return f"不支持的 format {printable(value)}，可用：{'、'.join(FORMATS)}"
    if keyword == "pattern":
        return _pattern_problem(value)
    if keyword == "patternProperties":
        return next(filter(None, map(_pattern_problem, value)), None)
    if keyword in _ALLOWED or (at_root and keyword in _ROOT_ONLY):
        return None
    return f"关键字 {printable(keyword)} 没有中文提示，不能使用"


def _extension_problem(keyword: str, value: Any) -> str | None:
    if keyword == "x-multiline" and not isinstance(value, bool):
        return "x-multiline 只能是 true 或 false"
    if keyword == "x-prefixes":
        if not _are_labels(value):
            return "x-prefixes 应为 {取值: 正则表达式}"
        return next(filter(None, map(_pattern_problem, value.values())), None)
    if keyword == "x-labels" and not _are_labels(value):
        return "x-labels 应为 {取值: 中文名称}"
    if keyword.endswith("-hint") and not (isinstance(value, str) and _CHINESE.search(value)):
        return f"{printable(keyword)} 应为中文"
    return None


def _are_labels(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) and text.strip() for text in value.values())


def _reference_problem(reference: str, root: Mapping[str, Any]) -> str | None:
    if not _LOCAL_REFERENCE.fullmatch(reference):
        return "$ref 只能指向本文件的 #/$defs/…"
    name = reference.removeprefix("#/$defs/").replace("~1", "/").replace("~0", "~")
    if reference != "#" and name not in root.get("$defs", {}):
        return f"$ref 指向的 {printable(reference)} 不存在"
    return None


def _pattern_problem(pattern: str) -> str | None:
    try:
        compile_pattern(pattern)
    except re.error:
        return f"正则表达式 {printable(pattern)} 写错了，或用了不支持的写法"
    return None


def _title_faults(place: Place, path: tuple[PathKey, ...], seen: set[int]) -> Iterator[Fault]:
    if id(place) in seen:
        return
    seen.add(id(place))
    for name in place.members:
        child = place.child(name)
        if not _CHINESE.search(child.title):
            yield Fault(json_pointer((*path, name)), "title", f"字段 {printable(name)} 缺少中文 title")
        yield from _title_faults(child, (*path, name), seen)
    for index in range(place.item_kinds):
        yield from _title_faults(place.child(index), (*path, index), seen)
