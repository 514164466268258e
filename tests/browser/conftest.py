import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from templates.authoring.sample_seal import draw
from tests.serving import Server, serving

ARTIFACTS = Path(__file__).resolve().parent.parent.parent / "artifacts" / "browser"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # An intranet's plain http, where browsers say less about where a request comes from.
    "--host-resolver-rules=MAP *.example.cn 127.0.0.1",
]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("browser")
    seals = folder / "seals"
    seals.mkdir()
    draw("文印开发试用").save(seals / "dev.png")
    with serving(folder, converters="2", seal_dir=str(seals)) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; Playwright never brings a browser of its own.

    Not longer than these tests: its event loop would be in the way of signing in this process.
    """
    program = shutil.which("chromium")
    assert program, "chromium is installed by tools/install-system.sh --test"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=program, headless=True, args=ARGUMENTS, env={**os.environ, "LANG": "C.UTF-8"}
        )
        yield launched
        launched.close()


@pytest.fixture(params=[True, False], ids=["js", "no-js"])
def page(request: pytest.FixtureRequest, browser: Browser, server: Server) -> Iterator[Page]:
    """A page, with JavaScript and without."""
    with watched(browser, server, java_script_enabled=request.param) as opened:
        yield opened


@pytest.fixture
def js_page(browser: Browser, server: Server) -> Iterator[Page]:
    """A page with JavaScript only."""
    with watched(browser, server) as opened:
        yield opened


@contextmanager
def watched(browser: Browser, server: Server, **options: Any) -> Iterator[Page]:
    """Open a page that fails the test on a console error or a request to another host."""
    context = browser.new_context(locale="zh-CN", **options)
    opened = context.new_page()
    trouble: list[str] = []
    opened.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: trouble.append(str(error)))
    opened.on(
        "request",
        lambda asked: (
            None
            if asked.url.startswith((server.url, "data:", "blob:"))
            else trouble.append(f"asked {asked.url}")
        ),
    )
    yield opened
    context.close()
    assert trouble == []


@pytest.fixture(scope="session")
def artifacts() -> Path:
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    return ARTIFACTS
