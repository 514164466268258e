"""Reading, rasterising and finishing PDFs; the only home of the PDF libraries."""

from service.pdf.finish import FinishedPdf, PdfStamp, finish_pdf
from service.pdf.read import (
    PdfLimits,
    PictureSpot,
    find_picture,
    find_pictures,
    is_scan,
    page_count,
    pdf_text,
    picture_sizes,
    pypdf_text,
    render_pages,
    render_spot,
    render_spots,
)
from service.pdf.sign import sign_pdf
from service.pdf.signatures import examine_signatures

__all__ = [
    "FinishedPdf",
    "PdfLimits",
    "PdfStamp",
    "PictureSpot",
    "examine_signatures",
    "find_picture",
    "find_pictures",
    "finish_pdf",
    "is_scan",
    "page_count",
    "pdf_text",
    "picture_sizes",
    "pypdf_text",
    "render_pages",
    "render_spot",
    "render_spots",
    "sign_pdf",
]
