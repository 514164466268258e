"""Ruled tables of a form that fill the type area, in the order that ISO/IEC 29500-1 demands.

Widths and heights are in twips (1/20 pt). The outer rules lie within the type area of 156 mm.
"""

from collections.abc import Sequence
from itertools import accumulate

from templates.authoring.docx_parts import paragraph
from templates.authoring.notice_styles import TYPE_AREA, rule

OUTER_EIGHTHS, INNER_EIGHTHS = 8, 4
TABLE_WIDTH = (
    TYPE_AREA - OUTER_EIGHTHS * 20 // 8
)  # half of the outer rule lies outside the cells on each side
CELL_SIDE = 85  # 1.5 mm
CELL_END = 20  # above and below the text
ROW_HEIGHT = 454  # 8 mm


def columns(*widths_mm: float) -> tuple[int, ...]:
    """Return column widths in twips that add up to the table's width exactly.

    Args:
        widths_mm: Wanted widths; only their proportions count.
    """
    edges = [round(TABLE_WIDTH * sum_mm / sum(widths_mm)) for sum_mm in accumulate(widths_mm)]
    return tuple(after - before for before, after in zip([0, *edges], edges, strict=False))


def table(widths: Sequence[int], *rows: str) -> str:
    """Return a table of fixed layout, ruled on all sides."""
    color = "000000"
    outer = {side: rule(side, OUTER_EIGHTHS, 0, color) for side in ("top", "left", "bottom", "right")}
    inner = rule("insideH", INNER_EIGHTHS, 0, color) + rule("insideV", INNER_EIGHTHS, 0, color)
    sides = {"top": CELL_END, "left": CELL_SIDE, "bottom": CELL_END, "right": CELL_SIDE}
    margins = "".join(f'<w:{side} w:w="{twips}" w:type="dxa"/>' for side, twips in sides.items())
    return (
        f'<w:tbl><w:tblPr><w:tblW w:w="{sum(widths)}" w:type="dxa"/><w:tblInd w:w="0" w:type="dxa"/>'
        f'<w:tblBorders>{"".join(outer.values())}{inner}</w:tblBorders><w:tblLayout w:type="fixed"/>'
        f"<w:tblCellMar>{margins}</w:tblCellMar></w:tblPr><w:tblGrid>"
        + "".join(f'<w:gridCol w:w="{width}"/>' for width in widths)
        + f"</w:tblGrid>{''.join(rows)}</w:tbl>"
    )


def row(*cells: str, repeated: bool = False, may_break: bool = False) -> str:
    """Return a row that grows with its content.

    Args:
        cells: From `cell`.
        repeated: Whether it is printed again on each page that the table goes on to.
        may_break: Whether a page may end within it.
    """
    whole = "" if may_break else "<w:cantSplit/>"
    head = "<w:tblHeader/>" if repeated else ""
    return (
        f'<w:tr><w:trPr>{whole}<w:trHeight w:val="{ROW_HEIGHT}" w:hRule="atLeast"/>{head}</w:trPr>'
        f"{''.join(cells)}</w:tr>"
    )


def cell(widths: Sequence[int], *content: str, merge: str = "") -> str:
    """Return a cell.

    Args:
        widths: Of the columns that it spans.
        content: Paragraphs; none gives an empty one.
        merge: ``restart`` for the first of cells merged downwards, ``continue`` for the others.
    """
    span = f'<w:gridSpan w:val="{len(widths)}"/>' if len(widths) > 1 else ""
    down = f'<w:vMerge w:val="{merge}"/>' if merge else ""
    inner = "".join(content) or paragraph("FormLabel")
    return (
        f'<w:tc><w:tcPr><w:tcW w:w="{sum(widths)}" w:type="dxa"/>{span}{down}<w:vAlign w:val="center"/></w:tcPr>'
        f"{inner}</w:tc>"
    )


def row_tag(widths: Sequence[int], tag: str) -> str:
    """Return the row that holds a row-level tag and vanishes when filled."""
    return row(cell(widths, paragraph("FormLabel", f"{{%tr {tag} %}}")))
