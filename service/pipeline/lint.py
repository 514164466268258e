"""Template lint: what would go wrong on paper, said before the template serves anybody.

docxtpl-lint judges the tags; the rules here judge what makes a page look other than the owner sees it in Word
(fonts, theme fonts, the character grid, the language) and what the service needs (the QR placeholder, fields).
"""

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import docxtpl_lint
from lxml import etree

from service.archive import read_docx
from service.docx import marked_pictures
from service.errors import SealError, ServiceError
from service.fill import FILTER_NAMES, moved_directives, template_variables
from service.fonts import KNOWN_NAMES
from service.model import TemplateSpec

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
_READ = re.compile(r"word/(?:document|styles|numbering|header\d*|footer\d*|footnotes|endnotes)\.xml")
_FLOWS = re.compile(r"word/(?:document|header\d*|footer\d*|footnotes|endnotes)\.xml")
_PART_NAMES = {
    "body": "正文",
    "document": "正文",
    "styles": "样式",
    "numbering": "编号",
    "footnotes": "脚注",
    "endnotes": "尾注",
}
_FACES = ("ascii", "hAnsi", "eastAsia", "cs")
_THEME_FACES = ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme")
_GIVEN = {"document": {"verify_host", "draft"}, "labels": {"verify_host", "draft", "label"}}
_PNG = b"\x89PNG\r\n\x1a\n"
_ALPHA_TYPES = (4, 6)
_EMU_PER_MM = 36_000
_SIDE_TOLERANCE_MM = 0.5

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend in a template.

    Attributes:
        severity: An ``error`` spoils documents; a ``warning`` may be meant.
        place: Where, in Chinese: part, table, row, cell, paragraph.
        message: What is wrong and what to do, in Chinese.
    """

    severity: Severity
    place: str
    message: str


def lint_template(spec: TemplateSpec) -> tuple[Finding, ...]:
    """Judge a template.

    Args:
        spec: A template that could be loaded.

    Returns:
        Errors first, then warnings; each in the order of the document.
    """
    parts = read_docx(spec.docx)
    trees = {name: etree.fromstring(parts[name], _PARSER) for name in parts if _READ.fullmatch(name)}
    findings = [*_tags(spec.docx), *_fields(spec), *_language(trees), *_placeholder(spec, parts)]
    for name, root in trees.items():
        findings += _fonts(name, root)
        findings += _grid(name, root)
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: finding.severity))


def _tags(docx: bytes) -> Iterator[Finding]:
    result = docxtpl_lint.lint(moved_directives(docx), filters=FILTER_NAMES, autoescape=True)
    for issue in result.issues:
        severity: Severity = "error" if issue.severity == "error" else "warning"
        place = f"{_part_name(issue.location.part)} 第 {issue.location.paragraph} 段"
        cells = "，".join(f"表 {cell.table} 行 {cell.row} 格 {cell.col}" for cell in issue.location.cells)
        where = f"{place}（{cells}）" if cells else place
        yield Finding(severity, where, f"{issue.message_for('zh')}（{issue.rule}）")


def _fields(spec: TemplateSpec) -> Iterator[Finding]:
    try:
        used = template_variables(spec.docx)
    except ServiceError as error:
        yield Finding("error", "正文", str(error))
        return
    declared = set(spec.schema.get("properties", {}))
    for name in sorted(used - declared - _GIVEN[spec.layout]):
        yield Finding("error", "正文", f"用到了 schema.json 中没有的字段“{name}”，填写时会出错")
    if spec.layout == "document":
        for name in sorted(declared - used - _ruled(spec)):
            yield Finding("warning", "schema.json", f"字段“{name}”在模板中没有用到，填了也不会印出")


def _ruled(spec: TemplateSpec) -> set[str]:
    """Return the fields that the manifest's rules look at: they need not be printed."""
    values = [value for rule in spec.rules for value in asdict(rule).values()]
    texts = [item for value in values for item in (value if isinstance(value, tuple | list) else (value,))]
    return {text.split("/")[1] for text in texts if isinstance(text, str) and text.startswith("/")}


