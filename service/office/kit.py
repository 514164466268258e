"""LibreOfficeKit by ctypes.

Its functions are found by their place in a table of function pointers, which only ever
grows at the end; the table's size is compared before a newer place is used.
"""

import ctypes
import os
import select
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_NESTED_LIMIT = 3_000
_NESTED_PAUSE_S = 0.001
_EXIT_NESTED = 7
_EXIT_LOOP_ENDED = 8
_TEXT_DOCUMENT = 0
_FIRST_FONT_ID = 4_100_000
# The upper halves of the addresses at which Linux puts programs and libraries.
_USER_SPACE = (0x5000, 0x8000)

_PTR = ctypes.c_void_p
_TEXT = ctypes.c_char_p


class _DocumentSlots(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_size_t),
        ("destroy", ctypes.CFUNCTYPE(None, _PTR)),
        ("save_as", ctypes.CFUNCTYPE(ctypes.c_int, _PTR, _TEXT, _TEXT, _TEXT)),
        ("document_type", ctypes.CFUNCTYPE(ctypes.c_int, _PTR)),
    )


class _OfficeSlots(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_size_t),
        ("destroy", _PTR),
        ("load", _PTR),
        ("get_error", ctypes.CFUNCTYPE(_PTR, _PTR)),
        ("load_with_options", ctypes.CFUNCTYPE(_PTR, _PTR, _TEXT, _TEXT)),
        ("free_error", ctypes.CFUNCTYPE(None, _PTR)),
        ("register_callback", _PTR),
        ("filter_types", _PTR),
        ("optional_features", _PTR),
        ("document_password", _PTR),
        ("version_info", ctypes.CFUNCTYPE(_PTR, _PTR)),
        ("run_macro", _PTR),
        ("sign_document", _PTR),
        ("run_loop", ctypes.CFUNCTYPE(None, _PTR, _PTR, _PTR, _PTR)),
        ("send_dialog_event", _PTR),
        ("set_option", _PTR),
        ("dump_state", _PTR),
        ("extract_request", _PTR),
        ("trim_memory", ctypes.CFUNCTYPE(None, _PTR, ctypes.c_int)),
        ("start_urp", _PTR),
        ("stop_urp", _PTR),
        ("join_threads", ctypes.CFUNCTYPE(ctypes.c_int, _PTR)),
    )


class LoadFailed(Exception):
    """LibreOffice refused the document or made nothing of it; it is alive and well."""


