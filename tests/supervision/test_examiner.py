"""The warm process that looks into uploads: what it gives, what ends it, what it can reach."""

import io
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from service.convert.remote import socket_address
from service.errors import NotVerifiable
from service.isolation.process import descendants
from service.isolation.sandbox import SandboxMode
from service.office.frames import read_frame
from service.pipeline.examine_server import LIMITS
from service.pipeline.examiner import ExaminerHost, Findings, FreshExaminer, WarmExaminer
from service.verification import make_symbol, png_bytes
from tests.documents import plain
from tests.engines import command, wait_until

TEXT = "https://V.EXAMPLE.CN/V/" + "1234567890" * 30


def picture() -> bytes:
    return png_bytes(make_symbol(TEXT, 0.1, 40), 4)


def pdf(pages: int = 1) -> bytes:
    buffer = io.BytesIO()
    first = Image.open(io.BytesIO(picture())).convert("RGB")
    first.save(buffer, "PDF", resolution=150, save_all=True, append_images=[first] * (pages - 1))
    return buffer.getvalue()


class NoFallback:
    """Fails the test: the warm process should have answered."""

    def examine(self, *_: object, **__: object) -> Findings:
        raise AssertionError("not warm")

    def close(self) -> None:
        pass


@pytest.fixture
def host(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ExaminerHost]:
    monkeypatch.setenv("WENYIN_SECRET_CANARY", "do-not-leak")
    mode: SandboxMode = getattr(request, "param", "auto")
    made = ExaminerHost(tmp_path, mode, limit_s=5)
    made.start()
    yield made
    below = descendants(made.pid)
    made.close()
    wait_until(lambda: not any("examine_server" in command(pid) for pid in below), 5, "nothing runs any more")
    assert list(tmp_path.iterdir()) == []


def client(host: ExaminerHost) -> WarmExaminer:
    return host.client(NoFallback())


def greeted(host: ExaminerHost) -> socket.socket:
    """Return a connection whose child waits for its file."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(30)
    with socket_address(host.path) as address:
        connection.connect(address)
    assert read_frame(connection) is not None
    return connection


def children(host: ExaminerHost) -> list[int]:
    """Return those who hold limits of their own."""
    limit = f"Max address space          {LIMITS['AS']}"
    found = []
    for pid in descendants(host.pid):
        try:
            if limit[-10:] in Path(f"/proc/{pid}/limits").read_text():
                found.append(pid)
        except OSError:
            continue
    return found


def test_warm_and_fresh_find_the_same(host: ExaminerHost, tmp_path_factory: pytest.TempPathFactory) -> None:
    fresh = FreshExaminer(tmp_path_factory.mktemp("fresh"), "auto")
    try:
        for kind, data in (("pdf", pdf()), ("docx", plain("文字")), ("picture", picture())):
            warm = client(host).examine(kind, data, [], thorough=True)
            assert warm == fresh.examine(kind, data, [], thorough=True)
            assert kind == "docx" or warm["codes"] == [[TEXT, 1]]
    finally:
        fresh.close()
    wait_until(lambda: children(host) == [], 5, "each child ends with its file")


@pytest.mark.fault("V6")
@pytest.mark.parametrize("host", ["auto", "off"], indirect=True)
def test_child_is_shut_in_and_knows_nothing(host: ExaminerHost) -> None:
    with greeted(host):
        (child,) = children(host)
        limits = Path(f"/proc/{child}/limits").read_text()
        for words in ("Max cpu time", "Max file size", "Max open files", "Max core file size"):
            assert "unlimited" not in next(line for line in limits.splitlines() if line.startswith(words))
        environment = Path(f"/proc/{child}/environ").read_bytes()
        assert b"do-not-leak" not in environment
        assert {item.split(b"=")[0] for item in environment.split(b"\0") if item} <= {
            b"PATH", b"LANG", b"PYTHONDONTWRITEBYTECODE", b"PWD",
        }  # fmt: skip
        held = [str(entry.readlink()) for entry in Path(f"/proc/{child}/fd").iterdir() if int(entry.name) > 2]
        assert [kind for kind in held if not kind.startswith("socket:")] == []
        assert len(held) == 1


@pytest.mark.fault("V6")
def test_killed_or_lasting_child_costs_one_upload(host: ExaminerHost) -> None:
    assert client(host).examine("pdf", pdf(), [], thorough=False)["pages"] == 1
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client(host).examine, "pdf", pdf(150), [], thorough=True)
        wait_until(lambda: children(host), 10, "a child at work")
        os.kill(children(host)[0], signal.SIGKILL)
        with pytest.raises(NotVerifiable):
            waiting.result(30)
    # Nobody sends anything: the child is ended all the same.
    with greeted(host) as idle:
        assert read_frame(idle) is None
    wait_until(lambda: children(host) == [], 5, "no child outlives the limit")
    assert client(host).examine("pdf", pdf(), [], thorough=False)["codes"] == [[TEXT, 1]]


def test_whoever_comes_while_all_are_busy_waits(host: ExaminerHost) -> None:
    held = [greeted(host) for _ in range(2 * (os.cpu_count() or 1))]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client(host).examine, "picture", picture(), [], thorough=False)
        assert len(children(host)) == len(held)
        assert not waiting.done()
        for connection in held:
            connection.close()
        assert waiting.result(30)["codes"] == [[TEXT, 1]]


def test_killed_process_is_started_again(host: ExaminerHost) -> None:
    assert client(host).examine("picture", picture(), [], thorough=False)["codes"]
    for pid in descendants(host.pid):
        os.kill(pid, signal.SIGKILL)
    wait_until(host.tend, 10, "it is started again")
    assert client(host).examine("picture", picture(), [], thorough=False)["codes"]


def test_without_the_warm_process_a_fresh_one_answers(tmp_path: Path) -> None:
    alone = WarmExaminer(tmp_path / "nobody", FreshExaminer(tmp_path / "work", "auto"))
    try:
        assert alone.examine("picture", picture(), [], thorough=False)["codes"] == [[TEXT, 1]]
    finally:
        alone.close()
