"""JSON Schema 2020-12 as this service checks it: exact decimals, linear time, nothing fetched."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from jsonschema import Draft202012Validator, TypeChecker, ValidationError
from jsonschema.protocols import Validator as SchemaValidator
from jsonschema.validators import extend
from referencing import Registry

from service.schema.keywords import CLOSERS, LISTS, MAPS, SINGLES
from service.schema.patterns import compile_pattern, format_checker
from service.schema.unique import first_repeat


def _is_number(_: TypeChecker, value: Any) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _is_integer(checker: TypeChecker, value: Any) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool)
    return _is_number(checker, value) and value == Decimal(value).to_integral_value()


def _pattern(validator: Any, pattern: str, value: Any, _: Any) -> Iterator[ValidationError]:
    if validator.is_type(value, "string") and not compile_pattern(pattern).search(value):
        yield ValidationError("pattern")


def _unique_items(validator: Any, wanted: bool, value: Any, _: Any) -> Iterator[ValidationError]:
    if wanted and validator.is_type(value, "array") and first_repeat(value):
        yield ValidationError("uniqueItems")


def _multiple_of(validator: Any, step: Any, value: Any, _: Any) -> Iterator[ValidationError]:
    # Through text, so that a step of 0.1 in the schema means a tenth and not its nearest binary fraction.
    if validator.is_type(value, "number") and Fraction(str(value)) % Fraction(str(step)):
        yield ValidationError("multipleOf")


def _explicit(node: Any, *, closer: bool = False) -> Any:
    """Return a copy in which ``false`` is spelt out, since the library forgets the place of a bare one."""
    if node is False and not closer:
        return {"not": {}}
    if not isinstance(node, Mapping):
        return node
    copy = dict(node)
    for keyword in MAPS:
        if keyword in node:
            copy[keyword] = {name: _explicit(part) for name, part in node[keyword].items()}
    for keyword in LISTS:
        if keyword in node:
            copy[keyword] = [_explicit(part) for part in node[keyword]]
    for keyword in SINGLES:
        if keyword in node:
            copy[keyword] = _explicit(node[keyword], closer=keyword in CLOSERS)
    return copy


def make_validator(schema: Mapping[str, Any]) -> SchemaValidator:
    """Return a validator for one schema; an unknown reference is an error, never a download."""
    types = Draft202012Validator.TYPE_CHECKER.redefine_many({"number": _is_number, "integer": _is_integer})
    dialect: Any = extend(  # type: ignore[no-untyped-call]
        Draft202012Validator,
        {"pattern": _pattern, "uniqueItems": _unique_items, "multipleOf": _multiple_of},
        type_checker=types,
    )
    registry: Registry[Any] = Registry()
    validator: SchemaValidator = dialect(
        _explicit(schema), registry=registry, format_checker=format_checker()
    )
    return validator
