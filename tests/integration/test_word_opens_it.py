"""Every docx that leaves the house opens in Word, LibreOffice and python-docx without repair."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import docx
import pytest

from service.archive import read_docx, write_docx
from service.bootstrap import Services
from service.catalog import load_template
from service.pdf import page_count
from service.pipeline.filling import fill
from tests.conftest import REQUESTS, ROOT, Rendered
from tests.wordcheck import word_faults

BODY, RELATIONSHIPS, TYPES = "word/document.xml", "word/_rels/document.xml.rels", "[Content_Types].xml"
TEMPLATES = sorted((ROOT / "templates/docx").glob("*/template.docx"))
RICH = ROOT / "fixtures/plan-form/minimal.json"
LABELS = ROOT / "fixtures/plaque-labels/full-sheet.json"
Plant = Callable[[dict[str, bytes]], None]

each_request = pytest.mark.parametrize(
    "path", REQUESTS, ids=[f"{path.parent.name}-{path.stem}" for path in REQUESTS]
)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.parent.name)
def test_shipped_template_is_valid(path: Path) -> None:
    assert word_faults(path.read_bytes()) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.parent.name)
def test_draft_is_valid(path: Path) -> None:
    spec = load_template(path.parent)
    data = json.loads(spec.sample)
    if spec.layout == "labels":
        data["calibration"] = True
    filled = fill(spec, data, {"verify_host": "v.example.gov.cn", "draft": True})
    assert word_faults(filled.docx) == []


@pytest.mark.libreoffice
@each_request
def test_every_rendered_docx_is_valid_and_opens(rendered: Rendered, path: Path) -> None:
    content = rendered(path).docx
    assert word_faults(content) == []
    opened = docx.Document(io.BytesIO(content))
    assert len(opened.paragraphs) + len(opened.tables) > 0


@pytest.mark.libreoffice
@pytest.mark.parametrize("path", [RICH, LABELS], ids=lambda path: path.parent.name)
def test_libreoffice_opens_the_sealed_docx_as_it_stands(
    services: Services, rendered: Rendered, convert_docx: Callable[[bytes], bytes], path: Path
) -> None:
    document = rendered(path)
    assert page_count(convert_docx(document.docx)) == document.pages


def swap(part: str, old: str, new: str) -> Plant:
    def plant(parts: dict[str, bytes]) -> None:
        assert old.encode() in parts[part]
        parts[part] = parts[part].replace(old.encode(), new.encode(), 1)

    return plant


def without(part: str) -> Plant:
    def plant(parts: dict[str, bytes]) -> None:
        del parts[part]

    return plant


def picture_twice(parts: dict[str, bytes]) -> None:
    found = re.search(rb"<w:r><w:drawing><wp:anchor.*?</w:drawing></w:r>", parts[BODY])
    assert found is not None
    parts[BODY] = parts[BODY].replace(found[0], found[0] * 2, 1)


def picture_in_a_header(parts: dict[str, bytes]) -> None:
    found = re.search(rb"<w:r><w:drawing><wp:anchor.*?</w:drawing></w:r>", parts[BODY])
    assert found is not None
    parts["word/header1.xml"] = parts["word/header1.xml"].replace(b"</w:p>", found[0] + b"</w:p>", 1)


@pytest.mark.libreoffice
@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (picture_twice, "drawing id 1 is used 2 times"),
        (picture_in_a_header, "duplicate wp:docPr id 1"),
        (without("word/media/qr.png"), "target not found: /word/media/qr.png"),
        (without("word/styles.xml"), "target not found: /word/styles.xml"),
        (without("word/header1.xml"), "target not found: /word/header1.xml"),
        (without("word/theme/theme1.xml"), "theme1.xml"),
        (swap(BODY, "<w:tcPr><w:tcW", '<w:tcPr><w:vAlign w:val="top"/><w:tcW'), "'tcW'"),
        (swap(BODY, "<w:sectPr>", "<w:sectPr><w:docGrid/>"), "'headerReference'"),
        (swap(BODY, "<w:txbxContent>", "<w:txbxContent><w:tc/>"), "'tc'"),
        (swap(BODY, "<w:tc>", "<w:tc/><w:tc>"), "Required sequence content is missing"),
        (swap(BODY, "<w:body>", "<w:body><w:bogus/>"), "'bogus'"),
        (swap(BODY, 'w:type="dxa"', 'w:type="furlong"'), "'furlong'"),
        (swap(BODY, 'r:embed="qr"', 'r:embed="nowhere"'), "'nowhere'"),
        (swap(BODY, 'r:id="footer1"', 'r:id="nowhere"'), "'nowhere'"),
        (swap(RELATIONSHIPS, "relationships/image", "relationships/hyperlink"), "qr is no picture"),
        (swap(TYPES, '<Default Extension="png" ContentType="image/png"/>', ""), "no content type"),
        (swap(TYPES, 'ContentType="image/png"', 'ContentType="text/plain"'), "declared as text/plain"),
    ],
)  # fmt: skip
def test_planted_fault_is_caught(rendered: Rendered, plant: Plant, words: str) -> None:
    parts = read_docx(rendered(RICH).docx)
    plant(parts)
    faults = word_faults(write_docx(parts))
    assert [fault for fault in faults if words in fault], faults
