"""A real Dask scheduler and workers on this machine: a worker is killed, a row kills whoever makes it, the scheduler dies."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FIXTURES, ROOT
from tests.serving import free_port, wait_until

pytestmark = [pytest.mark.libreoffice, pytest.mark.timeout(600)]
NOTICE = json.loads((FIXTURES / "notice" / "minimal.json").read_text("utf-8"))
LABELS = json.loads((FIXTURES / "plaque-labels" / "sheet-and-one.json").read_text("utf-8"))["labels"]
POISON = Path(__file__).with_name("poison.py")
DOORS = Path(__file__).with_name("doors.py")
WORKERS = 2


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("WENYIN_")}
    return clean | {
        "WENYIN_STATE_DIR": str(tmp_path / "var"),
        "WENYIN_WORK_DIR": str(tmp_path / "work"),
        "WENYIN_CONVERTERS": "1",
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
        "PYTHONPATH": str(ROOT),
    }


@contextmanager
def running(environment: dict[str, str], log: Path, *command: str) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=environment,
            cwd=log.parent,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def scheduler(
    environment: dict[str, str], log: Path, port: str
) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    options = ("--host", "127.0.0.1", "--port", port, "--no-dashboard")
    return running(environment, log, "distributed.cli.dask_scheduler", *options)


def worker(
    environment: dict[str, str], log: Path, port: str, preload: Path
) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    options = ("--nthreads", "1", "--nanny", "--no-dashboard", "--preload", str(preload))
    return running(environment, log, "distributed.cli.dask_worker", f"tcp://127.0.0.1:{port}", *options)


def making(folder: Path) -> list[int]:
    """Processes that have begun a piece; each leaves its number behind."""
    return [int(path.name) for path in folder.glob("*")]


def logged(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results-0.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.fault("C12", "P7")
def test_work_of_a_killed_worker_is_done_and_a_poison_row_fails_alone(
    environment: dict[str, str], tmp_path: Path
) -> None:
    rows = [{**NOTICE, "title": f"关于第{number}项工作的通知"} for number in range(53)]
    rows[51]["title"] = "关于毒物的通知"
    source, target, begun = tmp_path / "rows.json", tmp_path / "out", tmp_path / "begun"
    source.write_text(json.dumps(rows))
    begun.mkdir()
    environment["POISON_BEGUN"] = str(begun)
    subprocess.run(
        [sys.executable, "-m", "service", "keys", "new", "unit", "--name", "云州市科技馆"],
        env=environment,
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    port = str(free_port())
    with ExitStack() as stack:
        stack.enter_context(scheduler(environment, tmp_path / "scheduler.log", port))
        for number in range(WORKERS):
            stack.enter_context(worker(environment, tmp_path / f"worker{number}.log", port, POISON))
        command = [sys.executable, "-m", "service", "batch", "notice", str(source), "-o", str(target)]
        job = stack.enter_context(
            running(environment, tmp_path / "job.log", *command[2:], "--executor", f"dask://127.0.0.1:{port}")
        )
        wait_until(lambda: making(begun), 180, (tmp_path / "job.log").read_text())
        os.kill(making(begun)[0], signal.SIGKILL)
        wait_until(lambda: job.poll() is not None, 300, "the batch ends")
        assert job.returncode == 3, (tmp_path / "job.log").read_text("utf-8")
    lines = logged(target)
    assert sorted(line["row"] for line in lines) == list(range(53))
    assert [(line["row"], line["code"]) for line in lines if line["status"] == "failed"] == [
        (51, "worker-lost")
    ]
    assert len(list(target.glob("*.pdf"))) == 52


@pytest.mark.fault("P7")
def test_batch_whose_scheduler_dies_says_so_and_is_taken_up_again(
    environment: dict[str, str], tmp_path: Path
) -> None:
    rows, target, doors, port = tmp_path / "rows.json", tmp_path / "out", tmp_path / "doors", str(free_port())
    rows.write_text(json.dumps([{**LABELS[n % 25], "plaque_no": f"2026-{n:04d}"} for n in range(60)]))
    doors.mkdir()
    environment["BATCH_DOORS"] = str(doors)
    batch = ("service", "batch", "plaque-labels", str(rows), "-o", str(target))
    options = ("--sheet", "thermal-76x130", "--draft", "--resume")
    made: dict[str, int] = {}

    def stored() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in target.glob("[!.]*.pdf")}

    def end_scheduler(parts: int, head: "subprocess.Popen[bytes]", how: signal.Signals) -> None:
        wait_until((doors / f"begun-{parts}").exists, 180, "the next part is begun")
        wait_until(lambda: len(logged(target)) == 20 * parts, 60, "the part is logged")
        os.kill(head.pid, how)

    for number, how in enumerate((signal.SIGKILL, signal.SIGTERM)):
        logs = [tmp_path / f"{name}{number}.log" for name in ("scheduler", "worker", "job")]
        with scheduler(environment, logs[0], port) as head, worker(environment, logs[1], port, DOORS):
            (doors / f"open-{number}").touch()
            cluster = ("--executor", f"dask://127.0.0.1:{port}")
            with running(environment, logs[2], *batch, *options, *cluster) as job:
                end_scheduler(number + 1, head, how)
                wait_until(lambda: job.poll() is not None, 120, "the batch ends")
        said = logs[2].read_text("utf-8")
        assert (job.returncode, "Traceback" in said) == (7, False), said
        assert re.search(r"^错误：.*调度器.*--resume", said, re.MULTILINE), said
        assert (len(stored()), stored().items() > made.items()) == (number + 1, True)
        made = stored()
    with running(environment, tmp_path / "local.log", *batch, *options) as job:
        wait_until(lambda: job.poll() is not None, 180, "the rest is made on this machine")
    last = json.loads((tmp_path / "local.log").read_text("utf-8").splitlines()[-1])
    assert (job.returncode, last["done"], last["kept"]) == (0, 60, 40)
    assert (len(stored()), stored().items() > made.items()) == (3, True)
    assert sorted(line["row"] for line in logged(target)) == list(range(60))
