"""The notice (通知): layout of GB/T 9704-2012, readable as code, built into ``template.docx``.

Every measure is in twips (1/20 pt) unless named otherwise. A4, type area 156 x 225 mm with its top left corner
at (28, 37) mm; a text line is 579 twips, so that 22 lines fill the type area. Blank lines are paragraph
spacing in the styles: a part that is absent leaves no hole.
"""

from templates.authoring.docx_parts import (
    Package,
    Style,
    block,
    control,
    fonts,
    gray_png,
    page_field,
    paragraph,
    picture,
    run,
    size,
    text_box,
    watermark,
)

LINE = 579
SONG, FANG, HEI, KAI, MARK = "宋体", "仿宋_GB2312", "黑体", "楷体_GB2312", "方正小标宋简体"
TYPE_AREA = 8844
RED = "FF0000"
IMPRINT_LINE = 480
QR_SIDE_MM = 30.0
QR_LEFT_MM = 155.8  # the quiet zone of 4 modules (1.8 mm) hangs over the type area's edge at 184 mm
QR_TOP_MM = 5.0
PLACEHOLDER_PX = 311
_TITLE_CHARACTERS = 20  # 2号 characters in 156 mm


def _exact(line: int = LINE, before: int = 0, after: int = 0) -> str:
    return f'w:before="{before}" w:after="{after}" w:line="{line}" w:lineRule="exact"'


def _value(value: str) -> str:
    return f'w:val="{value}"'


def _rule(side: str, eighths: int, space: int, color: str) -> str:
    return f'<w:{side} w:val="single" w:sz="{eighths}" w:space="{space}" w:color="{color}"/>'


def styles() -> tuple[Style, ...]:
    """Return all styles of the notice; each is used."""
    return (*_text_styles(), *_head_styles(), *_end_styles(), *_margin_styles())


def _text_styles() -> tuple[Style, ...]:
    normal = {
        "widowControl": _value("0"),  # a page has its full 22 lines
        "snapToGrid": _value("0"),
        "spacing": _exact(),
        "jc": _value("both"),
    }
    # 28 characters of 16 pt need 448 pt; a quarter point less each makes them 441 of 442.2 pt.
    letters = {"rFonts": fonts(FANG), "spacing": _value("-5"), **size(16)}
    two_in = 'w:firstLineChars="200" w:firstLine="640"'
    return (
        Style("a", "Normal", normal, letters, default=True),
        Style("BodyText", "Body Text", {"ind": two_in}, based_on="a"),
        # Justified, the line before an address that cannot be broken would be stretched to holes.
        Style("BodyLeft", "含网址的正文", {"jc": _value("left")}, based_on="BodyText"),
        Style("BodyLast", "正文末段", {"keepNext": ""}, based_on="BodyText"),
        Style(
            "Heading1",
            "heading 1",
            {"keepNext": "", "outlineLvl": _value("0")},
            {"rFonts": fonts(HEI)},
            "BodyText",
        ),
        Style(
            "Heading2",
            "heading 2",
            {"keepNext": "", "outlineLvl": _value("1")},
            {"rFonts": fonts(KAI)},
            "BodyText",
        ),
        Style("Hei", "段内一级标题", rpr={"rFonts": fonts(HEI)}, kind="character"),
        Style("Kai", "段内二级标题", rpr={"rFonts": fonts(KAI)}, kind="character"),
        Style("Recipients", "主送机关", {"spacing": _exact(before=LINE), "jc": _value("left")}, based_on="a"),
    )


def _head_styles() -> tuple[Style, ...]:
    centred = {"ind": 'w:firstLine="0"', "jc": _value("center")}
    red_rule = f"{_rule('bottom', 12, 7, RED)}"
    # Three lines of the band are set before the mark: 35 mm are 1984 twips, less 3 x 579.
    mark = {**centred, "spacing": _exact(960, before=247)}
    title = {**centred, "keepNext": "", "keepLines": ""}
    return (
        Style("Class", "密级和紧急程度", based_on="a", rpr={"rFonts": fonts(HEI)}),
        Style(
            "Mark",
            "发文机关标志",
            mark,
            {"rFonts": fonts(MARK, MARK), "color": _value(RED), "spacing": _value("0"), **size(48)},
            "a",
        ),
        Style("DocNo", "发文字号", {**centred, "pBdr": red_rule}, based_on="a"),
        Style("DocNoMark", "标志下的发文字号", {"spacing": _exact(before=2 * LINE)}, based_on="DocNo"),
        Style(
            "Title", "Title", title, {"rFonts": fonts(MARK, MARK), "spacing": _value("0"), **size(22)}, "a"
        ),
        Style("TitleBelow", "红线下的标题", {"spacing": _exact(before=2 * LINE)}, based_on="Title"),
        Style("AnnexTitle", "附件标题", {"spacing": _exact(before=LINE, after=LINE)}, based_on="Title"),
        Style("AnnexLabel", "附件标记", {"pageBreakBefore": "", "keepNext": ""}, {"rFonts": fonts(HEI)}, "a"),
    )


