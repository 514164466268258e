"""Reading, rasterising and finishing PDFs; the only home of the PDF libraries.

Signatures are in `service.pdf.sign` and `service.pdf.signatures`, to be imported from there: their
library takes longer to load than most files take to examine.
"""

from service.pdf.finish import FinishedPdf, PdfStamp, finish_pdf
from service.pdf.read import (
    PdfLimits,
    PictureSpot,
    find_pictures,
    is_scan,
    page_count,
    pdf_text,
    picture_sizes,
    pypdf_text,
    render_pages,
    render_spots,
)

__all__ = [
    "FinishedPdf",
    "PdfLimits",
    "PdfStamp",
    "PictureSpot",
    "find_pictures",
    "finish_pdf",
    "is_scan",
    "page_count",
    "pdf_text",
    "picture_sizes",
    "pypdf_text",
    "render_pages",
    "render_spots",
]
