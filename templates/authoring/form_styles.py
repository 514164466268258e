"""Styles of forms and reports: those of the notice that they share, and those of a form's table.

Measures are in twips (1/20 pt) unless named otherwise. Text in a table is 小四 (12 pt) on lines of 20 pt.
"""

from templates.authoring.docx_parts import Style, fonts, size
from templates.authoring.notice_styles import HEI, LINE, styles, value

CELL_LINE = 400
_PAGE = ("a", "Title", "footer", "FooterEven", "header", "VerifyCaption")
_EDGE = 8844


def shared(*more: str) -> tuple[Style, ...]:
    """Return the styles of the notice that every page needs, and those named, in the notice's order."""
    wanted = {*_PAGE, *more}
    return tuple(style for style in styles() if style.style_id in wanted)


def seal_line(before: int) -> Style:
    """Return the style of the line with 单位盖章 at the left and 报送时间 at the right edge."""
    return Style(
        "SealLine",
        "盖章和报送时间",
        {
            "tabs": f'<w:tab w:val="right" w:pos="{_EDGE}"/>',
            "spacing": f'w:before="{before}" w:after="0" w:line="{LINE}" w:lineRule="exact"',
            "jc": value("left"),
        },
        based_on="a",
    )


def form_styles() -> tuple[Style, ...]:
    """Return the styles of a form with tables."""

    def spacing(before: int = 0, after: int = 0) -> dict[str, str]:
        return {
            "spacing": f'w:before="{before}" w:after="{after}" w:line="{CELL_LINE}" w:lineRule="exact"',
        }

    letters = {"spacing": value("0"), **size(12)}
    plain = {"overflowPunct": value("0"), **spacing()}
    heading = {"keepNext": "", "outlineLvl": value("0")}
    heading_after = {"spacing": f'w:before="{LINE // 2}" w:after="0" w:line="{LINE}" w:lineRule="exact"'}
    two_in = {"ind": 'w:firstLineChars="200" w:firstLine="480"', "jc": value("both")}
    return (
        *shared("Hair"),
        seal_line(before=LINE // 2),
        Style("FormHeading", "heading 1", heading, {"rFonts": fonts(HEI)}, "a"),
        Style("FormHeadingNext", "表后的标题", heading_after, {}, "FormHeading"),
        Style("FormValue", "表格内容", {**plain, "jc": value("left")}, letters, "a"),
        Style("FormLabel", "表格栏目", {"jc": value("center")}, based_on="FormValue"),
        # A row stays with the next one when its first paragraph does.
        Style("FormLabelKept", "表格栏目（与下行同页）", {"keepNext": ""}, based_on="FormLabel"),
        Style("FormHead", "表格栏目（黑体）", {}, {"rFonts": fonts(HEI)}, "FormLabelKept"),
        Style("FormTitle", "表格标题", {"keepNext": ""}, {"rFonts": fonts(HEI)}, "FormValue"),
        Style("FormText", "表格正文", two_in, based_on="FormValue"),
        Style("FormTextLeft", "含网址的表格正文", {"jc": value("left")}, based_on="FormText"),
        Style(
            "FormNote",
            "表格的注",
            {**spacing(before=120), "keepLines": "", "jc": value("both")},
            based_on="FormValue",
        ),
        Style("FormGap", "两表之间", spacing(), based_on="FormValue"),
    )