def _end_styles() -> tuple[Style, ...]:
    # 附件：is three characters after two; a number with its point is put before a tab to the name.
    def listed(first: int, name: int, before: int) -> dict[str, str]:
        return {
            "tabs": f'<w:tab w:val="left" w:pos="{name}"/>',
            "spacing": _exact(before=before),
            "ind": f'w:left="{name}" w:hanging="{name - first}"',
            "jc": _value("left"),
        }

    return (
        Style("AttachOnly", "附件说明", listed(640, 1585, LINE), based_on="a"),
        Style("AttachFirst", "附件说明首项", listed(640, 1865, LINE), based_on="a"),
        Style("AttachNext", "附件说明后项", listed(1585, 1865, 0), based_on="a"),
        Style("AttachFirstWide", "附件说明首项（十项以上）", listed(640, 2025, LINE), based_on="a"),
        Style("AttachNextWide", "附件说明后项（十项以上）", listed(1585, 2025, 0), based_on="a"),
        Style(
            "Issuer",
            "发文机关署名",
            {"keepNext": "", "keepLines": "", "spacing": _exact(before=2 * LINE), "jc": _value("center")},
            based_on="a",
        ),
        Style("IssuedOn", "成文日期", {"jc": _value("right")}, based_on="a"),
        Style(
            "Contact",
            "联系方式",
            {"ind": 'w:left="2215" w:hanging="1575"', "jc": _value("left")},
            based_on="a",
        ),
        # 联系人 as wide as the four characters of the other captions: a hanzi's width over two gaps.
        Style("Spread", "三字疏排", rpr={"spacing": _value("153")}, kind="character"),
        Style(
            "ContactUnit", "联系单位", {"keepNext": "", "spacing": _exact(before=LINE)}, based_on="Contact"
        ),
    )


def _margin_styles() -> tuple[Style, ...]:
    small = {"rFonts": fonts(SONG), "spacing": _value("0"), "color": _value("595959"), **size(7.5)}
    number = {"rFonts": fonts(SONG, SONG), "spacing": _value("0"), **size(14)}
    imprint = {"spacing": _value("0"), **size(14)}
    edge = {"spacing": _exact(400), "ind": 'w:rightChars="100" w:right="280"', "jc": _value("right")}
    cc = 'w:left="1120" w:right="280" w:hanging="840"'
    return (
        Style("footer", "footer", edge, number, "a"),
        Style(
            "FooterEven",
            "偶数页页码",
            {"ind": 'w:left="280" w:right="0"', "jc": _value("left")},
            {},
            "footer",
        ),
        Style("header", "header", {"spacing": _exact(20)}, size(1), "a"),
        Style("VerifyCaption", "核验说明", {"spacing": _exact(200), "jc": _value("right")}, small, "a"),
        Style(
            "Imprint",
            "版记",
            {"spacing": _exact(IMPRINT_LINE), "ind": 'w:left="280" w:right="0"'},
            imprint,
            "a",
        ),
        Style("ImprintCopy", "抄送", {"ind": cc}, based_on="Imprint"),
        Style(
            "ImprintDate",
            "印发日期",
            {"ind": 'w:left="0" w:right="280"', "jc": _value("right")},
            {},
            "Imprint",
        ),
        Style("ImprintRoom", "版记占位", {"keepNext": "", "spacing": _exact(IMPRINT_LINE)}, based_on="a"),
        Style("Hair", "表后空段", {"spacing": _exact(20)}, size(1), "a"),
    )


def body() -> str:
    """Return the content of ``w:body``."""
    main = "".join(
        (_opening(), _head(), _title(), _paragraphs("body", keep_last=True), _attachments(), _signed())
    )
    return "".join((main, _annexes(), _imprint(), _section()))


def _opening() -> str:
    """Line 1 of page 1 (the place of 份号); it carries the QR code, which stands in the top margin."""
    caption = paragraph("VerifyCaption", "扫码核验") + paragraph("VerifyCaption", "{{ verify_host }}")
    caption_right_mm = QR_LEFT_MM - 0.5
    symbol_bottom_mm = QR_TOP_MM + QR_SIDE_MM - 2.0
    box = text_box("核验说明", caption, (caption_right_mm - 90, symbol_bottom_mm - 10, 90, 10), number=2)
    code = picture("qr", "核验二维码", "wenyin-qr", (QR_LEFT_MM, QR_TOP_MM, QR_SIDE_MM, QR_SIDE_MM), number=1)
    return paragraph("Class", code, box)


