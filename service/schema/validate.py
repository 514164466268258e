"""Raw JSON values in, a `Submission` out, or every fault at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from service.errors import Fault, InvalidRequest
from service.model import Submission
from service.rules import DataRule
from service.schema.check import check_schema
from service.schema.dialect import make_validator
from service.schema.messages import describe
from service.schema.place import SchemaMap
from service.schema.rules import check_rules
from service.schema.walk import FAULT_LIMIT, Walk
from service.schema.wording import cap_report

_ABOUT_VALUE = frozenset({"enum", "const", "anyOf", "oneOf", "pattern", "format"})


class Validator:
    """A template's schema and rules, compiled once; safe to share between threads.

    Args:
        schema: JSON Schema 2020-12 of the template's data.
        rules: What the schema cannot say.

    Raises:
        TemplateError: As `check_schema`.
    """

    def __init__(self, schema: Mapping[str, Any], rules: Sequence[DataRule] = ()) -> None:
        check_schema(schema, rules)
        self._validator = make_validator(schema)
        self._map = SchemaMap(schema)
        self._rules = tuple(rules)

    def validate(self, data: Any, *, has_glyph: Callable[[str], bool], geta: bool = False) -> Submission:
        """Clean and check one document's data.

        Args:
            data: JSON values, with `decimal.Decimal` for decimals; never changed.
            has_glyph: Whether some configured face draws a character.
            geta: Whether 〓 is put in the place of one that none draws; otherwise it is a fault.

        Returns:
            Cleaned data, members in the schema's order, and warnings.

        Raises:
            InvalidRequest: With every fault of characters, schema, glyphs and rules, at most 200 in the order
                of their places and one that counts the rest.
        """
        root = self._map.root
        walk = Walk(root, has_glyph, geta=geta)
        cleaned = walk.clean(data)
        faults = set(walk.faults)
        odd: tuple[str, ...] = ()
        if walk.complete:
            faults.update(islice(self._schema_faults(cleaned, walk), FAULT_LIMIT))
            broken, odd = check_rules(self._rules, cleaned, root)
            faults.update(broken)
        if faults:
            raise _refusal(_without_echoes(faults))
        warnings = tuple(dict.fromkeys([*walk.warnings, *odd]))
        return Submission(cleaned, warnings, tuple(walk.missing))

    def _schema_faults(self, cleaned: Any, walk: Walk) -> Iterator[Fault]:
        for error in self._validator.iter_errors(cleaned):
            if tuple(error.absolute_path) not in walk.settled:
                yield from describe(error, self._map.root)


def _without_echoes(faults: set[Fault]) -> list[Fault]:
    """Drop what a wrong type or an empty value breaks besides."""
    plain = {fault.pointer for fault in faults if fault.keyword in {"type", "minLength"}}
    kept = [fault for fault in faults if fault.keyword not in _ABOUT_VALUE or fault.pointer not in plain]
    return sorted(kept, key=lambda fault: (fault.place, fault.message))


def _refusal(faults: list[Fault]) -> InvalidRequest:
    message = f"数据有 {len(faults)} 处不符合要求，请逐条改正后重新提交"
    return InvalidRequest(message, faults=cap_report(faults))
