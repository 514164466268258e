"""The catalogue: one plain Chinese sentence for each JSON Schema keyword.

A sentence names the field by its title path and says what to do. A schema may put its own words in place
of ours with ``x-<keyword>-hint``, e.g. ``x-pattern-hint``: 「邮政编码」应为 6 位数字.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from jsonschema import ValidationError

from service.errors import Fault
from service.schema import alternatives
from service.schema.patterns import FORMATS, compile_pattern
from service.schema.place import Place, name_of
from service.schema.unique import first_repeat
from service.schema.wording import PathKey, json_pointer, printable

_UNKNOWN_SHOWN = 200
_CHOICES_SHOWN = 30
_TYPES = {
    "string": "文字",
    "integer": "整数",
    "number": "数字",
    "boolean": "true 或 false",
    "array": "列表 […]",
    "object": "一组字段 {…}",
    "null": "空值 null",
}

Said = Iterable[tuple[tuple[PathKey, ...], str]]
"""Steps further down from the value, and the predicate that follows the name of the value."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A broken rule, in the form the catalogue works on.

    Attributes:
        value: The offending value.
        rule: The keyword's value in the schema.
        schema: The subschema with the keyword in it.
        place: The place of the value.
        error: The validator's own error.
    """

    value: Any
    rule: Any
    schema: dict[str, Any]
    place: Place
    error: ValidationError


def describe(error: ValidationError, root: Place) -> Iterator[Fault]:
    """Yield the faults to report for one validation error.

    Args:
        error: An error of our validator.
        root: The outermost place of the schema.
    """
    keyword = str(error.validator)
    path = tuple(error.absolute_path)
    if keyword in {"anyOf", "oneOf"}:
        inner = alternatives.meant(error)
        if inner is not None:
            for cause in inner:
                yield from describe(cause, root)
            return
    if "propertyNames" in error.absolute_schema_path:
        yield _bad_name(error, path, root)
        return
    schema = error.schema if isinstance(error.schema, dict) else {}
    place = root
    for key in path:
        place = place.child(key)
    hint = schema.get(f"x-{keyword}-hint")
    broken = Broken(error.instance, error.validator_value, schema, place, error)
    speak = CATALOGUE.get(keyword, _unforeseen)
    for steps, predicate in speak(broken):
        pointer = json_pointer((*path, *steps))
        yield Fault(pointer, keyword, f"{name_of(root, path)}{hint or predicate}")


def _bad_name(error: ValidationError, path: tuple[PathKey, ...], root: Place) -> Fault:
    message = f"{name_of(root, path)}里的字段名 {printable(str(error.instance))} 不符合要求，请改名或删去"
    return Fault(json_pointer(path), "propertyNames", message)


def _kind(value: Any) -> str:
    if value is None:
        return _TYPES["null"]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _TYPES["string"]
    if isinstance(value, dict):
        return _TYPES["object"]
    return _TYPES["array"] if isinstance(value, list) else _TYPES["number"]


def _type_said(value: Any, wanted: Sequence[str]) -> Said:
    names = " 或 ".join(_TYPES[name] for name in dict.fromkeys(wanted))
    if value is None:
        return [((), f"不能是空值 null，应为{names}；选填项不填时请删去此项")]
    if set(wanted) == {"string"} and _kind(value) == _TYPES["number"]:
        return [((), f"应为文字，收到的是{_kind(value)}，请加上双引号")]
    if isinstance(value, str) and {"integer", "number"} & set(wanted):
        return [((), f"应为{names}，收到的是文字，请去掉双引号")]
    return [((), f"应为{names}，收到的是{_kind(value)}，请改正")]


def _type(broken: Broken) -> Said:
    return _type_said(broken.value, [broken.rule] if isinstance(broken.rule, str) else broken.rule)


def _required(broken: Broken) -> Said:
    return [
        ((name,), f"缺少必填项{broken.place.title_of(name)}，请补上")
        for name in broken.rule
        if name not in broken.value
    ]


def _dependent_required(broken: Broken) -> Said:
    return [
        ((name,), f"填了{broken.place.title_of(given)}就必须填{broken.place.title_of(name)}，请补上")
        for given, names in broken.rule.items()
        if given in broken.value
        for name in names
        if name not in broken.value
    ]


def _unknown_members(broken: Broken) -> Said:
    known = set(broken.schema.get("properties", ()))
    if broken.error.validator == "unevaluatedProperties":
        known = set(broken.place.members)
    patterns = [compile_pattern(text) for text in broken.schema.get("patternProperties", ())]
    extra = [key for key in broken.value if key not in known and not any(p.search(key) for p in patterns)]
    for key in extra[:_UNKNOWN_SHOWN]:
        yield (key,), f"里没有叫 {printable(key)} 的字段，{_nearest(key, broken.place)}"
    if len(extra) > _UNKNOWN_SHOWN:
        yield (), f"里另有 {len(extra) - _UNKNOWN_SHOWN} 个不认识的字段，请删去"
    if not extra:
        yield (), "里有模板不认识的字段，请删去"


def _nearest(key: str, place: Place) -> str:
    free = {name: name for name in place.members}
    free |= {place.child(name).title: name for name in place.members}
    near = difflib.get_close_matches(key[:64], free, n=1)
    if not near:
        return "请删去或改名"
    name = free[near[0]]
    return f"是不是 {name}（{place.child(name).title or name}）？"


def _min_length(broken: Broken) -> Said:
    if broken.rule == 1:
        return [((), "不能为空，请填写")]
    return [((), f"至少 {broken.rule} 个字，现有 {len(broken.value)} 个，请补充")]


def _max_length(broken: Broken) -> Said:
    return [((), f"最多 {broken.rule} 个字，现有 {len(broken.value)} 个，请删减")]


def _min_items(broken: Broken) -> Said:
    if broken.rule == 1:
        return [((), "不能为空，请至少填 1 项")]
    return [((), f"至少 {broken.rule} 项，现有 {len(broken.value)} 项，请补充")]


def _max_items(broken: Broken) -> Said:
    return [((), f"最多 {broken.rule} 项，现有 {len(broken.value)} 项，请删减")]


def _closed_items(broken: Broken) -> Said:
    return [((), f"最多 {len(broken.schema.get('prefixItems', ()))} 项，现有 {len(broken.value)} 项，请删减")]


def _unique_items(broken: Broken) -> Said:
    first, second = first_repeat(broken.value) or (0, 0)
    return [((second,), f"的第 {first + 1} 项和第 {second + 1} 项重复，请只保留一项")]


def _list_choices(choices: Sequence[tuple[Any, str]], value: Any) -> Said:
    shown = [f"{printable(str(one))}（{title}）" if title else printable(str(one)) for one, title in choices]
    more = " 等" if len(shown) > _CHOICES_SHOWN else ""
    near = difflib.get_close_matches(str(value)[:64], [str(one) for one, _ in choices], n=1)
    guess = f"；是不是 {near[0]}？" if near and isinstance(value, str) else ""
    said = f"的值 {printable(str(value))} " if isinstance(value, (str, int)) else ""
    return [((), f"{said}不在可选范围内，可选：{'、'.join(shown[:_CHOICES_SHOWN])}{more}{guess}")]


def _enum(broken: Broken) -> Said:
    return _list_choices([(one, "") for one in broken.rule], broken.value)


def _const(broken: Broken) -> Said:
    return [((), f"只能是 {printable(str(broken.rule))}，请改正")]


def _pattern(broken: Broken) -> Said:
    if broken.rule == r"\S":
        return [((), "不能只有空格，请填写")]
    return [((), f"的写法不符合要求（格式 {broken.rule}），请改正")]


def _format(broken: Broken) -> Said:
    return [((), FORMATS[broken.rule][1])]


def _plain(wording: str) -> Callable[[Broken], Said]:
    def speak(broken: Broken) -> Said:
        return [((), wording.format(broken.rule))]

    return speak


def _alternatives(broken: Broken) -> Said:
    error = broken.error
    sets = alternatives.required_sets(error)
    many = not error.context
    if sets is not None:
        names = "、".join("和".join(broken.place.title_of(name) for name in one) for one in sets)
        return [((), f"的{names}{'只能' if many else '至少'}填一项，请{'删去多余的' if many else '补上'}")]
    if many:
        return [((), "同时符合几种写法，只能选其中一种，请改正")]
    choices = alternatives.choices(broken.rule)
    if choices is not None:
        return _list_choices(choices, broken.value)
    if alternatives.all_about_type(error):
        return _type_said(broken.value, list(alternatives.wanted_types(error)))
    return _closest(broken)


def _closest(broken: Broken) -> Said:
    nearest = min(alternatives.branches(broken.error), key=len)[0]
    place, steps = broken.place, tuple(nearest.relative_path)
    for key in steps:
        place = place.child(key)
    inner = Broken(nearest.instance, nearest.validator_value, {}, place, nearest)
    if isinstance(nearest.schema, dict):
        inner = Broken(inner.value, inner.rule, nearest.schema, place, nearest)
    said = next(iter(CATALOGUE.get(str(nearest.validator), _unforeseen)(inner)))[1]
    subject = name_of(broken.place, steps) if steps else ""
    return [((), f"不符合任何一种允许的写法；最接近的一种要求：{subject}{said}")]


def _not(broken: Broken) -> Said:
    if not broken.rule:
        return [((), "不允许出现，请删去")]
    together = broken.rule.get("required", ()) if isinstance(broken.rule, dict) else ()
    if len(together) > 1 and broken.rule.keys() == {"required"}:
        names = "和".join(broken.place.title_of(name) for name in together)
        return [((), f"的{names}不能同时填，请删去其中一项")]
    return [((), "填了不允许的内容，请改正")]


def _unforeseen(broken: Broken) -> Said:
    return [((), f"不符合规则 {broken.error.validator}，请对照模板的 schema 改正")]


CATALOGUE: dict[str, Callable[[Broken], Said]] = {
    "type": _type,
    "required": _required,
    "dependentRequired": _dependent_required,
    "additionalProperties": _unknown_members,
    "unevaluatedProperties": _unknown_members,
    "minLength": _min_length,
    "maxLength": _max_length,
    "minItems": _min_items,
    "maxItems": _max_items,
    "items": _closed_items,
    "uniqueItems": _unique_items,
    "enum": _enum,
    "const": _const,
    "pattern": _pattern,
    "format": _format,
    "minimum": _plain("不能小于 {}，请改正"),
    "maximum": _plain("不能大于 {}，请改正"),
    "exclusiveMinimum": _plain("必须大于 {}，请改正"),
    "exclusiveMaximum": _plain("必须小于 {}，请改正"),
    "multipleOf": _plain("必须是 {} 的整数倍，请改正"),
    "minProperties": _plain("至少要填 {} 个字段，请补充"),
    "maxProperties": _plain("最多填 {} 个字段，请删减"),
    "contains": _plain("里没有必需的一项，请补上"),
    "minContains": _plain("里必需的那种项至少 {} 个，请补上"),
    "maxContains": _plain("里同一种项最多 {} 个，请删减"),
    "anyOf": _alternatives,
    "oneOf": _alternatives,
    "not": _not,
}
"""Keyword to the function that words it. ``allOf``, ``if``/``then``/``else``, ``$ref``, ``prefixItems``,
``propertyNames``, ``dependentSchemas`` never fail by themselves: what fails is a keyword inside them."""
