"""The one converter process of all HTTP workers: its clients, its death, its replacement."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from service.convert import ConverterHost, RemoteConverter
from service.convert.remote import socket_address
from service.errors import (
    ConversionCancelled,
    ConversionTimeout,
    ConverterBusy,
    ConverterUnavailable,
    UnsafeArchive,
)
from service.isolation.process import descendants
from service.model import Deadline
from service.office.frames import write_frame
from service.pdf import pdf_text
from tests.documents import plain, slow
from tests.engines import CANARY, children, command, convert, kill, plan, wait_until, zygotes
from tests.serving import serving

pytestmark = pytest.mark.libreoffice


def text(pdf: bytes) -> str:
    return "".join(pdf_text(pdf).split())


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ConverterHost]:
    monkeypatch.setenv("WENYIN_SECRET_CANARY", "do-not-leak")
    monkeypatch.setenv("SECRET_CANARY", "do-not-leak")
    made = ConverterHost(tmp_path, plan(tmp_path, queue_limit=1), CANARY)
    made.feed(())
    yield made
    below = [pid for pid in descendants(made.pid) if pid != os.getpid()]
    made.close()
    wait_until(lambda: not any(command(pid) for pid in below), 5, "nothing runs any more")
    assert [path.name for path in tmp_path.iterdir()] in ([], ["font-cache"])


def tend_until(host: ConverterHost, done: Future[bytes]) -> None:
    # In this thread: the converter dies with the one that made it.
    until = time.monotonic() + 20
    while not done.done() and time.monotonic() < until:
        host.tend()
        threading.Event().wait(0.02)


def test_killed_converter_costs_time_but_no_document(host: ConverterHost) -> None:
    client = host.client()
    client.start()
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(convert, client, slow(), 3.0)
        wait_until(lambda: client.state().active, 10, "a document is under way")
        kill(host.pid)
        # While it is away, others come.
        later = ThreadPoolExecutor(1)
        waiting = later.submit(convert, client, plain("等一等"))
        tend_until(host, waiting)
        assert text(waiting.result()) == "等一等"
        later.shutdown()
        tend_until(host, under_way)
        # Sent again to the new converter, it ran into its own deadline there.
        with pytest.raises(ConversionTimeout):
            under_way.result()
    assert host.restarts == 1


def test_errors_arrive_as_what_they_were(host: ConverterHost) -> None:
    client = host.client()
    with pytest.raises(UnsafeArchive) as caught:
        convert(client, b"no docx")
    assert caught.value.type_code == "not-docx"
    assert caught.value.detail == "no zip"
    with ThreadPoolExecutor(3) as pool:
        busy = [pool.submit(convert, client, slow(), 4.0) for _ in range(3)]
        wait_until(lambda: client.state().queued == 1, 10, "two run and one waits")
        with pytest.raises(ConverterBusy) as full:
            convert(client, plain("满"))
        assert (full.value.http_status, full.value.retry_after_s) == (429, 5)
        for item in busy:
            assert item.exception()


def test_client_that_leaves_takes_its_document_back(host: ConverterHost) -> None:
    client = host.client()
    client.start()
    with socket.socket(socket.AF_UNIX) as connection, socket_address(host.path) as address:
        connection.connect(address)
        write_frame(connection, {"do": "convert", "priority": "single", "seconds": 60}, slow())
        wait_until(lambda: client.state().active == 1, 10, "it runs")
    wait_until(lambda: client.state().cancelled == 1, 3, "it was given up")
    assert client.state().active == 0


def test_cancelling_reaches_the_converter(host: ConverterHost) -> None:
    client = host.client()
    gone = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(client.convert, slow(), Deadline.after(60), cancelled=gone.is_set)
        wait_until(lambda: client.state().active == 1, 10, "it runs")
        gone.set()
        with pytest.raises(ConversionCancelled):
            running.result(timeout=3)
        wait_until(lambda: client.state().active == 0, 3, "the slot is free")


@pytest.mark.fault("C11")
def test_no_secret_and_no_key_is_within_its_reach(host: ConverterHost) -> None:
    host.client().start()
    for pid in descendants(host.pid):
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"do-not-leak" not in environment
        assert b"WENYIN" not in environment
    loaded = Path(f"/proc/{host.pid}/maps").read_text(encoding="utf-8")
    assert "_openssl" not in loaded
    assert "cryptography" not in loaded
    assert host.path.parent.stat().st_mode & 0o777 == 0o700


def test_new_plan_takes_over_without_a_gap(host: ConverterHost, tmp_path: Path) -> None:
    client = host.client()
    client.start()
    first = host.pid
    stop = threading.Event()

    def keep_converting() -> int:
        count = 0
        while not stop.is_set():
            assert text(convert(client, plain("不断"))) == "不断"
            count += 1
        return count

    with ThreadPoolExecutor(1) as pool:
        worker = pool.submit(keep_converting)
        try:
            host.renew(plan(tmp_path, queue_limit=1, slots=1), [plain("新模板")])
            until = time.monotonic() + 20
            while (host.pid == first or command(first)) and time.monotonic() < until:
                host.tend()
                threading.Event().wait(0.02)
        finally:
            stop.set()
        assert worker.result() > 1
    assert host.pid != first
    assert not command(first)


def test_absent_converter_is_503_with_retry_after(tmp_path: Path) -> None:
    client = RemoteConverter(tmp_path / "nothing")
    with pytest.raises(ConverterUnavailable) as caught:
        convert(client, plain("没有"), 5)
    assert (caught.value.http_status, caught.value.retry_after_s) == (503, 5)
    assert client.state().missing_layers


def test_long_paths_fit(tmp_path: Path) -> None:
    folder = tmp_path / ("长" * 60)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        with socket_address(folder / "converter") as address:
            listener.bind(address)
        listener.listen()
        with socket.socket(socket.AF_UNIX) as near, socket_address(folder / "converter") as address:
            near.connect(address)


def test_service_survives_the_converter_and_the_converter_survives_a_worker(tmp_path: Path) -> None:
    notice = "/v1/documents/notice"
    with serving(tmp_path, workers="2", converters="1", engine="lok") as server:
        sample = server.get("/v1/templates/notice/sample").body
        first = server.post_json(notice, sample)
        assert first.status == 200

        def converter() -> int:
            return next(
                pid for pid in descendants(server.process.pid) if "service.convert.server" in command(pid)
            )

        def workers() -> list[int]:
            return [pid for pid in descendants(server.process.pid)[1:] if "serve" in command(pid).split()]

        before = converter()
        (zygote,) = zygotes(server.process.pid)
        for pid in workers():
            kill(pid)
        wait_until(lambda: len(workers()) == 2, 10, "new workers")
        assert server.post_json(notice, sample).status == 200
        assert converter() == before
        assert zygotes(server.process.pid) == [zygote]
        kill(before)
        answer = server.post_json(notice, sample)
        assert answer.status == 200
        # The signature has a time in it; all that it covers is the same.
        assert answer.headers["x-document-id"] == first.headers["x-document-id"]
        assert text(answer.body) == text(first.body)
        assert converter() != before
        assert "转换进程意外退出" in server.log


@pytest.mark.fault("P4")
def test_http_client_that_leaves_takes_its_document_back(tmp_path: Path) -> None:
    with serving(tmp_path, workers="1", converters="1", engine="lok") as server:
        sample = server.get("/v1/templates/notice/sample").body
        (path,) = (tmp_path / "work").glob("instance-*/converter")
        converter = RemoteConverter(path)
        head = f"POST /v1/documents/notice HTTP/1.1\r\nHost: x\r\nContent-Length: {len(sample)}\r\n"
        request = f"{head}Content-Type: application/json\r\n\r\n".encode() + sample
        before = converter.state()
        stopped = children(server.process.pid)
        for pid in stopped:
            kill(pid, signal.SIGSTOP)
        with socket.create_connection(("127.0.0.1", server.port)) as running:
            running.sendall(request)
            wait_until(lambda: converter.state().active == 1, 60, "it runs")
            # One that only waits for its turn gives up its place, and is never begun.
            with socket.create_connection(("127.0.0.1", server.port)) as waiting:
                waiting.sendall(request)
                wait_until(lambda: converter.state().queued == 1, 60, "it waits")
            wait_until(lambda: converter.state().queued == 0, 60, "its place is free")
            state = converter.state()
            assert (state.active, state.cancelled - before.cancelled) == (1, 1)
        wait_until(lambda: converter.state().active == 0, 60, "it was given up")
        assert server.post_json("/v1/documents/notice", sample).status == 200
        state = converter.state()
        # The one that was answered, and nothing for those who had gone.
        assert (state.cancelled - before.cancelled, state.conversions - before.conversions) == (2, 1)
        metrics = server.get("/metrics").body.decode()
        assert f"\nwenyin_conversions_cancelled_total {state.cancelled}.0\n" in metrics
        assert server.jobs_left() == []
