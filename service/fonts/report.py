"""What stands in for what."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service.fonts.chains import OFFICIAL, Chain
from service.fonts.config import families_of, real_names, weight_of
from service.fonts.scan import FontFace, best_face, faces_of


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
    face = best_face(drawn[0], faces, weight_of(chain, faces))
    path, index = (face.path, face.index) if face else (None, 0)
    degraded = not real and drawn[0] not in {expected[0], *_OPTIONAL}
    return FontReport(chain.name, drawn[0], path, index, real, degraded, missing)
