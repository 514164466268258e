"""What must hold of a page that LibreOffice made before it may be sealed."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from service.errors import Fault, LayoutOverflow
from service.fill import cn_date
from service.model import TemplateSpec
from service.pagerules import LayoutRule, SignatureRule
from service.pdf.printed import Box, PrintedLine, PrintedPage, text_inside
from service.pipeline.filling import PlacedLabel
from service.pipeline.naming import as_text, pick
from service.schema.place import field_name

_SHOWN_CHARS = 20
_SLACK_MM = 1.0  # ink may stick out of its line by a little
_HANG_MM = 6.5  # a mark that hangs over the edge of the text, as wide as a 3号 character (GB/T 9704-2012)
_PAPER_MM = 3.0  # nothing is printed nearer to the paper's edge
_TOUCH_MM = 1.4  # ink boxes that share less than this do not cover each other
_FOOT_MM = 12.0  # 版记 is on the foot of the text area when its last line is no farther from it
_SAME_ROW_MM = 3.0
_NAME_LINES = 4
_FIRST_CHARS = 8
_TAIL_CHARS = 2
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_HYPHENS = str.maketrans("", "", "-\u00ad\ufffe")  # PDFium takes one at the end of a line for a soft one


class LoneSignature(LayoutOverflow):
    """The signature stands on a page with too little text; a few lines more from the page before would do.

    Attributes:
        lines: Text that would have to go over, squeezed; what stands over the name already included.
        name: What follows it, squeezed.
        date: What follows that, squeezed.
    """

    def __init__(self, overflow: LayoutOverflow, lines: str, name: str, date: str) -> None:
        super().__init__(str(overflow), faults=overflow.faults)
        self.lines, self.name, self.date = lines, name, date


def check_pages(spec: TemplateSpec, data: Mapping[str, Any], pages: int) -> None:
    """Refuse a number of pages outside what the template allows.

    Raises:
        LayoutOverflow: Too few or too many; it names the longest field.
    """
    if not spec.pages.minimum <= pages <= spec.pages.maximum:
        raise _overflow(
            spec, data, f"成文 {pages} 页，模板只允许 {spec.pages.minimum}–{spec.pages.maximum} 页"
        )


def check_layout(spec: TemplateSpec, data: Mapping[str, Any], pages: Sequence[PrintedPage]) -> None:
    """Hold the pages against the template's layout contract, if it declares one.

    Args:
        spec: The template.
        data: What it was filled with.
        pages: What each page shows.

    Raises:
        LayoutOverflow: A rule is broken; it says on which page, and names the longest field that can be at fault.
    """
    rule = spec.contract
    if rule is None:
        return
    for number, page in enumerate(pages, 1):
        if fault := _page_fault(page, rule):
            reason, words = fault
            among = () if words else (*rule.before, *rule.foot)
            raise _overflow(spec, data, f"第 {number} 页{reason}", near=words, among=among)
    _check_first_page(spec, rule, data, pages)
    if rule.signature:
        _check_signature(spec, rule, rule.signature, data, pages)
    if any(pick(data, pointer) for pointer in rule.foot):
        _check_foot(spec, rule, data, pages[-1])


def check_labels(data: Mapping[str, Any], labels: Sequence[PlacedLabel], pdf: bytes) -> None:
    """Refuse a sheet on which a label is not printed whole within its own edges.

    Args:
        data: What the sheet was filled with.
        labels: Where each label must be, in the order of the request.
        pdf: The sheet.

    Raises:
        LayoutOverflow: It names all such labels, each with its longest field.
    """
    printed = text_inside(pdf, [(label.page, label.box) for label in labels])
    faults = []
    for index, (label, text) in enumerate(zip(labels, printed, strict=True)):
        if _signs(label.text) != _signs(text):
            pointer, longest = max(strings_of(data["labels"][index], ""), key=lambda item: len(item[1]))
            faults.append(
                Fault(
                    f"/labels/{index}{pointer}",
                    "layout_overflow",
                    f"第 {index + 1} 枚标签没有完整印在标签之内；最长的一项是“{longest[:_SHOWN_CHARS]}”"
                    f"（{len(longest)} 字），请缩短，或改用更大的标签纸",
                )
            )
    if faults:
        raise LayoutOverflow(f"有 {len(faults)} 枚标签没有完整印在标签之内。", faults=faults)


def _signs(text: str) -> Counter[str]:
    return Counter(char for char in squeezed(text) if char.isalnum())


def strings_of(value: object, pointer: str) -> Iterator[tuple[str, str]]:
    """Yield pointer and text of every string in the data."""
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from strings_of(item, f"{pointer}/{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from strings_of(item, f"{pointer}/{number}")


def _lists_of(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield pointer and text of every list that is printed as one text."""
    for key, value in data.items():
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            yield f"/{key}", as_text(value)


