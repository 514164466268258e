"""Uploads to the process that looks into them: warm and shared, or fresh for one file."""

import contextlib
import json
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from service.convert.remote import socket_address
from service.errors import NotVerifiable, QueueTimeout
from service.isolation.process import Limits, Running
from service.isolation.sandbox import SandboxMode
from service.isolation.workspace import Workspace
from service.model import Deadline
from service.office.frames import read_frame, write_frame
from service.pipeline.examine_server import EXAMINE_S, LIMITS
from service.pipeline.limited_child import (
    ENVIRONMENT,
    ChildFailed,
    LimitedChild,
    open_sandbox,
    python_command,
)

_ANSWER_BYTES = 32_000_000
_WAIT_S = 20.0
_BACKLOG = 256
_RESTART_EVERY_S = 1.0
_CHILD = LimitedChild(
    "examine_child", Limits(LIMITS["AS"], LIMITS["CPU"], LIMITS["FSIZE"]), EXAMINE_S, _ANSWER_BYTES
)
_TOO_HARD = "文件过于复杂或已损坏，未能在限定的资源内完成核验；请上传签发的原 PDF 或 docx。"

Findings = dict[str, Any]
"""What `service.pipeline.examine_child` says."""


class Examiner(Protocol):
    """Looks into an upload, in a process that can be killed."""

    def examine(self, kind: str, data: bytes, anchors: Sequence[str], *, thorough: bool) -> Findings:
        """Return what is found.

        Args:
            kind: ``pdf``, ``docx`` or ``picture``.
            data: The file.
            anchors: Certificates of the issuers, Base64; nothing secret ever goes to that process.
            thorough: Whether to take the time for a second opinion.

        Raises:
            NotVerifiable: The examination did not end within its limits.
            QueueTimeout: Too many others wait.
        """

    def close(self) -> None:
        """Clear away."""


class FreshExaminer:
    """A new process for each file: slow to start, needs nothing beside it.

    Args:
        work_dir: Parent of the folder for uploads.
        mode: Whether the process lives in bubblewrap.
    """

    def __init__(self, work_dir: Path, mode: SandboxMode) -> None:
        self._workspace = Workspace(work_dir)
        self._sandbox = open_sandbox(mode, self._workspace)

    def examine(self, kind: str, data: bytes, anchors: Sequence[str], *, thorough: bool) -> Findings:  # noqa: ARG002
        """See `Examiner`; always thorough, since a second start takes longer."""
        files = {"upload": data, "anchors.json": json.dumps(list(anchors)).encode()}
        try:
            return _CHILD.ask(
                self._workspace,
                self._sandbox,
                files,
                lambda box: (kind, str(box / "upload"), str(box / "anchors.json")),
            )
        except ChildFailed as error:
            raise NotVerifiable(_TOO_HARD, detail=str(error)) from error

    def close(self) -> None:
        """Remove the work folder."""
        self._workspace.close()


class WarmExaminer:
    """A child of the shared warm process; a fresh process where there is none.

    Args:
        path: The warm process's socket.
        fallback: Takes over while it cannot be reached.
    """

    def __init__(self, path: Path, fallback: Examiner) -> None:
        self._path = path
        self._fallback = fallback

    def examine(self, kind: str, data: bytes, anchors: Sequence[str], *, thorough: bool) -> Findings:
        """See `Examiner`."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_WAIT_S)
            try:
                with socket_address(self._path) as address:
                    connection.connect(address)
                greeted = read_frame(connection, _ANSWER_BYTES) is not None
            except TimeoutError as error:
                raise QueueTimeout(
                    "正在核验的文件过多，请稍后重试。", detail="no examiner", retry_after_s=5
                ) from error
            except (OSError, ValueError):
                greeted = False
            if greeted:
                asked = {"kind": kind, "anchors": list(anchors), "thorough": thorough}
                return _ask(connection, asked, data)
        return self._fallback.examine(kind, data, anchors, thorough=thorough)

    def close(self) -> None:
        """Close the fallback; the warm process belongs to whoever started it."""
        self._fallback.close()


class ExaminerHost:
    """The warm process, from the side of the process that starts the service.

    Args:
        work_dir: Parent of the private folder for its socket.
        mode: Whether it lives in bubblewrap.
        limit_s: Time for one file.

    Make it, and start it, in a thread that stays: it dies with that thread.
    """

    def __init__(self, work_dir: Path, mode: SandboxMode, limit_s: float = EXAMINE_S) -> None:
        self._workspace = Workspace(work_dir)
        self._sandbox = open_sandbox(mode, self._workspace)
        self._limit_s = limit_s
        self._begun_s = 0.0
        self._process: Running | None = None
        self.path = self._workspace.path / "examiner"
        self._listener = socket.socket(socket.AF_UNIX)
        with socket_address(self.path) as address:
            self._listener.bind(address)
        self._listener.listen(_BACKLOG)

    def client(self, fallback: Examiner) -> WarmExaminer:
        """Return a way to it that any process of this service may use."""
        return WarmExaminer(self.path, fallback)

    @property
    def pid(self) -> int:
        """Process id of the warm process, or of the sandbox that it lives in; 0 before the start."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start it; until it is ready those who ask wait in its socket's queue."""
        descriptor = self._listener.fileno()
        line = [*python_command("examine_server"), str(descriptor), str(self._limit_s)]
        if self._sandbox:
            line = self._sandbox.wrap(line, None, ENVIRONMENT)
        else:
            line = ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--", *line]
        self._begun_s = time.monotonic()
        self._process = Running(line, environment=ENVIRONMENT, output_file=None, pass_fds=[descriptor])

    def tend(self) -> bool:
        """Start it again if it has ended; call it every second or so.

        Returns:
            Whether that was needed.
        """
        process = self._process
        if process is None or process.alive or time.monotonic() - self._begun_s < _RESTART_EVERY_S:
            return False
        process.end()
        self.start()
        return True

    def close(self) -> None:
        """End it and remove its socket."""
        self._listener.close()
        if self._process is not None:
            self._process.end()
        self._workspace.close()


def _ask(connection: socket.socket, asked: dict[str, Any], data: bytes) -> Findings:
    # The child is killed at the deadline; this end only waits a little longer.
    deadline = Deadline.after(EXAMINE_S + 1)
    frame = None
    with contextlib.suppress(OSError, ValueError):
        connection.settimeout(deadline.remaining_s())
        write_frame(connection, asked, data)
        connection.settimeout(max(0.1, deadline.remaining_s()))
        frame = read_frame(connection, _ANSWER_BYTES)
    if frame is None:
        raise NotVerifiable(_TOO_HARD, detail="the examining process ended without an answer")
    return frame[0]
