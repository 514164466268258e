"""The program that holds LibreOffice: a zygote that opens no document, and its children.

Its one argument is the number of a descriptor, a socket to the engine. The first frame on
it says where LibreOffice is; then come frames of the kinds below.

==========  ===============================================================
``warm``    convert the document in the body, to load what a document needs
``settle``  no more documents; end LibreOffice's own threads
``fork``    make a child that serves the socket that comes with the frame
==========  ===============================================================

A child says ``hello`` when it is warm and then answers each ``convert`` frame with a PDF
or a reason.
"""

import contextlib
import ctypes
import os
import resource
import select
import shutil
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from service.office.frames import Header, read_frame, write_frame
from service.office.jail import shut_in
from service.office.kit import LoadFailed, Office, end_with

# Between two documents of a burst the freed pages are worth more than their memory.
_IDLE_S = 1.0
_ALL_CORES = os.sched_getaffinity(0)


class Zygote:
    """Serves the engine: warms LibreOffice, then forks children from it.

    Args:
        office: A started LibreOffice.
        control: The socket to the engine.
        settings: The first frame: ``folder``, ``limits``, ``warm_children``.
    """

    def __init__(self, office: Office, control: socket.socket, settings: Header) -> None:
        self._office = office
        self._control = control
        self._settings = settings
        self._folder = Path(settings["folder"])
        self._children: dict[int, tuple[int, Path]] = {}
        self._warm_body = b""

    def serve(self) -> None:
        """Handle frames until the engine hangs up."""
        started = {"said": "started", "version": self._office.version(), "steady": self._office.steady}
        write_frame(self._control, started)
        while True:
            poller = select.poll()
            for descriptor in (self._control.fileno(), *self._children):
                poller.register(descriptor, select.POLLIN)
            ready = [descriptor for descriptor, _ in poller.poll()]
            for descriptor in ready:
                if descriptor in self._children:
                    self._bury(descriptor)
            if self._control.fileno() in ready and not self._handle_frame():
                return

    def _handle_frame(self) -> bool:
        # One byte goes before each frame; it carries the descriptor, if there is one.
        mark, descriptors, _, _ = socket.recv_fds(self._control, 1, 1)
        frame = read_frame(self._control) if mark else None
        if frame is None:
            return False
        header, body = frame
        if header["do"] == "warm":
            self._warm(body)
        elif header["do"] == "settle":
            # Ending the threads twice is allowed and says no the second time.
            self._office.settle()
            # A child would copy each page that it uses of what warming up left free.
            _give_back_memory()
            write_frame(self._control, {"said": "settled"})
        elif header["do"] == "fork":
            self._fork(descriptors[0], str(header["name"]))
        return True

    def _warm(self, body: bytes) -> None:
        # Children repeat the first document; it is the one that has every font.
        self._warm_body = self._warm_body or body
        folder = self._folder / "warm"
        folder.mkdir(parents=True)
        fault = ""
        try:
            _convert_bytes(self._office, folder, body)[1]()
        except LoadFailed as error:
            fault = str(error)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        write_frame(self._control, {"said": "warmed", "fault": fault})

    def _fork(self, descriptor: int, name: str) -> None:
        folder = self._folder / name
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            end_with(lambda: self._be_child(descriptor, folder, parent))
        os.close(descriptor)
        self._children[os.pidfd_open(pid)] = (pid, folder)

    def _bury(self, descriptor: int) -> None:
        pid, folder = self._children.pop(descriptor)
        os.close(descriptor)
        # Whatever it may have started goes with it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        shutil.rmtree(folder, ignore_errors=True)

    def _be_child(self, descriptor: int, folder: Path, parent: int) -> None:
        self._control.close()
        for other in self._children:
            os.close(other)
        _shut_in(self._settings["limits"], folder, parent)
        child = Child(self._office, socket.socket(fileno=descriptor), folder)
        if self._settings["warm_children"] and self._warm_body:
            child.warm(self._warm_body)
        child.serve()


class Child:
    """Converts documents one after the other, each from its own folder.

    Args:
        office: The zygote's LibreOffice, inherited.
        sock: The socket to the engine.
        folder: This child's own temporary folder.
    """

    def __init__(self, office: Office, sock: socket.socket, folder: Path) -> None:
        self._office = office
        self._sock = sock
        self._folder = folder

    def warm(self, body: bytes) -> None:
        """Touch the memory that a conversion touches, before a document waits for it."""
        with contextlib.suppress(LoadFailed):
            _convert_bytes(self._office, self._folder, body)[1]()

    def serve(self) -> None:
        """Answer until the engine hangs up, or this child has had its last document."""
        write_frame(self._sock, {"said": "hello"})
        last = False
        while not last:
            if not select.select([self._sock], [], [], _IDLE_S)[0]:
                _give_back_memory()
            frame = read_frame(self._sock)
            if frame is None:
                return
            header, body = frame
            last = bool(header["last"])
            _allow_cpu(int(header["cpu_s"]))
            begun = time.perf_counter()
            try:
                pdf, close = _convert_bytes(self._office, self._folder, body)
            except LoadFailed as error:
                write_frame(self._sock, {"said": "refused", "reason": str(error)})
                return
            except OSError as error:
                write_frame(self._sock, {"said": "disk", "errno": error.errno or 0, "reason": repr(error)})
                return
            write_frame(self._sock, {"said": "pdf", "seconds": time.perf_counter() - begun}, pdf)
            # Closing takes a few milliseconds that nobody has to wait for.
            if not last:
                close()


def _give_back_memory() -> None:
    """Give the pages that the C library holds free back to the system, which it does not do by itself."""
    ctypes.CDLL(None).malloc_trim(0)


def _convert_bytes(office: Office, folder: Path, body: bytes) -> tuple[bytes, Callable[[], None]]:
    source, target = folder / "in.docx", folder / "out.pdf"
    try:
        source.write_bytes(body)
        close = office.convert(source, target)
        return target.read_bytes(), close
    except FileNotFoundError as error:
        raise LoadFailed("save: no file") from error
    finally:
        for path in (source, target):
            with contextlib.suppress(OSError):
                path.unlink()


def _shut_in(limits: Header, folder: Path, parent: int) -> None:
    """Give this new child its limits, all cores, and its own folder."""
    shut_in(limits, parent)
    os.sched_setaffinity(0, _ALL_CORES)
    folder.mkdir(parents=True, mode=0o700)
    # The C library's environment, which LibreOffice reads.
    os.putenv("TMPDIR", str(folder))
    os.chdir(folder)


def _allow_cpu(seconds: int) -> None:
    """Allow so many more seconds of CPU time; SIGXCPU ends the child after them."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(spent.ru_utime + spent.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _stay_on_one_core() -> None:
    """Keep LibreOffice's threads from running side by side while it starts.

    It sorts a PDF's fonts by where they are in memory. Threads that race for memory at the
    start would mix these places up anew each time, and with them the bytes of every PDF.
    Children have all cores again.
    """
    cores = sorted(_ALL_CORES)
    os.sched_setaffinity(0, {cores[time.monotonic_ns() // 1_000_000 % len(cores)]})


def main(arguments: list[str]) -> None:
    """Start LibreOffice and serve the socket named on the command line."""
    control = socket.socket(fileno=int(arguments[0]))
    frame = read_frame(control)
    if frame is None:
        return
    settings = frame[0]
    _stay_on_one_core()
    office = Office(settings["program"], settings["profile_url"], settings["pdf_options"])
    office.run(Zygote(office, control, settings).serve)
