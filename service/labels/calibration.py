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
_NOTE_GAP_MM = 2.0  # between the note and the lines around it
_TICK_MM = 3.0
_NUMBER_MM = (8.0, 4.0)
_Line = tuple[float, float, float, float]
_Box = tuple[float, float, float, float]


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
    note = _note_box(sheet)
    for index in range(sheet.geometry.per_page):
        left, top, right, foot = _outline(sheet, index)
        yield from (
            (left, top, right, top),
            (right, top, right, foot),
            (right, foot, left, foot),
            (left, foot, left, top),
        )
        x, y = (left + right) / 2, (top + foot) / 2
        cross = (x - _CROSS_MM, y - _CROSS_MM, x + _CROSS_MM, y + _CROSS_MM)
        if not _meet(cross, note):
            yield (cross[0], y, cross[2], y)
            yield (x, cross[1], x, cross[3])
    yield from _rulers(sheet)


def _outline(sheet: LabelSheet, index: int) -> _Box:
    x, y = sheet.geometry.place(index)
    left, top = x + sheet.offset_x, y + sheet.offset_y
    return left, top, left + sheet.geometry.width, top + sheet.geometry.height


def _meet(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _note_box(sheet: LabelSheet) -> _Box:
    """Return left, top, right and foot of the largest place inside one label that no ruler crosses."""
    x, y, length = _ruler_place(sheet)
    rulers = ((x, y - _TICK_MM, x + length, y), (x - _TICK_MM, y, x, y + length))
    width, height = sheet.geometry.page
    boxes: list[_Box] = []
    for index in range(sheet.geometry.per_page):
        left, top, right, foot = _outline(sheet, index)
        side = sheet.geometry.inset_left
        left, right = max(0.0, left) + side, min(width, right) - side
        top, foot = (
            max(0.0, top) + sheet.geometry.inset_top + _NUMBER_MM[1] + 1.0,
            min(height, foot) - _NOTE_GAP_MM,
        )
        below = y + length + _NOTE_GAP_MM  # a label so large that it holds a ruler has room under it
        boxes += [(left, top, right, foot), (left, max(top, below), right, foot)]
    free = [box for box in boxes if box[3] > box[1] and not any(_meet(box, ruler) for ruler in rulers)]
    return max(free, key=lambda box: (round((box[2] - box[0]) * (box[3] - box[1])), box[1]))


def _ruler_place(sheet: LabelSheet) -> tuple[float, float, int]:
    """Return where the rulers meet, and their length in mm, a multiple of 10."""
    geometry = sheet.geometry
    width, height = geometry.page
    length = 100 if min(width, height) >= 120 else 50
    # Under the numbers of a row in the page's upper third, so that it crosses none of them.
    row = max(0, int((height * 0.28 - geometry.top) / geometry.pitch_y))
    top = max(0.0, geometry.top + sheet.offset_y + row * geometry.pitch_y)
    return (width - length) / 2, top + geometry.inset_top + _NUMBER_MM[1] + _TICK_MM + 1.0, length


def _rulers(sheet: LabelSheet) -> Iterator[_Line]:
    x, y, length = _ruler_place(sheet)
    yield (x, y, x + length, y)
    yield (x, y, x, y + length)
    for at in range(0, length + 1, 10):
        tick = _TICK_MM if at % 50 == 0 else 2.0
        yield (x + at, y, x + at, y - tick)
        yield (x, y + at, x - tick, y + at)


def _texts(sheet: LabelSheet) -> Iterator[tuple[str, float, float, float, float]]:
    """Yield text, left, top, width and height of each note, mm."""
    geometry = sheet.geometry
    for index in range(geometry.per_page):
        x, y = geometry.place(index)
        left = max(1.0, x + sheet.offset_x + geometry.inset_left)
        yield str(index + 1), left, max(1.0, y + sheet.offset_y + geometry.inset_top), *_NUMBER_MM
    *_, length = _ruler_place(sheet)
    note = (
        f"{geometry.name} 校准页　请按实际大小（100%）打印，勿缩放。两条标尺应各长 {length} 毫米。"
        "量出印出的边线比标签刀线偏左、偏上多少毫米，加到 offset_mm 的 dx、dy；偏右、偏下则减去。"
    )
    left, top, right, foot = _note_box(sheet)
    yield note, left, top, right - left, foot - top


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
    geometry = '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom><a:noFill/><a:ln><a:noFill/></a:ln>'
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
