"""The service ends, by order or by force: whoever was let in is answered, and the next start is clean."""

import contextlib
import io
import json
import signal
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path

import pytest

from service.convert import RemoteConverter
from service.convert.engine import ConverterState
from tests.conftest import FIXTURES
from tests.engines import children, kill
from tests.serving import STOP_S, Answer, Server, serving, wait_until

pytestmark = pytest.mark.libreoffice

MINIMAL = (FIXTURES / "notice" / "minimal.json").read_bytes()
MINIMAL_ROW = json.loads(MINIMAL)
DOCUMENT = "/v1/documents/notice"
BUSY = "urn:wenyin:problem:converter-busy"
PATIENCE_S = 120.0
QUEUE = 4


def converter_state(server: Server) -> ConverterState:
    (path,) = (server.folder / "work").glob("instance-*/converter")
    return RemoteConverter(path).state()


@contextlib.contextmanager
def held(server: Server) -> Iterator[None]:
    """Keep LibreOffice from finishing anything inside the block."""
    stopped = children(server.process.pid)
    for pid in stopped:
        kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            kill(pid, signal.SIGCONT)


def fill_up(server: Server, pool: ThreadPoolExecutor, running: int, waiting: int) -> list[Future[Answer]]:
    """Send as many requests, one after the other, as can run and wait."""
    sent = []
    for number in range(running + waiting):
        sent.append(pool.submit(server.post_json, DOCUMENT, MINIMAL))
        wait_until(
            lambda n=number: (
                (converter_state(server).active, converter_state(server).queued)
                == (min(n + 1, running), max(0, n + 1 - running))
            ),
            PATIENCE_S,
            f"request {number} runs or waits",
        )
    return sent


def is_a_document(answer: Answer) -> bool:
    return answer.status == 200 and answer.body.startswith(b"%PDF-") and answer.body.endswith(b"%%EOF\n")


@pytest.mark.fault("P1", "P3")
def test_full_house_turns_away_and_a_stop_leaves_nobody_unanswered(tmp_path: Path) -> None:
    settings = {"workers": "2", "converters": "2", "engine": "lok", "queue_limit": str(QUEUE)}
    settings["batches_limit"] = "1"
    with serving(tmp_path, **settings) as server, ThreadPoolExecutor(40) as pool:
        assert server.get("/readyz").status == 200
        with held(server):
            inside = fill_up(server, pool, 2, QUEUE)
            # 20 more than fit: each is told to come again, while the service is alive and says so.
            excess = [pool.submit(server.post_json, DOCUMENT, MINIMAL) for _ in range(20)]
            alive = [server.get("/livez").status for _ in range(20)]
            refused = [item.result(PATIENCE_S) for item in excess]
            assert Counter(answer.status for answer in refused) == {429: 20}
            assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
            assert {answer.json["type"] for answer in refused} == {BUSY}
            assert set(alive) == {200}
            assert not any(item.done() for item in inside)
            # Of two batches the one that is let in is not turned away half-way, full as it is.
            batches = [pool.submit(server.post_json, "/v1/batches/notice", [MINIMAL_ROW] * 2) for _ in "ab"]
            (told,), (accepted,) = wait(batches, PATIENCE_S, FIRST_COMPLETED)
            assert (told.result().status, told.result().json["type"]) == (429, BUSY)
            assert int(told.result().headers["retry-after"]) > 0
            page = server.upload("/batch/notice", "rows.json", json.dumps([MINIMAL_ROW]).encode())
            assert (page.status, "请稍后重试" in page.body.decode()) == (429, True)

            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: server.get("/readyz").status == 503, PATIENCE_S, "it says that it stops")
            assert server.get("/readyz").json["status"] == "stopping"
            assert server.get("/livez").status == 200
            late = server.post_json(DOCUMENT, MINIMAL)
            assert (late.status, late.json["type"]) == (503, "urn:wenyin:problem:stopping")
            assert int(late.headers["retry-after"]) > 0
            assert server.process.poll() is None
        assert all(is_a_document(item.result(PATIENCE_S)) for item in inside)
        assert accepted.result(PATIENCE_S).status == 200
        with zipfile.ZipFile(io.BytesIO(accepted.result().body)) as archive:
            assert json.loads(archive.read("report.json"))["done"] == 2
        assert server.process.wait(STOP_S) == 0
        with pytest.raises(ConnectionRefusedError):
            server.get("/livez")


