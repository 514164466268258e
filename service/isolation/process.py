"""One child process: its own group, limits and environment, gone by the deadline."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.model import Deadline

_GROUP_GONE_S = 3.0
_POLL_S = 0.01
_CANCEL_POLL_S = 0.1
_OUTPUT_BYTES = 8_192


@dataclass(frozen=True, slots=True)
class Limits:
    """Resource limits of a child, set by ``prlimit`` so that no code runs between fork and exec.

    Attributes:
        address_space_bytes: RLIMIT_AS.
        cpu_s: RLIMIT_CPU in seconds.
        file_bytes: RLIMIT_FSIZE.
        open_files: RLIMIT_NOFILE.
    """

    address_space_bytes: int
    cpu_s: int
    file_bytes: int
    open_files: int = 1_024

    def wrap(self, command: Sequence[str]) -> list[str]:
        """Return the command that sets these limits, then runs ``command``."""
        return [
            "/usr/bin/prlimit",
            "--core=0",
            f"--as={self.address_space_bytes}",
            f"--cpu={self.cpu_s}",
            f"--fsize={self.file_bytes}",
            f"--nofile={self.open_files}",
            "--",
            *command,
        ]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended.

    Attributes:
        returncode: As `subprocess.Popen.returncode`; negative is a signal.
        timed_out: Whether the deadline passed and the group was killed.
        cancelled: Whether nobody waited any more and the group was killed.
        output: The last bytes of stdout and stderr together.
    """

    returncode: int
    timed_out: bool
    output: str
    cancelled: bool = False


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: Path,
    output_file: Path,
    deadline: Deadline,
    cancelled: Callable[[], bool] | None = None,
) -> Ended:
    """Run a child to its end or to the deadline, then make sure that its group is gone.

    Args:
        command: Program and arguments.
        environment: The child's whole environment; nothing is inherited.
        directory: Its working folder.
        output_file: Takes stdout and stderr; a file, since a pipe could be held open by a grandchild.
        deadline: The group gets SIGKILL when it passes.
        cancelled: Asked now and then; true ends the group as well.

    Returns:
        How it ended.

    Raises:
        OSError: The program cannot be started, or the output file not be written.
    """
    with output_file.open("wb") as output:
        child = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        given_up = False
        try:
            ended = _wait(child, deadline)
            while not ended and not deadline.passed and not given_up:
                given_up = cancelled is not None and cancelled()
                ended = _wait(child, deadline)
        finally:
            end_group(child)
    return Ended(child.returncode, not (ended or given_up), _tail(output_file), given_up and not ended)


def _wait(child: "subprocess.Popen[bytes]", deadline: Deadline) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(min(deadline.remaining_s(), _CANCEL_POLL_S))
        return True
    return False


class Running:
    """A child that lives longer than one call.

    Args:
        command: Program and arguments.
        environment: The child's whole environment; nothing is inherited.
        output_file: Takes stdout and stderr; ``None`` leaves them where this process's go.
        pass_fds: Descriptors that the child keeps under the same numbers.

    A child tied to its parent's life is tied to the *thread* that made it, so make it
    from one that stays.

    Raises:
        OSError: The program cannot be started, or the output file not be written.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        output_file: Path | None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self._output_file = output_file
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(output_file.open("wb")) if output_file else None
            self._child = subprocess.Popen(
                command,
                env=dict(environment),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                start_new_session=True,
                pass_fds=tuple(pass_fds),
            )

    @property
    def pid(self) -> int:
        """Process id, which is also its group's."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._child.poll() is None

    @property
    def output(self) -> str:
        """The last bytes of what it said."""
        return _tail(self._output_file) if self._output_file else ""

    def terminate(self) -> None:
        """Send SIGTERM and do not wait."""
        if self.alive:
            self._child.terminate()

    def end(self, grace_s: float = 0.0) -> None:
        """End it and its group.

        Args:
            grace_s: Seconds it gets between SIGTERM and SIGKILL; none without a SIGTERM.
        """
        if grace_s > 0 and self.alive:
            self._child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(grace_s)
        end_group(self._child)


def end_group(child: "subprocess.Popen[bytes]") -> None:
    """Kill whatever is left of a child's process group and wait until it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    give_up_at = time.monotonic() + _GROUP_GONE_S
    pause = threading.Event()
    while time.monotonic() < give_up_at:
        if not _group_lives(child.pid):
            return
        pause.wait(_POLL_S)


def descendants(pid: int) -> list[int]:
    """Return a process and everything below it; what ends meanwhile is left out."""
    found = [pid]
    for parent in found:
        # A child is listed under the thread that made it.
        for listing in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(item) for item in listing.read_text(encoding="ascii").split()]
    return found


def pss_bytes(pids: Sequence[int]) -> int:
    """Return the memory of processes, pages that several share counted in parts."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1_024
    return total


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    # A zombie answers the signal too, until whoever adopted it cares to look.
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            state, _, member_of = entry.read_text("utf-8", "replace").rpartition(")")[2].split()[:3]
            if int(member_of) == group and state not in "ZX":
                return True
    return False


def _tail(path: Path) -> str:
    with path.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - _OUTPUT_BYTES))
        return stream.read().decode("utf-8", "replace")
