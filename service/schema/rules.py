"""The rules of a template that JSON Schema cannot say: 字数, one item a stage, a date before another.

They are declared in ``template.toml`` and evaluated on cleaned data. Data that broke the schema is judged as
far as it goes: a value that is missing or of another type is the schema's fault to tell, not a rule's.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from service.errors import Fault, TemplateError
from service.rules import DataRule, NotAfter, Stages, WordLimit
from service.schema.count import char_count, word_count
from service.schema.place import Place, name_of
from service.schema.wording import PathKey, json_pointer

_ANY = "*"
_NUMERALS = "零一二三四五六七八九"

Found = tuple[tuple[PathKey, ...], Any]
"""A place of the data and its value."""


@dataclass(frozen=True, slots=True)
class _Breach:
    """One place at which a rule is broken; the message names the field and says what to do."""

    path: tuple[PathKey, ...]
    message: str


def check_rules(
    rules: Sequence[DataRule], data: Any, root: Place
) -> tuple[tuple[Fault, ...], tuple[str, ...]]:
    """Evaluate a template's rules.

    Args:
        rules: Rules of the template.
        data: Cleaned data; it may have broken the schema.
        root: The outermost place of the schema, for the names of fields.

    Returns:
        Faults of the rules whose severity is ``error``, and warnings in Chinese of the others.
    """
    faults: list[Fault] = []
    warnings: list[str] = []
    for rule in rules:
        if rule.unless and _values(data, rule.unless) == [True]:
            continue
        for breach in _breaches(rule, data, root):
            if rule.is_error:
                faults.append(Fault(json_pointer(breach.path), _keyword(rule), breach.message))
            else:
                warnings.append(breach.message)
    return tuple(faults), tuple(warnings)


def check_rule_pointers(rules: Sequence[DataRule], root: Place) -> None:
    """Refuse rules about fields that the schema does not declare.

    Args:
        rules: Rules of the template.
        root: The outermost place of the schema.

    Raises:
        TemplateError: Names every such pointer.
    """
    unknown = [pointer for rule in rules for pointer in _pointers(rule) if not _declared(pointer, root)]
    if unknown:
        raise TemplateError(f"template.toml 的 rules 指向 schema 中没有的字段：{'、'.join(unknown)}。")


def _pointers(rule: DataRule) -> Iterator[str]:
    if rule.unless:
        yield rule.unless
    if isinstance(rule, WordLimit):
        yield from (rule.each + part for part in rule.parts)
    else:
        yield rule.pointer
    if isinstance(rule, NotAfter):
        yield rule.limit


def _declared(pointer: str, root: Place) -> bool:
    place = root
    for step in pointer.split("/")[1:]:
        if step != _ANY and step not in place.members:
            return False
        place = place.child(0 if step == _ANY else step)
    return True


def _keyword(rule: DataRule) -> str:
    keywords = {WordLimit: "word_limit", Stages: "stages", NotAfter: "not_after"}
    return keywords[type(rule)]


def _breaches(rule: DataRule, data: Any, root: Place) -> Iterator[_Breach]:
    if isinstance(rule, WordLimit):
        return _too_long(rule, data, root)
    if isinstance(rule, Stages):
        return _uneven_stages(rule, data, root)
    return _too_late(rule, data, root)


def _too_long(rule: WordLimit, data: Any, root: Place) -> Iterator[_Breach]:
    for path, item in _find(data, rule.each):
        found = [hit for part in rule.parts for hit in _find(item, part) if isinstance(hit[1], str)]
        words = sum(word_count(text) for _, text in found)
        if words <= rule.limit:
            continue
        signs = sum(char_count(text) for _, text in found)
        parts = dict.fromkeys(_title(root, rule.each + part) for part in rule.parts)
        counted = f"（{'、'.join(parts)}合计；字符数 {signs}，不计空格）"
        excess = words - rule.limit
        if rule.is_error:
            way = f"最多 {rule.limit} 字，请删减 {excess} 字"
            way += f"；确需超出的，请将{_title(root, rule.unless)}填 true（是）" if rule.unless else ""
        else:
            way = f"原则上不超过 {rule.limit} 字，建议删减 {excess} 字"
        where = path or _common(rule.parts)
        yield _Breach(where, f"{name_of(root, where)}共 {words} 字{counted}，{way}")


def _common(parts: Sequence[str]) -> tuple[PathKey, ...]:
    """Return the member that all parts lie in, or nothing where there is none."""
    firsts = {part.split("/")[1] for part in parts}
    return (firsts.pop(),) if len(firsts) == 1 else ()


def _uneven_stages(rule: Stages, data: Any, root: Place) -> Iterator[_Breach]:
    found = [(path, value) for path, value in _find(data, rule.pointer) if value in rule.stages]
    if not found:
        return
    items = name_of(root, found[0][0][:1])
    for stage in rule.stages:
        at = [path for path, value in found if value == stage]
        name = _stage_name(stage)
        if not at:
            yield _Breach(found[0][0][:1], f"{items}中没有{name}的，原则上每个阶段 1 项，请核对是否遗漏")
        elif len(at) > 1:
            numbers = "、".join(str(int(path[1]) + 1) for path in at)
            yield _Breach(at[1], f"{items}第 {numbers} 项都在{name}，原则上每个阶段 1 项，请核对所填阶段")


def _stage_name(stage: int) -> str:
    return f"第{_NUMERALS[stage]}阶段" if stage < len(_NUMERALS) else f"第 {stage} 阶段"


def _too_late(rule: NotAfter, data: Any, root: Place) -> Iterator[_Breach]:
    limits = [day for _, day in _dates(data, rule.limit)]
    for path, day in _dates(data, rule.pointer):
        if limits and day > min(limits):
            limit = f"{_title(root, rule.limit)}{_printed(min(limits))}"
            yield _Breach(path, f"{name_of(root, path)}{_printed(day)}晚于{limit}，请核对日期，或尽快报送")


def _dates(data: Any, pointer: str) -> Iterator[tuple[tuple[PathKey, ...], date]]:
    for path, value in _find(data, pointer):
        try:
            yield path, date.fromisoformat(value)
        except (TypeError, ValueError):
            continue


def _printed(day: date) -> str:
    return f" {day.year}年{day.month}月{day.day}日"


def _title(root: Place, pointer: str) -> str:
    """Return the title of the last step of a pointer, in 「」."""
    place, parent, name = root, root, ""
    for step in pointer.split("/")[1:]:
        parent, name = place, step
        place = place.child(0 if step == _ANY else step)
    return parent.title_of(name)


def _values(data: Any, pointer: str) -> list[Any]:
    return [value for _, value in _find(data, pointer)]


def _find(data: Any, pointer: str) -> list[Found]:
    """Return every place that a pointer names; ``*`` stands for each item of a list."""
    found: list[Found] = [((), data)]
    for step in pointer.split("/")[1:]:
        take: Callable[[Any], Iterator[tuple[PathKey, Any]]] = _items if step == _ANY else _member(step)
        found = [((*path, key), inner) for path, value in found for key, inner in take(value)]
    return found


def _items(value: Any) -> Iterator[tuple[PathKey, Any]]:
    if isinstance(value, list | tuple):
        yield from enumerate(value)


def _member(name: str) -> Callable[[Any], Iterator[tuple[PathKey, Any]]]:
    def take(value: Any) -> Iterator[tuple[PathKey, Any]]:
        if isinstance(value, Mapping) and name in value:
            yield name, value[name]

    return take
