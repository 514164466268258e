"""Say what is wrong when none, or more than one, of several alternatives fits."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jsonschema import ValidationError

_REQUIRES = frozenset({"required", "title", "description"})


def branches(error: ValidationError) -> list[list[ValidationError]]:
    """Return an ``anyOf`` or ``oneOf`` error's inner errors, one list for each alternative."""
    grouped: dict[Any, list[ValidationError]] = {}
    for inner in error.context or ():
        grouped.setdefault(inner.relative_schema_path[0], []).append(inner)
    return list(grouped.values())


def required_sets(error: ValidationError) -> list[tuple[str, ...]] | None:
    """Return the member names each alternative asks for, if all of them ask for nothing else."""
    parts: Any = error.validator_value
    if not isinstance(error.instance, dict) or not all(map(_only_requires, parts)):
        return None
    return [tuple(part["required"]) for part in parts]


def _only_requires(part: Any) -> bool:
    return isinstance(part, Mapping) and "required" in part and part.keys() <= _REQUIRES


def choices(parts: Sequence[Any]) -> list[tuple[Any, str]] | None:
    """Return value and title of each alternative, if each is one constant."""
    if not all(isinstance(part, Mapping) and "const" in part for part in parts):
        return None
    return [(part["const"], part.get("title", "")) for part in parts]


def meant(error: ValidationError) -> list[ValidationError] | None:
    """Return the errors of the only alternative whose kind fits the value, if there is one.

    An alternative is of another kind when the value's own type, or a member that tells the
    alternatives apart by a constant, does not fit.
    """
    fitting = [errors for errors in branches(error) if not any(_other_kind(inner) for inner in errors)]
    return fitting[0] if len(fitting) == 1 else None


def _other_kind(error: ValidationError) -> bool:
    depth = len(error.relative_path)
    if depth == 0:
        return error.validator in {"type", "const"}
    return depth == 1 and error.validator in {"const", "enum"}


def wanted_types(error: ValidationError) -> Iterator[str]:
    """Yield the types asked for by alternatives that failed on the value's own type."""
    for errors in branches(error):
        for inner in errors:
            if inner.validator == "type" and not inner.relative_path:
                value: Any = inner.validator_value
                yield from [value] if isinstance(value, str) else value


def all_about_type(error: ValidationError) -> bool:
    """Whether every alternative failed on the value's own type."""
    found = branches(error)
    return bool(found) and all(
        any(inner.validator == "type" and not inner.relative_path for inner in errors) for errors in found
    )
