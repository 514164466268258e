"""The house keeps its own rules: docs equal the code, contracts bite, modules stay small."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.errors import ServiceError
from service.settings import Settings
from tests.conftest import FIXTURES, ROOT
from tools.update_docs import errors_table, leaves, metrics_table, settings_table

SOURCES = sorted((ROOT / "service").rglob("*.py"))
TRACKED_TEXT = ("*.py", "*.md", "*.toml", "*.txt", "*.sh", "*.json", "*.html", "*.css", "*.js", "Makefile")
MODULE_LINES = 400
FUNCTION_LINES = 50


def docs(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def test_documented_settings_are_the_settings() -> None:
    assert settings_table() in docs("operations.md"), "run python -m tools.update_docs"
    for _, _, description in Settings.table():
        assert re.search(r"[\u4e00-\u9fff]", description)


def test_documented_metrics_are_the_metrics() -> None:
    assert metrics_table() in docs("operations.md"), "run python -m tools.update_docs"


def test_every_line_of_the_log_is_documented() -> None:
    # What follows the table's heading, up to the next section.
    section = docs("operations.md").partition("## 日志")[2].partition("\n## ")[0]
    known = set(re.findall(r"`([^`]+)`", section))
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and re.search(r"_LOG|_plan\.report", ast.unparse(node.func)):
                names = [item.arg for item in node.keywords if item.arg not in (None, "exc_info")]
                texts = [item.value for item in node.args[:1] if isinstance(item, ast.Constant)]
                assert {*texts, *names} <= known, (path, node.lineno)


def test_documented_errors_are_the_errors() -> None:
    assert errors_table() in docs("errors.md"), "run python -m tools.update_docs"
    codes = [leaf.code for leaf in leaves(ServiceError)]
    assert len(codes) == len(set(codes))


def test_every_code_raised_anywhere_is_documented() -> None:
    text = docs("errors.md")
    for path in SOURCES:
        for code in re.findall(r"code=\"([a-z-]+)\"", path.read_text("utf-8")):
            assert f"`{code}`" in text, (path, code)


def test_no_test_module_hides_another_of_its_name() -> None:
    # Outside packages pytest knows a module by its bare name and collects one of the two.
    loose = [
        path for path in (ROOT / "tests").rglob("test_*.py") if not (path.parent / "__init__.py").exists()
    ]
    names = [path.name for path in loose]
    assert sorted(names) == sorted(set(names))


def test_every_fixture_has_a_stated_purpose() -> None:
    listed = (FIXTURES / "README.md").read_text("utf-8")
    for path in FIXTURES.glob("*/*.json"):
        assert path.name in listed, path


def test_fixtures_and_samples_use_no_real_looking_phone_or_address() -> None:
    for path in [*FIXTURES.glob("*/*.json"), *(ROOT / "templates").rglob("sample.json")]:
        text = path.read_text("utf-8")
        for phone in re.findall(r"\d{3,4}-\d{4}-?\d{3,4}|1[3-9]\d{9}", text):
            assert set(phone.replace("-", "")) <= set("01"), (path, phone)
        for host in re.findall(r"@([\w.-]+)", text):
            assert host.endswith(("example.cn", "example.com", "example.org")), (path, host)


def test_modules_and_functions_stay_small() -> None:
    for path in SOURCES:
        text = path.read_text("utf-8")
        assert text.count("\n") <= MODULE_LINES, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= FUNCTION_LINES, (path, node.name, length)


@pytest.mark.parametrize(
    ("place", "statement"),
    [
        ("service/web/planted.py", "import service.convert"),
        ("service/schema/planted.py", "import service.pdf"),
        ("service/model.py", "import service.settings"),
        ("service/pipeline/planted.py", "import subprocess"),
        ("service/web/planted.py", "import pypdf"),
        ("service/sheets/planted.py", "import service.fill"),
        ("service/cli/planted.py", "import service.sheets"),
        ("service/planted.py", "x = 1"),
    ],
)
def test_import_contracts_catch_a_planted_fault(tmp_path: Path, place: str, statement: str) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "service", "pyproject.toml"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    for name in tracked:
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    planted = tmp_path / place
    before = planted.read_text("utf-8") if planted.exists() else ""
    planted.write_text(f"{before}\n{statement}\n", "utf-8")
    linted = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode != 0, linted.stdout


def test_lock_files_carry_hashes_and_no_address() -> None:
    for name in ("runtime.txt", "dev.txt"):
        text = (ROOT / "requirements" / name).read_text("utf-8")
        assert "://" not in text
        pins = re.findall(r"^\S+==", text, re.M)
        assert len(pins) > 20
        assert text.count("--hash=sha256:") >= len(pins)


def test_samples_are_valid_json_with_unique_keys() -> None:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert len({key for key, _ in pairs}) == len(pairs)
        return dict(pairs)

    for path in (ROOT / "templates").rglob("*.json"):
        json.loads(path.read_text("utf-8"), object_pairs_hook=unique)


@pytest.mark.fault("P9")
def test_nothing_is_timed_by_the_wall_clock() -> None:
    timed = {
        path.relative_to(ROOT)
        for path in SOURCES
        if re.search(r"\btime(\.time|_ns)\(", path.read_text("utf-8"))
    }
    # Against the time of a file, which is the wall clock's.
    assert timed == {Path("service/isolation/workspace.py")}
