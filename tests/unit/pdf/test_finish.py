"""The last touch on a PDF, on a real one made by the real engine."""

import io
import re
from collections.abc import Callable
from datetime import date

import pypdf
import pytest

from service.convert import CANARY_IMAGE_PX, canary_docx
from service.errors import NotVerifiable, SealError
from service.pdf import (
    PdfLimits,
    page_count,
    pdf_text,
    picture_sizes,
    render_pages,
    render_spots,
)
from service.pdf.finish import PdfStamp, finish_pdf
from service.pdf.printed import find_pictures, read_printed
from service.pdf.second import pypdf_text

pytestmark = pytest.mark.libreoffice
CHECKER = PdfStamp(CANARY_IMAGE_PX, 8, 8, bytes((0b10101010, 0b01010101)) * 4, date(2026, 5, 8))


@pytest.fixture(scope="module")
def raw(convert_docx: Callable[[bytes], bytes]) -> bytes:
    return convert_docx(canary_docx(["仿宋_GB2312", "黑体"]))


def test_picture_is_swapped_in_its_place_and_nothing_else_moves(raw: bytes) -> None:
    finished = finish_pdf(raw, CHECKER)
    assert picture_sizes(raw) == [(CANARY_IMAGE_PX, CANARY_IMAGE_PX)]
    assert picture_sizes(finished.pdf) == [(8, 8)]
    assert pdf_text(finished.pdf) == pdf_text(raw)
    (spot,) = find_pictures(read_printed(raw)[1], [(CANARY_IMAGE_PX, CANARY_IMAGE_PX)])
    assert find_pictures(read_printed(finished.pdf)[1], [(8, 8)]) == [spot]
    (crop,) = render_spots(finished.pdf, [spot], 144)
    centre = crop.getpixel((crop.width // 2, crop.height // 2))
    assert centre in (0, 255)
    assert {value for _, value in crop.getcolors() or []} >= {0, 255}


def test_dates_ids_and_profile_are_constant(raw: bytes, convert_docx: Callable[[bytes], bytes]) -> None:
    finished = finish_pdf(raw, CHECKER).pdf
    assert finished == finish_pdf(raw, CHECKER).pdf
    reader = pypdf.PdfReader(io.BytesIO(finished))
    assert reader.metadata is not None
    assert str(reader.metadata["/CreationDate"]) == "D:20260508000000+08'00'"
    assert finished.count(b"2026-05-08T00:00:00+08:00") == 3
    assert re.search(rb"DocChecksum", finished) is None
    again = finish_pdf(convert_docx(canary_docx(["仿宋_GB2312", "黑体"])), CHECKER).pdf
    first, second = (pypdf.PdfReader(io.BytesIO(pdf)) for pdf in (finished, again))

    def profile(reader: pypdf.PdfReader) -> bytes:
        root = reader.trailer["/Root"].get_object()
        intent = root["/OutputIntents"][0].get_object()  # type: ignore[index]
        data: bytes = intent["/DestOutputProfile"].get_object().get_data()
        return data

    assert profile(first) == profile(second)


def test_id_follows_the_content(raw: bytes) -> None:
    other = PdfStamp(CANARY_IMAGE_PX, 8, 8, bytes(8), date(2026, 5, 8))
    ids = [
        pypdf.PdfReader(io.BytesIO(finish_pdf(raw, stamp).pdf)).trailer["/ID"] for stamp in (CHECKER, other)
    ]
    assert ids[0] != ids[1]


def test_it_stays_pdf_a_2b_by_its_own_word_and_keeps_tags_and_language(raw: bytes) -> None:
    finished = finish_pdf(raw, CHECKER)
    assert finished.pdf.startswith(b"%PDF-1.7")
    assert b"<pdfaid:part>2</pdfaid:part>" in finished.pdf
    root = pypdf.PdfReader(io.BytesIO(finished.pdf)).trailer["/Root"].get_object()
    assert "/StructTreeRoot" in root  # type: ignore[operator]
    assert "/OutputIntents" in root  # type: ignore[operator]
    assert str(root["/Lang"]) == "zh-CN"  # type: ignore[index]
    assert finished.loose_fonts == frozenset()
    assert finished.fonts == {"FandolFang-Regular", "NotoSansCJKsc-Regular"}


def test_placeholder_that_is_not_there_is_named(raw: bytes) -> None:
    with pytest.raises(SealError, match="占位图"):
        finish_pdf(raw, PdfStamp(311, 8, 8, bytes(8)))
    with pytest.raises(SealError, match="占位图"):
        find_pictures(read_printed(raw)[1], [(311, 311)])


def test_both_readers_agree_on_the_text(raw: bytes) -> None:
    assert "".join(pdf_text(raw).split()) == "".join("".join(pypdf_text(raw)).split())


@pytest.mark.parametrize("broken", [b"", b"hello", b"%PDF-1.7\n%%EOF", b"%PDF-1.7\n1 0 obj\n<</Type/Catalog"])
def test_broken_pdf_is_refused_in_chinese(broken: bytes) -> None:
    for read in (page_count, pdf_text, lambda data: list(render_pages(data, 72))):
        with pytest.raises(NotVerifiable, match="PDF"):
            read(broken)


def test_limits_hold(raw: bytes) -> None:
    with pytest.raises(NotVerifiable, match="页"):
        pdf_text(raw, PdfLimits(pages=0))
    with pytest.raises(NotVerifiable, match="尺寸"):
        pdf_text(raw, PdfLimits(page_side_pt=100))
    (page,) = render_pages(raw, 600, PdfLimits(raster_px=100_000))
    assert page.width * page.height <= 110_000
