"""草稿 across every page: drawn under the text, so that nothing of the page is lost."""

import io
from pathlib import Path

import pikepdf
from PIL import Image, ImageDraw, ImageFont

_WORD = "草稿"
_PX = 900
_GREY = 225
_ANGLE = 45
_SHARE = 0.8


def mark_draft(pdf: bytes, font: Path) -> tuple[bytes, int]:
    """Return the file with the mark on every page, and how many there are.

    Args:
        pdf: LibreOffice's output.
        font: A font file with the two characters, in its first face.
    """
    mark = _mark(font)
    with pikepdf.open(io.BytesIO(pdf)) as file, pikepdf.open(io.BytesIO(mark)) as drawn:
        for page in file.pages:
            width, height = (float(page.mediabox[index + 2] - page.mediabox[index]) for index in (0, 1))
            side = _SHARE * min(width, height)
            left, bottom = (width - side) / 2, (height - side) / 2
            page.add_underlay(drawn.pages[0], pikepdf.Rectangle(left, bottom, left + side, bottom + side))
        output = io.BytesIO()
        file.save(output)
        return output.getvalue(), len(file.pages)


def _mark(font: Path) -> bytes:
    picture = Image.new("L", (_PX, _PX), 255)
    letters = ImageFont.truetype(str(font), _PX // 3)
    ImageDraw.Draw(picture).text((_PX / 2, _PX / 2), _WORD, _GREY, letters, anchor="mm")
    output = io.BytesIO()
    picture.rotate(_ANGLE, fillcolor=255).save(output, "PDF", resolution=72)
    return output.getvalue()
