"""The picture of a seal: judged when it is loaded, laid over a page as an artifact.

It serves the layout alone; it is no electronic seal, and no text of the page changes by it. Black text under
it stays black: the ink is multiplied with what is printed, as on paper.
"""

import io
import zlib
from dataclasses import dataclass
from typing import Any

import pikepdf
from pikepdf import Name
from PIL import Image, UnidentifiedImageError

SEAL_MM = 42.0
"""Diameter of a round seal."""

_MIN_DPI = 300
_MIN_PX = round(SEAL_MM / 25.4 * _MIN_DPI)
_MAX_PX = 4_000
_MAX_BYTES = 8_000_000
_PNG = b"\x89PNG\r\n\x1a\n"
_RED_OVER_OTHERS = 60
_NAME = "/WenyinSeal"


@dataclass(frozen=True, slots=True)
class SealPicture:
    """A seal's picture, ready to be put into PDFs.

    Attributes:
        side_px: Its side; it is a square.
        colours: RGB rows, deflated.
        alpha: Opacity rows, deflated.
    """

    side_px: int
    colours: bytes
    alpha: bytes


@dataclass(frozen=True, slots=True)
class SealStamp:
    """A seal picture and its place.

    Attributes:
        picture: The picture.
        page: Page index from 0.
        left_pt: Left edge, in points from the page's left.
        bottom_pt: Lower edge, in points from the page's foot.
        side_pt: Printed side.
    """

    picture: SealPicture
    page: int
    left_pt: float
    bottom_pt: float
    side_pt: float


def load_seal_picture(content: bytes) -> SealPicture:
    """Judge and read a seal's picture.

    Args:
        content: A square PNG, RGB with alpha, of at least 300 dpi at 42 mm, red on a transparent ground.

    Raises:
        ValueError: In Chinese: what is wrong with it and what to do.
    """
    if len(content) > _MAX_BYTES:
        raise ValueError(f"文件大于 {_MAX_BYTES // 1_000_000} MB，请压缩后再用")
    if not content.startswith(_PNG):
        raise ValueError("不是 PNG 图片；SVG、JPEG、TIFF 等请另存为背景透明的 RGB 图片（PNG）")
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            _check_shape(image)
            rgba = image.convert("RGBA")
    except (UnidentifiedImageError, OSError, SyntaxError, zlib.error) as error:
        raise ValueError("图片已损坏，无法读取，请重新导出") from error
    _check_ink(rgba)
    colours = Image.merge("RGB", rgba.split()[:3])
    side_px = rgba.width
    return SealPicture(
        side_px, zlib.compress(colours.tobytes(), 9), zlib.compress(rgba.getchannel("A").tobytes(), 9)
    )


def _check_shape(image: Any) -> None:
    width, height = image.size
    if getattr(image, "n_frames", 1) > 1:
        raise ValueError("是动画图片（APNG），请用单幅图片")
    if width != height:
        raise ValueError(f"为 {width}×{height} 像素，应为正方形")
    if width < _MIN_PX:
        raise ValueError(
            f"边长 {width} 像素，印成 {SEAL_MM:g} 毫米不足 {_MIN_DPI} dpi，边长应不少于 {_MIN_PX} 像素"
        )
    if width > _MAX_PX:
        raise ValueError(f"边长 {width} 像素，超过上限 {_MAX_PX} 像素")
    if image.mode != "RGBA":
        raise ValueError("没有透明背景，请另存为带透明通道（RGBA）的 PNG 图片")


def _check_ink(rgba: Any) -> None:
    last = rgba.width - 1
    corners = ((0, 0), (last, 0), (0, last), (last, last))
    if any(rgba.getpixel(corner)[3] for corner in corners):
        raise ValueError("四角不透明，背景没有去掉，请改为透明背景")
    ink = rgba.getchannel("A").point(lambda value: 255 if value > 127 else 0)
    if ink.getbbox() is None:
        raise ValueError("是空白图片，没有印章")
    # The mean of the inked pixels alone, by shrinking the picture weighted with its own alpha.
    histogram = [Image.Image.histogram(rgba.getchannel(name), ink) for name in "RGB"]
    red, green, blue = (sum(i * n for i, n in enumerate(counts)) / sum(counts) for counts in histogram)
    if red - max(green, blue) < _RED_OVER_OTHERS:
        raise ValueError("印章应为红色（GB/T 9704-2012 7.3.5.1）")


def lay_seal(file: pikepdf.Pdf, stamp: SealStamp) -> None:
    """Draw the seal over a page's content.

    Args:
        file: The file that is being rewritten.
        stamp: What and where.
    """
    page: Any = file.pages[stamp.page].obj
    _entry(page.Resources, "/XObject")[_NAME] = _image(file, stamp.picture)
    state = pikepdf.Dictionary(Type=Name.ExtGState, BM=Name.Multiply)
    _entry(page.Resources, "/ExtGState")[_NAME] = file.make_indirect(state)
    matrix = f"{stamp.side_pt:.3f} 0 0 {stamp.side_pt:.3f} {stamp.left_pt:.3f} {stamp.bottom_pt:.3f} cm"
    after = f"\nQ\n/Artifact BMC\nq\n{_NAME} gs\n{matrix}\n{_NAME} Do\nQ\nEMC\n"
    held = page.Contents
    old = list(held) if isinstance(held, pikepdf.Array) else [held]
    page.Contents = pikepdf.Array([file.make_stream(b"q\n"), *old, file.make_stream(after.encode())])


def _entry(resources: Any, name: str) -> Any:
    if name not in resources:
        resources[name] = pikepdf.Dictionary()
    return resources[name]


def _image(file: pikepdf.Pdf, picture: SealPicture) -> pikepdf.Stream:
    image = _picture_stream(file, picture.side_px, picture.colours, Name.DeviceRGB)
    image.SMask = _picture_stream(file, picture.side_px, picture.alpha, Name.DeviceGray)
    return image


def _picture_stream(file: pikepdf.Pdf, side_px: int, deflated: bytes, space: Name) -> pikepdf.Stream:
    values = pikepdf.Dictionary(
        Type=Name.XObject,
        Subtype=Name.Image,
        Width=side_px,
        Height=side_px,
        ColorSpace=space,
        BitsPerComponent=8,
    )
    stream = pikepdf.Stream(file, b"", values)
    stream.write(deflated, filter=Name.FlateDecode)
    return stream
