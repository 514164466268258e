"""Symbols that cameras can read, as deterministic pictures."""

import io
import subprocess
import sys
import zlib
from dataclasses import replace

import pytest
from PIL import Image

import service.verification.qr as qr_module
from service.errors import InvalidRequest, NotVerifiable, SealError
from service.model import FactRule, QrRule
from service.verification import (
    QR_TOO_DENSE,
    QrSymbol,
    TokenKey,
    decode_picture,
    decode_symbols,
    decode_token,
    make_seal,
    make_symbol,
    mint_token,
    module_mm,
    packed_rows,
    png_bytes,
    verify_url,
)

from .helpers import NOTICE

HOST = "https://v.example.gov.cn"


@pytest.fixture
def url(key: TokenKey) -> str:
    return verify_url(HOST, mint_token(replace(NOTICE, title="关于开展“科技工作者日”活动的通知"), key))


@pytest.fixture
def symbol(url: str) -> QrSymbol:
    return make_symbol(url, 0.3, 25)


@pytest.mark.parametrize("host", [HOST, "http://127.0.0.1:8000"])
def test_notice_fits_version_11_to_13_when_typical(key: TokenKey, host: str) -> None:
    made = make_symbol(verify_url(host, mint_token(NOTICE, key)), 0.25, 25)
    assert 11 <= made.version <= 13
    assert made.module_mm == pytest.approx(25 / len(made.modules))


def test_symbol_has_four_light_modules_around(symbol: QrSymbol) -> None:
    side = 17 + 4 * symbol.version + 8
    assert len(symbol.modules) == side
    assert {len(row) for row in symbol.modules} == {side}
    rows = symbol.modules
    border = [*rows[:4], *rows[-4:], *(row[:4] for row in rows), *(row[-4:] for row in rows)]
    assert not any(any(row) for row in border)
    assert rows[4][4:11] == (True,) * 7


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_token_is_read_back_when_printed_at_any_scale(symbol: QrSymbol, url: str, scale: int) -> None:
    assert decode_picture(png_bytes(symbol, scale)) == (url,)
    width, height, rows = packed_rows(symbol, scale)
    assert decode_symbols(Image.frombytes("1", (width, height), rows)) == (url,)


@pytest.mark.fault("V1")
@pytest.mark.parametrize("dpi", [150, 200, 300])
def test_token_is_read_back_when_the_page_is_scanned(symbol: QrSymbol, url: str, dpi: int) -> None:
    side = round(25 / 25.4 * dpi * 1.2)
    page = Image.new("L", (round(8.27 * dpi), round(11.69 * dpi)), 250)
    printed = (
        Image.open(io.BytesIO(png_bytes(symbol, 8))).convert("L").resize((side, side), Image.Resampling.BOX)
    )
    page.paste(printed.rotate(3, fillcolor=250, resample=Image.Resampling.BICUBIC), (dpi, dpi))
    assert decode_symbols(page) == (url,)


