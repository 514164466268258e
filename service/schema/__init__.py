"""The first stage: from untrusted bytes to data that a template may be filled with.

Order: `parse_json` (what the text is), then `Validator.validate` (characters, template schema, glyphs).
Knows nothing of fonts, HTTP or settings; glyph coverage comes in as a callable.
"""

from service.schema.alternatives import choices
from service.schema.check import check_schema
from service.schema.clean import CleanText, clean_text
from service.schema.count import char_count, word_count
from service.schema.outline import Field, outline
from service.schema.patterns import compile_pattern
from service.schema.place import Place, SchemaMap
from service.schema.strict_json import JsonLimits, parse_json
from service.schema.validate import Validator
from service.schema.wording import REPORT_LIMIT, PathKey, cap_report, code_point, json_pointer, printable

__all__ = [
    "REPORT_LIMIT",
    "CleanText",
    "Field",
    "JsonLimits",
    "PathKey",
    "Place",
    "SchemaMap",
    "Validator",
    "cap_report",
    "char_count",
    "check_schema",
    "choices",
    "clean_text",
    "code_point",
    "compile_pattern",
    "json_pointer",
    "outline",
    "parse_json",
    "printable",
    "word_count",
]
