"""Starts the shared converter process, watches over it, and replaces it without a gap.

The listening socket belongs to the host. While a converter starts, or starts again, its
clients wait in that socket's queue.
"""

import contextlib
import select
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from service import __file__ as _package_file
from service.convert.plan import ConverterPlan
from service.convert.remote import RemoteConverter, socket_address
from service.isolation.process import Running
from service.isolation.workspace import Workspace
from service.office.frames import read_frame, write_frame

_BACKLOG = 1_024
_PACKAGE_ROOT = str(Path(_package_file).resolve().parent.parent)
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from service.convert.server import main; main(sys.argv[2:])"
)
_COMMAND = (
    "/usr/bin/setpriv",
    "--pdeathsig",
    "KILL",
    "--",
    sys.executable,
    "-I",
    "-S",
    "-c",
    _BOOT,
    _PACKAGE_ROOT,
)
# The converter's whole environment: nothing that the service was told reaches it.
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
_SEND_S = 10.0
_RESTART_EVERY_S = 1.0
_END_S = 10.0


class _Process:
    """One converter process, and our end of its socket."""

    def __init__(self, listener: socket.socket, plan: ConverterPlan, canary: bytes) -> None:
        self.begun_s = time.monotonic()
        self.ready = False
        self.starter, far = socket.socketpair()
        with far:
            descriptors = [listener.fileno(), far.fileno()]
            self.running = Running(
                [*_COMMAND, *map(str, descriptors)],
                environment=_ENVIRONMENT,
                output_file=None,
                pass_fds=descriptors,
            )
        self.starter.settimeout(_SEND_S)
        with contextlib.suppress(OSError):
            write_frame(self.starter, plan.to_json(), canary)

    def feed(self, warm_docs: Sequence[bytes]) -> None:
        """Send the documents that warm LibreOffice up; none may follow."""
        with contextlib.suppress(OSError):
            for docx in warm_docs:
                write_frame(self.starter, {"do": "warm"}, docx)
            write_frame(self.starter, {"do": "go"})

    def has_become_ready(self) -> bool:
        """Whether it has said, by now, that it takes questions."""
        if not self.ready:
            poller = select.poll()
            poller.register(self.starter, select.POLLIN)
            if poller.poll(0):
                with contextlib.suppress(OSError, ValueError):
                    self.ready = read_frame(self.starter) is not None
        return self.ready

    def end(self) -> None:
        """End it now, with a little time to clear up."""
        self.starter.close()
        self.running.end(_END_S)


class ConverterHost:
    """The shared converter, from the side of the process that starts the service.

    Args:
        work_dir: Parent of the private folder for the socket.
        plan: What the converter is to be.
        canary: Warms it up first.

    Make it in a thread that stays: the converter dies with that thread.
    """

    def __init__(self, work_dir: Path, plan: ConverterPlan, canary: bytes) -> None:
        self._workspace = Workspace(work_dir)
        self._plan = plan
        self._canary = canary
        self._warm_docs: list[bytes] | None = None
        self._retired: list[_Process] = []
        self._coming: _Process | None = None
        self.restarts = 0
        self.path = self._workspace.path / "converter"
        self._listener = socket.socket(socket.AF_UNIX)
        with socket_address(self.path) as address:
            self._listener.bind(address)
        self._listener.listen(_BACKLOG)
        self._current = _Process(self._listener, plan, canary)

    @property
    def pid(self) -> int:
        """The converter's process id."""
        return self._current.running.pid

    def client(self) -> RemoteConverter:
        """Return a way to the converter that any process of this service may use."""
        return RemoteConverter(self.path)

    @property
    def fed(self) -> bool:
        """Whether it has been given what warms it up."""
        return self._warm_docs is not None

    def feed(self, warm_docs: Sequence[bytes]) -> None:
        """Give the documents that warm the converter up; it is not ready before.

        Args:
            warm_docs: Filled templates.
        """
        self._warm_docs = list(warm_docs)
        self._current.feed(self._warm_docs)

    def renew(self, plan: ConverterPlan, warm_docs: Sequence[bytes]) -> None:
        """Start a converter for other fonts or templates; the present one serves until it is ready.

        Args:
            plan: What it is to be.
            warm_docs: Filled templates.
        """
        if self._coming is not None:
            self._coming.end()
        self._plan, self._warm_docs = plan, list(warm_docs)
        self._coming = self._begin()

    def tend(self) -> bool:
        """Mend what is broken; call it every second or so.

        Returns:
            Whether a converter that had ended was started again.
        """
        coming = self._coming
        if coming is not None and coming.has_become_ready():
            self._retire(self._current)
            self._current, self._coming = coming, None
        self._retired = [item for item in self._retired if item.running.alive]
        if self._current.running.alive or time.monotonic() - self._current.begun_s < _RESTART_EVERY_S:
            return False
        self._current.end()
        self._current = self._begin()
        self.restarts += 1
        return True

    def let_go(self) -> None:
        """In a process forked from the owner: hold the socket no longer.

        Otherwise it would outlive owner and converter, and clients wait in its queue for nobody.
        """
        self._listener.close()

    def close(self) -> None:
        """End the converter and remove the socket."""
        self._listener.close()
        for process in (self._current, *self._retired, *([self._coming] if self._coming else [])):
            process.end()
        self._workspace.close()

    def _begin(self) -> _Process:
        process = _Process(self._listener, self._plan, self._canary)
        if self._warm_docs is not None:
            process.feed(self._warm_docs)
        return process

    def _retire(self, process: _Process) -> None:
        # Finishes what it has begun, then ends by itself.
        process.running.terminate()
        self._retired.append(process)
