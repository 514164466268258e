"""The picture of the issuer's seal, measured on the page: over 署名 and date as GB/T 9704-2012 7.3.5.1 asks."""

import io
import json
from collections import Counter
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import pypdf
import pytest
import structlog
from PIL import Image, ImageChops

from service.archive import read_docx
from service.bootstrap import Services
from service.errors import ConfigError, InvalidRequest, LayoutOverflow, SealUnavailable
from service.model import Deadline, OutputFormat, RenderedDocument, RenderOptions, SealRule, VerdictCode
from service.pdf import TextLine, pdf_text, printed_lines, render_pages
from service.pdf.seal_picture import load_seal_picture
from service.pipeline import official_seal
from service.pipeline.examiner import FreshExaminer
from service.pipeline.official_seal import SealProvider
from service.pipeline.render import Renderer
from service.pipeline.verify import VerificationDesk
from service.verification import KeyRing, add_issuer
from templates.authoring.sample_seal import SIDE_PX, draw
from tests.conftest import FIXTURES, ROOT

UNIT = "云州市科学技术促进会"
DPI = 120
MM = 25.4 / DPI
PT = 25.4 / 72
LINE_MM = 28.95 * PT
SEALED = RenderOptions(seal=True)

pytestmark = pytest.mark.libreoffice
Render = Callable[..., RenderedDocument]


def png(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    folder = tmp_path_factory.mktemp("seals") / "keys"
    add_issuer(folder, "yunzhou", UNIT)
    return KeyRing.load(folder)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> SealProvider:
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "yunzhou.png").write_bytes(png(draw(UNIT)))
    return SealProvider.load(folder)


@pytest.fixture(scope="module")
def render(services: Services, keyring: KeyRing, pictures: SealProvider) -> Render:
    def made(
        template: str, data: dict[str, Any], options: RenderOptions = SEALED, *, configured: bool = True
    ) -> RenderedDocument:
        renderer = Renderer(
            services.catalog,
            services.converter,
            keyring,
            lambda _: True,
            "https://v.example.gov.cn",
            pictures=pictures if configured else None,
        )
        body = json.dumps(data, ensure_ascii=False).encode()
        return renderer.render(template, body, Deadline.after(120), options)

    return made


