"""Pictures that people upload: read as they lie, or refused by name, never at the cost of the machine."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from service.errors import UnsupportedMedia
from service.pipeline.examine_child import answer
from service.pipeline.verify import VerificationDesk
from service.verification import make_symbol, png_bytes

TEXT = "https://V.EXAMPLE.CN/V/" + "1234567890" * 30
QUARTER_TURN = 6  # EXIF orientation: to be shown turned by 90°


def code() -> Image.Image:
    return Image.open(io.BytesIO(png_bytes(make_symbol(TEXT, 0.1, 40), 4))).convert("L")


def saved(picture: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = QUARTER_TURN
    return saved(code().rotate(90, expand=True), "JPEG", exif=exif)


READ: dict[str, Callable[[], bytes]] = {
    "CMYK": lambda: saved(code().convert("CMYK"), "JPEG"),
    "turned by EXIF": turned,
    "transparent": lambda: saved(code().convert("RGBA"), "PNG"),
    "16 bits": lambda: saved(code().convert("I;16").point(lambda grey: grey * 257), "PNG"),
    "animated": lambda: saved(code(), "PNG", save_all=True, append_images=[Image.new("L", (9, 9))]),
}


@pytest.fixture(autouse=True)
def _limit_of_this_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)


@pytest.mark.fault("J24")
@pytest.mark.parametrize("name", READ)
def test_unusual_pictures_are_read(name: str) -> None:
    assert answer("picture", READ[name](), [], thorough=True).get("codes") == [[TEXT, 1]]


@pytest.mark.fault("J24")
def test_too_many_pixels_are_refused_before_they_are_unpacked() -> None:
    huge = saved(Image.new("1", (20_000, 10_001)), "PNG")
    assert len(huge) < 100_000
    error = answer("picture", huge, [], thorough=True)["error"]
    assert error["code"] in ("not-verifiable", "too-many-pixels")
    assert any("\u4e00" <= char <= "\u9fff" for char in error["message"])


class NobodyLooks:
    """Fails the test: what is no picture is refused before anything opens it."""

    def examine(self, *_: object, **__: object) -> Any:
        raise AssertionError("opened")

    def close(self) -> None:
        pass


@pytest.mark.fault("J24")
@pytest.mark.parametrize(
    "content",
    [b"no picture", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a" + bytes(20), b"RIFF\0\0\0\0WEBP"],
)
def test_other_formats_are_named(content: bytes) -> None:
    class NoTrust:
        def certificates(self) -> tuple[()]:
            return ()

    desk = VerificationDesk((), NoTrust(), NobodyLooks())  # type: ignore[arg-type]
    with pytest.raises(UnsupportedMedia, match="PNG、JPEG"):
        desk.verify_file(content)