@pytest.mark.fault("P1")
def test_stop_in_full_load_answers_every_request_that_was_there(tmp_path: Path) -> None:
    told = threading.Event()

    def ask_until_it_is_gone(server: Server) -> list[tuple[bool, Answer | None]]:
        seen: list[tuple[bool, Answer | None]] = []
        until_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < until_s:
            before = not told.is_set()
            try:
                seen.append((before, server.post_json(DOCUMENT, MINIMAL)))
            except OSError:
                seen.append((before, None))
                if told.is_set():
                    break
        return seen

    many = ThreadPoolExecutor(6)
    with serving(tmp_path, workers="2", converters="2", queue_limit="8") as server, many as pool:
        asking = [pool.submit(ask_until_it_is_gone, server) for _ in range(6)]
        # In full swing: each of the six has one under way.
        wait_until(lambda: converter_state(server).conversions >= 20, PATIENCE_S, "a good many are made")
        told.set()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(STOP_S) == 0
        seen = [item for future in asking for item in future.result(PATIENCE_S)]
    assert all(answer is not None for before, answer in seen if before), "one that was there got no answer"
    answers = [answer for _, answer in seen if answer is not None]
    assert {answer.status for answer in answers} <= {200, 503}
    assert sum(is_a_document(answer) for answer in answers) >= 12
    assert all(is_a_document(answer) for answer in answers if answer.status == 200)
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers if answer.status == 503)


@pytest.mark.fault("P2")
def test_killed_service_leaves_what_the_next_one_clears_away_and_nothing_else(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir(mode=0o700)
    killed = _made(tmp_path / "killed")
    foreign = work / "instance-of-nobody.txt"
    foreign.write_text("放在这里的别的文件")
    with serving(_made(tmp_path / "other"), work_dir=str(work), workers="1", converters="1") as neighbour:
        neighbours = set(work.glob("instance-*/"))
        server = _killed_at_work(killed, work)
        left = set(work.glob("instance-*/")) - neighbours
        assert left, "a killed service cannot clear up"
        wait_until(
            lambda: not server.children(), PATIENCE_S, "its workers and its LibreOffice have ended too"
        )
        again_folder = _made(tmp_path / "again")
        with serving(again_folder, work_dir=str(work), state_dir=str(killed / "var")) as again:
            assert not left & set(work.glob("instance-*/"))
            assert neighbours <= set(work.glob("instance-*/"))
            assert foreign.read_text() == "放在这里的别的文件"
            assert is_a_document(again.post_json(DOCUMENT, MINIMAL))
        assert is_a_document(neighbour.post_json(DOCUMENT, MINIMAL))


def _killed_at_work(folder: Path, work: Path) -> Server:
    """Start a service, kill it while it makes a document, and see its LibreOffice end."""
    others = set(work.glob("instance-*/"))
    with contextlib.suppress(AssertionError), ExitStack() as stack:
        # The end of its context would have it stop in good order.
        server = stack.enter_context(
            serving(folder, work_dir=str(work), workers="1", converters="1", engine="lok")
        )
        stack.enter_context(held(server))
        pool = stack.enter_context(ThreadPoolExecutor(1))
        asked = pool.submit(server.post_json, DOCUMENT, MINIMAL)
        wait_until(lambda: _busy(work, others), PATIENCE_S, "a document is under way")
        server.process.kill()
        server.process.wait(STOP_S)
        with contextlib.suppress(OSError):
            assert asked.result(PATIENCE_S).status == 503
    return server


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _busy(work: Path, neighbours: set[Path]) -> bool:
    paths = [path for path in work.glob("instance-*/converter") if path.parent not in neighbours]
    return any(RemoteConverter(path).state().active for path in paths)
