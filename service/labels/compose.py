"""The docx template of a whole sheet, made from the template of one label.

The owner of the template draws one label in Word: the first table of the document, two rows. The upper cell takes the
lines above the QR picture, the lower left cell those beside it, the lower right cell the picture. Here its cells
are repeated over the sheet: exact rows, columns and gutters of the geometry, so that nothing a label holds can move
its neighbours.
"""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from lxml import etree

from service.archive import read_docx, write_docx
from service.errors import TemplateError
from service.labels.calibration import calibration_page
from service.labels.plan import LabelSheet, twips
from service.labels.stock import QR_MM

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_BODY = "word/document.xml"
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


def compose_sheet(template: bytes, sheet: LabelSheet) -> bytes:
    """Return the template of the sheet; it asks for ``rows`` and ``calibration``.

    Args:
        template: The docx of one label.
        sheet: Only its geometry and offsets count.

    Raises:
        TemplateError: The template does not hold the one table of one label.
    """
    parts = read_docx(template)
    root = etree.fromstring(parts[_BODY], _PARSER)
    body = root.find(f"{_W}body")
    tables = [] if body is None else body.findall(f"{_W}tbl")
    cells = [row.findall(f"{_W}tc") for row in tables[0].findall(f"{_W}tr")] if len(tables) == 1 else []
    if body is None or [len(row) for row in cells] != [1, 2]:
        raise TemplateError("标签模板中应有且只有一个表格：上行一格，下行两格（文字、二维码）。")
    section = body.find(f"{_W}sectPr")
    if section is None:
        raise TemplateError("标签模板缺少页面设置。")
    _set_page(section, sheet)
    table = _table(sheet, *([cell for row in cells for cell in row]))
    body.replace(tables[0], table)
    for element in reversed(calibration_page(sheet, section)):
        body.insert(0, element)
    parts[_BODY] = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)
    return write_docx(parts)


def _set_page(section: Any, sheet: LabelSheet) -> None:
    geometry = sheet.geometry
    width, height = (twips(side) for side in geometry.page)
    size = section.find(f"{_W}pgSz")
    margins = section.find(f"{_W}pgMar")
    if size is None or margins is None:
        raise TemplateError("标签模板缺少页面设置。")
    size.attrib.clear()
    size.set(f"{_W}w", str(width))
    size.set(f"{_W}h", str(height))
    values = {
        "top": max(0, twips(geometry.top + sheet.offset_y)),
        "right": 0,
        "bottom": twips(sheet.foot_mm),
        "left": max(0, twips(geometry.left + sheet.offset_x)),
        "header": 0,
        "footer": 0,
        "gutter": 0,
    }
    for name, value in values.items():
        margins.set(f"{_W}{name}", str(value))


def _columns(sheet: LabelSheet) -> list[tuple[int, int, int]]:
    """Return text, picture and gutter widths of each column in twips, rounded so that errors do not add up."""
    geometry = sheet.geometry
    columns = []
    for column in range(geometry.cols):
        left = geometry.left + sheet.offset_x + column * geometry.pitch_x
        picture = left + geometry.width - QR_MM - geometry.inset_right
        right = left + geometry.width
        next_left = left + geometry.pitch_x if column + 1 < geometry.cols else right
        gutter = twips(next_left) - twips(right)
        columns.append((twips(picture) - twips(max(0.0, left)), twips(right) - twips(picture), gutter))
    return columns


def _table(sheet: LabelSheet, upper: Any, beside: Any, picture: Any) -> Any:
    columns = _columns(sheet)
    widths = [width for column in columns for width in column if width]
    grid = "".join(f'<w:gridCol w:w="{width}"/>' for width in widths)
    inset = twips(sheet.geometry.inset_left)
    if sheet.geometry.left + sheet.offset_x < 0:
        inset = max(0, inset + twips(sheet.geometry.left + sheet.offset_x))
    above, below = [], []
    for index, (text, side, gutter) in enumerate(columns):
        left = inset if index == 0 else twips(sheet.geometry.inset_left)
        above.append(_cell(upper, index, text + side, left, span=2))
        below += [_cell(beside, index, text, left), _cell(picture, index, side, 0)]
        if gutter:
            above.append(_gap(gutter))
            below.append(_gap(gutter))
    rows = "".join(
        (
            _control("for row in rows", len(widths)),
            _row("{{ row.upper }}", above),
            _row("{{ row.lower }}", below),
            _control("endfor", len(widths)),
        )
    )
    zero = "".join(f'<w:{side} w:w="0" w:type="dxa"/>' for side in ("top", "left", "bottom", "right"))
    return _parsed(
        f'<w:tbl><w:tblPr><w:tblW w:w="{sum(widths)}" w:type="dxa"/><w:tblInd w:w="0" w:type="dxa"/>'
        f'<w:tblLayout w:type="fixed"/><w:tblCellMar>{zero}</w:tblCellMar></w:tblPr>'
        f"<w:tblGrid>{grid}</w:tblGrid>{rows}</w:tbl>"
    )


def _row(height: str, cells: Iterable[str]) -> str:
    exact = f'<w:trPr><w:cantSplit/><w:trHeight w:val="{height}" w:hRule="exact"/></w:trPr>'
    return f"<w:tr>{exact}{''.join(cells)}</w:tr>"


def _control(tag: str, columns: int) -> str:
    span = f'<w:gridSpan w:val="{columns}"/>' if columns > 1 else ""
    text = f"<w:p><w:r><w:t>{{%tr {tag} %}}</w:t></w:r></w:p>"
    return f"<w:tr><w:tc><w:tcPr>{span}</w:tcPr>{text}</w:tc></w:tr>"


def _cell(prototype: Any, index: int, width: int, left: int, *, span: int = 1) -> str:
    """Return a cell with the prototype's content for the label of that column; empty where there is none."""
    spanned = f'<w:gridSpan w:val="{span}"/>' if span > 1 else ""
    margin = f'<w:tcMar><w:left w:w="{left}" w:type="dxa"/></w:tcMar>' if left else ""
    content = [copy.deepcopy(item) for item in prototype if item.tag != f"{_W}tcPr"]
    inner, last = content[:-1], content[-1]
    return (
        f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/>{spanned}{margin}</w:tcPr>'
        f"{_tag(f'set label = row.labels[{index}]')}{_tag('if label')}{_xml(inner)}{_tag('endif')}"
        f"{_xml([last])}</w:tc>"
    )


def _gap(width: int) -> str:
    spacing = '<w:pPr><w:spacing w:before="0" w:after="0" w:line="20" w:lineRule="exact"/></w:pPr>'
    return f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/></w:tcPr><w:p>{spacing}</w:p></w:tc>'


def _tag(text: str) -> str:
    return f"<w:p><w:r><w:t>{{%p {text} %}}</w:t></w:r></w:p>"


def _xml(elements: Sequence[Any]) -> str:
    return "".join(str(etree.tostring(element, encoding="unicode")) for element in elements)


def _parsed(xml: str) -> Any:
    return etree.fromstring(xml.replace("<w:tbl>", f'<w:tbl xmlns:w="{_W[1:-1]}">', 1).encode(), _PARSER)
