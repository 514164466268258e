"""Every finished PDF is PDF/A-2b by the judgement of veraPDF's model, before and after it is signed."""

import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pypdf
import pytest
from pypdf.generic import NameObject

from service.bootstrap import Services
from service.model import Deadline, RenderOptions
from tests.conftest import REQUESTS, Rendered

pytestmark = [pytest.mark.libreoffice, pytest.mark.java]

SAMPLES = [path for path in REQUESTS if path.stem == "sample"]
Judge = Callable[[bytes], Counter[str]]


@pytest.fixture(scope="session")
def judge() -> Judge:
    from tests.verapdf import pdfa_faults

    return pdfa_faults


def draft(services: Services, path: Path) -> bytes:
    options = RenderOptions(draft=True)
    return services.renderer.render(path.parent.name, path.read_bytes(), Deadline.after(120), options).pdf


@pytest.mark.fault("C14")
@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_sample_and_fixture_is_pdf_a_2b(rendered: Rendered, judge: Judge, path: Path) -> None:
    assert judge(rendered(path).pdf) == Counter()


@pytest.mark.fault("C14")
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.parent.name)
def test_unsigned_draft_is_pdf_a_2b(services: Services, judge: Judge, path: Path) -> None:
    assert judge(draft(services, path)) == Counter()


def test_judge_sees_a_planted_fault(services: Services, judge: Judge) -> None:
    reader = pypdf.PdfReader(io.BytesIO(draft(services, SAMPLES[0])))
    writer = pypdf.PdfWriter(clone_from=reader)
    del writer.root_object[NameObject("/OutputIntents")]
    broken = io.BytesIO()
    writer.write(broken)
    assert any("6.2.4.3" in rule for rule in judge(broken.getvalue()))
