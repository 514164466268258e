"""The warm process that examines uploads: it has all that takes long to load, and nothing secret.

Runs as a program with two arguments: the number of the descriptor of its listening socket, and the
seconds that one file may take. It opens no upload itself: each connection gets a fresh child, forked
from it, with limits of its own, that reads one file, answers and ends; at the deadline it is killed. On
a connection the child says ``hello``, then takes one frame and gives one back (`service.office.frames`).
"""

import contextlib
import os
import select
import signal
import socket
import sys
import time

from service.isolation.memory import settle_before_fork
from service.office.frames import read_frame, write_frame
from service.office.jail import be_first_to_go, be_opaque, shut_in
from service.pipeline.examine_child import answer, warm_up

EXAMINE_S = 20.0
"""Time for one file, seconds."""

LIMITS = {"AS": 3_000_000_000, "CPU": int(EXAMINE_S) + 5, "FSIZE": 50_000_000, "NOFILE": 64}
"""RLIMIT values of each child."""

_CHILDREN_PER_CORE = 2


class ExamineServer:
    """Forks a child for each connection; never more than two per core at once.

    Args:
        listener: Bound and listening. Whoever comes while all children are busy waits in its queue.
        limit_s: Time for one file.
    """

    def __init__(self, listener: socket.socket, limit_s: float) -> None:
        self._listener = listener
        self._limit_s = limit_s
        self._most = _CHILDREN_PER_CORE * (os.cpu_count() or 1)
        self._children: dict[int, tuple[int, float]] = {}

    def serve(self) -> None:
        """Serve until this process is ended."""
        self._listener.setblocking(False)
        while True:
            self.step()

    def step(self) -> None:
        """Wait for one event or deadline, and see to it."""
        poller = select.poll()
        for descriptor in self._children:
            poller.register(descriptor, select.POLLIN)
        if len(self._children) < self._most:
            poller.register(self._listener, select.POLLIN)
        due_s = min((until_s for _, until_s in self._children.values()), default=None)
        wait_ms = None if due_s is None else max(0.0, due_s - time.monotonic()) * 1000
        ready = {descriptor for descriptor, _ in poller.poll(wait_ms)}
        now_s = time.monotonic()
        for descriptor, (_, until_s) in list(self._children.items()):
            if descriptor in ready or until_s <= now_s:
                self._bury(descriptor)
        if self._listener.fileno() in ready:
            # Whoever called may have gone again.
            with contextlib.suppress(OSError):
                connection, _ = self._listener.accept()
                with connection:
                    self._fork(connection)

    def _fork(self, connection: socket.socket) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                self._listener.close()
                for descriptor in self._children:
                    os.close(descriptor)
                _serve_one(connection, self._limit_s, parent)
                code = 0
            finally:
                # Nothing that an upload made go wrong is printed: it may quote the upload.
                os._exit(code)
        self._children[os.pidfd_open(pid)] = (pid, time.monotonic() + self._limit_s)

    def _bury(self, descriptor: int) -> None:
        pid, _ = self._children.pop(descriptor)
        os.close(descriptor)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # Whatever it may have started goes with it.
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _serve_one(connection: socket.socket, limit_s: float, parent: int) -> None:
    shut_in(LIMITS, parent)
    connection.settimeout(limit_s)
    write_frame(connection, {"said": "hello"})
    frame = read_frame(connection)
    if frame is not None:
        asked, data = frame
        found = answer(str(asked["kind"]), data, asked["anchors"], thorough=bool(asked["thorough"]))
        write_frame(connection, found)


def main(arguments: list[str]) -> None:
    """Serve the listening socket named on the command line."""
    be_first_to_go()
    # A child that is taken over must not reach into another child, or into the process it came from.
    be_opaque()
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123 - a descriptor is wanted
        os.dup2(nothing.fileno(), sys.stdout.fileno())
    warm_up()
    settle_before_fork()
    ExamineServer(socket.socket(fileno=int(arguments[0])), float(arguments[1])).serve()
