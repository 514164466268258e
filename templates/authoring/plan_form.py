"""The plan form (筹备方案): the official sample form, its labels to the letter, filled from data.

The heading, the place for the seal and 一、基本信息 fill page 1; 二、工作方案 follows, one table for each activity. The labels are those of the form annexed to the notice; spaces in them (姓  名) are part
of the form. Widths are given in mm and scaled to the table.
"""

from templates.authoring.docx_parts import block, control, paragraph, run
from templates.authoring.form_styles import form_styles
from templates.authoring.form_table import cell, columns, row, row_tag, table
from templates.authoring.page import opening, pack, section

MODULES = {
    "unity": "团结引领",
    "home": "建家办事",
    "service": "为民服务",
    "openness": "开放合作",
    "recognition": "表彰发布",
}
AUDIENCES = {"cadres": "科协系统干部", "sci_workers": "科技工作者", "overseas_peers": "海外同行"}
NOTE = "注：将根据主办单位联系人和邮寄地址等信息，邮寄优秀组织单位或积极贡献单位牌匾，请务必详实准确。"
_INFO = columns(34, 21.5, 33, 21.5, 46)
_LABEL, _REST = _INFO[:1], _INFO[1:]
_ACTIVITY = columns(22, 134)
_TITLE_CHARACTERS = 20  # 2号 characters in 156 mm
# 500 字 and some digits, in so few paragraphs that they surely fit on a page.
_FITS_A_PAGE = "activity.body | length <= 560 and activity.body | paragraphs | length <= 6"
_TAB = "<w:r><w:tab/></w:r>"


def heading(last_line: str) -> str:
    """Return the heading: year and name of the campaign, and below them what the document is.

    Args:
        last_line: Name of the document.
    """
    # Word's curly quotes inside a tag would be taken for the tag's own.
    campaign = r'(campaign.year ~ "年\u201c" ~ campaign.name ~ "\u201d")'
    first = run(f"{{{{ {campaign} | balanced({_TITLE_CHARACTERS}) }}}}")
    return paragraph("Title", first, "<w:r><w:br/></w:r>", run(last_line))


def core_title(last_line: str) -> str:
    """Return the title for the file's properties."""
    return f"{{{{ campaign.year }}}}年“{{{{ campaign.name }}}}”{last_line}"


def body() -> str:
    """Return the content of ``w:body``."""
    return "".join(
        (
            opening("a"),
            heading("特色亮点活动筹备方案"),
            paragraph("SealLine", run("单位盖章："), _TAB, run("报送时间：{{ submitted_on | cn_date }}")),
            paragraph("FormHeading", "一、基本信息"),
            _information(),
            paragraph("FormNote", NOTE),
            paragraph("FormHeadingNext", "二、工作方案"),
            _activities(),
            section(),
        )
    )


def _label(*lines: str, merge: str = "") -> str:
    return cell(_LABEL, *(paragraph("FormLabel", line) for line in lines), merge=merge)


def _value(text: str) -> str:
    return cell(_REST, paragraph("FormValue", text))


def _mark(name: str, key: str, source: str) -> str:
    return f'{name}（{{{{ "√" if "{key}" in {source} else "　" }}}}）'


def _information() -> str:
    audiences = "".join(_mark(name, key, "event.audiences") for key, name in AUDIENCES.items())
    address = "{% if mailing_address.postcode %}{{ mailing_address.postcode }}　{% endif %}"
    return table(
        _INFO,
        row(_label("主办单位名称"), _value("{{ host.name }}")),
        row(_label("主题活动名称"), _value("{{ event.name }}")),
        *_modules(),
        row(_label("承办单位名称"), _value("{% if organizer %}{{ organizer.name }}{% endif %}")),
        row(_label("拟举办时间"), _value("{{ event.time }}")),
        row(_label("拟举办地点"), _value("{{ event.place }}")),
        row(_label("面向群体"), _value(audiences)),
        row(_label("预计活动规模"), _value("{{ event.scale }}")),
        *_contact(),
        row(_label("主办单位", "邮寄地址"), _value(address + "{{ mailing_address.text }}")),
    )


def _modules() -> list[str]:
    rows: list[str] = []
    for key, name in MODULES.items():
        lines = () if rows else ("主题活动模块", "（请在相应模块划√，可多选）")
        label = _label(*lines, merge="continue" if rows else "restart")
        rows.append(row(label, _value(_mark(name, key, "event.modules"))))
    return rows


def _contact() -> tuple[str, ...]:
    def pair(first: str, first_value: str, second: str, second_value: str) -> tuple[str, ...]:
        styled = (
            ("FormLabel", first),
            ("FormValue", first_value),
            ("FormLabel", second),
            ("FormValue", second_value),
        )
        return tuple(
            cell(_REST[place : place + 1], paragraph(style, text))
            for place, (style, text) in enumerate(styled)
        )

    email = paragraph("FormLabel", "电子邮箱"), paragraph("FormValue", "{{ contact.email }}")
    return (
        row(
            _label("主办单位", "联系人", merge="restart"),
            *pair("姓  名", "{{ contact.name }}", "办公电话", "{{ contact.office_phone }}"),
        ),
        row(
            _label(merge="continue"),
            *pair("手  机", "{{ contact.mobile }}", "传    真", "{{ contact.fax }}"),
        ),
        row(_label(merge="continue"), cell(_REST[:1], email[0]), cell(_REST[1:], email[1])),
    )


def _activities() -> str:
    """One table for each activity, whole on a page if its text has the length that the form asks for.

    A longer one breaks over pages, and its first row is repeated on each.
    """
    label, rest = _ACTIVITY[:1], _ACTIVITY[1:]

    def part(name: str, text: str) -> str:
        return row(cell(label, paragraph("FormLabelKept", name)), cell(rest, paragraph("FormValue", text)))

    head = row(
        cell(label, paragraph("FormHead", "活动{{ loop.index | cn_number }}")),
        cell(rest, paragraph("FormTitle", "{{ activity.title }}（第{{ activity.stage | cn_number }}阶段）")),
        repeated=True,
    )
    text = block(
        "for p in activity.body | paragraphs",
        block(
            "if p.has_long_word",
            paragraph("FormTextLeft", "{{ p.text }}"),
            control("else"),
            paragraph("FormText", "{{ p.text }}"),
        ),
    )
    return block(
        "for activity in activities",
        table(
            _ACTIVITY,
            head,
            part("时  间", "{{ activity.time }}"),
            part("地  点", "{{ activity.place }}"),
            part("人  员", "{{ activity.participants }}"),
            row_tag(_ACTIVITY, f"if {_FITS_A_PAGE}"),
            row(cell(_ACTIVITY, text)),
            row_tag(_ACTIVITY, "else"),
            row(cell(_ACTIVITY, text), may_break=True),
            row_tag(_ACTIVITY, "endif"),
        ),
        block("if loop.last", paragraph("Hair"), control("else"), paragraph("FormGap")),
    )


def build() -> bytes:
    """Return ``template.docx`` of the plan form."""
    title = core_title("特色亮点活动筹备方案")
    return pack(body(), form_styles(), title=title, author="{{ host.name }}")
