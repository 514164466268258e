"""One walk over the data: cleans every string, bounds every size, checks every glyph.

It runs before the JSON Schema check, so that nothing slow or fragile ever sees a string of ten
million characters, an array of a million items, or a number that cannot be printed.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from service.errors import Fault
from service.model import MissingGlyph
from service.schema.clean import clean_text
from service.schema.place import Place, name_of
from service.schema.wording import PathKey, json_pointer, list_chars, printable

DEPTH_LIMIT = 32
"""Most levels of the data; the same as `JsonLimits.depth`, for data that did not come as JSON."""

VALUE_LIMIT = 100_000
"""Most values in one document; a batch is checked item by item."""

FAULT_LIMIT = 2_000
"""Most faults to collect; only the first 200 are reported."""

_DIGIT_LIMIT = 10**30
_EXPONENT_LIMIT = 320
_WARNING_LIMIT = 200
_SAFE_ODDS = frozenset(" \n")
_GETA = "〓"  # U+3013: what printers set for a sort they lack
_LISTED_GLYPHS = 100


class Walk:
    """State of one walk.

    Args:
        root: The outermost place of the schema.
        has_glyph: Whether some configured face draws a character.
        geta: Whether 〓 is put in the place of a character in a value that no face draws.

    Attributes:
        faults: Faults found.
        warnings: Chinese sentences about what was mended.
        missing: What 〓 was put in the place of.
        settled: Places of which all is said, so that the schema's further complaints are noise.
        complete: Whether the whole tree was walked; if not, the schema check must not see it.
    """

    def __init__(self, root: Place, has_glyph: Callable[[str], bool], *, geta: bool = False) -> None:
        self.faults: list[Fault] = []
        self.warnings: list[str] = []
        self.missing: list[MissingGlyph] = []
        self.settled: set[tuple[PathKey, ...]] = set()
        self.complete = True
        self._root = root
        self._has_glyph = has_glyph
        self._geta = geta and has_glyph(_GETA)
        self._known: set[str] = set(_SAFE_ODDS)
        self._values = 0
        self._path: list[PathKey] = []

    def clean(self, value: Any) -> Any:
        """Return the cleaned copy of the whole data."""
        return self._value(value, self._root)

    def _value(self, value: Any, place: Place) -> Any:
        self._values += 1
        if self._values > VALUE_LIMIT:
            if self.complete:
                self._path.clear()
                self._stop("too-many-values", f"里的数据项超过 {VALUE_LIMIT} 个，请分批提交")
            return None
        if isinstance(value, str):
            return self._text(value, place)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (int, float, Decimal)):
            return self._number(value, place)
        if not isinstance(value, (Mapping, list, tuple)):
            return self._settle("type", "不是 JSON 能表示的值", None)
        if len(self._path) >= DEPTH_LIMIT:
            self._stop("too-deep", f"嵌套超过 {DEPTH_LIMIT} 层，请减少层次")
            return None
        if isinstance(value, Mapping):
            return self._object(value, place)
        return self._array(value, place)

    def _object(self, value: Mapping[Any, Any], place: Place) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key in _ordered(value, place):
            cleaned = key if key in place.members else self._key(key)
            if cleaned in result:
                message = f"里的字段名 {printable(cleaned)} 去掉不可见字符后有重复，请只保留一个"
                self._fault("duplicate-key", message)
                continue
            self._path.append(cleaned)
            result[cleaned] = self._value(value[key], place.child(cleaned))
            if not self.complete:
                break
            self._path.pop()
        return result

    def _key(self, key: Any) -> str:
        found = clean_text(str(key))
        for keyword, message in found.faults:
            self._fault(keyword, f"里的字段名 {printable(str(key))} {message}")
        self._warn(f"里的字段名 {printable(str(key))}", found.warnings)
        self._refuse(self._undrawn(found.text), f"里的字段名 {printable(found.text)} ")
        return found.text

    def _array(self, value: list[Any] | tuple[Any, ...], place: Place) -> list[Any]:
        limit = place.max_items
        if limit is not None and len(value) > limit:
            message = f"最多 {limit} 项，现有 {len(value)} 项，请删减或分批提交"
            value = self._settle("maxItems", message, value[:limit])
        result: list[Any] = []
        for index, item in enumerate(value):
            self._path.append(index)
            result.append(self._value(item, place.child(index)))
            if not self.complete:
                break
            self._path.pop()
        return result

    def _text(self, text: str, place: Place) -> str:
        limit = place.max_length
        written = len(text)
        if limit is not None and written > 4 * limit + 1_000:
            text = text[: limit + 1]
        found = clean_text(text, multiline=place.multiline, keep_private=self._geta)
        text = found.text
        if limit is not None and len(text) > limit:
            count = len(text) if written <= 4 * limit + 1_000 else written
            text = self._settle("maxLength", f"最多 {limit} 个字，现有 {count} 个，请删减", text[:limit])
        for keyword, message in found.faults:
            self._settle(keyword, message, text)
        self._warn("", found.warnings)
        missing = self._undrawn(text)
        if missing and self._geta:
            return self._print_geta(text, missing)
        self._refuse(missing, "")
        return text

    def _number(self, value: int | float | Decimal, place: Place) -> Any:
        # A long int must not be turned into text or a float, which may fail.
        if isinstance(value, int):
            too_long = not -_DIGIT_LIMIT < value < _DIGIT_LIMIT
        elif not Decimal(value).is_finite():
            return self._settle("not-a-number", "不是普通数字，请改正", 0)
        else:
            too_long = value != 0 and abs(Decimal(value).adjusted()) > _EXPONENT_LIMIT
        if too_long:
            return self._settle("number-too-long", "数字太长，最多 30 位；证件号、编号请加引号写成文字", 0)
        # JSON Schema takes 1.0 for an integer; the rest of the service should then see one.
        if place.whole and not isinstance(value, int) and -_DIGIT_LIMIT < value < _DIGIT_LIMIT:
            return int(value) if value == int(value) else value
        return value

    def _undrawn(self, text: str) -> set[str]:
        fresh = set(text) - self._known
        missing = {char for char in fresh if not self._has_glyph(char)}
        self._known.update(fresh - missing)
        return missing

    def _refuse(self, missing: set[str], subject: str) -> None:
        if missing:
            named = list_chars(missing, _LISTED_GLYPHS)
            self._fault("no-glyph", f"{subject}含有现有字体印不出的字符 {named}，请改用其他字")

    def _print_geta(self, text: str, missing: set[str]) -> str:
        pointer = json_pointer(self._path)
        for char in sorted(missing):
            positions = tuple(place for place, found in enumerate(text) if found == char)
            self.missing.append(MissingGlyph(pointer, char, positions))
        # Every one is named, however many: nobody must find a 〓 on paper that was not announced.
        named = list_chars(missing, len(missing))
        name = name_of(self._root, self._path)
        self.warnings.append(f"{name}含有现有字体印不出的字符 {named}，已印成{_GETA}")
        return "".join(_GETA if char in missing else char for char in text)

    def _settle(self, keyword: str, message: str, instead: Any) -> Any:
        self.settled.add(tuple(self._path))
        self._fault(keyword, message)
        return instead

    def _stop(self, keyword: str, message: str) -> None:
        self.complete = False
        self._fault(keyword, message)

    def _fault(self, keyword: str, predicate: str) -> None:
        if len(self.faults) >= FAULT_LIMIT:
            self.complete = False
            return
        name = name_of(self._root, self._path)
        self.faults.append(Fault(json_pointer(self._path), keyword, f"{name}{predicate}"))

    def _warn(self, subject: str, predicates: tuple[str, ...]) -> None:
        for predicate in predicates:
            if len(self.warnings) < _WARNING_LIMIT:
                self.warnings.append(f"{name_of(self._root, self._path)}{subject}{predicate}")


def _ordered(value: Mapping[Any, Any], place: Place) -> Iterator[Any]:
    """Yield the keys in the schema's order, then the rest as they came."""
    for name in place.members:
        if name in value:
            yield name
    for key in value:
        if key not in place.members:
            yield key
