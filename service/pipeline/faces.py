"""Names the face of each rare character in the docx that LibreOffice gets.

Left to itself, LibreOffice asks fontconfig for one face that has all characters a piece of a line lacks, and
keeps in a cache what had no answer. Two rare characters from different faces in one line, or a piece that ends
between the halves of a surrogate pair, and it draws a whole line as "glyph missing" although a face for every
character is there (seen with 25.2). So nothing is left to it: a run is parted around a character that its font
lacks, and the part names the face of the chain that has it.

And since 24.2 it shrinks the blanks of a justified line to fit one more character in, as Word 2013 does; where
the letters stand closer than usual, as 28 to a line must, the punctuation mark that it fitted in is then not
drawn at all. Documents that say they are of Word 2010 are spared that.

The docx that is handed out keeps its fonts and its year.
"""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any, Protocol

from lxml import etree

from service.archive import ArchiveLimits, read_zip, write_docx
from service.convert import Cancelled, Converter, ConverterState, Priority
from service.errors import UnsafeArchive
from service.fonts import StandIn
from service.model import Deadline

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
_FLOWS = re.compile(r"word/(?:document|header\d*|footer\d*|footnotes|endnotes)\.xml")
_STYLES = "word/styles.xml"
_SETTINGS = "word/settings.xml"
_SHRINKING = re.compile(rb'(<w:compatSetting\b[^>]*"compatibilityMode"[^>]*\bw:val=")15"')
_JUSTIFIED = b'<w:jc w:val="both"'
_TIGHT = re.compile(rb'<w:spacing\b[^>]*\bw:val="-')
_CELL_MARGIN = re.compile(rb'<w:tblCellMar>(?:(?!</w:tblCellMar>).)*<w:(?:left|start)\b[^>]*w:w="[1-9]', re.S)
_ASCII = bytes(range(0x80))
_FACES = ("ascii", "hAnsi", "eastAsia", "cs")
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)


class Faces(Protocol):
    """What `service.fonts.FaceTable` says of a character."""

    def is_plain(self, char: str) -> bool:
        """Whether every official font has it."""

    def stand_in(self, char: str, east_asian: str, latin: str) -> StandIn | None:
        """Return the face for a character that its font lacks."""


@dataclass(frozen=True, slots=True)
class _Fonts:
    """Font names of a run; ``None`` is inherited."""

    east_asian: str | None = None
    latin: str | None = None

    def over(self, below: "_Fonts") -> "_Fonts":
        return _Fonts(self.east_asian or below.east_asian, self.latin or below.latin)


class FacedConverter:
    """A converter whose documents never make LibreOffice look for a face.

    Args:
        converter: The converter behind it.
        faces: Which face draws what.
    """

    def __init__(self, converter: Converter, faces: Faces) -> None:
        self._converter = converter
        self._faces = faces

    def start(self) -> None:
        """As `Converter.start`."""
        self._converter.start()

    def convert(
        self,
        docx: bytes,
        deadline: Deadline,
        *,
        priority: Priority = Priority.SINGLE,
        cancelled: Cancelled | None = None,
        label: str = "",
    ) -> bytes:
        """As `Converter.convert`."""
        named = name_faces(docx, self._faces)
        return self._converter.convert(named, deadline, priority=priority, cancelled=cancelled, label=label)

    def state(self) -> ConverterState:
        """As `Converter.state`."""
        return self._converter.state()

    def recycle(self) -> None:
        """As `Converter.recycle`."""
        self._converter.recycle()

    def close(self) -> None:
        """As `Converter.close`."""
        self._converter.close()


def name_faces(docx: bytes, faces: Faces) -> bytes:
    """Part runs around characters that their fonts lack and name the faces that have them; keep all punctuation.

    Args:
        docx: A filled document; what is no docx is left for the converter to refuse.
        faces: Which face draws what.

    Returns:
        The same bytes where there is nothing to mend; else a docx with the same text.
    """
    try:
        parts = read_zip(docx, ArchiveLimits())
    except UnsafeArchive:
        return docx
    if "word/document.xml" not in parts:
        return docx
    rare = {name: _rare_in(parts[name], faces) for name in parts if _FLOWS.fullmatch(name)}
    changed = _keep_blanks(parts)
    try:
        for name in [name for name, chars in rare.items() if chars]:
            root = etree.fromstring(parts[name], _PARSER)
            if _name_in(root, rare[name], _styles(parts.get(_STYLES, b"")), faces):
                parts[name] = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)
                changed = True
    except etree.XMLSyntaxError:
        return docx
    return write_docx(parts) if changed else docx


def keep_blanks(docx: bytes) -> bytes | None:
    """Have all justified lines of a document keep their blanks, whatever else moves with them.

    Args:
        docx: A filled document from which LibreOffice lost a mark.

    Returns:
        A docx of the same text; ``None`` where there is nothing left to try.
    """
    parts = read_zip(docx, ArchiveLimits())
    if _keep_blanks(dict(parts)) or not _keep_all_blanks(parts):
        return None
    return write_docx(parts)


def _keep_blanks(parts: dict[str, bytes]) -> bool:
    """Have justified lines of tight letters keep their blanks.

    Word 2010 hangs a table's cell margin out of the type area, so a document with such tables stays as it is.
    """
    texts = (parts.get(_STYLES, b""), parts["word/document.xml"])
    is_tight = any(_JUSTIFIED in text for text in texts) and any(map(_TIGHT.search, texts))
    if not is_tight or any(map(_CELL_MARGIN.search, texts)):
        return False
    return _keep_all_blanks(parts)


