"""The commendation (通报表扬): the notice, and for each award a page with the list of its units.

A list is an annex of the document (GB/T 9704-2012 7.3.7): 附件 and its number on line 1, the title on line 3, then
the units in two columns of a table without borders. Its rows are text lines, so that 22 of them fill a page and
both columns stay level over any number of pages. Measures are in twips (1/20 pt).
"""

from templates.authoring import notice
from templates.authoring.docx_parts import (
    Style,
    block,
    control,
    paragraph,
    table_cell,
    table_row,
    table_start,
)
from templates.authoring.notice_styles import LINE, TYPE_AREA, styles, value
from templates.authoring.page import pack

_COLUMN = TYPE_AREA // 2
_COLUMN_CHARACTERS = 13  # of the 14 that a column is wide: the last one parts it from its neighbour


def build() -> bytes:
    """Return ``template.docx`` of the commendation."""
    names = control("set attachments = attachments | with_lists(awards, annexes)")
    content = notice.body(before=names, annexes=_annexes())
    return pack(content, (*styles(), *_styles()), title="{{ title | one_line }}", author="{{ issuer }}")


def _styles() -> tuple[Style, ...]:
    def exact(line: int = LINE, before: int = 0, after: int = 0) -> str:
        return f'w:before="{before}" w:after="{after}" w:line="{line}" w:lineRule="exact"'

    centred = {"ind": 'w:firstLine="0"', "jc": value("center")}
    return (
        Style("ListTitle", "名单标题", {"spacing": exact(before=LINE)}, based_on="Title"),
        Style(
            "ListCount", "名单单位数", {**centred, "keepNext": "", "spacing": exact(after=LINE)}, based_on="a"
        ),
        # A twip less than a line: LibreOffice's table would need a hair more than 22 lines have.
        Style(
            "ListUnit",
            "名单单位",
            {"jc": value("left"), "overflowPunct": value("0"), "spacing": exact(LINE - 1)},
            based_on="a",
        ),
        Style("ListLong", "名单长名称", {"ind": 'w:left="640" w:hanging="640"'}, based_on="ListUnit"),
        # What must follow a table, in the little that 22 lines leave of a page.
        Style(
            "ListEnd",
            "名单末尾",
            {"spacing": exact(10)},
            {"sz": value("2"), "szCs": value("2")},
            based_on="a",
        ),
    )


def _annexes() -> str:
    return block(
        "for page in attachments | annex_pages(awards, annexes)",
        paragraph("AnnexLabel", "附件{{ page.number }}"),
        block(
            "if page.units",
            paragraph("ListTitle", "{{ page.title }}"),
            paragraph("ListCount", "（共{{ page.units | length }}个）"),
            _table(),
            paragraph("ListEnd"),
            control("else"),
            notice.annex("page"),
        ),
    )


def _table() -> str:
    def tag(text: str) -> str:
        return table_row(table_cell(TYPE_AREA, paragraph("ListUnit", f"{{%tr {text} %}}"), span=2))

    pair = table_row(
        table_cell(_COLUMN, paragraph("ListUnit", "{{ row.left }}")),
        table_cell(_COLUMN, paragraph("ListUnit", "{{ row.right }}")),
    )
    long = table_row(table_cell(TYPE_AREA, paragraph("ListLong", "{{ row.left }}"), span=2))
    return "".join(
        (
            table_start((_COLUMN, _COLUMN)),
            tag(f"for row in page.units | in_two_columns({_COLUMN_CHARACTERS})"),
            tag("if row.is_long"),
            long,
            tag("else"),
            pair,
            tag("endif"),
            tag("endfor"),
            "</w:tbl>",
        )
    )
