"""The notice (通知): layout of GB/T 9704-2012, readable as code, built into ``template.docx``.

Every measure is in twips (1/20 pt) unless named otherwise. A4, type area 156 x 225 mm, its top left corner at
(28, 37) mm; a text line is 579 twips, so that 22 lines fill the type area. Blank lines are paragraph
spacing in the styles: a part that is absent leaves no hole.
"""

from templates.authoring.docx_parts import (
    block,
    control,
    paragraph,
    run,
    table_cell,
    table_row,
    table_start,
)
from templates.authoring.drawing import Box, text_box
from templates.authoring.notice_styles import TYPE_AREA, rule, styles, value
from templates.authoring.page import opening, pack, section

_TITLE_CHARACTERS = 20  # 2号 characters in 156 mm
_IMPRINT_CHARACTERS = 26  # 4号 characters beside 抄送：
_PRINTER_CHARACTERS = 18  # beside the date
# Lines of page 1 that title and recipients may take: 22 less the empty first one, the one between them, what
# stands above the title, and the first of the text, which a heading takes along.
_ABOVE = "10 if letterhead else (3 if doc_no else 0) + (1 if classification else 0) + (1 if urgency else 0)"
_ROOM = f"19 - ({_ABOVE}) - (1 if body[0].level in (1, 2) else 0)"


def body(*, before: str = "", annexes: str = "") -> str:
    """Return the content of ``w:body``, of the notice or of a document that is a notice with something more.

    Args:
        before: Paragraphs of tags at the very beginning.
        annexes: The pages after the signed text; empty for those of the notice.
    """
    main = "".join(
        (opening("Class"), _head(), _title(), paragraphs("body", keep_last=True), _attachments(), _signed())
    )
    return "".join((before, main, annexes or _annexes(), _imprint(), section()))


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
        "if letterhead or doc_no",
        paragraph("TitleBelow", text),
        control("elif classification or urgency"),
        paragraph("TitleSpaced", text),
        control("else"),
        paragraph("Title", text),
    )
    room = control(f"set room = {_ROOM} - (title | balanced({_TITLE_CHARACTERS}) | lines)")
    moved = control("set moved = recipients if recipients | joined | line_count(28) > room else []")
    named = paragraph("Recipients", '{{ recipients | joined | ended("：") }}')
    return below + room + moved + block("if not moved", named, control("else"), paragraph("TitleGap"))


def paragraphs(source: str, *, keep_last: bool) -> str:
    """Return the loop over body paragraphs; headings that run into their text keep the text's style."""
    whole = "{{ p.number }}{{ p.text }}"
    lead, rest = "{{ p.number }}{{ p.lead }}", run("{{ p.rest }}")
    # A short last paragraph goes over to the page of the signature, which must not stand alone.
    short = "loop.last and not loop.first and not attachments and p.text | length < 112"
    last = (
        control(f"elif {short} and p.has_long_word"),
        paragraph("BodyLeft", whole, keepNext=""),
        control(f"elif {short}"),
        paragraph("BodyLast", whole),
    )
    # One that fills lines would be kept whole with the next, and leave the page before it empty.
    heading = "not p.rest and p.text | length < 112"
    choice = block(
        f"if p.level == 1 and {heading}",
        paragraph("Heading1", whole),
        control(f"elif p.level == 2 and {heading}"),
        paragraph("Heading2", whole),
        *(
            piece
            for level, face in ((1, "Hei"), (2, "Kai"))
            for test, style in ((" and p.has_long_word", "BodyLeft"), ("", "BodyText"))
            for piece in (
                control(f"elif p.level == {level}{test}"),
                paragraph(style, run(lead, face), rest),
            )
        ),
        *(last if keep_last else ()),
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
        annex("annex"),
    )


def annex(name: str) -> str:
    """Return title and text of the annex that a loop calls ``name``."""
    return paragraph("AnnexTitle", f"{{{{ {name}.title | balanced({_TITLE_CHARACTERS}) }}}}") + paragraphs(
        f"{name}.body", keep_last=False
    )


def _imprint() -> str:
    """版记 (GB/T 9704-2012 7.4): its last line lies on the type area's lower edge of the last page.

    It stands in a box on the page, and as many empty lines as it is high stand at the end of the text, held
    together, the last one carrying the box. Where they fit under the text the box cannot touch it; where
    they do not, they go to a new page and take the box along. No text ever has to flow round it.
    Recipients that would leave page 1 no room for text stand here, above 抄送 and without a rule between (7.3.2).
    """

    def lines(caption: str, names: str) -> str:
        return f'(("{caption}" ~ ({names} | joined) ~ "。") | line_count({_IMPRINT_CHARACTERS}) if {names} else 0)'

    printed = f'((printed_by or "") | line_count({_PRINTER_CHARACTERS}) if printed_by or printed_on else 0)'
    rows = f"{lines('主送：', 'moved')} + {lines('抄送：', 'cc')} + {printed}"
    place = Box(28.0, 37.35, 156.0, 225.0)  # ends 0.35 mm low: the height of the paragraph after the table
    box = text_box("版记", _imprint_table() + paragraph("Hair"), place, number=3)
    last = paragraph("ImprintRoom", box, keepNext=value("0"))
    return block(
        "if moved or cc or printed_by or printed_on",
        block(f"for _ in range({rows} - 1)", paragraph("ImprintRoom")),
        last,
    )


def _imprint_table() -> str:
    printed_on = 3400
    widths = (TYPE_AREA - printed_on, printed_on)

    def cell(width: int, content: str, span: int = 1) -> str:
        return table_cell(width, content, span=span, align="bottom")

    def table_row_control(tag: str) -> str:
        return table_row(cell(TYPE_AREA, paragraph("Imprint", f"{{%tr {tag} %}}"), 2))

    borders = rule("top", 8, 0, "000000") + rule("bottom", 8, 0, "000000") + rule("insideH", 6, 0, "000000")
    copies = table_row(
        cell(
            TYPE_AREA,
            block("if moved", paragraph("ImprintCopy", '主送：{{ moved | joined | ended("。") }}'))
            + block("if cc", paragraph("ImprintCopy", '抄送：{{ cc | joined | ended("。") }}')),
            2,
        )
    )
    date = "{% if printed_on %}{{ printed_on | cn_date }}印发{% endif %}"
    printed = table_row(
        cell(widths[0], paragraph("Imprint", "{{ printed_by }}")),
        cell(widths[1], paragraph("ImprintDate", date)),
    )
    return "".join(
        (
            table_start(widths, borders),
            table_row_control("if moved or cc"),
            copies,
            table_row_control("endif"),
            table_row_control("if printed_by or printed_on"),
            printed,
            table_row_control("endif"),
            "</w:tbl>",
        )
    )


def build() -> bytes:
    """Return ``template.docx`` of the notice."""
    return pack(body(), styles(), title="{{ title | one_line }}", author="{{ issuer }}")
