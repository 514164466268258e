"""``wenyin batch`` as somebody types it: files, logs, exit codes, and what a second run does."""

import csv
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pypdf
import pytest

from service.errors import ExitCode
from tests.conftest import FIXTURES, ROOT
from tests.serving import wait_until
from tests.tables import LABEL_TITLES, mend_labels, workbook_of
from tools.make_row_fixtures import label

pytestmark = pytest.mark.libreoffice
Run = Callable[..., "subprocess.CompletedProcess[str]"]
LABELS = json.loads((FIXTURES / "plaque-labels" / "sheet-and-one.json").read_text("utf-8"))["labels"]
NOTICE = json.loads((FIXTURES / "notice" / "minimal.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("batch")
    clean = {key: value for key, value in os.environ.items() if not key.startswith("WENYIN_")}
    return clean | {
        "WENYIN_STATE_DIR": str(folder / "var"),
        "WENYIN_WORK_DIR": str(folder / "work"),
        "WENYIN_CONVERTERS": "1",
    }


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    def call(
        *arguments: object, stdin: str = "", stdin_bytes: bytes = b""
    ) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "service", "batch", *map(str, arguments)]
        given = stdin_bytes or stdin.encode()
        done = subprocess.run(
            command, input=given, env=environment, capture_output=True, timeout=240, check=False, cwd=ROOT
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    return call


@contextmanager
def started(environment: dict[str, str], *arguments: object) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "service", "batch", *map(str, arguments)]
    process = subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def events(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def notices(count: int) -> str:
    return json.dumps([{**NOTICE, "title": f"关于第{number}项工作的通知"} for number in range(count)])


def files(folder: Path) -> dict[str, bytes]:
    # What is not whole yet begins with a dot, and may be gone by now.
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*.pdf")}


def logged(folder: Path, shard: int = 0) -> list[dict[str, Any]]:
    lines = (folder / f"results-{shard}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_sheet_of_labels_becomes_one_pdf(run: Run, tmp_path: Path) -> None:
    rows = tmp_path / "名单.csv"
    with rows.open("w", encoding="gb18030", newline="") as stream:
        writer = csv.DictWriter(stream, LABELS[0])
        writer.writeheader()
        writer.writerows(LABELS)
    target = tmp_path / "标签.pdf"
    done = run("plaque-labels", rows, "-o", target, "--start-at", 5)
    assert done.returncode == 0, done.stderr
    assert len(pypdf.PdfReader(target).pages) == 3
    last = events(done)[-1]
    assert (last["event"], last["done"], last["failed"]) == ("result", 25, 0)
    again = run("plaque-labels", rows, "-o", target, "--start-at", 5, "--resume")
    assert (again.returncode, events(again)[-1]["kept"]) == (0, 25)


def test_rows_from_a_pipe_become_documents_in_a_zip(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "通知.zip"
    done = run("notice", "-", "-o", target, "--format", "docx", stdin=notices(3))
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(target) as archive:
        names = archive.namelist()
        assert all(archive.read(name).startswith(b"PK") for name in names)
    assert [name.partition("-")[0][-7:] for name in names] == [f"第{n}项工作的通知"[-7:] for n in range(3)]


def test_faulty_rows_stop_everything_or_are_left_out(run: Run, tmp_path: Path) -> None:
    rows = tmp_path / "rows.json"
    values = json.loads(notices(4))
    values[1]["issued_on"] = "2026-02-30"
    values[2]["colour"] = "red"
    rows.write_text(json.dumps(values))
    done = run("notice", rows, "-o", tmp_path / "a")
    assert done.returncode == 3
    assert "/1/issued_on" in done.stderr
    assert "/2/colour" in done.stderr
    assert not (tmp_path / "a").exists()
    done = run("notice", rows, "-o", tmp_path / "b", "--on-error", "skip")
    assert done.returncode == 3
    assert len(files(tmp_path / "b")) == 2
    found = {line["row"]: line for line in logged(tmp_path / "b")}
    assert {row: line["status"] for row, line in found.items()} == {
        0: "ok",
        1: "failed",
        2: "failed",
        3: "ok",
    }
    assert found[1]["code"] == "invalid-request"
    assert found[0]["pages"] == 1


@pytest.mark.fault("X11")
def test_rows_that_were_left_out_come_back_in_a_workbook(run: Run, tmp_path: Path) -> None:
    rows, target = tmp_path / "名单.xlsx", tmp_path / "标签.pdf"
    cells = [label(number) for number in range(1, 31)]
    faulty = {4: (3, "1200"), 11: (4, ""), 12: (5, "一等奖"), 25: (1, "=A1&B1")}
    for line, (column, text) in faulty.items():
        cells[line - 2][column] = text
    rows.write_bytes(workbook_of({"名单": [list(LABEL_TITLES), *cells]}))
    refused = run("plaque-labels", rows, "-o", target)
    assert refused.returncode == 3
    assert all(
        f"{'ABCDEFG'[column]}{line}：" in refused.stderr for line, (column, _) in faulty.items() if line != 25
    )
    assert list(tmp_path.iterdir()) == [rows]
    done = run("plaque-labels", rows, "-o", target, "--on-error", "skip")
    assert done.returncode == 3, done.stderr
    book = tmp_path / "标签-有问题的行.xlsx"
    assert events(done)[-1] == {"event": "faulty_rows", "file": str(book)}
    lines = [line for line in faulty if line != 25]
    again = run(
        "plaque-labels", "-", "-o", target.with_name("补.pdf"),
        stdin_bytes=mend_labels(book.read_bytes(), lines),
    )  # fmt: skip
    assert (again.returncode, events(again)[-1]["done"]) == (0, 3), again.stderr
    printed = ["".join(page.extract_text().split()) for page in pypdf.PdfReader(tmp_path / "补.pdf").pages]
    assert all(label(line - 1)[6] in printed[0] for line in lines)
    assert not (tmp_path / "补-有问题的行.xlsx").exists()


def test_wrong_usage_is_told_before_anything_starts(run: Run, tmp_path: Path) -> None:
    for arguments in (
        ("--shard", "3/3"),
        ("--executor", "celery"),
        ("--shard", "0/2", "-o", tmp_path / "x.pdf"),
        ("-o", tmp_path / "x.pdf", "--format", "docx"),
    ):
        done = run("notice", "-", "-o", tmp_path / "x", *arguments, stdin=notices(1))
        assert done.returncode == 2, (arguments, done.stderr)


@pytest.mark.fault("P6")
def test_killed_run_is_taken_up_where_it_ended(run: Run, environment: dict[str, str], tmp_path: Path) -> None:
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps([{**LABELS[n % 25], "plaque_no": f"2026-{n:04d}"} for n in range(480)]))
    options = ("--sheet", "thermal-76x130", "--draft")
    assert run("plaque-labels", rows, "-o", tmp_path / "whole", *options).returncode == 0
    whole = files(tmp_path / "whole")
    assert len(whole) == 24
    target = tmp_path / "killed"
    with started(environment, "plaque-labels", rows, "-o", target, *options) as process:
        wait_until(lambda: len(files(target)) >= 9, 120, "37 % of the parts")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    before = {path: (target / path).stat().st_mtime_ns for path in files(target)}
    assert 9 <= len(before) < 24
    done = run("plaque-labels", rows, "-o", target, *options, "--resume")
    assert done.returncode == 0, done.stderr
    assert events(done)[-1]["kept"] == 20 * len(before)
    assert files(target) == whole
    assert {path: (target / path).stat().st_mtime_ns for path in before} == before
    assert sorted(line["row"] for line in logged(target)) == list(range(480))
    assert [path.name for path in target.iterdir() if path.name.startswith(".")] == []
    again = run("plaque-labels", rows, "-o", target, *options, "--resume")
    assert events(again)[-1]["kept"] == 480
    assert sorted(line["row"] for line in logged(target)) == list(range(480))


def test_interrupted_run_ends_what_it_began(run: Run, environment: dict[str, str], tmp_path: Path) -> None:
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps([{**LABELS[n % 25], "plaque_no": f"2026-{n:04d}"} for n in range(480)]))
    options = ("--sheet", "thermal-76x130", "--draft")
    target = tmp_path / "out"
    with started(environment, "plaque-labels", rows, "-o", target, *options) as process:
        wait_until(lambda: files(target), 120, "the first part")
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
    held = files(target)
    assert 0 < len(held) < 24
    assert len(logged(target)) == 20 * len(held)
    assert all(len(pypdf.PdfReader(target / name).pages) == 20 for name in held)
    done = run("plaque-labels", rows, "-o", target, *options, "--resume")
    assert (done.returncode, len(files(target))) == (0, 24)


@pytest.mark.fault("P9")
def test_three_shards_make_everything_once(environment: dict[str, str], tmp_path: Path) -> None:
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps([{**LABELS[n % 25], "plaque_no": f"2026-{n:04d}"} for n in range(130)]))
    target, options = tmp_path / "out", ("--sheet", "thermal-76x130", "--draft")
    for shard in range(3):
        with started(
            environment, "plaque-labels", rows, "-o", target, *options, "--shard", f"{shard}/3"
        ) as process:
            assert process.wait(120) == 0
    per_shard = [[line["row"] for line in logged(target, shard)] for shard in range(3)]
    assert sorted(row for shard in per_shard for row in shard) == list(range(130))
    assert all(per_shard)
    assert len(files(target)) == 7


@pytest.mark.fault("P9")
@pytest.mark.parametrize("name", ["out", "out.pdf"])
def test_second_runner_on_one_batch_is_turned_away(
    environment: dict[str, str], run: Run, tmp_path: Path, name: str
) -> None:
    rows, target = tmp_path / "rows.json", tmp_path / name
    folder = tmp_path / ("out" if name == "out" else "out.pdf.parts")
    rows.write_text(notices(12), "utf-8")
    with started(environment, "notice", rows, "-o", target) as first:
        wait_until((folder / "results-0.jsonl").exists, 120, "the first has begun")
        os.kill(first.pid, signal.SIGSTOP)
        second = run("notice", rows, "-o", target, "--resume")
        os.kill(first.pid, signal.SIGCONT)
        assert second.returncode == ExitCode.INTERNAL
        assert f"的进程 {first.pid}正在做同一批" in second.stderr
        assert "--resume" in second.stderr
        assert first.wait(240) == 0
    assert [line["row"] for line in sorted(logged(folder), key=lambda line: line["row"])] == list(range(12))
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
    if name == "out":
        titles = [
            "".join(pypdf.PdfReader(target / made).pages[0].extract_text().split())
            for made in files(target)
            if made.endswith(".pdf")
        ]
    else:
        titles = ["".join(page.extract_text().split()) for page in pypdf.PdfReader(target).pages]
    assert len(titles) == 12
    assert all(sum(f"关于第{number}项工作的通知" in title for title in titles) == 1 for number in range(12))
    # Nothing is left to keep the next one out.
    assert run("notice", rows, "-o", target, "--resume").returncode == 0
