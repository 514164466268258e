"""Small builders for the parts of a docx, in the order that ISO/IEC 29500-1 demands.

Nothing here knows a document type. `run` escapes its text; everything else that is handed in is XML already.
Units are in the names: ``twips`` (1/20 pt), ``emu`` (1/36000 mm), ``mm``.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from service.archive import write_docx
from templates.authoring.fixed_parts import font_table, theme

_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006"
_WPS = "http://schemas.microsoft.com/office/word/2010/wordprocessingShape"
_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml."
_HEADER = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_NAMESPACES = (
    f'xmlns:w="{_W}" xmlns:r="{_REL}" xmlns:wp="{_DRAWING}/wordprocessingDrawing" xmlns:a="{_DRAWING}/main" '
    f'xmlns:pic="{_DRAWING}/picture" xmlns:wps="{_WPS}" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office" '
    'xmlns:w10="urn:schemas-microsoft-com:office:word"'
)
_FONTS = re.compile(r"<w:rFonts ([^>]*)/>")
_VALUE = re.compile(r'="([^"]*)"')
_ORDER = {
    "pPr": (
        "pStyle keepNext keepLines pageBreakBefore framePr widowControl numPr suppressLineNumbers "
        "pBdr shd tabs suppressAutoHyphens kinsoku wordWrap overflowPunct topLinePunct autoSpaceDE "
        "autoSpaceDN bidi adjustRightInd snapToGrid spacing ind contextualSpacing mirrorIndents "
        "suppressOverlap jc textDirection textAlignment textboxTightWrap outlineLvl rPr sectPr"
    ),
    "rPr": (
        "rStyle rFonts b bCs i iCs caps smallCaps strike dstrike outline shadow emboss imprint "
        "noProof snapToGrid vanish webHidden color spacing w kern position sz szCs highlight u "
        "effect bdr shd fitText vertAlign rtl cs em lang"
    ),
}


@dataclass(frozen=True, slots=True)
class Style:
    """One style of ``styles.xml``.

    Attributes:
        style_id: Identifier used in the document.
        name: Name shown in Word; Word's built-in English names keep their meaning there.
        ppr: Children of ``w:pPr`` by name, each with its attributes or inner XML.
        rpr: Children of ``w:rPr``, likewise.
        based_on: Identifier of the parent style.
        kind: ``paragraph``, ``character`` or ``table``.
        default: Whether it is the default style of its kind.
    """

    style_id: str
    name: str
    ppr: Mapping[str, str] = field(default_factory=dict)
    rpr: Mapping[str, str] = field(default_factory=dict)
    based_on: str = ""
    kind: str = "paragraph"
    default: bool = False

    def xml(self) -> str:
        """Return the ``w:style`` element."""
        default = ' w:default="1"' if self.default else ""
        based_on = f'<w:basedOn w:val="{self.based_on}"/>' if self.based_on else ""
        return (
            f'<w:style w:type="{self.kind}"{default} w:styleId="{self.style_id}">'
            f'<w:name w:val="{self.name}"/>'
            f"{based_on}<w:qFormat/>{properties('pPr', self.ppr)}{properties('rPr', self.rpr)}</w:style>"
        )


def properties(kind: str, children: Mapping[str, str]) -> str:
    """Return ``w:pPr`` or ``w:rPr`` with its children in schema order.

    Args:
        kind: ``pPr`` or ``rPr``.
        children: Child name to attributes (``w:val="1"``) or, if it starts with ``<``, to inner XML.
    """
    order = _ORDER[kind].split()
    inner = ""
    for name in sorted(children, key=order.index):
        value = children[name]
        inner += (
            f"<w:{name}>{value}</w:{name}>" if value.startswith("<") else f"<w:{name} {value}".rstrip() + "/>"
        )
    return f"<w:{kind}>{inner}</w:{kind}>" if inner else ""


def fonts(east_asian: str, latin: str = "Times New Roman") -> str:
    """Return the attributes of ``w:rFonts``."""
    return f'w:ascii="{latin}" w:hAnsi="{latin}" w:eastAsia="{east_asian}" w:cs="{latin}"'


def size(points: float) -> dict[str, str]:
    """Return the run properties of a type size."""
    half_points = f'w:val="{round(points * 2)}"'
    return {"sz": half_points, "szCs": half_points}


def run(text: str, style: str = "") -> str:
    """Return a run of text that may hold template tags."""
    rpr = properties("rPr", {"rStyle": f'w:val="{style}"'} if style else {})
    return f'<w:r>{rpr}<w:t xml:space="preserve">{escape(text)}</w:t></w:r>'


def paragraph(style: str, *content: str, **ppr: str) -> str:
    """Return a paragraph in a style; content is runs, a plain string without ``<`` becomes one."""
    style_ref = {"pStyle": f'w:val="{style}"'} if style else {}
    inner = "".join(piece if piece.startswith("<") else run(piece) for piece in content)
    return f"<w:p>{properties('pPr', {**style_ref, **ppr})}{inner}</w:p>"


def block(tag: str, *content: str) -> str:
    """Return content between a paragraph-level tag and its end: ``block("if cc", …)``."""
    word = tag.split(maxsplit=1)[0]
    return f"{control(tag)}{''.join(content)}{control(f'end{word}')}"


def control(tag: str) -> str:
    """Return the paragraph that holds a paragraph-level tag and vanishes when filled."""
    return paragraph("", f"{{%p {tag} %}}")


def table_start(widths: Sequence[int], borders: str = "") -> str:
    """Return the beginning of a table of fixed layout without cell margins; ``</w:tbl>`` ends it.

    Args:
        widths: Of the columns, twips.
        borders: Content of ``w:tblBorders``.
    """
    ruled = f"<w:tblBorders>{borders}</w:tblBorders>" if borders else ""
    return (
        f'<w:tbl><w:tblPr><w:tblW w:w="{sum(widths)}" w:type="dxa"/><w:tblInd w:w="0" w:type="dxa"/>'
        f'{ruled}<w:tblLayout w:type="fixed"/><w:tblCellMar>'
        '<w:left w:w="0" w:type="dxa"/><w:right w:w="0" w:type="dxa"/></w:tblCellMar></w:tblPr><w:tblGrid>'
        + "".join(f'<w:gridCol w:w="{width}"/>' for width in widths)
        + "</w:tblGrid>"
    )


def table_row(*cells: str, height: int = 0) -> str:
    """Return a row that no page break cuts; ``height`` in twips is exact, 0 leaves it to the content."""
    exact = f'<w:trHeight w:val="{height}" w:hRule="exact"/>' if height else ""
    return f"<w:tr><w:trPr><w:cantSplit/>{exact}</w:trPr>{''.join(cells)}</w:tr>"


def table_cell(width: int, content: str, *, span: int = 1, align: str = "") -> str:
    """Return a cell.

    Args:
        width: Twips.
        content: Paragraphs, or tables with a paragraph at the end.
        span: How many columns it takes.
        align: ``top`` (also if empty), ``center`` or ``bottom``.
    """
    properties = f'<w:tcW w:w="{width}" w:type="dxa"/>'
    properties += f'<w:gridSpan w:val="{span}"/>' if span > 1 else ""
    properties += f'<w:vAlign w:val="{align}"/>' if align else ""
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{content}</w:tc>"


def page_field(style: str) -> str:
    """Return the runs of a PAGE field."""
    rpr = properties("rPr", {"rStyle": f'w:val="{style}"'} if style else {})
    parts = (
        '<w:fldChar w:fldCharType="begin"/>',
        '<w:instrText xml:space="preserve"> PAGE </w:instrText>',
        '<w:fldChar w:fldCharType="separate"/>',
        "<w:t>1</w:t>",
        '<w:fldChar w:fldCharType="end"/>',
    )
    return "".join(f"<w:r>{rpr}{part}</w:r>" for part in parts)


@dataclass(frozen=True, slots=True)
class Package:
    """What goes into a docx besides the fixed parts.

    Attributes:
        body: Content of ``w:body`` with its last ``w:sectPr``.
        styles: All styles, the default one first.
        parts: ``header1`` … / ``footer1`` … to the content of that part; relationship id = name.
        pictures: Relationship id to PNG.
        title: Core property, may hold tags.
        author: Core property, may hold tags.
    """

    body: str
    styles: Sequence[Style]
    parts: Mapping[str, str]
    pictures: Mapping[str, bytes]
    title: str
    author: str

    def to_docx(self) -> bytes:
        """Return the docx; equal content gives equal bytes."""
        parts = {
            "[Content_Types].xml": self._content_types(),
            "_rels/.rels": _relationships(
                {
                    "rId1": (f"{_REL}/officeDocument", "word/document.xml"),
                    "rId2": (f"{_PACKAGE}/relationships/metadata/core-properties", "docProps/core.xml"),
                }
            ),
            "word/document.xml": f"<w:document {_NAMESPACES}><w:body>{self.body}</w:body></w:document>",
            "word/_rels/document.xml.rels": self._document_relationships(),
            "word/styles.xml": self._styles(),
            "word/settings.xml": _settings(),
            "word/fontTable.xml": font_table(self._font_names()),
            "word/theme/theme1.xml": theme(),
        }
        for name, content in self.parts.items():
            tag = "hdr" if name.startswith("header") else "ftr"
            parts[f"word/{name}.xml"] = f"<w:{tag} {_NAMESPACES}>{content}</w:{tag}>"
        parts["docProps/core.xml"] = self._core()
        packed = {name: (_HEADER + content).encode() for name, content in parts.items()}
        packed |= {f"word/media/{name}.png": png for name, png in self.pictures.items()}
        return write_docx(packed)

    def _content_types(self) -> str:
        overrides = {
            "/word/document.xml": f"{_TYPE}document.main+xml",
            "/word/styles.xml": f"{_TYPE}styles+xml",
            "/word/settings.xml": f"{_TYPE}settings+xml",
            "/word/fontTable.xml": f"{_TYPE}fontTable+xml",
            "/word/theme/theme1.xml": "application/vnd.openxmlformats-officedocument.theme+xml",
            **{f"/word/{name}.xml": f"{_TYPE}{name.rstrip('0123456789')}+xml" for name in self.parts},
            "/docProps/core.xml": "application/vnd.openxmlformats-package.core-properties+xml",
        }
        listed = "".join(
            f'<Override PartName="{name}" ContentType="{kind}"/>' for name, kind in overrides.items()
        )
        return (
            f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Default Extension="xml" ContentType="application/xml"/>'
            f'<Default Extension="png" ContentType="image/png"/>{listed}</Types>'
        )

    def _document_relationships(self) -> str:
        targets = {
            "styles": (f"{_REL}/styles", "styles.xml"),
            "settings": (f"{_REL}/settings", "settings.xml"),
            "fontTable": (f"{_REL}/fontTable", "fontTable.xml"),
            "theme": (f"{_REL}/theme", "theme/theme1.xml"),
        }
        for name in self.parts:
            targets[name] = (f"{_REL}/{name.rstrip('0123456789')}", f"{name}.xml")
        for name in self.pictures:
            targets[name] = (f"{_REL}/image", f"media/{name}.png")
        return _relationships(targets)

    def _styles(self) -> str:
        defaults = properties("rPr", {"lang": 'w:val="en-US" w:eastAsia="zh-CN" w:bidi="ar-SA"'})
        return (
            f"<w:styles {_NAMESPACES}><w:docDefaults><w:rPrDefault>{defaults}</w:rPrDefault><w:pPrDefault/>"
            f"</w:docDefaults>{''.join(style.xml() for style in self.styles)}</w:styles>"
        )

    def _font_names(self) -> set[str]:
        return {name for names in _FONTS.findall(self._styles()) for name in _VALUE.findall(names)}

    def _core(self) -> str:
        return (
            f'<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties" '
            'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
            f"<dc:title>{self.title}</dc:title><dc:creator>{self.author}</dc:creator>"
            "<dc:language>zh-CN</dc:language></cp:coreProperties>"
        )


def _relationships(targets: Mapping[str, tuple[str, str]]) -> str:
    listed = "".join(
        f'<Relationship Id="{name}" Type="{kind}" Target="{target}"/>'
        for name, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{listed}</Relationships>'


def _settings() -> str:
    return (
        f'<w:settings {_NAMESPACES}><w:zoom w:percent="100"/><w:evenAndOddHeaders/>'
        '<w:characterSpacingControl w:val="doNotCompress"/><w:compat><w:useFELayout/><w:compatSetting '
        'w:name="compatibilityMode" w:uri="http://schemas.microsoft.com/office/word" w:val="15"/>'
        '</w:compat><w:themeFontLang w:val="en-US" w:eastAsia="zh-CN"/></w:settings>'
    )
