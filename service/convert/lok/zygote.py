"""The engine's side of a zygote and of the children it forks."""

import contextlib
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service import __file__ as _package_file
from service.convert import hardening
from service.convert.engine import Cancelled
from service.errors import ConversionCancelled, ConversionFailed, ConversionTimeout
from service.isolation.process import Running
from service.isolation.sandbox import Sandbox
from service.isolation.workspace import no_space
from service.model import Deadline
from service.office.frames import Header, read_frame, write_frame

_CREDENTIALS = struct.Struct("3i")
_CANCEL_POLL_S = 0.1
_ANSWER_S = 20.0
_HANG_UP_S = 0.3
_CPU_PER_CORE = 2
_CPU_EXTRA_S = 10
_SANDBOX_FOLDER = "/tmp/w"  # noqa: S108 - the sandbox's own

_PACKAGE_ROOT = str(Path(_package_file).resolve().parent.parent)
# Isolated mode has no path of its own; of the package only service.office is in the sandbox.
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from service.office.worker import main; main(sys.argv[2:])"
)


class ChildDied(Exception):
    """A child ended without an answer."""


@dataclass(frozen=True, slots=True)
class ZygotePlan:
    """How to start a zygote.

    Attributes:
        program: LibreOffice's ``program`` folder.
        shared: Folder with ``fonts.conf`` and the configuration layer.
        folder: A fresh folder for this zygote's log, and for all else where there is no sandbox.
        sandbox: The sandbox, if this machine has one.
        address_space_bytes: RLIMIT_AS of each child.
        file_bytes: RLIMIT_FSIZE of each child.
        warm_children: Whether a child converts once before its first document.
    """

    program: Path
    shared: Path
    folder: Path
    sandbox: Sandbox | None
    address_space_bytes: int
    file_bytes: int
    warm_children: bool


class Zygote:
    """A process with LibreOffice in it that forks children and opens no document.

    Args:
        plan: How to start it.

    Raises:
        OSError: The process cannot be started.
    """

    def __init__(self, plan: ZygotePlan) -> None:
        self.begun_s = time.monotonic()
        self.version = ""
        # Zero leaves it to the supply's plan.
        self.documents_per_child = 0
        self.children = 0
        self._plan = plan
        self._forks = 0
        plan.folder.mkdir()
        self._inside = Path(_SANDBOX_FOLDER) if plan.sandbox else plan.folder / "w"
        self.control, far = socket.socketpair()
        with far:
            self.process = Running(
                self._command(far.fileno()),
                environment={} if plan.sandbox else self._environment(),
                output_file=plan.folder / "log",
                pass_fds=[far.fileno()],
            )
        self._send(
            {
                "program": str(plan.program),
                "profile_url": (self._inside / "profile").as_uri(),
                "pdf_options": hardening.pdf_options(),
                "folder": str(self._inside),
                "warm_children": plan.warm_children,
                "limits": {"AS": plan.address_space_bytes, "FSIZE": plan.file_bytes, "NOFILE": 1_024},
            },
            marked=False,
        )

    @property
    def gone(self) -> bool:
        """Whether it has hung up, or does so within a moment."""
        poller = select.poll()
        try:
            poller.register(self.control, select.POLLRDHUP)
        except ValueError:
            # Closed on our side, after it had gone.
            return True
        return bool(poller.poll(_HANG_UP_S * 1000))

    def listen(self) -> Header | None:
        """Return what it says next; ``None`` when it is gone."""
        try:
            self.control.settimeout(_ANSWER_S)
            frame = read_frame(self.control)
        except (OSError, ValueError):
            return None
        return frame[0] if frame else None

    def warm(self, docx: bytes) -> None:
        """Have it convert a document of ours; it answers ``warmed``."""
        self._send({"do": "warm"}, docx)

    def settle(self) -> None:
        """Have it get ready to fork; it answers ``settled``."""
        self._send({"do": "settle"})

    def fork(self) -> "Child":
        """Have it make a child, which says hello when it is warm.

        Raises:
            OSError: It is gone.
        """
        near, far = socket.socketpair()
        with far:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self._forks += 1
            try:
                self._send({"do": "fork", "name": f"c{self._forks:07}"}, descriptors=[far.fileno()])
            except OSError:
                near.close()
                raise
        self.children += 1
        return Child(self, near)

    def end(self) -> None:
        """Kill it and with it all its children."""
        self.control.close()
        self.process.end()

    def _send(
        self,
        header: Header,
        body: bytes = b"",
        *,
        descriptors: Sequence[int] = (),
        marked: bool = True,
    ) -> None:
        self.control.settimeout(_ANSWER_S)
        if marked:
            socket.send_fds(self.control, [b"!"], list(descriptors))
        write_frame(self.control, header, body)

    def _command(self, descriptor: int) -> list[str]:
        # Not the virtual environment's: the program needs the standard library alone.
        python = str(Path(sys.executable).resolve())
        line = [python, "-I", "-S", "-c", _BOOT, _PACKAGE_ROOT, str(descriptor)]
        plan = self._plan
        if plan.sandbox:
            return plan.sandbox.wrap(line, None, self._environment())
        (plan.folder / "w").mkdir()
        return ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--", *line]

    def _environment(self) -> dict[str, str]:
        plan = self._plan
        registry = plan.program.parent / "share" / "registry"
        inside = str(self._inside)
        return {
            # Without a PATH LibreOffice cannot go looking for other programs.
            "PATH": "/nonexistent",
            "HOME": inside,
            "TMPDIR": "/tmp" if plan.sandbox else inside,  # noqa: S108 - the sandbox's own
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "FONTCONFIG_FILE": str(plan.shared / "fonts.conf"),
            "XDG_CACHE_HOME": inside,
            "SAL_LOK_OPTIONS": "unipoll",
            # One heap for all threads: smaller, and laid out the same way each time.
            "MALLOC_ARENA_MAX": "1",
            "CONFIGURATION_LAYERS": hardening.configuration_layers(
                registry, plan.shared, self._inside / "profile"
            ),
        }


