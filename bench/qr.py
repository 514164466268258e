"""How often printed codes are read: kinds of token by size, resolution and way of seeing, by two decoders.

usage: python -m bench.qr [--trials 6] [--write]

Simulated by `tests.camera`; nothing is timed. ``--write`` puts the table into docs/threats.md.
"""

import argparse
import dataclasses
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import cv2
import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec

from service.model import Claims
from service.verification import (
    PHOTO_SCALES,
    QrSymbol,
    TokenKey,
    decode_picture,
    make_symbol,
    mint_token,
    verify_url,
)
from service.verification.issuers import Issuer, kid_of
from tests.camera import SIGHTS, seen
from tools.update_docs import replaced

TARGET = Path(__file__).resolve().parent.parent / "docs" / "threats.md"
HOST = "https://v.example.gov.cn"
SIDES_MM = (15, 20, 25)
RESOLUTIONS = (150, 200, 300)
_MAC = bytes(range(8))
_NOTICE = Claims(
    doc_type=1,
    title="关于组织开展2021年全国科技工作者日活动的通知",
    ref="示例办发〔2021〕15号",
    issued_on=date(2021, 4, 23),
    pages=6,
    pdf_text_mac=_MAC,
    docx_text_mac=_MAC,
)
KINDS = {
    "标签": Claims(doc_type=4, ref="2021-0001", issued_on=date(2021, 12, 1), pdf_text_mac=_MAC),
    "通知": _NOTICE,
    "报告": dataclasses.replace(
        _NOTICE,
        doc_type=3,
        facts=("示例省科学技术协会", "2021年5月30日", "示例市科技馆报告厅", "科技工作者约300人"),
    ),
}
DECODERS: dict[str, Callable[[bytes], str]] = {}


def _decoder(name: str) -> Callable[[Callable[[bytes], str]], Callable[[bytes], str]]:
    def keep(call: Callable[[bytes], str]) -> Callable[[bytes], str]:
        DECODERS[name] = call
        return call

    return keep


@_decoder("zxing-cpp")
def by_service(picture: bytes) -> str:
    """Read as the service reads an uploaded photograph."""
    return next(iter(decode_picture(picture, PHOTO_SCALES)), "")


@_decoder("OpenCV")
def by_opencv(picture: bytes) -> str:
    """Read by a decoder of another origin."""
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert pixels is not None
    try:
        return str(cv2.QRCodeDetector().detectAndDecode(pixels)[0])
    except cv2.error:
        return ""


def token_url(claims: Claims) -> str:
    """Return what the code of such a document says, signed by a key made from a fixed number."""
    private_key = ec.derive_private_key(20_210_508, ec.SECP256R1())
    key = TokenKey(kid_of(private_key.public_key()), private_key, Issuer("x", "示例单位"))
    return verify_url(HOST, mint_token(claims, key))


def symbol_of(url: str) -> QrSymbol:
    """Return the symbol, however small its modules will be."""
    return make_symbol(url, 0.0, 100)


def read(url: str, side_mm: float, dpi: int, sight: str, trials: int) -> dict[str, int]:
    """Return how many of the trials each decoder reads.

    Args:
        url: What the code says.
        side_mm: Side of the symbol without its quiet zone.
        dpi: See `tests.camera`.
        sight: See `tests.camera`.
        trials: How many.
    """
    symbol = symbol_of(url)
    modules = len(symbol.modules)
    picture_mm = side_mm * modules / (modules - 8)
    chance = np.random.default_rng([round(side_mm * 10), dpi, *sight.encode()])
    good = dict.fromkeys(DECODERS, 0)
    for _ in range(trials):
        picture = seen(symbol, picture_mm, dpi, SIGHTS[sight], chance)
        for name, decode in DECODERS.items():
            good[name] += decode(picture) == url
    return good


def rows(trials: int) -> Iterator[list[str]]:
    """Yield a row for each kind and size, a cell for each way of seeing it."""
    for kind, claims in KINDS.items():
        url = token_url(claims)
        for side_mm in SIDES_MM:
            module_mm = side_mm / (len(symbol_of(url).modules) - 8)
            cells = [
                "/".join(str(count) for count in read(url, side_mm, dpi, sight, trials).values())
                for sight in SIGHTS
                for dpi in RESOLUTIONS
            ]
            yield [f"{kind} {side_mm} 毫米", f"{module_mm:.2f}", *cells]


def table(trials: int) -> str:
    """Return the whole table as Markdown."""
    names = {"scan": "扫描", "phone": "手机", "bad phone": "差的手机"}
    heads = [f"{names[sight]} {dpi}" for sight in SIGHTS for dpi in RESOLUTIONS]
    lines = [
        f"每格 {trials} 次，读出的次数：{' / '.join(DECODERS)}。第二列是码元边长（毫米），尺寸不含空白边。",
        "",
        "| | 码元 | " + " | ".join(heads) + " |",
        "|---" * (2 + len(heads)) + "|",
    ]
    for row in rows(trials):
        lines.append("| " + " | ".join(row) + " |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    text = table(arguments.trials)
    if arguments.write:
        TARGET.write_text(replaced(TARGET.read_text("utf-8"), "qr", text), "utf-8")


if __name__ == "__main__":
    main()