def _head() -> str:
    marks = block("if classification", paragraph("Class", "{{ classification }}"))
    marks += block("if urgency", paragraph("Class", "{{ urgency }}"))
    blank = block(
        "for _ in range(2 - (1 if classification else 0) - (1 if urgency else 0))", paragraph("Class")
    )
    mark = paragraph("Mark", "{% size letterhead | fit_size(48, 155) %}{{ letterhead }}")
    number = block(
        "if letterhead",
        blank,
        mark,
        paragraph("DocNoMark", "{{ doc_no }}"),
        control("elif doc_no"),
        paragraph("DocNo", "{{ doc_no }}"),
    )
    return marks + number


def _title() -> str:
    text = f"{{{{ title | balanced({_TITLE_CHARACTERS}) }}}}"
    below = block(
        "if letterhead or doc_no", paragraph("TitleBelow", text), control("else"), paragraph("Title", text)
    )
    return below + paragraph("Recipients", '{{ recipients | joined | ended("：") }}')


def _paragraphs(source: str, *, keep_last: bool) -> str:
    """Return the loop over body paragraphs; headings that run into their text keep the text's style."""
    whole = "{{ p.number }}{{ p.text }}"
    lead, rest = "{{ p.number }}{{ p.lead }}", run("{{ p.rest }}")
    # A short last paragraph goes over to the page of the signature, which must not stand alone.
    last = (
        (control("elif loop.last and p.text | length < 112"), paragraph("BodyLast", whole))
        if keep_last
        else ()
    )
    choice = block(
        "if p.level == 1 and not p.rest",
        paragraph("Heading1", whole),
        control("elif p.level == 2 and not p.rest"),
        paragraph("Heading2", whole),
        control("elif p.level == 1"),
        paragraph("BodyText", run(lead, "Hei"), rest),
        control("elif p.level == 2"),
        paragraph("BodyText", run(lead, "Kai"), rest),
        *last,
        control("elif p.has_long_word"),
        paragraph("BodyLeft", whole),
        control("else"),
        paragraph("BodyText", whole),
    )
    return block(f"for p in {source} | numbered", choice)


def _attachments() -> str:
    tab = "<w:r><w:tab/></w:r>"

    def items(first: str, following: str) -> str:
        name = run("{{ name | one_line }}")
        item = run("{{ loop.index }}.") + tab + name
        return block(
            "for name in attachments",
            block(
                "if loop.first",
                paragraph(first, run("附件：1."), tab, name),
                control("elif loop.last"),
                paragraph(following, item, keepNext=""),  # the signature must not stand alone on a page
                control("else"),
                paragraph(following, item),
            ),
        )

    return block(
        "if attachments",
        block(
            "if attachments | length == 1",
            paragraph("AttachOnly", "附件：{{ attachments[0] | one_line }}", keepNext=""),
            control("elif attachments | length > 9"),
            items("AttachFirstWide", "AttachNextWide"),
            control("else"),
            items("AttachFirst", "AttachNext"),
        ),
    )


def _signed() -> str:
    unit = "联系单位：{{ c.unit }}"
    contact = (
        block(
            "if loop.first",
            paragraph("ContactUnit", unit),
            control("else"),
            paragraph("Contact", unit, keepNext=""),
        ),
        paragraph("Contact", run("联系", "Spread"), run("人：{{ c.name }}")),
        block("if c.phone", paragraph("Contact", "联系电话：{{ c.phone }}")),
        block("if c.email", paragraph("Contact", "电子邮箱：{{ c.email }}")),
    )
    return "".join(
        (
            control("set place = issuer | signature(issued_on)"),
            paragraph("Issuer", r'{% indent place.left, place.right %}{{ place.lines | join("\n") }}'),
            paragraph("IssuedOn", "{% indent 0, place.date_right %}{{ issued_on | cn_date }}"),
            block("if note", paragraph("BodyText", "{{ note | bracketed }}")),
            block("for c in contacts or []", *contact),
        )
    )


def _annexes() -> str:
    number = "annex.title | annex_number(loop.index0, annexes | length, attachments)"
    return block(
        "for annex in annexes or []",
        paragraph("AnnexLabel", f"附件{{{{ {number} }}}}"),
        paragraph("AnnexTitle", f"{{{{ annex.title | balanced({_TITLE_CHARACTERS}) }}}}"),
        _paragraphs("annex.body", keep_last=False),
    )


