"""The summary report (总结报告): what each activity of the plan came to, set as the body of a notice.

22 lines of 28 characters (GB/T 9704-2012 5.2.3); one first-level heading for each activity, then its time and place,
the text, and its results. 署名 with 成文日期 stands where the seal goes, never alone on a page.
"""

from templates.authoring.docx_parts import Style, block, control, paragraph, run
from templates.authoring.form_styles import shared
from templates.authoring.notice_styles import LINE, value
from templates.authoring.page import opening, pack, section
from templates.authoring.plan_form import core_title, heading

_NAME = "特色亮点活动总结报告"
_SHORT = 112  # a last paragraph of up to four lines goes over with the signature


def _styles() -> tuple[Style, ...]:
    first = {"spacing": f'w:before="{LINE}" w:after="0" w:line="{LINE}" w:lineRule="exact"'}
    # 手机 and 传真 as wide as the four characters of the other captions: two hanzi's width over one gap.
    wide = Style("SpreadTwo", "二字疏排", rpr={"spacing": value("625")}, kind="character")
    used = ("BodyText", "BodyLeft", "BodyLast", "Heading1", "Kai", "Issuer", "IssuedOn")
    contact = ("Contact", "ContactUnit", "Spread")
    return (
        *shared(*used, *contact),
        Style("Heading1First", "首个一级标题", first, based_on="Heading1"),
        wide,
    )


def _paragraphs(source: str, ends_report: str, caption: str = "") -> str:
    """Return the loop over the paragraphs of a text.

    Args:
        source: Expression of the text.
        ends_report: Expression of whether nothing follows but the signature.
        caption: Put before the first paragraph, in 楷体.
    """
    lead = f"{{% if loop.first %}}{caption}{{% endif %}}" if caption else ""

    def styled(style: str) -> str:
        return _captioned(style, lead, "{{ p.text }}") if lead else paragraph(style, "{{ p.text }}")

    return block(
        f"for p in {source} | paragraphs",
        block(
            f"if loop.last and {ends_report} and p.text | length < {_SHORT}",
            styled("BodyLast"),
            control("elif p.has_long_word"),
            styled("BodyLeft"),
            control("else"),
            styled("BodyText"),
        ),
    )


def _captioned(style: str, caption: str, text: str, **ppr: str) -> str:
    return paragraph(style, run(caption, "Kai"), run(text), **ppr)


def _reports() -> str:
    title = "{{ loop.index | cn_number }}、{{ report.title }}（第{{ report.stage | cn_number }}阶段）"
    return block(
        "for report in reports",
        control("set is_last = loop.last"),
        block(
            "if loop.first",
            paragraph("Heading1First", title),
            control("else"),
            paragraph("Heading1", title),
        ),
        block("if report.time", _captioned("BodyText", "时间：", "{{ report.time }}", keepNext="")),
        block("if report.place", _captioned("BodyText", "地点：", "{{ report.place }}", keepNext="")),
        _paragraphs("report.body", "is_last and not report.results"),
        block("if report.results", _paragraphs("report.results", "is_last", "活动成效：")),
    )


def _signed() -> str:
    """署名 with the date, as a sealed document has them (GB/T 9704-2012 7.3.5.1); the seal covers both."""
    name = '(host.name ~ "（盖章）")'
    return "".join(
        (
            control(f"set place = {name} | signature(submitted_on)"),
            paragraph("Issuer", r'{% indent place.left, place.right %}{{ place.lines | join("\n") }}'),
            paragraph("IssuedOn", "{% indent 0, place.date_right %}{{ submitted_on | cn_date }}"),
        )
    )


def _contact() -> str:
    def spread(first: str, rest: str, field: str) -> str:
        return paragraph(
            "Contact", run(first, "SpreadTwo"), run(f"{rest}：{{{{ contact.{field} }}}}"), keepNext=""
        )

    return block(
        "if contact",
        paragraph("ContactUnit", run("联系", "Spread"), run("人：{{ contact.name }}")),
        paragraph("Contact", "办公电话：{{ contact.office_phone }}", keepNext=""),
        spread("手", "机", "mobile"),
        block("if contact.fax", spread("传", "真", "fax")),
        paragraph("Contact", "电子邮箱：{{ contact.email }}"),
    )


def build() -> bytes:
    """Return ``template.docx`` of the summary report."""
    body = "".join((opening("a"), heading(_NAME), _reports(), _signed(), _contact(), section()))
    return pack(body, _styles(), title=core_title(_NAME), author="{{ host.name }}")
