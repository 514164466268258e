"""Converters for tests: real LibreOffice, fresh folders, and a look at what is left of them."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from service.convert import CACHE_MARK, Converter, ConverterPlan, canary_docx, make_engine
from service.isolation.process import descendants
from service.model import Deadline
from service.pipeline.font_stage import FontStage
from service.settings import Settings

FONTS = ("仿宋_GB2312", "黑体")
CANARY = canary_docx(FONTS)


def plan(work_dir: Path, **changes: object) -> ConverterPlan:
    fonts = FontStage.find(Settings.from_mapping({}))
    values: dict[str, object] = {
        "engine": "lok",
        "fontconfig": fonts.fontconfig(Path(CACHE_MARK)),
        "work_dir": str(work_dir),
        "readable_dirs": tuple(map(str, fonts.folders)),
        "slots": 2,
        **changes,
    }
    return ConverterPlan(**values)  # type: ignore[arg-type]


@contextmanager
def engine(work_dir: Path, **changes: object) -> Iterator[Converter]:
    """Start an engine, and see afterwards that nothing is left of it."""
    reports: list[object] = []
    made = make_engine(
        plan(work_dir, **changes), CANARY, lambda: (CANARY,), lambda *report: reports.append(report)
    )
    before = set(descendants(os.getpid()))
    _OTHERS.update(_all_office_processes(None))
    made.start()
    try:
        yield made
    finally:
        made.close()
    wait_until(lambda: not new_processes(before), 5, lambda: f"left: {new_processes(before)}")
    assert [path.name for path in work_dir.iterdir()] in ([], ["font-cache"])


def new_processes(before: set[int]) -> dict[int, str]:
    return {pid: command(pid) for pid in set(descendants(os.getpid())) - before}


def convert(converter: Converter, document: bytes, seconds: float = 30.0) -> bytes:
    return converter.convert(document, Deadline.after(seconds))


def command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    return ""


# Another engine may live in this process for the whole session.
_OTHERS: set[int] = set()


def office_processes(root: int | None = None) -> dict[int, int]:
    """Return process id → parent's id of every LibreOffice process of this test below a process."""
    found = _all_office_processes(root)
    return {pid: parent for pid, parent in found.items() if pid not in _OTHERS and parent not in _OTHERS}


def _all_office_processes(root: int | None) -> dict[int, int]:
    found = {}
    for pid in descendants(root or os.getpid()):
        line = command(pid)
        if "service.office" in line and "bwrap" not in line:
            status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
            found[pid] = int(status.rpartition(")")[2].split()[1])
    return found


def children(root: int | None = None) -> list[int]:
    known = office_processes(root)
    return [pid for pid, parent in known.items() if parent in known]


def zygotes(root: int | None = None) -> list[int]:
    known = office_processes(root)
    return [pid for pid, parent in known.items() if parent not in known]


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def wait_until(condition: Callable[[], object], seconds: float, what: Callable[[], str] | str) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, what() if callable(what) else what
        threading.Event().wait(0.02)


class Listener:
    """Counts who connects to a port of this machine."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.connections = 0
        self._thread = threading.Thread(target=self._count, daemon=True)

    def __enter__(self) -> "Listener":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def _count(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()
