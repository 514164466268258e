"""How a rendered page is kept and compared: a small grey picture, and where its lines stand."""

import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from service.errors import RequestError
from service.pdf import render_pages
from service.pdf.printed import Box, PrintedPage, read_printed
from service.pipeline.contract import squeezed

FOLDER = Path(__file__).parent
PICTURES, TEXTS = FOLDER / "pictures", FOLDER / "texts"
DPI = 60
LEVELS = 8
SHOWN_PAGES = 3  # from the front; the last page is kept too
TILE_PX = 16
TILE_TOLERANCE = 8.0  # of 255; half a pixel aside makes 6, a lost character of some strokes 9 to 22
POSITION_TOLERANCE_MM = 0.5
_MM_PER_INCH = 25.4


def name_of(request: Path) -> str:
    """Return the name under which the goldens of a request are kept."""
    return f"{request.parent.name}.{request.stem}"


def kept_pages(count: int) -> list[int]:
    """Return the numbers of the pages that are kept as pictures."""
    return sorted({*range(1, min(count, SHOWN_PAGES) + 1), count})


def picture(raster: Image.Image, page: PrintedPage) -> Image.Image:
    """Return a page in few greys, what depends on keys and address painted over."""
    masked = raster.convert("L")
    draw = ImageDraw.Draw(masked)
    for box in page.pictures:
        draw.rectangle(tuple(round(edge * DPI / _MM_PER_INCH) for edge in box), fill=160)
    step = 255 / (LEVELS - 1)
    return masked.point([round(round(value / step) * step) for value in range(256)])


def pictures(pdf: bytes) -> Iterator[tuple[int, Image.Image]]:
    """Yield number and picture of every page that is kept."""
    _, pages = read_printed(pdf)
    kept = kept_pages(len(pages))
    for number, (raster, page) in enumerate(zip(render_pages(pdf, DPI), pages, strict=True), 1):
        if number in kept:
            yield number, picture(raster, page)


def png(image: Image.Image) -> bytes:
    """Return a picture as a small PNG of a few greys."""
    buffer = io.BytesIO()
    image.quantize(LEVELS).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def worst_tile(golden: Image.Image, actual: Image.Image) -> tuple[float, Image.Image]:
    """Return how much the worst tile differs, in grey levels on average, and the difference as a picture.

    Each tile is held against the golden as it is and a pixel aside, and the nearest counts.
    """
    soft = ImageFilter.GaussianBlur(2.5)
    before, after = golden.convert("L").filter(soft), actual.convert("L").filter(soft)
    tiles: Image.Image | None = None
    for dx, dy in product((-1, 0, 1), repeat=2):
        aside = ImageChops.difference(ImageChops.offset(before, dx, dy), after).reduce(TILE_PX)
        tiles = aside if tiles is None else ImageChops.darker(tiles, aside)
    assert tiles is not None
    return max(float(value) for value in tiles.tobytes()), ImageChops.difference(before, after)


def lines(pdf: bytes) -> list[list[list[Any]]]:
    """Return the lines of each page: left, top, right and bottom in mm, and the text."""
    _, pages = read_printed(pdf)
    return [[[*_rounded(line.box), squeezed(line.text)] for line in page.lines] for page in pages]


def _rounded(box: Box) -> list[float]:
    return [round(edge, 1) for edge in box]


def moved(golden: Sequence[Sequence[Sequence[Any]]], actual: Sequence[Sequence[Sequence[Any]]]) -> list[str]:
    """Return what is elsewhere, missing or new, page by page, in words."""
    found = [] if len(golden) == len(actual) else [f"{len(actual)} pages instead of {len(golden)}"]
    for number, (before, after) in enumerate(zip(golden, actual, strict=False), 1):
        left = list(after)
        for line in before:
            match = next((other for other in left if _alike(line, other)), None)
            if match is None:
                found.append(f"page {number}: gone or moved: {line}")
            else:
                left.remove(match)
        found += [f"page {number}: new or moved: {line}" for line in left]
    return found


def _alike(one: Sequence[Any], other: Sequence[Any]) -> bool:
    *box, text = one
    *place, words = other
    is_near = all(abs(a - b) <= POSITION_TOLERANCE_MM for a, b in zip(box, place, strict=True))
    # The order of characters is that of the faces, where one stands in for another.
    return is_near and Counter(text) == Counter(words)


def refusal(error: RequestError) -> dict[str, Any]:
    """Return what a refused request is told."""
    return {
        "type": error.type_code,
        "message": str(error),
        "errors": [[fault.pointer, fault.keyword, fault.message] for fault in error.faults],
    }


def dumped(value: Any) -> str:
    """Return JSON with a line for each line of a page, so that a change reads as a diff."""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, indent=1) + "\n"
    pages = (",\n".join(json.dumps(line, ensure_ascii=False) for line in page) for page in value)
    return "[\n" + "\n,\n".join(f"[\n{page}\n]" for page in pages) + "\n]\n"
