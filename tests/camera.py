"""What an office scanner or a telephone makes of a printed QR code: simulated, each time a little different.

Ink gain, blur, turn, perspective, noise and JPEG as in published tests of decoders; no printer or telephone
was used. Resolutions are those at which the paper is seen, in dots per inch.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from service.verification import QrSymbol

Picture = npt.NDArray[np.uint8]

_DRAWN_PX = 12  # pixels of a module before it is seen
_MM_PER_INCH = 25.4
_PAPER, _INK = 245, 25


@dataclass(frozen=True)
class Sight:
    """How a code is seen.

    Attributes:
        turn_deg: Turned at most so far, to either side.
        tilt: Share of the side by which a corner may be out of place.
        blur_px: Gaussian blur in pixels of the picture.
        noise: Standard deviation of grey values.
        quality: Of the JPEG.
        gain: Share of a module by which ink spreads on each side.
        shade: How much darker the far corner is, as a share.
    """

    turn_deg: float
    tilt: float
    blur_px: float
    noise: float
    quality: int
    gain: float = 0.06
    shade: float = 0.0


SIGHTS = {
    "scan": Sight(turn_deg=1, tilt=0, blur_px=0.6, noise=2, quality=75),
    "phone": Sight(turn_deg=12, tilt=0.04, blur_px=0.9, noise=6, quality=60, shade=0.2),
    "bad phone": Sight(turn_deg=27, tilt=0.08, blur_px=1.4, noise=10, quality=45, shade=0.4),
}


def seen(symbol: QrSymbol, side_mm: float, dpi: int, sight: Sight, chance: np.random.Generator) -> bytes:
    """Return a picture of a printed symbol.

    Args:
        symbol: With its quiet zone.
        side_mm: Printed side, quiet zone included.
        dpi: At which it is seen.
        sight: By what.
        chance: Source of all that differs from time to time.

    Returns:
        A JPEG file in grey, with paper around the symbol.
    """
    drawn = _drawn(symbol, sight.gain)
    side_px = side_mm / _MM_PER_INCH * dpi
    margin = 0.25 * side_px
    out = int(np.ceil(side_px + 2 * margin))
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    placed = (corners - 0.5) * side_px + chance.uniform(-sight.tilt, sight.tilt, (4, 2)) * side_px
    angle = np.deg2rad(chance.uniform(-sight.turn_deg, sight.turn_deg))
    turned = placed @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    target = turned + out / 2 + chance.uniform(0, 1, 2)
    # Seen finer than the picture is, then brought down: what a sensor's pixels do.
    fine = 3
    matrix = cv2.getPerspectiveTransform(
        (corners * drawn.shape[0]).astype(np.float32), (target * fine).astype(np.float32)
    )
    size = (out * fine, out * fine)
    picture = cv2.warpPerspective(
        drawn, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=_PAPER
    )
    picture = cv2.resize(picture, (out, out), interpolation=cv2.INTER_AREA)
    values = cv2.GaussianBlur(picture, (0, 0), sight.blur_px).astype(np.float64)
    ramp = np.linspace(0, sight.shade, out)
    values *= 1 - (ramp[:, None] + ramp[None, :]) / 2
    values += chance.normal(0, sight.noise, values.shape)
    good, coded = cv2.imencode(
        ".jpg", np.clip(values, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, sight.quality]
    )
    assert good
    return coded.tobytes()


def _drawn(symbol: QrSymbol, gain: float) -> Picture:
    dark = np.array(symbol.modules, bool)
    grey = np.where(dark, _INK, _PAPER).astype(np.uint8)
    large = np.kron(grey, np.ones((_DRAWN_PX, _DRAWN_PX), np.uint8)).astype(np.uint8)
    spread = round(gain * _DRAWN_PX)
    if spread:
        large = cv2.erode(large, np.ones((2 * spread + 1, 2 * spread + 1), np.uint8)).astype(np.uint8)
    return large
