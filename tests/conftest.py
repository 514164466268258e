"""Fixtures shared by all tests: one real set of services, fresh folders, no host settings."""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import hypothesis
import pytest

from service.bootstrap import Services, open_services
from service.model import Deadline, RenderedDocument
from service.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "fixtures"
REFUSED = FIXTURES / "plaque-labels" / "address-too-long.json"  # it is there to be refused
REQUESTS = sorted({*FIXTURES.glob("*/*.json"), *(ROOT / "templates/docx").glob("*/sample.json")} - {REFUSED})
PUBLIC_URL = "https://v.example.gov.cn"
Rendered = Callable[[Path], RenderedDocument]
# A loaded machine is slow, and slowness is no fault of the code under test.
hypothesis.settings.register_profile(
    "wenyin", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("wenyin")
NEEDED = {"libreoffice": ("soffice", "fc-match"), "browser": ("chromium",), "java": ("java",)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what a laptop lacks; in CI a missing program is a failure, not a skip."""
    for marker, programs in NEEDED.items():
        missing = [name for name in programs if shutil.which(name) is None]
        if missing and not os.environ.get("CI"):
            reason = f"not installed: {', '.join(missing)}"
            for item in items:
                if item.get_closest_marker(marker):
                    item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def _no_host_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [key for key in os.environ if key.startswith("WENYIN_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings whose folders are fresh; the public address has 17 characters as a real one might."""
    folder = tmp_path_factory.mktemp("wenyin")
    return Settings.from_mapping(
        {
            "state_dir": folder / "var",
            "work_dir": folder / "work",
            "public_url": PUBLIC_URL,
            "converters": 2,
        }
    )


@pytest.fixture(scope="session")
def services(settings: Settings) -> Iterator[Services]:
    """The real thing: real LibreOffice, real keys, real templates."""
    with open_services(settings) as made:
        yield made


@pytest.fixture(scope="session")
def convert_docx(services: Services) -> Callable[[bytes], bytes]:
    """Convert a docx by the real engine."""

    def convert(docx: bytes) -> bytes:
        return services.converter.convert(docx, Deadline.after(120))

    return convert


@pytest.fixture(scope="session")
def rendered(services: Services) -> Rendered:
    """Render a fixture or sample as anybody would; each is made once for all tests that look at it."""

    @cache
    def render(path: Path) -> RenderedDocument:
        return services.renderer.render(path.parent.name, path.read_bytes(), Deadline.after(120))

    return render
