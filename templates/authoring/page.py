"""What every page of an official document has: its type area, page numbers, draft mark, and the QR code on page 1."""

from collections.abc import Sequence

from templates.authoring.docx_parts import Package, Style, block, control, page_field, paragraph, run
from templates.authoring.drawing import Box, gray_png, picture, text_box, watermark
from templates.authoring.notice_styles import LINE

QR_SIDE_MM = 30.0
QR_LEFT_MM = 155.8  # the quiet zone of 4 modules (1.8 mm) hangs over the type area's edge at 184 mm
QR_TOP_MM = 5.0
PLACEHOLDER_PX = 311


def opening(style: str) -> str:
    """Return line 1 of page 1; it carries the QR code, which stands in the top margin.

    Args:
        style: Paragraph style of that empty line.
    """
    caption = paragraph("VerifyCaption", "扫码核验") + paragraph("VerifyCaption", "{{ verify_host }}")
    caption_right_mm = QR_LEFT_MM - 0.5
    symbol_bottom_mm = QR_TOP_MM + QR_SIDE_MM - 2.0
    box = text_box("核验说明", caption, Box(caption_right_mm - 90, symbol_bottom_mm - 10, 90, 10), number=2)
    code = picture(
        "qr", "核验二维码", "wenyin-qr", Box(QR_LEFT_MM, QR_TOP_MM, QR_SIDE_MM, QR_SIDE_MM), number=1
    )
    return paragraph(style, code, box)


def section() -> str:
    """Return the section: A4, type area 156 x 225 mm at (28, 37) mm (GB/T 9704-2012 5.2)."""
    references = "".join(
        f'<w:{kind}Reference w:type="{page}" r:id="{kind}{number}"/>'
        for kind in ("header", "footer")
        for page, number in (("default", 1), ("even", 2))
    )
    return (
        f'<w:sectPr>{references}<w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="2098" w:right="1474" '
        'w:bottom="1984" w:left="1588" w:header="851" w:footer="1400" w:gutter="0"/><w:cols w:space="425"/>'
        f'<w:docGrid w:type="lines" w:linePitch="{LINE}"/></w:sectPr>'
    )


def margins() -> dict[str, str]:
    """Return headers with the draft mark and footers with the page number, of odd and even pages."""

    def number(style: str) -> str:
        return paragraph(style, run("— "), page_field(""), run(" —"))

    def header(name: str) -> str:
        return block(
            "if draft",
            paragraph("header", watermark("草稿", name=name)),
            control("else"),
            paragraph("header"),
        )

    return {
        "header1": header("wenyin-draft-odd"),
        "header2": header("wenyin-draft-even"),
        "footer1": number("footer"),
        "footer2": number("FooterEven"),
    }


def pack(body: str, styles: Sequence[Style], *, title: str, author: str) -> bytes:
    """Return the docx of a document with these margins and this QR code.

    Args:
        body: Content of ``w:body``, `section` last.
        styles: All styles, the default one first.
        title: Core property, may hold tags.
        author: Core property, may hold tags.
    """
    return Package(
        body=body,
        styles=styles,
        parts=margins(),
        pictures={"qr": gray_png(PLACEHOLDER_PX)},
        title=title,
        author=author,
    ).to_docx()
