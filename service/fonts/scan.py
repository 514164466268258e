"""Read names and cmaps of font files, without any subprocess."""

import logging
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fontTools.ttLib import TTCollection, TTFont, TTLibError

from service.fonts.code_points import CodePoints

_SUFFIXES = frozenset({".ttf", ".otf", ".ttc", ".otc"})
_FAMILY_NAME_IDS = frozenset({1, 16, 21})
_POSTSCRIPT_NAME_ID = 6
REGULAR = 400
"""Weight of a regular face (OS/2 usWeightClass)."""

_FORMAT = 12

# What fontTools raises on a damaged file, beside its own error.
_UNREADABLE = (TTLibError, OSError, ValueError, LookupError, AssertionError, EOFError, struct.error)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FontFace:
    """One face in a font file.

    Attributes:
        families: All its family names, in every language it has, the most common form first.
        weight: 100 thin to 900 black; 400 is regular (OS/2 usWeightClass).
        italic: Whether it slants.
        path: The file.
        index: Number of the face in a collection; 0 in a single-face file.
        postscript: Its PostScript names, one of which a PDF gives it; empty if the file has none.
    """

    families: tuple[str, ...]
    weight: int
    italic: bool
    path: Path
    index: int
    postscript: tuple[str, ...] = ()


def scan_fonts(folders: Iterable[Path]) -> tuple[FontFace, ...]:
    """Return the faces of all font files in some folders and below, in a fixed order.

    A file that cannot be read as a font is left out with a log line: it must not stop the service.

    Args:
        folders: Folders; one that does not exist is passed over.
    """
    faces: list[FontFace] = []
    for folder in dict.fromkeys(folders):
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in _SUFFIXES and path.is_file():
                faces.extend(_read_faces(path))
    return tuple(faces)


def _read_faces(path: Path) -> list[FontFace]:
    try:
        with _open(path) as fonts:
            return [_face(font, path, index) for index, font in enumerate(fonts)]
    except _UNREADABLE as error:
        _log.warning("unreadable font file %s: %s", path, error)
        return []


@contextmanager
def _open(path: Path) -> Iterator[Sequence[Any]]:
    """Give the fonts in one file; their tables are read when asked for, inside the context only."""
    with path.open("rb") as file:
        is_collection = file.read(4) == b"ttcf"
        file.seek(0)
        yield TTCollection(file, lazy=True).fonts if is_collection else [TTFont(file, lazy=True)]


def _face(font: Any, path: Path, index: int) -> FontFace:
    records = sorted(font["name"].names, key=lambda record: record.nameID)
    names = [str(record) for record in records if record.nameID in _FAMILY_NAME_IDS]
    postscript = (str(record) for record in records if record.nameID == _POSTSCRIPT_NAME_ID)
    os2 = font["OS/2"]
    return FontFace(
        tuple(dict.fromkeys(names)),
        os2.usWeightClass,
        bool(os2.fsSelection & 1),
        path,
        index,
        tuple(dict.fromkeys(name for name in postscript if name.isascii())),
    )


def faces_of(family: str, faces: Iterable[FontFace]) -> Iterator[FontFace]:
    """Yield the faces of one family; names are compared without regard to case, as fontconfig does."""
    wanted = family.casefold()
    return (face for face in faces if any(name.casefold() == wanted for name in face.families))


def best_face(family: str, faces: Iterable[FontFace], weight: int = REGULAR) -> FontFace | None:
    """Return the upright face of a family nearest to a weight, or ``None`` if the family is absent."""
    found = faces_of(family, faces)
    return min(found, key=lambda face: (face.italic, abs(face.weight - weight)), default=None)


def code_points(face: FontFace) -> CodePoints:
    """Return the code points that a face's cmap maps; none, with a log line, if it cannot be read."""
    try:
        with _open(face.path) as fonts:
            font = fonts[face.index]
            return CodePoints(_full_repertoire(font.reader["cmap"]) or _each(font.getBestCmap() or ()))
    except _UNREADABLE as error:
        _log.warning("unreadable cmap in %s: %s", face.path, error)
        return CodePoints()


def _each(codes: Iterable[int]) -> list[tuple[int, int]]:
    return [(code, code) for code in codes]


def _full_repertoire(table: bytes) -> list[tuple[int, int]]:
    """Return the stretches of code points of the cmap's subtable for all planes, if it has one in format 12.

    Only the ranges are wanted, and the library would first make up a glyph name for each of 60,000
    characters. Layout: OpenType 1.9, cmap, format 12. Glyph 0 is "missing".
    """
    for record in range(struct.unpack_from(">H", table, 2)[0]):
        platform, encoding, offset = struct.unpack_from(">HHL", table, 4 + 8 * record)
        if (platform, encoding) == (3, 10) and struct.unpack_from(">H", table, offset)[0] == _FORMAT:
            groups = struct.unpack_from(">L", table, offset + 12)[0]
            stretches = struct.iter_unpack(">3L", table[offset + 16 : offset + 16 + 12 * groups])
            return [(first + (glyph == 0), last) for first, last, glyph in stretches]
    return []