class Child:
    """One forked LibreOffice, tied to one socket.

    Args:
        zygote: What it was forked from.
        sock: Our end of its socket.
    """

    def __init__(self, zygote: Zygote, sock: socket.socket) -> None:
        self.zygote = zygote
        self.sock = sock
        self.begun_s = time.monotonic()
        self.served = 0
        self.pid = 0
        self._handle = -1

    def greet(self) -> bool:
        """Take its hello, and from the kernel its process id as seen from here; tell whether it came."""
        try:
            self.sock.settimeout(_ANSWER_S)
            # Inside its namespace it has another id; the kernel translates the credentials.
            _, ancillary, _, _ = self.sock.recvmsg(1, socket.CMSG_SPACE(_CREDENTIALS.size), socket.MSG_PEEK)
            for level, kind, data in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                    self.pid = _CREDENTIALS.unpack(data[: _CREDENTIALS.size])[0]
            self._handle = os.pidfd_open(self.pid)
            frame = read_frame(self.sock)
        except (OSError, ValueError):
            return False
        return frame is not None and frame[0]["said"] == "hello"

    @property
    def quiet(self) -> bool:
        """Whether it waits for a document, neither gone nor talking out of turn."""
        poller = select.poll()
        poller.register(self.sock, select.POLLIN | select.POLLRDHUP)
        return not poller.poll(0)

    def convert(self, docx: bytes, deadline: Deadline, *, last: bool, cancelled: Cancelled | None) -> bytes:
        """Convert a document; afterwards a child is fit for another only if this returned.

        Args:
            docx: The document.
            deadline: For the answer.
            last: Whether the child ends after this one.
            cancelled: Asked now and then; true gives up.

        Returns:
            What it made, not yet looked at.

        Raises:
            ChildDied: It ended without an answer.
            ConversionFailed: It says that the document is no good.
            ConversionTimeout: The deadline passed.
            ConversionCancelled: Nobody waits any more.
            NoSpace: There was no room to write.
        """
        cpu_s = int(deadline.remaining_s() * _CPU_PER_CORE) + _CPU_EXTRA_S
        try:
            self.sock.settimeout(max(0.001, deadline.remaining_s()))
            write_frame(self.sock, {"do": "convert", "cpu_s": cpu_s, "last": last}, docx)
            self._await_answer(deadline, cancelled)
            self.sock.settimeout(max(0.001, deadline.remaining_s()))
            frame = read_frame(self.sock)
        except TimeoutError as error:
            raise ConversionTimeout(
                "转换没有在时限内完成，已终止。文件可能过于复杂，请减少内容后重试。"
            ) from error
        except (OSError, ValueError) as error:
            raise ChildDied(repr(error)) from error
        if frame is None:
            raise ChildDied("hung up")
        header, body = frame
        if header["said"] == "disk":
            raise no_space(str(header["reason"]))
        if header["said"] != "pdf":
            raise ConversionFailed(
                "LibreOffice 未能生成 PDF，文件可能已损坏。", detail=str(header.get("reason"))
            )
        return body

    def _await_answer(self, deadline: Deadline, cancelled: Cancelled | None) -> None:
        poller = select.poll()
        poller.register(self.sock, select.POLLIN | select.POLLRDHUP)
        while True:
            left_s = deadline.remaining_s()
            if left_s <= 0:
                raise TimeoutError
            if cancelled is not None and cancelled():
                raise ConversionCancelled("请求已被取消。")
            if poller.poll(1000 * (min(left_s, _CANCEL_POLL_S) if cancelled else left_s)):
                return

    def end(self) -> None:
        """Kill it if it still lives; its zygote clears up behind it."""
        if self._handle >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            os.close(self._handle)
            self._handle = -1
        self.sock.close()
