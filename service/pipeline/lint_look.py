"""Lint rules about the look of a page: language, fonts, the character grid, the QR placeholder."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.docx import MarkedPicture, marked_pictures
from service.errors import SealError
from service.fonts import KNOWN_NAMES
from service.model import QrRule, TemplateSpec
from service.pipeline.lint_places import Finding, PartTree, Place

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
# cs, the font of Arabic and the like, never draws a character here.
_FACES = ("ascii", "hAnsi", "eastAsia")
_THEME_FACES = ("asciiTheme", "hAnsiTheme", "eastAsiaTheme")
_USUAL_FONTS = "方正小标宋简体、仿宋_GB2312、黑体、楷体_GB2312、宋体、Times New Roman"
_PNG = b"\x89PNG\r\n\x1a\n"
_ALPHA_TYPES = (4, 6)
_EMU_PER_MM = 36_000
_SIDE_TOLERANCE_MM = 0.5


def look(spec: TemplateSpec, parts: Mapping[str, bytes], trees: Sequence[PartTree]) -> Iterator[Finding]:
    """Yield what is wrong with the look of a template.

    Args:
        spec: The template.
        parts: Part name to bytes.
        trees: Those of them that its owner sees.
    """
    yield from _language(trees)
    yield from _placeholder(spec.qr, parts, trees)
    for tree in trees:
        yield from _fonts(tree)
        yield from _grid(tree)


def _language(trees: Sequence[PartTree]) -> Iterator[Finding]:
    defaults = [
        item for tree in trees for item in tree.root.iterfind(f"{_W}docDefaults//{_W}lang") if _asian(item)
    ]
    if not any(_asian(item).startswith("zh") for item in defaults):
        yield Finding(
            "error",
            "样式",
            "文档默认格式没有把中文语言设为“中文（中国）”，断行和字形会出错（w:lang eastAsia=zh-CN）",
        )
    for tree in trees:
        for item in tree.root.iter(f"{_W}lang"):
            if item not in defaults and _asian(item) and not _asian(item).startswith("zh"):
                yield Finding.at(
                    "error", tree.place(item), f"文字的语言设成了“{_asian(item)}”，请改为“中文（中国）”"
                )


def _asian(language: Any) -> str:
    return (language.get(f"{_W}eastAsia") or "").lower()


def _fonts(tree: PartTree) -> Iterator[Finding]:
    for element in tree.root.iter(f"{_W}rFonts"):
        if any(element.get(f"{_W}{face}") for face in _THEME_FACES):
            yield Finding.at(
                "error", tree.place(element), "用了主题字体，换一台电脑字体就会变；请直接指定字体名称"
            )
        for font in dict.fromkeys(element.get(f"{_W}{face}") for face in _FACES):
            if font and font not in KNOWN_NAMES:
                yield Finding.at(
                    "error",
                    tree.place(element),
                    f"字体“{font}”没有可用的替代字体；请改用 {_USUAL_FONTS}",
                )


def _grid(tree: PartTree) -> Iterator[Finding]:
    for element in tree.root.iter(f"{_W}docGrid"):
        if element.get(f"{_W}type") in ("linesAndChars", "snapToChars"):
            yield Finding.at(
                "error",
                tree.place(element),
                "页面设置用了“指定行和字符网格”，每行字数会不对；请改为“只指定行网格”",
            )


def _placeholder(rule: QrRule, parts: Mapping[str, bytes], trees: Sequence[PartTree]) -> Iterator[Finding]:
    for tree in trees:
        for item in tree.root.iter(f"{_WP}docPr"):
            if not tree.is_body and item.get("descr") == rule.marker:
                yield Finding.at(
                    "error",
                    tree.place(item),
                    f"替代文字为“{rule.marker}”的二维码占位图应放在正文中：页眉页脚每页重复，只能有一个二维码",
                )
    try:
        pictures = marked_pictures(parts, rule.marker)
    except SealError as error:
        yield Finding("error", "正文", str(error))
        return
    body = next(tree for tree in trees if tree.is_body)
    places = [body.place(item) for item in body.root.iter(f"{_WP}docPr") if item.get("descr") == rule.marker]
    if not pictures:
        yield Finding("error", "正文", f"没有替代文字为“{rule.marker}”的二维码占位图，应有且只有一个")
    for number, (picture, place) in enumerate(zip(pictures, places, strict=True)):
        if number:
            count = len(pictures)
            message = f"有 {count} 个替代文字为“{rule.marker}”的二维码占位图，应有且只有一个，请删去多余的"
            yield Finding.at("error", place, message)
        yield from _picture(rule, parts[picture.part], picture, place)


def _picture(rule: QrRule, content: bytes, picture: MarkedPicture, place: Place) -> Iterator[Finding]:
    side = rule.placeholder_px
    if not content.startswith(_PNG):
        yield Finding.at("error", place, "二维码占位图应为 PNG 图片，可用 wenyin templates placeholder 生成")
        return
    width, height = struct.unpack(">II", content[16:24])
    if (width, height) != (side, side):
        yield Finding.at(
            "error",
            place,
            f"二维码占位图为 {width}×{height} 像素，应为 {side}×{side} 像素，插入后不要压缩图片",
        )
    if content[25] in _ALPHA_TYPES or b"tRNS" in content:
        yield Finding.at("error", place, "二维码占位图带有透明度，请另存为不透明的图片")
    sides_mm = [length / _EMU_PER_MM for length in picture.size_emu]
    if any(abs(side_mm - rule.picture_mm) > _SIDE_TOLERANCE_MM for side_mm in sides_mm):
        printed = "×".join(f"{side_mm:.1f}" for side_mm in sides_mm)
        yield Finding.at(
            "error",
            place,
            f"二维码占位图为 {printed} 毫米，template.toml 中 picture_mm 为 {rule.picture_mm:g}",
        )
