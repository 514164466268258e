"""The one converter process that all HTTP workers share.

Runs as a program with three arguments: the folder that holds the package, and the numbers
of two descriptors, the listening socket and a socket to the process that started it. It
loads no key and no template; what it needs comes over the second socket.

Each connection is one question and one answer. A client that hangs up takes its document
back, whether it waits or runs.
"""

import contextlib
import json
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict

from service.convert.engine import Converter
from service.convert.gate import Priority
from service.convert.plan import ConverterPlan, make_engine
from service.errors import ServiceError
from service.model import Deadline
from service.office.frames import Header, read_frame, write_frame

_QUESTION_S = 30.0
_ANSWER_S = 30.0
_GRACE_S = 3_600.0
_TICK_S = 0.5


def error_frame(error: ServiceError) -> Header:
    """Return an error as a frame's header; `service.convert.remote` makes it an error again."""
    return {
        "said": "error",
        "class": type(error).__name__,
        "message": str(error),
        "detail": error.detail,
        "code": error.type_code,
        "retry_after_s": error.retry_after_s,
    }


class ConverterServer:
    """Answers questions on a listening socket by an engine.

    Args:
        listener: Bound and listening; others may accept from it as well.
        engine: Started.
    """

    def __init__(self, listener: socket.socket, engine: Converter) -> None:
        self._listener = listener
        self._engine = engine
        self._ending = threading.Event()
        self._threads: set[threading.Thread] = set()

    def stop(self) -> None:
        """Take no more questions; those that were taken are answered."""
        self._ending.set()

    def serve(self) -> None:
        """Answer until `stop`, then finish what was begun."""
        self._listener.setblocking(False)
        poller = select.poll()
        poller.register(self._listener, select.POLLIN)
        while not self._ending.is_set():
            if not poller.poll(_TICK_S * 1000):
                self._threads = {thread for thread in self._threads if thread.is_alive()}
                continue
            # Another process at the same socket may have been faster.
            with contextlib.suppress(OSError):
                connection, _ = self._listener.accept()
                thread = threading.Thread(target=self._answer, args=(connection,), daemon=True)
                self._threads.add(thread)
                thread.start()
        give_up_at_s = time.monotonic() + _GRACE_S
        for thread in self._threads:
            thread.join(max(0.0, give_up_at_s - time.monotonic()))

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ValueError):
            connection.settimeout(_QUESTION_S)
            frame = read_frame(connection)
            if frame is None:
                return
            header, body = frame
            answer, pdf = self._reply(connection, header, body)
            connection.settimeout(_ANSWER_S)
            write_frame(connection, answer, pdf)

    def _reply(self, connection: socket.socket, header: Header, body: bytes) -> tuple[Header, bytes]:
        try:
            if header["do"] == "state":
                return {"said": "state", "state": asdict(self._engine.state())}, b""
            if header["do"] == "recycle":
                self._engine.recycle()
                return {"said": "done"}, b""
            pdf = self._engine.convert(
                body,
                Deadline.after(float(header["seconds"])),
                priority=Priority(header["priority"]),
                cancelled=lambda: _hung_up(connection),
                label=str(header.get("label", "")),
            )
        except ServiceError as error:
            return error_frame(error), b""
        return {"said": "pdf"}, pdf


def _hung_up(connection: socket.socket) -> bool:
    poller = select.poll()
    poller.register(connection, select.POLLRDHUP)
    return bool(poller.poll(0))


def _report(message: str, values: Mapping[str, object]) -> None:
    """Write one line to the log, in the form that the service's other lines have."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = {"event": message, **values, "logger": "wenyin.converter", "level": "warning", "timestamp": now}
    sys.stderr.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stderr.flush()


def main(arguments: list[str]) -> None:
    """Take the plan, start its engine, serve until SIGTERM."""
    listener, starter = (socket.socket(fileno=int(item)) for item in arguments)
    frame = read_frame(starter)
    if frame is None:
        return
    plan, canary = ConverterPlan.from_json(frame[0]), frame[1]
    warm_docs: list[bytes] | None = None

    def fetch_warm_docs() -> list[bytes]:
        nonlocal warm_docs
        if warm_docs is None:
            warm_docs = [canary]
            while (item := read_frame(starter)) is not None and item[0]["do"] == "warm":
                warm_docs.append(item[1])
        return warm_docs

    engine = make_engine(plan, canary, fetch_warm_docs, _report)
    server = ConverterServer(listener, engine)
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        try:
            engine.start()
        except ServiceError as error:
            _report("转换器不可用", {"reason": str(error), "detail": error.detail})
        # Whoever started this process may have gone.
        with contextlib.suppress(OSError):
            write_frame(starter, {"said": "ready"})
        server.serve()
    finally:
        engine.close()
