"""Every page is followed to the letter: what it gives a reader to type is typed, from its top to its end."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from service.access import new_key
from tests.conftest import FIXTURES, ROOT
from tests.pages import PAGES, blocks, codes, script
from tests.serving import Server, serving

pytestmark = pytest.mark.libreoffice
ADDRESS = "127.0.0.1:8000"
STATE = "/var/lib/wenyin"
# A template owner's guide is more than its commands: tests/integration/test_template_guide.py follows it.
FOLLOWED = [page for page in PAGES if script(page) and page != "docs/template-guide.md"]
PAGE_S = 240
# Installing and serving are proved on a bare Debian by tools/prove-setup.sh; here make says what it would do.
BEFORE = """
set -euEo pipefail
trap 'echo "failed: $BASH_COMMAND" >&2' ERR
make() { command make -n "$@" > make.log; }
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("readme")) as running:
        yield running


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like the checkout; what a page writes stays in it."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in {line.partition("/")[0] for line in tracked.stdout.splitlines()} | {".venv"}:
        if name != "templates":
            (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "templates", folder / "templates")
    return folder


def follow(page: str, server: Server, checkout: Path, state: Path) -> str:
    """Type all that a page says into one shell; return what it printed.

    Args:
        page: Which.
        server: Stands for the reader's own.
        checkout: Where the reader stands.
        state: Stands for the state folder of an installed service.
    """
    text = script(page).replace(ADDRESS, f"127.0.0.1:{server.port}").replace(STATE, str(state))
    settings = {f"WENYIN_{key.upper()}": value for key, value in server.environment.items()}
    done = subprocess.run(
        ["bash", "-c", BEFORE + text],
        cwd=checkout,
        # Pages install extras that are there already: nothing is to be fetched for a test.
        env={**os.environ, **settings, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        check=False,
        timeout=PAGE_S,
    )
    assert done.returncode == 0, (page, done.stderr.decode())
    for made in checkout.glob("*.pdf"):
        assert made.read_bytes().startswith(b"%PDF-"), made
    for made in checkout.glob("*.zip"):
        assert made.read_bytes().startswith(b"PK"), made
    return done.stdout.decode()


def verdicts(printed: str) -> list[str]:
    """Return the verdicts among what was printed."""
    said = [json.loads(line) for line in printed.splitlines() if line.startswith('{"verdict"')]
    return [verdict["verdict"] for verdict in said]


def test_every_page_with_commands_is_followed() -> None:
    assert {"README.md", "docs/access.md", "docs/api.md", "docs/batches.md", "docs/operations.md"} < {
        *FOLLOWED
    }
    functions = Path(__file__).read_text("utf-8")
    assert [page for page in FOLLOWED if f'"{page}"' not in functions] == []


@pytest.mark.parametrize(
    ("page", "verdict"),
    [("README.md", ["EXACT"]), ("docs/api.md", ["TEXT_MATCH", "EXACT"]), ("docs/templates.md", [])],
)
def test_page_works_as_it_stands(
    page: str, verdict: list[str], server: Server, checkout: Path, tmp_path: Path
) -> None:
    assert verdicts(follow(page, server, checkout, tmp_path)) == verdict


def test_operators_page_works_as_it_stands(server: Server, checkout: Path, tmp_path: Path) -> None:
    made = server.post_json("/v1/documents/notice", (FIXTURES / "notice" / "minimal.json").read_bytes())
    (checkout / "old.pdf").write_bytes(made.body)
    state = tmp_path / "state"
    shutil.copytree(Path(server.environment["state_dir"]) / "keys", state / "keys")
    printed = follow("docs/operations.md", server, checkout, state)
    # By the keys that were restored, and by what was downloaded.
    assert verdicts(printed) == ["EXACT", "EXACT"]
    assert (checkout / "restored/keys/master.key").stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE KEY" not in (checkout / "wenyin-keys.tgz.enc").read_bytes()
    assert "wenyin_ready 1" in printed
    assert "libreoffice" in (checkout / "wenyin-debian.txt").read_text("utf-8")


def test_page_about_batches_works_as_it_stands(server: Server, checkout: Path, tmp_path: Path) -> None:
    for name, fixture in {
        "名单.xlsx": "plaque-labels-saved-by-calc.xlsx",
        "名单.csv": "labels-gb18030.csv",
        "通知.xlsx": "notice-saved-by-calc.xlsx",
        "通知.ndjson": "notice-saved-by-calc.ndjson",
    }.items():
        shutil.copyfile(FIXTURES / "rows" / fixture, checkout / name)
    follow("docs/batches.md", server, checkout, tmp_path)
    assert {path.name for path in checkout.glob("*.zip")} == {"标签.zip", "通知.zip"}
    assert list((checkout / "文件夹").glob("*.pdf"))
    assert (checkout / "空白工作簿.xlsx").read_bytes().startswith(b"PK")


def test_page_about_access_works_as_it_stands(checkout: Path, tmp_path: Path) -> None:
    state, folder = tmp_path / "state", tmp_path / "service"
    state.mkdir()
    folder.mkdir()
    new_key(state / "apikeys.json", "管理员", ["template:*", "issuer:*"], date(2026, 1, 31))
    with serving(folder, api_keys=str(state / "apikeys.json"), converters="1", workers="1") as guarded:
        printed = follow("docs/access.md", guarded, checkout, state)
        (key,) = [line for line in printed.splitlines() if line.startswith("wy") and "." in line]
        answer = guarded.ask("GET", "/v1/templates", headers={"Authorization": f"Bearer {key}"})
        assert (answer.status, "已停用" in answer.json["detail"]) == (401, True)
    assert key.partition(".")[2] not in (state / "apikeys.json").read_text("utf-8")


def test_python_example_of_the_api_page_works(server: Server, checkout: Path) -> None:
    (example,) = [block.text for block in blocks("docs/api.md") if block.kind == "python"]
    done = subprocess.run(
        [str(ROOT / ".venv/bin/python"), "-c", example.replace(ADDRESS, f"127.0.0.1:{server.port}")],
        cwd=checkout,
        capture_output=True,
        check=False,
        timeout=PAGE_S,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert (checkout / "notice.pdf").read_bytes().startswith(b"%PDF-")


def test_parameters_and_headers_of_the_interface_are_told(server: Server) -> None:
    told = {*codes("docs/api.md"), *codes("docs/batches.md")}
    described = server.get("/openapi.json").json
    parts = described["components"]

    def whole(item: dict[str, Any]) -> dict[str, Any]:
        kind, _, name = item.get("$ref", "").removeprefix("#/components/").partition("/")
        found: dict[str, Any] = parts[kind][name] if name else item
        return found

    names: set[str] = set()
    for path, operations in described["paths"].items():
        if path.startswith(("/v1/documents", "/v1/batches", "/v1/verify")):
            operation = operations["post"]
            parameters = [whole(item) for item in operation.get("parameters", [])]
            names |= {item["name"] for item in parameters if item["in"] != "path"}
            names |= {*whole(operation["responses"]["200"]).get("headers", {})}
    assert {"seal", "copies", "Idempotency-Key", "X-Verify-Url", "X-Failed-Items"} <= names
    assert names - told == set()
