"""Where a JSON Schema 2020-12 holds subschemas, of the keywords that templates may use."""

MAPS = ("properties", "patternProperties", "$defs", "dependentSchemas")
"""Keywords that hold subschemas by name."""

LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
"""Keywords that hold a list of subschemas."""

CLOSERS = ("additionalProperties", "unevaluatedProperties", "items")
"""Keywords that hold one subschema for the rest, and that ``false`` closes."""

SINGLES = (*CLOSERS, "contains", "propertyNames", "not", "if", "then", "else")
"""Keywords that hold one subschema."""
