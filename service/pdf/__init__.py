"""Reading, rasterising and finishing PDFs; the only home of the PDF libraries.

To be imported from their own modules: `service.pdf.finish`, `service.pdf.seal_picture`, `service.pdf.second`,
`service.pdf.sign` and `service.pdf.signatures`. Their libraries take longer to load than most files take to
examine, and more memory than the process that examines uploads has without them.
"""

from service.pdf.read import (
    PdfLimits,
    PictureSpot,
    TextLine,
    is_scan,
    page_count,
    page_pngs,
    page_texts,
    pdf_text,
    picture_sizes,
    printed_lines,
    render_pages,
    render_spots,
)

__all__ = [
    "PdfLimits",
    "PictureSpot",
    "TextLine",
    "is_scan",
    "page_count",
    "page_pngs",
    "page_texts",
    "pdf_text",
    "picture_sizes",
    "printed_lines",
    "render_pages",
    "render_spots",
]