def _imprint() -> str:
    """版记 (GB/T 9704-2012 7.4): its last line lies on the type area's lower edge of the last page.

    It stands in a box on the page, and as many empty lines as it is high stand at the end of the text, held
    together, the last one carrying the box. Where they fit under the text the box cannot touch it; where
    they do not, they go to a new page and take the box along. No text ever has to flow round it.
    """
    copies = '"抄送：" ~ (cc | joined) ~ "。"'
    rows = f"(({copies}) | line_count(26) if cc else 0) + (1 if printed_by or printed_on else 0)"
    box_mm = (28.0, 162.35, 156.0, 100.0)  # ends 0.35 mm low: the height of the paragraph after the table
    box = text_box("版记", _imprint_table() + paragraph("Hair"), box_mm, number=3)
    last = paragraph("ImprintRoom", box, keepNext=_value("0"))
    return block(
        "if cc or printed_by or printed_on",
        block(f"for _ in range({rows} - 1)", paragraph("ImprintRoom")),
        last,
    )


def _imprint_table() -> str:
    printed_on = 3400
    widths = (TYPE_AREA - printed_on, printed_on)

    def cell(width: int, content: str, span: str = "") -> str:
        return f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/>{span}<w:vAlign w:val="bottom"/></w:tcPr>{content}</w:tc>'

    def row(*cells: str) -> str:
        return f"<w:tr><w:trPr><w:cantSplit/></w:trPr>{''.join(cells)}</w:tr>"

    def table_row_control(tag: str) -> str:
        return row(cell(TYPE_AREA, paragraph("Imprint", f"{{%tr {tag} %}}"), '<w:gridSpan w:val="2"/>'))

    borders = (
        _rule("top", 8, 0, "000000") + _rule("bottom", 8, 0, "000000") + _rule("insideH", 6, 0, "000000")
    )
    head = (
        f'<w:tbl><w:tblPr><w:tblW w:w="{TYPE_AREA}" w:type="dxa"/><w:tblInd w:w="0" w:type="dxa"/>'
        f'<w:tblBorders>{borders}</w:tblBorders><w:tblLayout w:type="fixed"/><w:tblCellMar>'
        '<w:left w:w="0" w:type="dxa"/><w:right w:w="0" w:type="dxa"/></w:tblCellMar></w:tblPr><w:tblGrid>'
        + "".join(f'<w:gridCol w:w="{width}"/>' for width in widths)
        + "</w:tblGrid>"
    )
    copies = row(
        cell(
            TYPE_AREA,
            paragraph("ImprintCopy", '抄送：{{ cc | joined | ended("。") }}'),
            '<w:gridSpan w:val="2"/>',
        )
    )
    date = "{% if printed_on %}{{ printed_on | cn_date }}印发{% endif %}"
    printed = row(
        cell(widths[0], paragraph("Imprint", "{{ printed_by }}")),
        cell(widths[1], paragraph("ImprintDate", date)),
    )
    return "".join(
        (
            head,
            table_row_control("if cc"),
            copies,
            table_row_control("endif"),
            table_row_control("if printed_by or printed_on"),
            printed,
            table_row_control("endif"),
            "</w:tbl>",
        )
    )


def _section() -> str:
    references = "".join(
        f'<w:{kind}Reference w:type="{page}" r:id="{kind}{number}"/>'
        for kind in ("header", "footer")
        for page, number in (("default", 1), ("even", 2))
    )
    return (
        f'<w:sectPr>{references}<w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="2098" w:right="1474" '
        'w:bottom="1984" w:left="1588" w:header="851" w:footer="1400" w:gutter="0"/><w:cols w:space="425"/>'
        f'<w:docGrid w:type="lines" w:linePitch="{LINE}"/></w:sectPr>'
    )


def _margins() -> dict[str, str]:
    def number(style: str) -> str:
        return paragraph(style, run("— "), page_field(""), run(" —"))

    def header(name: str) -> str:
        return block(
            "if draft",
            paragraph("header", watermark("草稿", name=name)),
            control("else"),
            paragraph("header"),
        )

    return {
        "header1": header("wenyin-draft-odd"),
        "header2": header("wenyin-draft-even"),
        "footer1": number("footer"),
        "footer2": number("FooterEven"),
    }


def build() -> bytes:
    """Return ``template.docx`` of the notice."""
    return Package(
        body=body(),
        styles=styles(),
        parts=_margins(),
        pictures={"qr": gray_png(PLACEHOLDER_PX)},
        title="{{ title | one_line }}",
        author="{{ issuer }}",
    ).to_docx()
