"""Several documents of one template in one conversion: most of the time of a conversion is not the pages'."""

from collections.abc import Callable, Sequence

import structlog

from service.errors import ConversionCancelled, ServiceError
from service.pdf.printed import PrintedPage, read_printed
from service.pdf.split import CannotSplit, split_pdf
from service.pipeline.filling import Filled
from service.sections import WIDER_PT, lay_together

_LOG = structlog.get_logger("wenyin.render")
_SAME_MM = 0.2


def convert_together(filled: Sequence[Filled], convert: Callable[[bytes], bytes]) -> list[bytes]:
    """Convert documents as sections of one and part the result.

    The first is also converted by itself, and both must look the same: what a template has that makes sections
    differ would show there.

    Args:
        filled: Of one template.
        convert: docx to PDF.

    Returns:
        A PDF of each; none at all where they have to be converted one by one.

    Raises:
        ConversionCancelled: ``convert`` said so.
    """
    if len(filled) < 2 or any(item.items is not None for item in filled):
        return []
    try:
        sections = lay_together([item.docx for item in filled])
        if sections is None:
            return []
        first, *others = split_pdf(convert(sections.docx), WIDER_PT, sections.names)
        alone = convert(filled[0].docx)
    except ConversionCancelled:
        raise
    except (CannotSplit, ServiceError) as error:
        _LOG.warning("几份文件未能一次转换，改为逐份转换", reason=repr(error))
        return []
    if not _look_alike(alone, first):
        _LOG.warning("几份文件一次转换的版面与单独转换的不同，改为逐份转换")
        return []
    return [alone, *others]


def _look_alike(one: bytes, other: bytes) -> bool:
    text, pages = read_printed(one)
    other_text, other_pages = read_printed(other)
    return (
        text == other_text
        and len(pages) == len(other_pages)
        and all(_is_near(*pair) for pair in zip(pages, other_pages, strict=True))
    )


def _is_near(page: PrintedPage, other: PrintedPage) -> bool:
    if (page.width, page.height) != (other.width, other.height):
        return False
    boxes, others = (
        [line.box for line in one.lines] + [*one.rules] + [*one.pictures] for one in (page, other)
    )
    return len(boxes) == len(others) and all(
        abs(side - other_side) < _SAME_MM
        for box, other_box in zip(boxes, others, strict=True)
        for side, other_side in zip(box, other_box, strict=True)
    )
