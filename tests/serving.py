"""A real `wenyin serve` process on a free port of 127.0.0.1, and a plain client for it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.isolation.process import descendants

START_S = 180.0
STOP_S = 90.0


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def type(self) -> str:
        return self.headers.get("content-type", "").split(";")[0]


@dataclass(frozen=True)
class Server:
    """A running service.

    Attributes:
        port: TCP port on 127.0.0.1.
        process: The gunicorn master.
        folder: Holds ``var``, ``work`` and ``log``.
    """

    port: int
    process: "subprocess.Popen[bytes]"
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 120.0,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            content = response.read()
            found = {key.lower(): value for key, value in response.getheaders()}
            return Answer(response.status, found, content)
        finally:
            connection.close()

    def get(self, path: str, accept: str = "*/*") -> Answer:
        return self.ask("GET", path, headers={"Accept": accept})

    def post_json(self, path: str, value: object, **headers: str) -> Answer:
        body = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
        return self.ask("POST", path, body, {"Content-Type": "application/json", **headers})

    def upload(self, path: str, name: str, content: bytes, accept: str = "application/json") -> Answer:
        boundary = "wenyin-test-boundary"
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        return self.ask("POST", path, body, {"Content-Type": kind, "Accept": accept})

    def kill(self) -> None:
        """End every process at once, as a machine that loses its power does."""
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def jobs_left(self) -> list[Path]:
        return list((self.folder / "work").glob("instance-*/jobs/*"))

    def children(self) -> dict[int, str]:
        """Return pid and command line of every process that has this server's folder in it."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                except OSError:
                    continue
                if str(self.folder) in line:
                    found[int(entry.name)] = line
        return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Any, seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"did not happen within {seconds} s: {what}"
        threading.Event().wait(0.02)


@contextmanager
def serving(folder: Path, *, within: Sequence[str] = (), **settings: str) -> Iterator[Server]:
    """Start a service, wait until it is ready, stop it and see that it leaves nothing.

    Args:
        folder: For its state and work.
        within: A command that sets a scene and then becomes the command that it is given.
        **settings: More settings, without prefix, in lower case.
    """
    port = int(settings.get("port") or free_port())
    values = {
        "port": str(port),
        "state_dir": str(folder / "var"),
        "work_dir": str(folder / "work"),
        **settings,
    }
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WENYIN_")}
    environment |= {f"WENYIN_{key.upper()}": value for key, value in values.items()}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*within, sys.executable, "-m", "service", "serve"], env=environment, stdout=log, stderr=log
        )
    server = Server(port, process, folder, values)
    try:
        wait_until(lambda: _is_up(server), START_S, f"start; log:\n{server.log}")
        yield server
        if process.poll() == -signal.SIGKILL:
            # What it left is for the next one to clear away.
            return
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_S) == 0, server.log
        wait_until(lambda: not server.children(), 5, f"no process left: {server.children()}")
        assert list((folder / "work").glob("instance-*")) == []
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _is_up(server: Server) -> bool:
    assert server.process.poll() is None, server.log
    try:
        return server.get("/livez").status == 200
    except OSError:
        return False
