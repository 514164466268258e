"""The label of a plaque's parcel (牌匾邮寄标签): one label, which the service repeats over a sheet.

The table has the cells of one L7163 label: above, the lines over the QR code; below, those beside it, and the code.
Sizes and positions come from the sheet asked for when the document is filled; faces and styles are the template's.
"""

from templates.authoring.docx_parts import (
    Package,
    Style,
    block,
    control,
    fonts,
    paragraph,
    size,
    table_cell,
    table_row,
    table_start,
)
from templates.authoring.drawing import gray_png, inline_picture

QR_MM = 22.0
PLACEHOLDER_PX = 101
_SONG, _HEI = "宋体", "黑体"
_TEXT, _CODE = 4314, 1304  # twips: 99.1 mm in all
_UPPER, _LOWER = 856, 1304


def build() -> bytes:
    """Return ``template.docx`` of the labels."""
    return Package(
        body=_table() + paragraph("LabelEnd") + _section(),
        styles=_styles(),
        parts={},
        pictures={"qr": gray_png(PLACEHOLDER_PX)},
        title="牌匾邮寄标签",
        author="",
    ).to_docx()


def _styles() -> tuple[Style, ...]:
    def exact(line: int) -> dict[str, str]:
        return {"spacing": f'w:before="0" w:after="0" w:line="{line}" w:lineRule="exact"'}

    normal = {
        "widowControl": 'w:val="0"',
        "overflowPunct": 'w:val="0"',
        "snapToGrid": 'w:val="0"',
        **exact(300),
        "jc": 'w:val="left"',
    }
    bold = {"rFonts": fonts(_HEI), "b": "", "bCs": ""}
    return (
        Style("a", "Normal", normal, {"rFonts": fonts(_SONG), **size(12)}, default=True),
        Style("LabelText", "地址和收件人", based_on="a"),
        Style("LabelUnit", "收件单位", rpr=bold, based_on="a"),
        Style("LabelPostcode", "邮政编码", based_on="a"),
        Style("LabelSmall", "牌匾名称和编号", exact(220), size(9), "a"),
        # A line of exact height would cut the picture.
        Style(
            "LabelCode",
            "标签二维码",
            {"spacing": 'w:before="0" w:after="0" w:line="240" w:lineRule="auto"'},
            size(1),
            "a",
        ),
        Style("LabelEnd", "标签末尾", exact(2), {"sz": 'w:val="2"', "szCs": 'w:val="2"'}, "a"),
    )


def _table() -> str:
    code = inline_picture("qr", "核验二维码", "wenyin-qr", QR_MM, number=1)
    return "".join(
        (
            table_start((_TEXT, _CODE)),
            table_row(
                table_cell(_TEXT + _CODE, _lines("label.upper") + paragraph("LabelEnd"), span=2),
                height=_UPPER,
            ),
            table_row(
                table_cell(_TEXT, _lines("label.beside") + paragraph("LabelEnd")),
                table_cell(_CODE, paragraph("LabelCode", code) + paragraph("LabelEnd")),
                height=_LOWER,
            ),
            "</w:tbl>",
        )
    )


def _lines(source: str) -> str:
    text = "{% size line.size_pt, line.line_pt, line.before_pt %}{{ line.text }}"
    return block(
        f"for line in {source}",
        block(
            'if line.kind == "unit"',
            paragraph("LabelUnit", text),
            control('elif line.kind == "postcode"'),
            paragraph("LabelPostcode", text),
            control('elif line.kind == "small"'),
            paragraph("LabelSmall", text),
            control("else"),
            paragraph("LabelText", text),
        ),
    )


def _section() -> str:
    return (
        '<w:sectPr><w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="859" w:right="0" w:bottom="0" w:left="264" '
        'w:header="0" w:footer="0" w:gutter="0"/></w:sectPr>'
    )