class Office:
    """LibreOffice in this process, driven from inside its own event loop.

    Args:
        program: LibreOffice's ``program`` folder.
        profile_url: URL of the user profile, which is made when missing.
        pdf_options: JSON of PDF export options.

    Raises:
        OSError: The library cannot be loaded.
        RuntimeError: It does not start, or is too old to be forked.
    """

    def __init__(self, program: str, profile_url: str, pdf_options: str) -> None:
        library = ctypes.CDLL(str(Path(program) / "libmergedlo.so"), mode=os.RTLD_LAZY | os.RTLD_LOCAL)
        hook = library.libreofficekit_hook_2
        hook.restype, hook.argtypes = _PTR, [_TEXT, _TEXT]
        self._handle: int | None = hook(program.encode(), profile_url.encode())
        if not self._handle:
            raise RuntimeError("LibreOfficeKit did not start")
        self._slots = _table(self._handle, _OfficeSlots)
        if self._slots.size <= _OfficeSlots.join_threads.offset:
            raise RuntimeError("this LibreOffice cannot end its threads before a fork")
        self._pdf_options = pdf_options.encode()
        self._depth = 0
        self._font_counter = find_font_counter(library)

    @property
    def steady(self) -> bool:
        """Whether a document's bytes do not depend on what was converted before it."""
        return self._font_counter is not None

    def version(self) -> str:
        """Return LibreOffice's own description of its version, JSON."""
        return _string(self._slots.version_info(self._handle))

    def settle(self) -> bool:
        """End the threads that would be lost in a fork; return whether that worked."""
        return bool(self._slots.join_threads(self._handle))

    def run(self, work: Callable[[], None]) -> None:
        """Call ``work`` inside LibreOffice's event loop; never returns."""

        def poll(_data: int | None, _timeout_us: int) -> int:
            if self._depth:
                # Asked again while a conversion runs: a dialog waits for an answer that will not come.
                self._depth += 1
                if self._depth > _NESTED_LIMIT:
                    os._exit(_EXIT_NESTED)
                select.select([], [], [], _NESTED_PAUSE_S)
                return 0
            self._depth = 1
            end_with(work)
            return 0

        poll_slot = ctypes.CFUNCTYPE(ctypes.c_int, _PTR, ctypes.c_int)(poll)
        wake_slot = ctypes.CFUNCTYPE(None, _PTR)(lambda _data: None)
        # The data pointer must not be null: null means a loop of LibreOffice's own.
        self._slots.run_loop(
            self._handle, ctypes.cast(poll_slot, _PTR), ctypes.cast(wake_slot, _PTR), _PTR(1)
        )
        os._exit(_EXIT_LOOP_ENDED)

    def convert(self, source: Path, target: Path) -> Callable[[], None]:
        """Convert one docx.

        Args:
            source: Path of the docx.
            target: Path for the PDF.

        Returns:
            What closes the document; left to the caller, who may answer first.

        Raises:
            LoadFailed: LibreOffice says no.
        """
        self._depth = 1
        if self._font_counter is not None:
            self._font_counter.value = _FIRST_FONT_ID
        # Without Batch a broken file opens a dialog and never returns.
        document = self._slots.load_with_options(self._handle, _url(source), b"Batch=true")
        if not document:
            raise LoadFailed(f"load: {self._error()}")
        slots = _table(document, _DocumentSlots)
        if slots.document_type(document) != _TEXT_DOCUMENT:
            raise LoadFailed("load: not a text document")
        if not slots.save_as(document, _url(target), b"pdf", self._pdf_options):
            raise LoadFailed(f"save: {self._error()}")
        return lambda: slots.destroy(document)

    def _error(self) -> str:
        pointer = self._slots.get_error(self._handle)
        text = _string(pointer)
        if pointer:
            self._slots.free_error(pointer)
        return text[:500]


def find_font_counter(library: ctypes.CDLL) -> ctypes.c_int32 | None:
    """Find the number that LibreOffice gives to each font it embeds.

    It counts up for as long as the process lives and is all that makes the same document
    come out in other bytes the second time. It starts from a number of seven digits that
    stands nowhere else in the library's writable data; unless exactly one place there
    holds it, nothing is touched.

    Args:
        library: LibreOffice, loaded and not yet used.
    """
    wanted = struct.pack("=i", _FIRST_FONT_ID)
    found = []
    for begin, end in _writable_ranges(library._name):
        content = ctypes.string_at(begin, end - begin)
        place = content.find(wanted)
        while place >= 0:
            if place % 4 == 0 and not _is_half_a_pointer(content, place):
                found.append(begin + place)
            place = content.find(wanted, place + 1)
    return ctypes.c_int32.from_address(found[0]) if len(found) == 1 else None


def _is_half_a_pointer(content: bytes, place: int) -> bool:
    # Addresses differ at each start, and one in many thousand starts has one that ends in this number.
    upper = int.from_bytes(content[place + 4 : place + 8], "little")
    return place % 8 == 0 and _USER_SPACE[0] <= upper < _USER_SPACE[1]


def _writable_ranges(path: str) -> list[tuple[int, int]]:
    ranges = []
    real = str(Path(path).resolve())
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        fields = line.split()
        if fields[1].startswith("rw") and fields[-1] == real:
            begin, end = fields[0].split("-")
            ranges.append((int(begin, 16), int(end, 16)))
    return ranges


def _table(handle: int, kind: type[Any]) -> Any:
    return ctypes.cast(handle, ctypes.POINTER(ctypes.POINTER(kind))).contents.contents


def _string(pointer: int | None) -> str:
    return ctypes.string_at(pointer).decode("utf-8", "replace") if pointer else ""


def _url(path: Path) -> bytes:
    return path.as_uri().encode()


def end_with(work: Callable[[], None]) -> None:
    """Run the work; whatever happens, no destructor of LibreOffice may run after it."""
    try:
        work()
        sys.stderr.flush()
    except BaseException as error:  # the process ends here; its log is all that remains
        sys.stderr.write(f"worker: {error!r}\n")
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)
