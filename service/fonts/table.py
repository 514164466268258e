"""Which face draws which character, asked once at start and answered in a byte."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.fonts.chains import OFFICIAL, OTHERS, TAIL
from service.fonts.config import families_of, weight_of
from service.fonts.scan import REGULAR, FontFace, best_face, code_points, faces_of

_PLANES = 0x40000  # beyond plane 3 nothing is drawn on purpose
_UNDRAWN = 0xFF
_EAST_ASIAN = 0x2E80  # the first code point that Word and LibreOffice set in the East Asian font
# Not drawn in any face of ours on purpose: HanaMin has scraps of them, and a sequence would fall apart.
_PICTOGRAPHS = (
    (0x1F000, 0x1F0FF),
    (0x1F1E6, 0x1F1FF),
    (0x1F300, 0x1F64F),
    (0x1F680, 0x1F6FF),
    (0x1F780, 0x1FBFF),
)
_NEVER_DRAWN = (
    (0x00, 0x1F),
    (0x7F, 0x9F),
    (0xAD, 0xAD),
    (0x115F, 0x1160),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xD800, 0xF8FF),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB),
    (0xFFFE, 0xFFFF),
)


# Translations of bytes into marks: 0xFF for each place but "none", and for each but the font's own face.
_EVERY_PLACE_BUT_NONE = bytes(_UNDRAWN) + b"\xff"
_EVERY_PLACE_BUT_OWN = b"\0" + b"\xff" * _UNDRAWN


_OWN_OF_OFFICE = frozenset({"OpenSymbol"})  # LibreOffice brings it along for bullets


@dataclass(frozen=True, slots=True)
class StandIn:
    """A face for a character that a font's own face lacks.

    Attributes:
        family: Its family, as fontconfig knows it.
        bold: Whether it must be set bold to look like the font.
    """

    family: str
    bold: bool


@dataclass(frozen=True, slots=True)
class _Row:
    """One font: the families that draw it, and for each character the place of the first that has it."""

    families: tuple[str, ...]
    bold: bool
    places: bytes


class FaceTable:
    """What each font name and its stand-ins can draw.

    A field's text may be set in any style, so a character counts as drawable only if each official font's
    chain has a face with it; in practice all chains share their tail and agree. Private use, controls and
    pictographs (emoji) never count.

    Args:
        faces: What `scan_fonts` found in the licensed folder and in the folders of free fonts.
    """

    def __init__(self, faces: Sequence[FontFace]) -> None:
        self._faces = tuple(faces)
        self._masks: dict[FontFace, int] = {}
        self._rows: dict[str, _Row] = {}
        for chain in (*OFFICIAL, *OTHERS):
            row = self._row_of(families_of(chain, faces), bold=chain.bold, weight=weight_of(chain, faces))
            self._rows.update(dict.fromkeys((name.casefold() for name in chain.names), row))
        *han, latin = [self._rows[chain.name.casefold()].places for chain in OFFICIAL]
        self._undrawn = _any_of(_EVERY_PLACE_BUT_NONE, *han, latin)
        foreign = _any_of(_EVERY_PLACE_BUT_OWN, *han)
        other = latin[:_EAST_ASIAN].translate(_EVERY_PLACE_BUT_OWN)
        both = bytes(one & two for one, two in zip(foreign, other, strict=False))
        self._foreign = both + foreign[_EAST_ASIAN:]
        self._masks.clear()

    def has_glyph(self, char: str) -> bool:
        """Whether a character can be drawn in every one of the official styles."""
        return ord(char) < _PLANES and not self._undrawn[ord(char)]

    def is_plain(self, char: str) -> bool:
        """Whether every official font has a face of its own for a character: nothing must stand in."""
        return ord(char) < _PLANES and not self._foreign[ord(char)]

    def stand_in(self, char: str, east_asian: str, latin: str) -> StandIn | None:
        """Return what draws a character where its own font does not.

        Args:
            char: The character.
            east_asian: Font name of the run for East Asian text.
            latin: Font name of the run for the rest.

        Returns:
            ``None`` where nothing must be done, or can be.
        """
        code = ord(char)
        if code >= _PLANES:
            return None
        han, other = self._row(east_asian), self._row(latin)
        place = han.places[code]
        # What is neither hanzi nor letter goes with the text around it, so either font will do.
        if place == 0 or (code < _EAST_ASIAN and other.places[code] == 0):
            return None
        if place == _UNDRAWN:
            return None
        return StandIn(han.families[place], han.bold)

    def file_of(self, name: str) -> Path | None:
        """Return the file of the face that draws a font's text; ``None`` where nothing does."""
        wanted = {family.casefold() for family in self.families(name)[:1]}
        found = (face for face in self._faces if wanted & {family.casefold() for family in face.families})
        return next((face.path for face in found), None)

    def families(self, name: str) -> tuple[str, ...]:
        """Return the installed families that draw a font's text, the first choice first."""
        return self._row(name).families

    def postscript_names(self, fonts: Iterable[str]) -> frozenset[str]:
        """Return the PostScript names of all faces that some fonts and the official ones may be drawn by.

        Args:
            fonts: Font names that a template uses beside the official ones.

        Returns:
            Empty where a face has no such name: then nothing can be said of a name in a PDF.
        """
        chained = [name for chain in (*OFFICIAL, *OTHERS) for name in chain.names]
        families = dict.fromkeys(family for name in (*chained, *fonts) for family in self.families(name))
        faces = [face for family in families for face in faces_of(family, self._faces)]
        if not all(face.postscript for face in faces):
            return frozenset()
        return _OWN_OF_OFFICE.union(*(face.postscript for face in faces))

    def _row(self, name: str) -> _Row:
        key = name.casefold()
        if key not in self._rows:
            own = (name,) if next(faces_of(name, self._faces), None) else ()
            self._rows[key] = self._row_of((*own, *TAIL), bold=False, weight=REGULAR)
        return self._rows[key]

    def _row_of(self, families: Sequence[str], *, bold: bool, weight: int) -> _Row:
        found = [(family, best_face(family, self._faces, weight)) for family in dict.fromkeys(families)]
        drawn = [(family, face) for family, face in found if face is not None]
        places = int.from_bytes(bytes([_UNDRAWN]) * _PLANES, "little")
        for place, (_, face) in reversed(list(enumerate(drawn))):
            mask = self._mask(face)
            # A byte of the mask is 0xFF or 0: it takes the place where the face has the character.
            places = (places & ~mask) | (int.from_bytes(bytes([place]) * _PLANES, "little") & mask)
        row = bytearray(places.to_bytes(_PLANES, "little"))
        for first, last in (*_NEVER_DRAWN, *_PICTOGRAPHS):
            row[first : last + 1] = bytes([_UNDRAWN]) * (last - first + 1)
        return _Row(tuple(family for family, _ in drawn), bold, bytes(row))

    def _mask(self, face: FontFace) -> int:
        if face not in self._masks:
            marks = code_points(face).marks(_PLANES)
            self._masks[face] = int.from_bytes(marks.translate(_EVERY_PLACE_BUT_OWN), "little")
        return self._masks[face]


def _any_of(marks: bytes, *rows: bytes) -> bytes:
    """Return, for each character, whether some row has a place that the translation marks."""
    joined = 0
    for row in rows:
        joined |= int.from_bytes(row.translate(marks), "little")
    return joined.to_bytes(_PLANES, "little")
