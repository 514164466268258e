"""Our own fontconfig file: the official names lead to our faces, whatever else the machine has.

fontconfig tries strong family names in their order and, for a lacking glyph, takes the first face that has
it, so the order of a rule is the fallback order, glyph by glyph. ``append`` puts the stand-ins behind the
document's own name: a licensed font of that name wins as soon as it is installed.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from service.fonts.chains import OFFICIAL, OTHERS, TAIL, Chain
from service.fonts.scan import REGULAR, FontFace, faces_of, scan_fonts

_BOLD = 700
_HEAD = '<?xml version="1.0"?>\n<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">\n<fontconfig>'


def fontconfig_xml(
    font_dirs: Sequence[Path],
    licensed_dir: Path | None,
    cache_dir: Path,
    faces: Sequence[FontFace] | None = None,
) -> str:
    """Return the text of the fontconfig file to name in ``FONTCONFIG_FILE`` (by an absolute path).

    Args:
        font_dirs: Folders of the free fonts; nothing else of the host is seen.
        licensed_dir: Folder of the operator's own fonts, or ``None``.
        cache_dir: Writable folder for fontconfig's caches.
        faces: What `scan_fonts` found in these folders, to save a second look.

    Raises:
        ValueError: A folder is not absolute; fontconfig would go on with the host's defaults in silence.
    """
    folders = [*([licensed_dir] if licensed_dir else []), *font_dirs]
    for folder in (*folders, cache_dir):
        if not folder.is_absolute():
            raise ValueError(f"not an absolute path: {folder}")
    if faces is None:
        faces = scan_fonts(folders)
    lines = [_HEAD]
    lines += [f"  <dir>{escape(str(folder))}</dir>" for folder in dict.fromkeys(folders)]
    lines.append(f"  <cachedir>{escape(str(cache_dir))}</cachedir>")
    # The fonts of a running service do not change; a rescan could change its output.
    lines.append("  <config><rescan><int>0</int></rescan></config>")
    for chain in (*OFFICIAL, *OTHERS):
        lines += _rules(chain, faces)
    tail = _strings(TAIL)
    lines.append(
        '  <match target="pattern"><edit name="family" mode="append_last" binding="weak">'
        f"{tail}</edit></match>"
    )
    lines.append("</fontconfig>\n")
    return "\n".join(lines)


def families_of(chain: Chain, faces: Sequence[FontFace]) -> tuple[str, ...]:
    """Return the families that draw a chain's text on this machine, in order.

    The real font comes first where it is installed, by the official name or a variant of it.
    """
    real = real_names(chain, faces)
    return tuple(dict.fromkeys((*real, *chain.free)))


def real_names(chain: Chain, faces: Sequence[FontFace]) -> list[str]:
    """Return the names of a chain under which a real font is installed."""
    return [name for name in chain.names if next(faces_of(name, faces), None)]


def weight_of(chain: Chain, faces: Sequence[FontFace]) -> int:
    """Return the weight in which a chain's text is set (OS/2 usWeightClass)."""
    # A real 小标宋 is heavy by design; asking for bold besides would embolden it.
    return _BOLD if chain.bold and not real_names(chain, faces) else REGULAR


def _rules(chain: Chain, faces: Sequence[FontFace]) -> Iterator[str]:
    families = families_of(chain, faces)
    bold = weight_of(chain, faces) == _BOLD
    weight = '\n    <edit name="weight" mode="assign"><const>bold</const></edit>' if bold else ""
    for name in chain.names:
        others = [family for family in families if family != name]
        yield (
            f'  <match target="pattern">\n'
            f'    <test qual="any" name="family"><string>{escape(name)}</string></test>\n'
            f'    <edit name="family" mode="append" binding="strong">{_strings(others)}</edit>{weight}\n'
            f"  </match>"
        )


def _strings(families: Iterable[str]) -> str:
    return "".join(f"<string>{escape(family)}</string>" for family in families)