def _language(trees: Mapping[str, Any]) -> Iterator[Finding]:
    styles = trees.get("word/styles.xml")
    languages = [] if styles is None else list(styles.iterfind(f"{_W}docDefaults//{_W}lang"))
    if not any((item.get(f"{_W}eastAsia") or "").lower().startswith("zh") for item in languages):
        yield Finding(
            "error",
            "样式",
            "文档默认格式没有把中文语言设为“中文（中国）”，断行和字形会出错（w:lang eastAsia=zh-CN）",
        )


def _fonts(name: str, root: Any) -> Iterator[Finding]:
    for element in root.iter(f"{_W}rFonts"):
        place = _place(name, element)
        if any(element.get(f"{_W}{face}") for face in _THEME_FACES):
            yield Finding("error", place, "用了主题字体，换一台电脑字体就会变；请直接指定字体名称")
        for font in dict.fromkeys(element.get(f"{_W}{face}") for face in _FACES):
            if font and font not in KNOWN_NAMES:
                yield Finding(
                    "error", place, f"字体“{font}”没有可用的替代字体；请改用 {'、'.join(_usual_fonts())}"
                )


def _usual_fonts() -> tuple[str, ...]:
    return "方正小标宋简体", "仿宋_GB2312", "黑体", "楷体_GB2312", "宋体", "Times New Roman"


def _grid(name: str, root: Any) -> Iterator[Finding]:
    for element in root.iter(f"{_W}docGrid"):
        if element.get(f"{_W}type") in ("linesAndChars", "snapToChars"):
            yield Finding(
                "error",
                _place(name, element),
                "页面设置用了“指定行和字符网格”，每行字数会不对；请改为“只指定行网格”",
            )


def _placeholder(spec: TemplateSpec, parts: Mapping[str, bytes]) -> Iterator[Finding]:
    rule = spec.qr
    try:
        pictures = marked_pictures(parts, rule.marker)
    except SealError as error:
        yield Finding("error", "正文", str(error))
        return
    if len(pictures) != 1:
        count = f"有 {len(pictures)} 个" if pictures else "没有"
        yield Finding("error", "正文", f"{count}替代文字为“{rule.marker}”的二维码占位图，应有且只有一个")
    for picture in pictures:
        place = _place("word/document.xml", picture.element)
        content = parts[picture.part]
        side = rule.placeholder_px
        if not content.startswith(_PNG):
            yield Finding("error", place, "二维码占位图应为 PNG 图片")
            continue
        width, height = struct.unpack(">II", content[16:24])
        if (width, height) != (side, side):
            yield Finding("error", place, f"二维码占位图为 {width}×{height} 像素，应为 {side}×{side} 像素")
        if content[25] in _ALPHA_TYPES or b"tRNS" in content:
            yield Finding("error", place, "二维码占位图带有透明度，请另存为不透明的图片")
        sides_mm = [length / _EMU_PER_MM for length in picture.size_emu]
        if any(abs(side_mm - rule.picture_mm) > _SIDE_TOLERANCE_MM for side_mm in sides_mm):
            printed = "×".join(f"{side_mm:.1f}" for side_mm in sides_mm)
            yield Finding(
                "error",
                place,
                f"二维码占位图为 {printed} 毫米，template.toml 中 picture_mm 为 {rule.picture_mm:g}",
            )


def _part_name(part: str) -> str:
    stem = part.rsplit("/", 1)[-1].removesuffix(".xml")
    if stem.startswith(("header", "footer")):
        return "页眉" if stem.startswith("header") else "页脚"
    return _PART_NAMES.get(stem, part)


def _place(part: str, element: Any) -> str:
    """Say where an element is: style, or table, row, cell and paragraph."""
    style = next(element.iterancestors(f"{_W}style"), None)
    if style is not None:
        named = style.find(f"{_W}name")
        return f"样式“{style.get(f'{_W}styleId') if named is None else named.get(f'{_W}val')}”"
    if not _FLOWS.fullmatch(part):
        return _part_name(part)
    steps = []
    for kind, word in (("tbl", "表"), ("tr", "行"), ("tc", "格"), ("p", "段")):
        found = next(element.iterancestors(f"{_W}{kind}"), None)
        if found is not None:
            earlier = found.itersiblings(f"{_W}{kind}", preceding=True)
            steps.append(f"{word} {sum(1 for _ in earlier) + 1}")
    return " ".join((_part_name(part), *steps))