def _keep_all_blanks(parts: dict[str, bytes]) -> bool:
    settings = parts.get(_SETTINGS, b"")
    kept = _SHRINKING.sub(rb'\g<1>14"', settings)
    if kept != settings:
        parts[_SETTINGS] = kept
    return kept != settings


def _rare_in(content: bytes, faces: Faces) -> frozenset[str]:
    text = content.translate(None, _ASCII).decode("utf-8", "replace")
    return frozenset(char for char in set(text) if not faces.is_plain(char))


def _name_in(root: Any, rare: frozenset[str], styles: "_Styles", faces: Faces) -> bool:
    parted = False
    for run in list(root.iter(f"{_W}r")):
        held = rare.intersection("".join(text.text or "" for text in run.iterchildren(f"{_W}t")))
        if not held:
            continue
        fonts = styles.of(run)
        named = {char: faces.stand_in(char, fonts.east_asian or "", fonts.latin or "") for char in held}
        if any(named.values()):
            _part(run, named)
            parted = True
    return parted


def _part(run: Any, named: Mapping[str, StandIn | None]) -> None:
    """Put a run of its own in the place of each child, and of each piece of text with one face."""
    properties = run.find(f"{_W}rPr")
    pieces: list[tuple[Any, StandIn | None]] = []
    for child in run:
        if child is properties:
            continue
        if child.tag != f"{_W}t":
            pieces.append((child, None))
            continue
        for face, chars in groupby(child.text or "", named.get):
            text = etree.Element(f"{_W}t", {_SPACE: "preserve"})
            text.text = "".join(chars)
            pieces.append((text, face))
    for child, face in pieces:
        part = etree.Element(run.tag, run.attrib)
        if properties is not None:
            part.append(copy.deepcopy(properties))
        if face is not None:
            _set_face(part, face)
        part.append(child)
        run.addprevious(part)
    run.getparent().remove(run)


def _set_face(run: Any, face: StandIn) -> None:
    properties = run.find(f"{_W}rPr")
    if properties is None:
        properties = etree.SubElement(run, f"{_W}rPr")
    for old in properties.findall(f"{_W}rFonts"):
        properties.remove(old)
    named = {f"{_W}{kind}": face.family for kind in _FACES}
    fonts = etree.Element(f"{_W}rFonts", {**named, f"{_W}hint": "eastAsia"})
    # CT_RPr wants the style before the fonts (ECMA-376-1 17.3.2.28).
    first = 1 if properties.find(f"{_W}rStyle") is not None else 0
    properties.insert(first, fonts)
    if face.bold:
        for old in properties.findall(f"{_W}b"):
            properties.remove(old)
        properties.insert(first + 1, etree.Element(f"{_W}b"))


class _Styles:
    """The fonts that styles give to runs.

    Args:
        own: Each style's own fonts and the style that it is based on.
        paragraph: Style of a paragraph that names none.
        default: Fonts of the document's defaults.
    """

    def __init__(
        self, own: Mapping[str, tuple[_Fonts, str | None]], paragraph: str | None, default: _Fonts
    ) -> None:
        self._own = own
        self._paragraph = paragraph
        self._default = default

    def of(self, run: Any) -> _Fonts:
        """Return the fonts of a run, inherited ones included; tables give none in official documents."""
        found = _named(run.find(f"{_W}rPr"))
        found = found.over(self._chain(_style_name(run, "rPr/{}rStyle")))
        paragraph = next(run.iterancestors(f"{_W}p"), None)
        name = None if paragraph is None else _style_name(paragraph, "pPr/{}pStyle")
        return found.over(self._chain(name or self._paragraph)).over(self._default)

    def _chain(self, name: str | None) -> _Fonts:
        found = _Fonts()
        for _ in range(len(self._own)):
            if name is None or name not in self._own:
                break
            own, name = self._own[name]
            found = found.over(own)
        return found


def _style_name(element: Any, path: str) -> str | None:
    found = element.find(f"{_W}{path.format(_W)}")
    return None if found is None else found.get(f"{_W}val")


def _named(properties: Any) -> _Fonts:
    fonts = None if properties is None else properties.find(f"{_W}rFonts")
    if fonts is None:
        return _Fonts()
    return _Fonts(fonts.get(f"{_W}eastAsia"), fonts.get(f"{_W}hAnsi") or fonts.get(f"{_W}ascii"))


@lru_cache(maxsize=64)
def _styles(content: bytes) -> _Styles:
    if not content:
        return _Styles({}, None, _Fonts())
    root = etree.fromstring(content, _PARSER)
    own = {style.get(f"{_W}styleId", ""): _style(style) for style in root.iterfind(f"{_W}style")}
    plain = (
        style.get(f"{_W}styleId")
        for style in root.iterfind(f"{_W}style")
        if style.get(f"{_W}type") == "paragraph" and style.get(f"{_W}default") in ("1", "true")
    )
    default = root.find(f"{_W}docDefaults/{_W}rPrDefault/{_W}rPr")
    return _Styles(own, next(plain, None), _named(default))


def _style(style: Any) -> tuple[_Fonts, str | None]:
    return _named(style.find(f"{_W}rPr")), _style_name(style, "basedOn")