def test_rows_are_packed_white_is_one_when_handed_to_a_pdf(symbol: QrSymbol) -> None:
    width, height, rows = packed_rows(symbol)
    assert width == height == len(symbol.modules)
    stride = (width + 7) // 8
    assert len(rows) == stride * height
    for y, line in enumerate(symbol.modules):
        for x, dark in enumerate(line):
            bit = rows[y * stride + x // 8] >> (7 - x % 8) & 1
            assert bit == (0 if dark else 1)


def test_png_is_one_bit_without_metadata(symbol: QrSymbol) -> None:
    data = png_bytes(symbol, 4)
    assert data == png_bytes(symbol, 4)
    chunks, place = [], 8
    while place < len(data):
        chunks.append(data[place + 4 : place + 8])
        place += 12 + int.from_bytes(data[place : place + 4], "big")
    assert set(chunks) == {b"IHDR", b"IDAT", b"IEND"}
    assert data[24:26] == b"\x01\x00"


def test_symbol_is_the_same_when_another_process_draws_it() -> None:
    script = (
        "from service.verification import make_symbol, png_bytes; import zlib;"
        "print(zlib.crc32(png_bytes(make_symbol('https://A.CN/V/' + '7' * 500, .1, 30))))"
    )
    there = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert int(there) == zlib.crc32(png_bytes(make_symbol("https://A.CN/V/" + "7" * 500, 0.1, 30)))


@pytest.mark.fault("V7")
def test_request_is_refused_when_modules_would_be_too_small(url: str) -> None:
    with pytest.raises(InvalidRequest, match="毫米") as caught:
        make_symbol(url, 0.4, 20)
    assert caught.value.type_code == QR_TOO_DENSE
    assert module_mm(url, 20) < 0.4
    with pytest.raises(InvalidRequest):
        make_symbol("7" * 9_000, 0.01, 1_000)
    assert module_mm("7" * 9_000, 1_000) == 0.0


def test_another_mask_is_tried_when_the_first_does_not_read_back(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = make_symbol(url, 0.1, 30)
    answers = iter([[], ["else"], [url]])
    monkeypatch.setattr(qr_module, "_read", lambda *_, **__: next(answers))
    assert make_symbol(url, 0.1, 30).modules != plain.modules


def test_seal_is_refused_when_no_mask_reads_back(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qr_module, "_read", lambda *_, **__: [])
    with pytest.raises(SealError, match="回读"):
        make_symbol(url, 0.1, 30)


@pytest.mark.parametrize("digits", [160, 420, 700, 2_300])
def test_every_drawing_says_the_same_at_the_same_size(digits: int) -> None:
    url = "https://A.CN/V/" + "7293" * (digits // 4)
    drawings = list(qr_module._drawings(url))
    assert len(set(drawings)) == 8
    assert len({len(modules) for modules in drawings}) == 1
    for modules in drawings:
        assert decode_picture(png_bytes(QrSymbol(modules, 1, 0.4))) == (url,)


def test_all_codes_are_found_when_a_page_has_two() -> None:
    texts = ("https://A.CN/V/1", "https://A.CN/V/2")
    page = Image.new("L", (1_000, 500), 255)
    for index, text in enumerate(texts):
        page.paste(Image.open(io.BytesIO(png_bytes(make_symbol(text, 0.1, 30)))), (50 + 450 * index, 60))
    assert sorted(decode_symbols(page)) == sorted(texts)
    assert decode_symbols(Image.new("RGB", (400, 400), "white")) == ()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "P", "LA"])
def test_code_is_read_when_the_picture_has_colours(symbol: QrSymbol, url: str, mode: str) -> None:
    picture = Image.open(io.BytesIO(png_bytes(symbol, 6))).convert("L").convert("RGB").convert(mode)
    assert decode_symbols(picture) == (url,)


def test_code_is_read_when_the_paper_is_transparent(symbol: QrSymbol, url: str) -> None:
    grey = Image.open(io.BytesIO(png_bytes(symbol, 6))).convert("L")
    picture = Image.new("RGBA", grey.size, (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), mask=grey.point(lambda value: 255 - value))
    assert decode_symbols(picture) == (url,)


def _bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x01\x00\x00\x00\x00"
    pixels = zlib.compress(bytes(1_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(8_001, 8_000), (10_000, 10_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_picture_is_refused_when_it_would_unpack_to_too_much(size: tuple[int, int]) -> None:
    with pytest.raises(NotVerifiable) as caught:
        decode_picture(_bomb(*size))
    assert caught.value.type_code == "too-many-pixels"


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a" + bytes(50), b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0junk", _bomb(100, 100)]
)
def test_picture_is_refused_when_damaged_or_of_another_kind(data: bytes) -> None:
    with pytest.raises(NotVerifiable, match="无法读取"):
        decode_picture(data)


def test_optional_facts_are_left_out_from_the_last_when_the_code_is_too_dense(key: TokenKey) -> None:
    rules = (FactRule("地点", "/place", True), FactRule("主送", "/to"), FactRule("附注", "/note", True))
    claims = replace(NOTICE, facts=("北京" * 8, "各全国学会", "附注" * 20))
    roomy = make_seal(claims, rules, key, HOST, QrRule("qr", 40, 0.3, 997))
    assert roomy.dropped == ()
    assert decode_token(roomy.token).claims == claims
    tight = make_seal(claims, rules, key, HOST, QrRule("qr", 25, 0.3, 997))
    assert tight.dropped == ("附注",)
    tighter = make_seal(claims, rules, key, HOST, QrRule("qr", 22, 0.3, 997))
    assert tighter.dropped == ("地点", "附注")
    assert decode_token(tighter.token).claims.facts == ("", "各全国学会")
    assert decode_picture(png_bytes(tighter.symbol)) == (tighter.url,)
    with pytest.raises(InvalidRequest):
        make_seal(claims, rules, key, HOST, QrRule("qr", 20, 0.35, 997))
