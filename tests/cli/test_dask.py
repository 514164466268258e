"""A real Dask scheduler and two worker processes on this machine; one is killed, one row kills whoever makes it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.conftest import FIXTURES, ROOT
from tests.serving import free_port, wait_until

pytestmark = [pytest.mark.libreoffice, pytest.mark.timeout(600)]
NOTICE = json.loads((FIXTURES / "notice" / "minimal.json").read_text("utf-8"))
PRELOAD = Path(__file__).with_name("poison.py")
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


def making(folder: Path) -> list[int]:
    """Processes that have begun a piece; each leaves its number behind."""
    return [int(path.name) for path in folder.glob("*")]


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
        stack.enter_context(
            running(
                environment,
                tmp_path / "scheduler.log",
                *("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"),
            )
        )
        for number in range(WORKERS):
            options = ("--nthreads", "1", "--nanny", "--no-dashboard", "--preload", str(PRELOAD))
            stack.enter_context(
                running(
                    environment,
                    tmp_path / f"worker{number}.log",
                    *("distributed.cli.dask_worker", f"tcp://127.0.0.1:{port}", *options),
                )
            )
        command = [sys.executable, "-m", "service", "batch", "notice", str(source), "-o", str(target)]
        job = stack.enter_context(
            running(environment, tmp_path / "job.log", *command[2:], "--executor", f"dask://127.0.0.1:{port}")
        )
        wait_until(lambda: making(begun), 180, (tmp_path / "job.log").read_text())
        os.kill(making(begun)[0], signal.SIGKILL)
        wait_until(lambda: job.poll() is not None, 300, "the batch ends")
        assert job.returncode == 3, (tmp_path / "job.log").read_text("utf-8")
    lines = [json.loads(line) for line in (target / "results-0.jsonl").read_text("utf-8").splitlines()]
    assert sorted(line["row"] for line in lines) == list(range(53))
    assert [(line["row"], line["code"]) for line in lines if line["status"] == "failed"] == [
        (51, "worker-lost")
    ]
    assert len(list(target.glob("*.pdf"))) == 52
