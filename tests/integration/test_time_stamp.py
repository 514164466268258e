"""The time stamp over the signature: asked for once, covered by the issuer's key, missed out loud."""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.bootstrap import Services
from service.errors import SealError
from service.model import Deadline, RenderedDocument, VerdictCode
from service.pdf.whole import examine_whole
from service.pipeline.render import Renderer
from tests.authority import Authority, time_stamping
from tests.conftest import FIXTURES

pytestmark = pytest.mark.libreoffice
MINIMAL = (FIXTURES / "notice" / "minimal.json").read_bytes()


@pytest.fixture(scope="module")
def authority() -> Iterator[Authority]:
    with time_stamping() as running:
        yield running


def renderer(services: Services, authority: Authority, *, required: bool) -> Renderer:
    return Renderer(
        services.catalog,
        services.converter,
        services.keyring,
        lambda _: True,
        "https://v.example.gov.cn",
        stamping=(authority.url, 30.0, required),
    )


def is_good(pdf: bytes, anchors: list[bytes]) -> bool:
    found = examine_whole(pdf, anchors)
    return found is not None and found.intact and found.whole_file and found.unchanged


@pytest.fixture(scope="module")
def made(services: Services, authority: Authority) -> RenderedDocument:
    found = renderer(services, authority, required=True).render("notice", MINIMAL, Deadline.after(120))
    assert authority.asked == 1
    assert found.warnings == ()
    return found


def test_stamped_file_is_exact_and_its_stamp_cannot_be_changed(
    services: Services, made: RenderedDocument, tmp_path: Path
) -> None:
    assert services.desk.verify_file(made.pdf).code is VerdictCode.EXACT
    anchors = [item.der for item in services.keyring.certificates()]
    assert is_good(made.pdf, anchors)
    found = re.search(rb"/Contents <([0-9A-F]+?)(?:00)*>", made.pdf)
    assert found
    begin, end = found.span(1)
    for place in range(begin, end, 37):
        changed = made.pdf[:place] + bytes([made.pdf[place] ^ 1]) + made.pdf[place + 1 :]
        assert not is_good(changed, anchors), place
    (tmp_path / "a.pdf").write_bytes(made.pdf)
    assert shutil.which("pdfsig"), "poppler-utils is installed by tools/install-system.sh"
    said = subprocess.run(
        ["pdfsig", "a.pdf"], cwd=tmp_path, capture_output=True, text=True, check=False
    ).stdout
    assert "Signature is Valid" in said
    assert "Total document signed" in said


@pytest.mark.java
def test_stamped_file_is_pdf_a_2b(made: RenderedDocument) -> None:
    from tests.verapdf import pdfa_faults

    assert pdfa_faults(made.pdf) == Counter()


@pytest.mark.parametrize("mood", ["down", "refuses", "stale"])
def test_without_a_stamp_nothing_goes_out_or_a_warning_says_so(
    services: Services, authority: Authority, mood: str
) -> None:
    authority.mood = mood
    with pytest.raises(SealError, match="时间戳服务") as caught:
        renderer(services, authority, required=True).render("notice", MINIMAL, Deadline.after(120))
    assert caught.value.type_code == "time-stamp-failed"
    made = renderer(services, authority, required=False).render("notice", MINIMAL, Deadline.after(120))
    assert ["不带时间戳" in warning for warning in made.warnings] == [True]
    assert services.desk.verify_file(made.pdf).code is VerdictCode.EXACT
