"""Sheets of labels: many copies of one placeholder become as many QR codes, in one rewrite.

The structure tree is left out: on a sheet of labels it is two thirds of the file and nine tenths of the
time, and nobody reads an adhesive label by its tags. PDF/A-2b does not ask for one.
"""

import io
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pikepdf
from pikepdf import Name

from service.errors import SealError
from service.pdf.finish import FinishedPdf, finished, placeholders_of, qr_picture
from service.pdf.read import PictureSpot

_NUMBER = rb"(-?[\d.]+)"
_DRAWN = re.compile(rb"%s 0 0 %s %s %s cm\s*/([^\s/]+) Do\b" % ((_NUMBER,) * 4))
_SAME_ROW_PT = 3.0
_PAGE_KEYS = ("/StructParents", "/Tabs")
_ROOT_KEYS = ("/StructTreeRoot", "/MarkInfo", "/Outlines")


@dataclass(frozen=True, slots=True)
class Picture:
    """A QR code as the samples of a PDF image: one bit a pixel, 1 is white.

    Attributes:
        width_px: Its width.
        height_px: Its height.
        rows: Its rows, each padded to a byte.
    """

    width_px: int
    height_px: int
    rows: bytes


@dataclass(frozen=True, slots=True)
class StampedSheets:
    """Sheets with their codes.

    Attributes:
        finished: The file.
        spots: Where each picture stands, in the order in which the pictures were given.
    """

    finished: FinishedPdf
    spots: tuple[PictureSpot, ...]


def stamp_sheets(
    pdf: bytes, placeholder_px: tuple[int, int], pictures: Sequence[Picture], dated: date
) -> StampedSheets:
    """Give each copy of the placeholder its own picture: page by page, row by row, from the left.

    Args:
        pdf: LibreOffice's output.
        placeholder_px: Size of the placeholder, one image object that is drawn many times.
        pictures: As many as there are copies.
        dated: Stands in for the times of creation and change.

    Raises:
        SealError: There are more or fewer copies than pictures.
    """
    with pikepdf.open(io.BytesIO(pdf)) as file:
        for key in _ROOT_KEYS:
            if key in file.Root:
                del file.Root[key]
        numbers = placeholders_of(file, placeholder_px)
        waiting = iter(pictures)
        spots = [
            spot
            for number, page in enumerate(file.pages)
            for spot in _stamp_page(file, page.obj, number, numbers, waiting)
        ]
        # LibreOffice gives all pages one dictionary; no page is to hold the others' codes.
        if "/Resources" in file.Root.Pages:
            del file.Root.Pages.Resources
        if len(spots) != len(pictures) or next(waiting, None) is not None:
            raise SealError(
                "标签模板中的二维码占位图没有在每枚标签上各出现一次，请检查模板。",
                detail=f"{len(spots)} places for {len(pictures)} codes",
            )
        return StampedSheets(finished(file, dated), tuple(spots))


def _stamp_page(
    file: pikepdf.Pdf, page: Any, number: int, placeholders: set[int], pictures: Iterator[Picture]
) -> Iterator[PictureSpot]:
    for key in _PAGE_KEYS:
        if key in page:
            del page[key]
    resources = pikepdf.Dictionary(page.Resources)
    images: Any = resources.get("/XObject", {})
    names = {name[1:].encode() for name in images if images[name].objgen[0] in placeholders}
    content = page.Contents
    data = content.read_bytes()
    found = [match for match in _DRAWN.finditer(data) if match[5] in names]
    own = pikepdf.Dictionary({name: images[name] for name in images if name[1:].encode() not in names})
    named: dict[int, bytes] = {}
    for place, match in enumerate(sorted(found, key=_reading_order)):
        picture = next(pictures, None)
        if picture is None:
            break
        name = f"/Qr{place}"
        own[name] = qr_picture(file, picture.width_px, picture.height_px, picture.rows)
        named[match.start()] = name.encode()
        width, height, left, bottom = (float(match[group]) for group in range(1, 5))
        yield PictureSpot(number, left, bottom, left + width, bottom + height)
    resources.XObject = own
    page.Resources = resources
    changed = _DRAWN.sub(lambda match: _renamed(match, named), data)
    content.write(zlib.compress(changed), filter=Name.FlateDecode)


def _reading_order(match: re.Match[bytes]) -> tuple[int, float]:
    return -round((float(match[4]) + float(match[2])) / _SAME_ROW_PT), float(match[3])


def _renamed(match: re.Match[bytes], named: dict[int, bytes]) -> bytes:
    name = named.get(match.start())
    if name is None:
        return match[0]
    return match[0][: match.start(5) - match.start() - 1] + name + b" Do"
