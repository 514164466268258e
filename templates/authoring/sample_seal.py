"""Draw a sample of a seal's picture, plainly marked 样章: ``python -m templates.authoring.sample_seal UNIT FILE.png``.

For trying out where a seal goes. It bears no emblem, and 样章 stands across it: an official seal's picture is made
by who is in charge of the seal, never here.
"""

import math
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SIDE_PX = 992  # 42 mm at 600 dpi
_RED = (200, 16, 16)
_INK = 225
_RING_PX = 26
_FONT = Path("/usr/share/fonts/opentype/noto/NotoSerifCJK-Bold.ttc")


def draw(unit: str) -> Image.Image:
    """Return the picture: a ring, the unit's name along it, 样章 in the middle.

    Args:
        unit: Name of a fictional unit.
    """
    alpha = Image.new("L", (SIDE_PX, SIDE_PX), 0)
    pen = ImageDraw.Draw(alpha)
    pen.ellipse((1, 1, SIDE_PX - 2, SIDE_PX - 2), outline=_INK, width=_RING_PX)
    size = min(120, 2200 // max(8, len(unit)))
    font = ImageFont.truetype(_FONT, size, index=2)
    radius = SIDE_PX / 2 - _RING_PX - 30 - size / 2
    step = min(size * 1.25 / radius, math.radians(270) / max(1, len(unit) - 1))
    for number, char in enumerate(unit):
        angle = (number - (len(unit) - 1) / 2) * step
        stamp = Image.new("L", (size * 2, size * 2), 0)
        ImageDraw.Draw(stamp).text((size, size), char, _INK, font, anchor="mm")
        turned = stamp.rotate(-math.degrees(angle), Image.Resampling.BICUBIC)
        x = SIDE_PX / 2 + radius * math.sin(angle) - size
        y = SIDE_PX / 2 - radius * math.cos(angle) - size
        alpha.paste(_INK, (round(x), round(y)), turned)
    middle = ImageFont.truetype(_FONT, 230, index=2)
    pen.text((SIDE_PX / 2, SIDE_PX * 0.56), "样章", _INK, middle, anchor="mm")
    seal = Image.new("RGBA", (SIDE_PX, SIDE_PX), (*_RED, 0))
    seal.putalpha(alpha)
    return seal


def main(arguments: list[str]) -> int:
    """Write the picture.

    Args:
        arguments: Name of the unit, file.
    """
    if len(arguments) != 2:
        print("usage: python -m templates.authoring.sample_seal UNIT FILE.png", file=sys.stderr)
        return 2
    unit, target = arguments
    draw(unit).save(target, "PNG", dpi=(600, 600), optimize=True)
    print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