def squeezed(text: str) -> str:
    """Return a text as it is compared: without spaces, line ends and hyphens, compatible forms made one."""
    return "".join(unicodedata.normalize("NFKC", text).translate(_HYPHENS).split())


def _overflow(
    spec: TemplateSpec,
    data: Mapping[str, Any],
    reason: str,
    *,
    among: Sequence[str] = (),
    near: str = "",
    advice: str = "请缩短或分段",
) -> LayoutOverflow:
    """Name the longest field of those that can be at fault.

    Args:
        spec: The template.
        data: What it was filled with.
        reason: What is wrong, a Chinese clause.
        among: Pointers to what can be at fault; empty for everything.
        near: Printed words; fields that hold them are suspected first.
        advice: What to do about the field.
    """
    strings = [*strings_of(data, ""), *_lists_of(data)]
    suspects = [item for item in strings if not among or item[0].startswith(tuple(among))]
    wanted = squeezed(near)
    holders = [
        item for item in suspects if wanted and (wanted in squeezed(item[1]) or squeezed(item[1]) in wanted)
    ]
    pointer, text = max(holders or suspects or strings, key=lambda item: len(item[1]), default=("", ""))
    name = field_name(spec.schema, pointer)
    shown = text[:_SHOWN_CHARS] + ("…" if len(text) > _SHOWN_CHARS else "")
    message = f"最长的一项是{name}（{len(text)} 字，“{shown}”），{advice}"
    return LayoutOverflow(
        f"{reason}；{message}。", faults=[Fault(pointer, "layout_overflow", f"{reason}；{message}")]
    )


def _page_fault(page: PrintedPage, rule: LayoutRule) -> tuple[str, str] | None:
    """Return what is wrong with a page by itself, and the words where it is."""
    inside = list(_inside(page, rule))
    if not inside:
        return "是空白页", ""
    for line in page.lines:
        if _leaves_area(line, page, rule):
            return f"有文字超出版心：“{_short(line)}”", line.text
        if any(_covers(piece, picture) for piece in line.pieces for picture in page.pictures):
            return f"有文字压在图上：“{_short(line)}”", line.text
        if any(_crosses(piece, edge) for piece in line.pieces for edge in page.rules):
            return f"有文字压线：“{_short(line)}”", line.text
    for one, other in _neighbours(page.lines):
        if any(_covers(a, b) for a in one.pieces for b in other.pieces):
            return f"有文字重叠：“{_short(one)}”与“{_short(other)}”", one.text
    return None


def _short(line: PrintedLine) -> str:
    text = " ".join(line.text.split())
    return text[:_SHOWN_CHARS] + ("…" if len(text) > _SHOWN_CHARS else "")


def _inside(page: PrintedPage, rule: LayoutRule) -> Iterator[PrintedLine]:
    """Yield the lines of a page's text area, from the top."""
    for line in page.lines:
        middle = (line.box.top + line.box.bottom) / 2
        if rule.area.top < middle < rule.area.bottom:
            yield line


def _rows(lines: Iterable[PrintedLine]) -> list[str]:
    """Return what stands on each row, squeezed; runs of a stand-in face are lines of their own in the file."""
    rows: list[tuple[float, str]] = []
    for line in lines:
        middle = (line.box.top + line.box.bottom) / 2
        if rows and abs(middle - rows[-1][0]) < _SAME_ROW_MM:
            rows[-1] = (rows[-1][0], rows[-1][1] + squeezed(line.text))
        else:
            rows.append((middle, squeezed(line.text)))
    return [text for _, text in rows]


def _leaves_area(line: PrintedLine, page: PrintedPage, rule: LayoutRule) -> bool:
    left, top, right, bottom = line.box
    on_paper = left > _PAPER_MM and right < page.width - _PAPER_MM
    if not (on_paper and top > _PAPER_MM and bottom < page.height - _PAPER_MM):
        return True
    middle = (top + bottom) / 2
    if middle >= rule.area.bottom:
        return not squeezed(line.text).strip("—-").isdecimal()  # the page number alone
    if middle <= rule.area.top:
        return False
    ends_in_mark = unicodedata.category(line.text.rstrip()[-1]).startswith("P")
    hang = _HANG_MM if ends_in_mark else _SLACK_MM
    return left < rule.area.left - _SLACK_MM or right > rule.area.right + hang


def _covers(one: Box, other: Box) -> bool:
    width, height = one.overlap(other)
    return width > _TOUCH_MM and height > _TOUCH_MM


