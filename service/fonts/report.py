"""What stands in for what, and which characters can be drawn at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service.fonts.chains import OFFICIAL, Chain
from service.fonts.code_points import CodePoints
from service.fonts.config import families_of, real_names
from service.fonts.scan import FontFace, best_face, code_points, faces_of

_BOLD = 700
_REGULAR = 400
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
    (0xE0000, 0x10FFFF),
)


@dataclass(frozen=True, slots=True)
class FontReport:
    """What draws one official font's text on this machine.

    Attributes:
        name: The official name, as templates write it.
        family: Family of the face that draws it; ``None`` if there is nothing at all.
        path: File of that face.
        index: Number of the face in that file.
        real: Whether it is the real font, by its official name or a variant.
        degraded: Whether it is not even the first free choice.
        missing: Free families of the chain that are not installed, in order.
    """

    name: str
    family: str | None
    path: Path | None
    index: int
    real: bool
    degraded: bool
    missing: tuple[str, ...]

    @property
    def message(self) -> str:
        """A Chinese line for the operator."""
        if self.family is None:
            return f"{self.name}：缺少可用字体，请安装 {'、'.join(self.missing)}"
        if self.real:
            return f"{self.name}：正式字体 {self.family}（{self.path}）"
        wanted = f"；缺少 {'、'.join(self.missing)}" if self.missing else ""
        return f"{self.name}：以 {self.family} 替代（{self.path}）{wanted}"


# Wished for, and used when an operator adds it, but in no Debian package.
_OPTIONAL = frozenset({"Zhuque Fangsong"})


def inspect_fonts(faces: Sequence[FontFace]) -> tuple[FontReport, ...]:
    """Return a report for each of the six official names.

    Args:
        faces: What `scan_fonts` found in the licensed folder and in the folders of free fonts.
    """
    return tuple(_report(chain, faces) for chain in OFFICIAL)


def _report(chain: Chain, faces: Sequence[FontFace]) -> FontReport:
    drawn = [family for family in families_of(chain, faces) if next(faces_of(family, faces), None)]
    expected = [family for family in chain.free if family not in _OPTIONAL]
    missing = tuple(family for family in expected if family not in drawn)
    if not drawn:
        return FontReport(chain.name, None, None, 0, real=False, degraded=True, missing=missing)
    real = bool(real_names(chain, faces))
    face = best_face(drawn[0], faces, _weight(chain, faces))
    path, index = (face.path, face.index) if face else (None, 0)
    degraded = not real and drawn[0] not in {expected[0], *_OPTIONAL}
    return FontReport(chain.name, drawn[0], path, index, real, degraded, missing)


def _weight(chain: Chain, faces: Sequence[FontFace]) -> int:
    return _BOLD if chain.bold and not real_names(chain, faces) else _REGULAR


def coverage(faces: Sequence[FontFace]) -> CodePoints:
    """Return the code points that can be drawn in every one of the official styles.

    A field's text may be set in any style, so a character counts only if each official font's chain has a
    face with it; in practice all chains share their tail and agree. Private use, controls and pictographs
    (emoji) never count.

    Args:
        faces: As for `inspect_fonts`.
    """
    cmaps: dict[FontFace, CodePoints] = {}
    common: CodePoints | None = None
    for chain in OFFICIAL:
        drawable = CodePoints()
        for family in families_of(chain, faces):
            face = best_face(family, faces, _weight(chain, faces))
            if face is not None:
                if face not in cmaps:
                    cmaps[face] = code_points(face)
                drawable = drawable.union(cmaps[face])
        common = drawable if common is None else common.intersection(drawable)
    return (common or CodePoints()).difference(CodePoints((*_NEVER_DRAWN, *_PICTOGRAPHS)))
