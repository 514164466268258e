"""The calibration page: outlines, centre crosses and numbers of all labels, and two rulers.

All lines are one shape that is as large as the page, so that they are drawn where the geometry has them, whatever
the table does. The page is a section of its own, printed where ``calibration`` is true.
"""

import copy
from collections.abc import Iterator
from typing import Any

from lxml import etree

from service.labels.plan import LabelSheet

_W_URI = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_W = f"{{{_W_URI}}}"
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006"
_WPS = "http://schemas.microsoft.com/office/word/2010/wordprocessingShape"
_NAMESPACES = (
    f'xmlns:w="{_W_URI}" xmlns:wp="{_DRAWING}/wordprocessingDrawing" xmlns:a="{_DRAWING}/main" '
    f'xmlns:wps="{_WPS}" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
)
_EMU_PER_MM = 36_000
_CROSS_MM = 3.0
_LINE_EMU = 3_175  # a quarter of a point
_Line = tuple[float, float, float, float]


def calibration_page(sheet: LabelSheet, section: Any) -> list[Any]:
    """Return the paragraphs of the page, tags included.

    Args:
        sheet: Its geometry; the offsets are applied, so that the page shows where labels will be.
        section: ``w:sectPr`` of the sheet.
    """
    width, height = sheet.geometry.page
    shapes = [_lines_shape(list(_lines(sheet)), width, height)]
    shapes += [_text(*item, order=order) for order, item in enumerate(_texts(sheet), 2)]
    runs = "".join(f"<w:r>{_choice(shape)}</w:r>" for shape in shapes)
    own = copy.deepcopy(section)
    tiny = '<w:pStyle w:val="LabelEnd"/>'
    page = _parsed(f"<w:p {_NAMESPACES}><w:pPr>{tiny}</w:pPr>{runs}</w:p>")
    page[0].append(own)
    return [_tag("if calibration"), page, _tag("endif")]


def _tag(text: str) -> Any:
    return _parsed(f"<w:p {_NAMESPACES}><w:r><w:t>{{%p {text} %}}</w:t></w:r></w:p>")


def _parsed(xml: str) -> Any:
    return etree.fromstring(xml.encode())


def _lines(sheet: LabelSheet) -> Iterator[_Line]:
    """Yield all straight lines as x, y of both ends, mm on the page."""
    geometry = sheet.geometry
    for index in range(geometry.per_page):
        x, y = geometry.place(index)
        left, top = x + sheet.offset_x, y + sheet.offset_y
        right, foot = left + geometry.width, top + geometry.height
        yield from (
            (left, top, right, top),
            (right, top, right, foot),
            (right, foot, left, foot),
            (left, foot, left, top),
        )
        middle_x, middle_y = (left + right) / 2, (top + foot) / 2
        yield (middle_x - _CROSS_MM, middle_y, middle_x + _CROSS_MM, middle_y)
        yield (middle_x, middle_y - _CROSS_MM, middle_x, middle_y + _CROSS_MM)
    yield from _rulers(sheet)


def _ruler_place(sheet: LabelSheet) -> tuple[float, float, int]:
    """Return where the rulers meet, and their length in mm, a multiple of 10."""
    width, height = sheet.geometry.page
    length = 100 if min(width, height) >= 120 else 50
    return (width - length) / 2, height * 0.28, length


def _rulers(sheet: LabelSheet) -> Iterator[_Line]:
    x, y, length = _ruler_place(sheet)
    yield (x, y, x + length, y)
    yield (x, y, x, y + length)
    for at in range(0, length + 1, 10):
        tick = 3.0 if at % 50 == 0 else 2.0
        yield (x + at, y, x + at, y - tick)
        yield (x, y + at, x - tick, y + at)


def _texts(sheet: LabelSheet) -> Iterator[tuple[str, float, float, float, float]]:
    """Yield text, left, top, width and height of each note, mm."""
    geometry = sheet.geometry
    for index in range(geometry.per_page):
        x, y = geometry.place(index)
        left = max(1.0, x + sheet.offset_x + geometry.inset_left)
        yield str(index + 1), left, max(1.0, y + sheet.offset_y + geometry.inset_top), 8.0, 4.0
    x, y, length = _ruler_place(sheet)
    note = (
        f"{geometry.name} 校准页　请按实际大小（100%）打印，勿缩放。两条标尺应各长 {length} 毫米。"
        "量出印出的边线比标签刀线偏左、偏上多少毫米，加到 offset_mm 的 dx、dy；偏右、偏下则减去。"
    )
    yield note, x + 4, y + 4, length - 8.0, 14.0 if length == 100 else 30.0