def sample(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((ROOT / f"templates/docx/{name}/sample.json").read_bytes())
    return data


def signed_by_us(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_bytes())
    if "issuer" in data:
        return {**data, "issuer": UNIT}
    return {**data, "host": {**data["host"], "name": UNIT}}


def printed(pdf: bytes) -> list[Image.Image]:
    return list(render_pages(pdf, DPI, grey=False))


def ink(plain: bytes, sealed: bytes) -> tuple[int, tuple[float, float, float, float]]:
    """Page, and left, top, right, bottom in mm of what only the sealed file shows; codes differ, too."""
    found = []
    for number, (one, other) in enumerate(zip(printed(plain), printed(sealed), strict=True)):
        red, green, blue = other.split()
        only_red = ImageChops.subtract(red, ImageChops.lighter(green, blue)).point(
            lambda value: 255 if value > 60 else 0
        )
        changed = ImageChops.difference(one.convert("L"), other.convert("L")).point(
            lambda value: 255 if value > 20 else 0
        )
        box = ImageChops.darker(only_red, changed).getbbox()
        if box:
            found.append((number, tuple(side * MM for side in box)))
    assert len(found) == 1, found
    page, (left, top, right, bottom) = found[0]
    return page, (left, top, right, bottom)


CASES = [
    ("notice", FIXTURES / "notice/minimal.json"),
    ("notice", FIXTURES / "notice/everything.json"),
    ("commendation", FIXTURES / "commendation/everything.json"),
    ("summary-report", FIXTURES / "summary-report/minimal.json"),
]


@pytest.mark.parametrize(("name", "path"), CASES, ids=[f"{name}-{path.stem}" for name, path in CASES])
def test_seal_lies_where_the_standard_says(render: Render, name: str, path: Path) -> None:
    data = signed_by_us(path)
    plain, sealed = render(name, data, RenderOptions()).pdf, render(name, data).pdf
    page, (left, top, right, bottom) = ink(plain, sealed)
    assert right - left == pytest.approx(42, abs=0.4)
    assert bottom - top == pytest.approx(42, abs=0.4)
    lines = printed_lines(plain)[page]
    at = next(n for n, line in enumerate(lines) if line.text.replace("（盖章）", "") == UNIT)
    name_line, date_line = lines[at], lines[at + 1]
    assert "年" in date_line.text
    centre = (left + right) / 2
    assert centre == pytest.approx((date_line.left_pt + date_line.right_pt) / 2 * PT, abs=0.5)
    if name != "summary-report":
        assert centre == pytest.approx((name_line.left_pt + name_line.right_pt) / 2 * PT, abs=0.5)
    name_top = 297 - (name_line.baseline_pt + 0.86 * name_line.size_pt) * PT
    date_foot = 297 - (date_line.baseline_pt - 0.12 * date_line.size_pt) * PT
    assert top < name_top
    assert date_foot < bottom
    assert 1 < (name_top + date_foot) / 2 - (top + bottom) / 2 < 8  # 中心偏下
    text_foot = 297 - (lines[at - 1].baseline_pt - 0.12 * lines[at - 1].size_pt) * PT
    assert 0 <= top - text_foot <= LINE_MM + 0.3  # 上距正文一行之内
    assert 0 < left < right < 210


def test_plan_form_takes_the_seal_in_the_place_left_free(render: Render) -> None:
    data = sample("plan-form")
    plain, sealed = render("plan-form", data, RenderOptions()).pdf, render("plan-form", data).pdf
    page, (left, top, right, bottom) = ink(plain, sealed)
    assert page == 0
    line = next(line for line in printed_lines(plain)[0] if line.text.startswith("单位盖章："))
    assert left > line.left_pt * PT + 5 * 16 * PT - 1
    assert right < 184 - 60
    middle = 297 - (line.baseline_pt + 0.37 * line.size_pt) * PT
    assert (top + bottom) / 2 == pytest.approx(middle, abs=0.5)


@pytest.fixture(scope="module")
def pair(render: Render) -> tuple[RenderedDocument, RenderedDocument]:
    """The notice's sample, plain and with a seal."""
    bundle = OutputFormat.BUNDLE
    plain = render("notice", sample("notice"), RenderOptions(bundle))
    return plain, render("notice", sample("notice"), RenderOptions(bundle, seal=True))


def test_docx_never_holds_the_seal(pair: tuple[RenderedDocument, RenderedDocument]) -> None:
    plain, sealed = (read_docx(document.docx) for document in pair)
    assert plain.keys() == sealed.keys()
    assert [name for name in plain if plain[name] != sealed[name]] == ["word/media/qr.png"]


def structure(node: Any) -> list[str]:
    kids = node.get("/K", [])
    found = [str(node.get("/S", ""))]
    for kid in kids if isinstance(kids, list) else [kids]:
        element = kid.get_object()
        found += structure(element) if isinstance(element, dict) else []
    return found


def test_text_and_structure_are_those_of_the_plain_file(
    pair: tuple[RenderedDocument, RenderedDocument],
) -> None:
    plain, sealed = (document.pdf for document in pair)
    assert pdf_text(plain) == pdf_text(sealed)
    kinds = [
        structure(pypdf.PdfReader(io.BytesIO(pdf)).root_object["/StructTreeRoot"]) for pdf in (plain, sealed)
    ]
    assert kinds[0] == kinds[1]
    assert len(kinds[0]) > 30
    contents = [page.get_contents() for page in pypdf.PdfReader(io.BytesIO(sealed)).pages]
    marked = [
        content for content in contents if content is not None and b"/WenyinSeal Do" in content.get_data()
    ]
    assert len(marked) == 1
    assert b"/Artifact BMC" in marked[0].get_data().split(b"/WenyinSeal gs")[0][-20:]


def test_black_text_stays_black_under_the_seal(pair: tuple[RenderedDocument, RenderedDocument]) -> None:
    page, box = ink(pair[0].pdf, pair[1].pdf)
    black = []
    for document in pair:
        left, top, right, bottom = (round(side / MM) for side in box)
        spot = printed(document.pdf)[page].crop((left, top, right, bottom))
        black.append(sum(spot.getchannel("R").histogram()[:90]))
    assert black[0] > 500
    assert black[1] >= black[0] * 0.98


def test_sealed_file_is_genuine_to_the_byte(
    services: Services, keyring: KeyRing, pair: tuple[RenderedDocument, RenderedDocument], tmp_path: Path
) -> None:
    desk = VerificationDesk(services.catalog, keyring, FreshExaminer(tmp_path, "auto"))
    try:
        verdict = desk.verify_file(pair[1].pdf)
        assert verdict.code is VerdictCode.EXACT
        assert verdict.claims["seal_mode"] == 1
        assert desk.verify_file(pair[0].pdf).claims["seal_mode"] == 0
        assert desk.verify_file(pair[1].docx).code is VerdictCode.TEXT_MATCH
    finally:
        desk.close()


@pytest.mark.java
@pytest.mark.parametrize("name", ["notice", "plan-form"])
def test_sealed_file_is_pdf_a_2b(render: Render, name: str) -> None:
    from tests.verapdf import pdfa_faults

    assert pdfa_faults(render(name, sample(name)).pdf) == Counter()


def test_same_request_gives_the_same_token(
    render: Render, pair: tuple[Any, RenderedDocument], monkeypatch: pytest.MonkeyPatch
) -> None:
    logs: list[MutableMapping[str, Any]] = []

    def keep(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        logs.append(entry)
        raise structlog.DropEvent

    # Whatever level other tests of this process have set.
    monkeypatch.setattr(
        "service.pipeline.sealing._LOG",
        structlog.wrap_logger(None, processors=[keep], wrapper_class=structlog.BoundLogger),
    )
    again = render("notice", sample("notice"), RenderOptions(OutputFormat.BUNDLE, seal=True))
    (line,) = [entry for entry in logs if entry["event"] == "seal picture laid"]
    assert (line["document_id"], line["page"]) == (again.document_id, 3)
    assert again.verify_url == pair[1].verify_url
    assert again.docx == pair[1].docx


def test_draft_and_docx_go_without_and_say_so(render: Render) -> None:
    draft = render("notice", sample("notice"), RenderOptions(draft=True, seal=True))
    assert "草稿不盖印章图样。" in draft.warnings
    assert b"WenyinSeal" not in draft.pdf
    word = render("notice", sample("notice"), RenderOptions(OutputFormat.DOCX, seal=True))
    assert any("印章图样只盖在 PDF 上" in warning for warning in word.warnings)


def test_refused_when_it_may_not_be_laid(render: Render) -> None:
    with pytest.raises(SealUnavailable, match="没有为签发单位“yunzhou”配置印章图样"):
        render("notice", sample("notice"), configured=False)
    with pytest.raises(SealUnavailable, match=r"署名“另一个单位”.*与签发单位"):
        render("notice", {**sample("notice"), "issuer": "另一个单位"})
    with pytest.raises(SealUnavailable, match="没有盖章的位置"):
        render("plaque-labels", sample("plaque-labels"))
    with pytest.raises(InvalidRequest):
        render("notice", {**sample("notice"), "seal": "iVBORw0KGgo="})


def test_refused_when_the_signature_is_there_twice(render: Render) -> None:
    data = signed_by_us(FIXTURES / "notice/minimal.json")
    day = data["issued_on"].split("-")
    date = f"{day[0]}年{int(day[1])}月{int(day[2])}日"
    data["annexes"] = [{"title": "样本", "body": [{"level": 0, "text": UNIT}, {"level": 0, "text": date}]}]
    with pytest.raises(SealUnavailable, match="成文中有 2 处"):
        render("notice", data)


def line(text: str, baseline_pt: float) -> TextLine:
    return TextLine(text, 300.0, 460.0, baseline_pt, 16.0)


def test_refused_when_text_is_too_near_and_mended_when_it_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = load_seal_picture(png(draw(UNIT)))
    rule, data = SealRule("/issuer", "/issued_on"), {"issuer": UNIT, "issued_on": "2026-05-08"}

    def top_of(above_pt: float) -> float:
        lines = [line("正文。", above_pt), line(UNIT, 400.0), line("2026年5月8日", 371.05)]
        monkeypatch.setattr(official_seal, "printed_lines", lambda _: [lines])
        stamp = official_seal.place_seal(rule, data, picture, b"")
        return stamp.bottom_pt + stamp.side_pt

    assert top_of(400 + 3 * 28.95) > top_of(400 + 1.9 * 28.95)
    for lines_up in (1.9, 2, 3, 5, 9):
        gap_pt = 400 + lines_up * 28.95 - 0.12 * 16 - top_of(400 + lines_up * 28.95)
        assert -0.01 <= gap_pt <= 28.96
    with pytest.raises(LayoutOverflow, match="署名上方的空白不够盖章"):
        top_of(400 + 28.95)


def seal(side: int = SIDE_PX) -> Image.Image:
    return draw(UNIT).resize((side, side))


def blue() -> Image.Image:
    red, green, other, alpha = seal().split()
    return Image.merge("RGBA", (other, green, red, alpha))


@pytest.mark.fault("J24")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "不是 PNG"),
        (png(seal().convert("CMYK"), "JPEG"), "不是 PNG"),
        (png(seal().convert("RGB")), "没有透明背景"),
        (png(seal(400)), "不足 300 dpi"),
        (png(seal().resize((600, 500))), "应为正方形"),
        (png(Image.new("RGBA", (4_001, 4_001), (200, 0, 0, 0))), "超过上限"),
        (png(Image.new("RGBA", (600, 600), (200, 0, 0, 0))), "空白图片"),
        (png(Image.new("RGBA", (600, 600), (200, 0, 0, 255))), "四角不透明"),
        (png(blue()), "应为红色"),
        (png(seal(), save_all=True, append_images=[seal()]), "动画"),
        (png(seal())[:3000], "已损坏"),
        (b"\x89PNG\r\n\x1a\n" + bytes(9_000_000), "MB"),
    ],
)  # fmt: skip
def test_unusable_picture_stops_the_start(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "yunzhou.png").write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:
        SealProvider.load(tmp_path)
    assert "yunzhou.png" in str(caught.value)


def test_missing_folder_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="WENYIN_SEAL_DIR"):
        SealProvider.load(tmp_path / "nothing")