def _crosses(piece: Box, edge: Box) -> bool:
    """Tell whether a rule goes through the middle of some text; it may touch its edge, or underline it."""
    quarter_x, quarter_y = (piece.right - piece.left) / 4, (piece.bottom - piece.top) / 4
    is_flat = edge.right - edge.left > edge.bottom - edge.top
    if is_flat:
        through = piece.top + quarter_y < (edge.top + edge.bottom) / 2 < piece.bottom - quarter_y
        return through and piece.overlap(edge)[0] > _TOUCH_MM
    side = min(quarter_x, _TOUCH_MM)
    through = piece.left + side < (edge.left + edge.right) / 2 < piece.right - side
    return through and piece.overlap(edge)[1] > _TOUCH_MM


def _neighbours(lines: Sequence[PrintedLine]) -> Iterator[tuple[PrintedLine, PrintedLine]]:
    """Yield the pairs of lines, sorted from the top, whose heights meet."""
    for number, line in enumerate(lines):
        for other in lines[number + 1 :]:
            if other.box.top > line.box.bottom - _TOUCH_MM:
                break
            yield line, other


def _check_first_page(
    spec: TemplateSpec, rule: LayoutRule, data: Mapping[str, Any], pages: Sequence[PrintedPage]
) -> None:
    lines = _rows(pages[0].lines)
    shown = [one + two for one, two in zip(lines, [*lines[1:], ""], strict=True)]
    for wanted in rule.first_page:
        is_field = wanted.startswith("/")
        value = as_text(pick(data, wanted)) if is_field else wanted
        if not any(_holds(line, squeezed(value)[:_FIRST_CHARS]) for line in shown):
            what = field_name(spec.schema, wanted) if is_field else f"“{wanted}”"
            raise _overflow(
                spec,
                data,
                f"首页没有印出{what}，被它前面的内容挤到了后页",
                among=rule.before,
                advice="请精简",
            )
    if [number for number, page in enumerate(pages, 1) if page.pictures][:1] != [rule.qr_page]:
        raise _overflow(spec, data, f"二维码没有印在第 {rule.qr_page} 页", among=rule.before)


def _check_signature(
    spec: TemplateSpec,
    rule: LayoutRule,
    signed: SignatureRule,
    data: Mapping[str, Any],
    pages: Sequence[PrintedPage],
) -> None:
    name, dated = squeezed(as_text(pick(data, signed.name))), pick(data, signed.date)
    printed_date = squeezed(cn_date(dated)) if dated else ""
    shown = [_rows(_inside(page, rule)) for page in pages]
    found = [
        (number, lines[:place])
        for number, lines in enumerate(shown, 1)
        for place, text in enumerate(lines)
        if text == printed_date
    ]
    if not found:
        raise _overflow(spec, data, "成文日期没有单独成行", among=(signed.name, signed.date))
    signatures = [
        (number, above[:begun]) for number, above in found if (begun := _name_begins(name, above)) is not None
    ]
    if not signatures:
        raise _overflow(spec, data, f"署名与成文日期不在同一页（第 {found[-1][0]} 页）", among=signed.text)
    number, above = signatures[-1]
    missing = signed.lines_above - len(above)
    if number > 1 and missing > 0:
        overflow = _overflow(
            spec,
            data,
            f"署名和成文日期落在第 {number} 页，上面只有 {len(above)} 行正文（应不少于 {signed.lines_above} 行）",
            among=signed.text,
            advice="请把最后一段分成两段，或增减几行",
        )
        raise LoneSignature(overflow, "".join([*shown[number - 2][-missing:], *above]), name, printed_date)


def _holds(line: str, wanted: str) -> bool:
    """Tell whether a line holds some words; the order of its characters is lost where a face stood in for some."""
    return Counter(wanted) <= Counter(line)


def _name_begins(name: str, above: Sequence[str]) -> int | None:
    """Return the place of the line with which the name begins that ends over the date; ``None`` if none does."""
    joined = ""
    for back, line in enumerate(reversed(above[-_NAME_LINES:]), 1):
        joined = line + joined
        if _holds(joined, name):
            return len(above) - back
    return None


def _check_foot(spec: TemplateSpec, rule: LayoutRule, data: Mapping[str, Any], page: PrintedPage) -> None:
    last = max(_inside(page, rule), key=lambda line: line.box.bottom)
    values = (as_text(pick(data, pointer)) for pointer in rule.foot)
    names = [
        cn_date(name) if _ISO_DATE.fullmatch(name) else name for value in values for name in value.split("、")
    ]
    shown = squeezed(last.text)
    is_imprint = any(_holds(shown, squeezed(name)[-_TAIL_CHARS:]) for name in names if name)
    if not is_imprint or rule.area.bottom - last.box.bottom > _FOOT_MM:
        raise _overflow(spec, data, "版记没有排在最后一页的末尾", among=rule.foot)
