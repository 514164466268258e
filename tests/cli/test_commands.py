"""The command line as somebody types it: a real process, real files, exit codes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from service.errors import ExitCode
from tests.conftest import FIXTURES, ROOT

pytestmark = pytest.mark.libreoffice
Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
MINIMAL = FIXTURES / "notice" / "minimal.json"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture
def run(state: Path) -> Run:
    def call(*arguments: object, stdin: bytes = b"", **settings: str) -> "subprocess.CompletedProcess[bytes]":
        environment = {key: value for key, value in os.environ.items() if not key.startswith("WENYIN_")}
        environment |= {"WENYIN_STATE_DIR": str(state / "var"), "WENYIN_WORK_DIR": str(state / "work")}
        environment |= {f"WENYIN_{key.upper()}": value for key, value in settings.items()}
        command = [sys.executable, "-m", "service", *map(str, arguments)]
        return subprocess.run(
            command, input=stdin, env=environment, capture_output=True, timeout=120, check=False, cwd=ROOT
        )

    return call


def test_render_writes_the_form_that_the_name_asks_for(run: Run, tmp_path: Path) -> None:
    for suffix, magic in ((".pdf", b"%PDF-"), (".docx", b"PK"), (".zip", b"PK")):
        target = tmp_path / f"out{suffix}"
        done = run("render", "notice", MINIMAL, "-o", target)
        assert done.returncode == 0, done.stderr.decode()
        assert target.read_bytes().startswith(magic)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_render_by_pipes_puts_only_the_document_on_stdout(run: Run) -> None:
    done = run("render", "notice", "-", "-o", "-", stdin=MINIMAL.read_bytes())
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.startswith(b"%PDF-")
    assert done.stdout.rstrip().endswith(b"%%EOF")


def test_verify_judges_file_and_url_and_says_it_by_exit_code(run: Run, tmp_path: Path) -> None:
    run("render", "notice", MINIMAL, "-o", tmp_path / "a.pdf")
    done = run("verify", tmp_path / "a.pdf")
    verdict = json.loads(done.stdout)
    assert (done.returncode, verdict["verdict"]) == (0, "EXACT")
    run("render", "notice", MINIMAL, "-o", tmp_path / "a.zip", "--format", "bundle")
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        url = json.loads(archive.read("manifest.json"))["verify_url"]
    done = run("verify", url)
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (0, "CLAIMS_ONLY")
    done = run("verify", url[:-1] + str((int(url[-1]) + 1) % 10))
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (ExitCode.VERDICT, "BAD_TOKEN")


def test_failures_differ_by_exit_code_and_speak_chinese(run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"title": 5}')
    cases = [
        (run("render", "notice", bad, "-o", tmp_path / "x.pdf"), ExitCode.REQUEST, "标题"),
        (run("render", "nothing", MINIMAL, "-o", tmp_path / "x.pdf"), ExitCode.REQUEST, "notice"),
        (run("render", "notice", tmp_path / "no", "-o", tmp_path / "x.pdf"), ExitCode.REQUEST, "无法读取"),
        (run("render", "notice"), ExitCode.USAGE, ""),
        (run("templates", "list", port="x", timeout_s="-1", colour="red"), ExitCode.CONFIG, "WENYIN_PORT"),
        (
            run("render", "notice", MINIMAL, "-o", tmp_path / "x.pdf", soffice="/nothing"),
            ExitCode.UNAVAILABLE,
            "install-system.sh",
        ),
        (run("templates", "list", templates_dir=str(tmp_path)), ExitCode.TEMPLATE, "模板"),
    ]
    for done, code, words in cases:
        message = done.stderr.decode()
        assert done.returncode == code, message
        assert words in message
        assert "Traceback" not in message
    assert not (tmp_path / "x.pdf").exists()


def test_all_wrong_settings_are_named_at_once(run: Run) -> None:
    message = run("templates", "list", port="70000", timeout_s="0", colour="red").stderr.decode()
    for name in ("WENYIN_PORT", "WENYIN_TIMEOUT_S", "WENYIN_COLOUR"):
        assert name in message


def test_templates_are_listed_and_their_sample_renders(run: Run, tmp_path: Path) -> None:
    assert "notice\t通知" in run("templates", "list").stdout.decode()
    sample = run("templates", "sample", "notice").stdout
    done = run("render", "notice", "-", "-o", tmp_path / "a.pdf", stdin=sample)
    assert done.returncode == 0, done.stderr.decode()


def test_docx_without_libreoffice_still_works_and_says_so(run: Run, tmp_path: Path) -> None:
    done = run("render", "notice", MINIMAL, "-o", tmp_path / "a.docx", soffice="/nothing")
    assert done.returncode == 0, done.stderr.decode()
    assert "LibreOffice" in done.stderr.decode()
    verdict = json.loads(run("verify", tmp_path / "a.docx").stdout)
    assert verdict["verdict"] == "TEXT_MATCH"


def test_doctor_reports_and_passes(run: Run) -> None:
    done = run("doctor")
    report = done.stdout.decode()
    assert done.returncode == 0, report
    for words in (
        "LibreOffice 25.",
        "FandolFang",
        "FandolKai",
        "bubblewrap",
        "开发试用",
        "印章图样：未配置",
        "试转换：正常",
    ):
        assert words in report


def test_seal_picture_comes_from_the_servers_folder_alone(run: Run, tmp_path: Path) -> None:
    sample = ROOT / "templates/docx/notice/sample.json"
    state, pictures = str(tmp_path / "var"), tmp_path / "seals"
    pictures.mkdir()
    made = run("keys", "new", "yunzhou", "--name", "云州市科学技术促进会", state_dir=state)
    assert made.returncode == 0, made.stderr.decode()
    without = run("render", "notice", sample, "--seal", "-o", tmp_path / "x.pdf", state_dir=state)
    assert without.returncode == ExitCode.REQUEST
    assert "WENYIN_SEAL_DIR" in without.stderr.decode()
    assert not (tmp_path / "x.pdf").exists()
    drawn = [sys.executable, "-m", "templates.authoring.sample_seal", "云州市科学技术促进会"]
    subprocess.run([*drawn, str(pictures / "yunzhou.png")], check=True, cwd=ROOT, capture_output=True)
    configured = {"state_dir": state, "seal_dir": str(pictures)}
    done = run("render", "notice", sample, "--seal", "-o", tmp_path / "x.pdf", **configured)
    assert done.returncode == 0, done.stderr.decode()
    assert b"/WenyinSeal" in (tmp_path / "x.pdf").read_bytes()
    assert json.loads(run("verify", tmp_path / "x.pdf", **configured).stdout)["verdict"] == "EXACT"
    assert "印章图样：992×992 像素" in run("doctor", **configured).stdout.decode()
    values = [json.loads(sample.read_bytes()) for _ in range(3)]
    values[1]["issuer"] = "云州市另一单位"
    values[2]["title"] = "关于另一件事的通知"
    rows, target = json.dumps(values).encode(), tmp_path / "batch"
    batch = ("batch", "notice", "-", "-o", target, "--seal")
    refused = run(*batch, stdin=rows, **configured)
    assert refused.returncode == ExitCode.REQUEST
    assert "云州市另一单位" in refused.stderr.decode()
    done = run(*batch, "--on-error", "skip", stdin=rows, **configured)
    assert done.returncode == ExitCode.REQUEST, done.stderr.decode()
    made_now = [path.read_bytes() for path in target.glob("*.pdf")]
    assert [b"/WenyinSeal" in pdf for pdf in made_now] == [True, True]


def test_doctor_fails_without_libreoffice(run: Run) -> None:
    assert run("doctor", soffice="/nothing").returncode == ExitCode.UNAVAILABLE


def test_workbook_is_written_whole_or_not_at_all(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "筹备方案.xlsx"
    assert run("templates", "workbook", "plan-form", "-o", target).returncode == ExitCode.OK
    assert target.read_bytes() == run("templates", "workbook", "plan-form", "-o", "-").stdout
    assert target.read_bytes().startswith(b"PK")
    unknown = run("templates", "workbook", "nothing", "-o", tmp_path / "x.xlsx")
    assert unknown.returncode == ExitCode.REQUEST
    assert not (tmp_path / "x.xlsx").exists()


def test_api_keys_are_made_listed_and_revoked(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "apikeys.json"
    given = {"api_keys": str(file)}
    made = run(
        "apikeys", "new", "人事系统", "--template", "notice", "--batch", "--expires", "2099-12-31", **given
    )
    key_id, _, secret = made.stdout.decode().strip().partition(".")
    assert (made.returncode, len(secret)) == (0, 43), made.stderr.decode()
    assert "以后无法再次查看" in made.stderr.decode()
    # Somebody may well paste the whole of it.
    revoked = run("apikeys", "revoke", f"{key_id}.{secret}", **given)
    assert (revoked.returncode, secret in revoked.stdout.decode()) == (0, False)
    listed = run("apikeys", "list", **given)
    assert secret not in listed.stdout.decode()
    record = json.loads(listed.stdout)
    assert record.pop("created") == record.pop("revoked")
    assert record == {
        "id": key_id,
        "name": "人事系统",
        "scopes": ["batch", "issuer:*", "template:notice"],
        "expires": "2099-12-31",
    }
    unset = run("apikeys", "list")
    assert (unset.returncode, "WENYIN_API_KEYS" in unset.stderr.decode()) == (ExitCode.CONFIG, True)
