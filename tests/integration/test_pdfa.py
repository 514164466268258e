"""Every finished PDF is PDF/A-2b by the judgement of veraPDF's model, before and after it is signed."""

import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pypdf
import pytest
from pypdf.generic import NameObject

from service.bootstrap import Services
from service.model import Deadline, RenderOptions
from tests.conftest import FIXTURES, ROOT

pytestmark = [pytest.mark.libreoffice, pytest.mark.java]

REFUSED = FIXTURES / "plaque-labels" / "address-too-long.json"  # it is there to be refused
REQUESTS = sorted({*FIXTURES.glob("*/*.json"), *(ROOT / "templates/docx").glob("*/sample.json")} - {REFUSED})
SAMPLES = [path for path in REQUESTS if path.stem == "sample"]
Judge = Callable[[bytes], Counter[str]]


@pytest.fixture(scope="session")
def judge() -> Judge:
    from tests.verapdf import pdfa_faults

    return pdfa_faults


def finished(services: Services, path: Path, *, draft: bool = False) -> bytes:
    body = json.dumps(json.loads(path.read_text("utf-8")), ensure_ascii=False).encode()
    deadline = Deadline.after(120)
    return services.renderer.render(path.parent.name, body, deadline, RenderOptions(draft=draft)).pdf


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_sample_and_fixture_is_pdf_a_2b(services: Services, judge: Judge, path: Path) -> None:
    assert judge(finished(services, path)) == Counter()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.parent.name)
def test_unsigned_draft_is_pdf_a_2b(services: Services, judge: Judge, path: Path) -> None:
    assert judge(finished(services, path, draft=True)) == Counter()


def test_judge_sees_a_planted_fault(services: Services, judge: Judge) -> None:
    reader = pypdf.PdfReader(io.BytesIO(finished(services, SAMPLES[0], draft=True)))
    writer = pypdf.PdfWriter(clone_from=reader)
    del writer.root_object[NameObject("/OutputIntents")]
    broken = io.BytesIO()
    writer.write(broken)
    assert any("6.2.4.3" in rule for rule in judge(broken.getvalue()))