def _lines_shape(lines: list[_Line], width: float, height: float) -> str:
    def point(x: float, y: float) -> str:
        return f'<a:pt x="{round(x * _EMU_PER_MM)}" y="{round(y * _EMU_PER_MM)}"/>'

    cx, cy = round(width * _EMU_PER_MM), round(height * _EMU_PER_MM)
    # Two points without length hold the path to the page's size; an application may scale a path to its bounds.
    drawn = "".join(
        f"<a:moveTo>{point(x0, y0)}</a:moveTo><a:lnTo>{point(x1, y1)}</a:lnTo>" for x0, y0, x1, y1 in lines
    )
    path = f'<a:pathLst><a:path w="{cx}" h="{cy}" fill="none">{drawn}</a:path></a:pathLst>'
    geometry = f'<a:custGeom><a:avLst/><a:gdLst/><a:ahLst/><a:cxnLst/><a:rect l="0" t="0" r="r" b="b"/>{path}</a:custGeom>'
    line = f'<a:ln w="{_LINE_EMU}"><a:solidFill><a:srgbClr val="000000"/></a:solidFill></a:ln>'
    return _anchored("校准线", 0, 0, width, height, f"{geometry}<a:noFill/>{line}", "")


def _text(text: str, left: float, top: float, width: float, height: float, *, order: int) -> str:
    white = '<a:solidFill><a:srgbClr val="FFFFFF"/></a:solidFill>'  # so that no line crosses the text
    geometry = f'<a:prstGeom prst="rect"><a:avLst/></a:prstGeom>{white}<a:ln><a:noFill/></a:ln>'
    content = f'<w:p><w:pPr><w:pStyle w:val="LabelSmall"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'
    return _anchored(f"校准文字{text[:4]}", left, top, width, height, geometry, content, order)


def _anchored(
    name: str,
    left: float,
    top: float,
    width: float,
    height: float,
    geometry: str,
    content: str,
    order: int = 1,
) -> str:
    x, y, cx, cy = (round(value * _EMU_PER_MM) for value in (left, top, width, height))
    box = f"<wps:txbx><w:txbxContent>{content}</w:txbxContent></wps:txbx>" if content else ""
    return (
        '<w:drawing><wp:anchor distT="0" distB="0" distL="0" distR="0" simplePos="0" '
        f'relativeHeight="{order}" '
        'behindDoc="0" locked="0" layoutInCell="1" allowOverlap="1"><wp:simplePos x="0" y="0"/>'
        f'<wp:positionH relativeFrom="page"><wp:posOffset>{x}</wp:posOffset></wp:positionH>'
        f'<wp:positionV relativeFrom="page"><wp:posOffset>{y}</wp:posOffset></wp:positionV>'
        f'<wp:extent cx="{cx}" cy="{cy}"/><wp:effectExtent l="0" t="0" r="0" b="0"/><wp:wrapNone/>'
        f'<wp:docPr id="1" name="{name}"/><wp:cNvGraphicFramePr/><a:graphic><a:graphicData uri="{_WPS}">'
        f"<wps:wsp><wps:cNvSpPr{' txBox=' + chr(34) + '1' + chr(34) if content else ''}/><wps:spPr><a:xfrm>"
        f'<a:off x="0" y="0"/><a:ext cx="{cx}" cy="{cy}"/></a:xfrm>{geometry}</wps:spPr>{box}<wps:bodyPr '
        'wrap="square" lIns="0" tIns="0" rIns="0" bIns="0" anchor="t"><a:noAutofit/></wps:bodyPr></wps:wsp>'
        "</a:graphicData></a:graphic></wp:anchor></w:drawing>"
    )


def _choice(drawing: str) -> str:
    return f'<mc:AlternateContent><mc:Choice Requires="wps">{drawing}</mc:Choice></mc:AlternateContent>'
