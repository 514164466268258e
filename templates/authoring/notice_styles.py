"""Styles of the notice, after GB/T 9704-2012; measures are in twips (1/20 pt) unless named otherwise.

A text line is 579 twips, so that 22 lines fill the type area of 225 mm (and 580 would not).
"""

from templates.authoring.docx_parts import Style, fonts, size

LINE = 579
SONG, FANG, HEI, KAI, MARK = "宋体", "仿宋_GB2312", "黑体", "楷体_GB2312", "方正小标宋简体"
TYPE_AREA = 8844
RED = "FF0000"
IMPRINT_LINE = 480


def _exact(line: int = LINE, before: int = 0, after: int = 0) -> str:
    return f'w:before="{before}" w:after="{after}" w:line="{line}" w:lineRule="exact"'


def value(text: str) -> str:
    """Return the attribute ``w:val``."""
    return f'w:val="{text}"'


def rule(side: str, eighths: int, space: int, color: str) -> str:
    """Return one side of a border: thickness in 1/8 pt, distance from the text in pt."""
    return f'<w:{side} w:val="single" w:sz="{eighths}" w:space="{space}" w:color="{color}"/>'


def styles() -> tuple[Style, ...]:
    """Return all styles of the notice; each is used."""
    return (*_text_styles(), *_head_styles(), *_end_styles(), *_margin_styles())


def _text_styles() -> tuple[Style, ...]:
    normal = {
        "widowControl": value("0"),  # a page has its full 22 lines
        "snapToGrid": value("0"),
        "spacing": _exact(),
        "jc": value("both"),
    }
    # 28 characters of 16 pt need 448 pt; a quarter point less each makes them 441 of 442.2 pt.
    letters = {"rFonts": fonts(FANG), "spacing": value("-5"), **size(16)}
    two_in = 'w:firstLineChars="200" w:firstLine="640"'
    return (
        Style("a", "Normal", normal, letters, default=True),
        Style("BodyText", "Body Text", {"ind": two_in}, based_on="a"),
        # Justified, the line before an address that cannot be broken would be stretched to holes.
        Style("BodyLeft", "含网址的正文", {"jc": value("left")}, based_on="BodyText"),
        Style("BodyLast", "正文末段", {"keepNext": ""}, based_on="BodyText"),
        Style(
            "Heading1",
            "heading 1",
            {"keepNext": "", "jc": value("left"), "outlineLvl": value("0")},
            {"rFonts": fonts(HEI)},
            "BodyText",
        ),
        Style(
            "Heading2",
            "heading 2",
            {"keepNext": "", "jc": value("left"), "outlineLvl": value("1")},
            {"rFonts": fonts(KAI)},
            "BodyText",
        ),
        Style("Hei", "段内一级标题", rpr={"rFonts": fonts(HEI)}, kind="character"),
        Style("Kai", "段内二级标题", rpr={"rFonts": fonts(KAI)}, kind="character"),
        Style("Recipients", "主送机关", {"spacing": _exact(before=LINE), "jc": value("left")}, based_on="a"),
    )


def _head_styles() -> tuple[Style, ...]:
    centred = {"ind": 'w:firstLine="0"', "jc": value("center")}
    red_line = f"{rule('bottom', 12, 7, RED)}"
    # Three lines of the band come first: 35 mm are 1984 twips, less 3 x 579, and the ink of 小标宋 begins
    # about 30 twips above its line when that is as high as the type size.
    mark = {**centred, "spacing": _exact(960, before=275)}
    title = {**centred, "keepNext": "", "keepLines": "", "outlineLvl": value("0")}
    return (
        Style("Class", "密级和紧急程度", based_on="a", rpr={"rFonts": fonts(HEI)}),
        Style(
            "Mark",
            "发文机关标志",
            mark,
            {"rFonts": fonts(MARK, MARK), "color": value(RED), "spacing": value("0"), **size(48)},
            "a",
        ),
        Style("DocNo", "发文字号", {**centred, "pBdr": red_line}, based_on="a"),
        Style("DocNoMark", "标志下的发文字号", {"spacing": _exact(before=2 * LINE)}, based_on="DocNo"),
        Style("Title", "Title", title, {"rFonts": fonts(MARK, MARK), "spacing": value("0"), **size(22)}, "a"),
        Style("TitleBelow", "红线下的标题", {"spacing": _exact(before=2 * LINE)}, based_on="Title"),
        Style("TitleSpaced", "密级下的标题", {"spacing": _exact(before=LINE)}, based_on="Title"),
        Style("TitleGap", "标题后空行", based_on="a"),
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
            "jc": value("left"),
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
            {"keepNext": "", "keepLines": "", "spacing": _exact(before=2 * LINE), "jc": value("center")},
            based_on="a",
        ),
        Style("IssuedOn", "成文日期", {"jc": value("right")}, based_on="a"),
        Style(
            "Contact",
            "联系方式",
            {"ind": 'w:left="2215" w:hanging="1575"', "jc": value("left")},
            based_on="a",
        ),
        # 联系人 as wide as the four characters of the other captions: a hanzi's width over two gaps.
        Style("Spread", "三字疏排", rpr={"spacing": value("153")}, kind="character"),
        Style(
            "ContactUnit", "联系单位", {"keepNext": "", "spacing": _exact(before=LINE)}, based_on="Contact"
        ),
    )


def _margin_styles() -> tuple[Style, ...]:
    small = {"rFonts": fonts(SONG), "spacing": value("0"), "color": value("595959"), **size(7.5)}
    number = {"rFonts": fonts(SONG, SONG), "spacing": value("0"), **size(14)}
    imprint = {"spacing": value("0"), **size(14)}
    edge = {"spacing": _exact(400), "ind": 'w:rightChars="100" w:right="280"', "jc": value("right")}
    cc = 'w:left="1120" w:right="280" w:hanging="840"'
    return (
        Style("footer", "footer", edge, number, "a"),
        Style(
            "FooterEven",
            "偶数页页码",
            {"ind": 'w:left="280" w:right="0"', "jc": value("left")},
            {},
            "footer",
        ),
        Style("header", "header", {"spacing": _exact(20)}, size(1), "a"),
        Style("VerifyCaption", "核验说明", {"spacing": _exact(200), "jc": value("right")}, small, "a"),
        Style(
            "Imprint",
            "版记",
            {"spacing": _exact(IMPRINT_LINE), "ind": 'w:left="280" w:right="0"'},
            imprint,
            "a",
        ),
        Style("ImprintCopy", "抄送", {"ind": cc, "jc": value("left")}, based_on="Imprint"),
        Style(
            "ImprintDate",
            "印发日期",
            {"ind": 'w:left="0" w:right="280"', "jc": value("right")},
            {},
            "Imprint",
        ),
        Style("ImprintRoom", "版记占位", {"keepNext": "", "spacing": _exact(IMPRINT_LINE)}, based_on="a"),
        Style("Hair", "表后空段", {"spacing": _exact(20)}, size(1), "a"),
    )
