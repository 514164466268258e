"""The shared converter as its clients see it, over a Unix socket."""

import contextlib
import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service import errors
from service.convert.engine import Cancelled, ConverterState
from service.convert.gate import Priority
from service.errors import ConversionCancelled, ConversionTimeout, ConverterUnavailable, ServiceError
from service.model import Deadline
from service.office.frames import Header, read_frame, write_frame

# The longest path that fits the kernel's socket address, its end included, is 108 bytes.
_PATH_BYTES = 100
_CANCEL_POLL_S = 0.1
_LATE_S = 1.0
_PAUSE_S = 0.05
_TRIES = 5
_STATE_S = 5.0
_START_S = 90.0


@contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """Give a socket's path in a form that is short enough for an address.

    Args:
        path: Of any length; its folder exists.
    """
    if len(os.fsencode(path)) <= _PATH_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class RemoteConverter:
    """`Converter` by way of the shared converter process; holds no process and no file.

    A converter that restarts meanwhile costs its clients time, not their document: what was
    under way is sent again, since a conversion can be repeated at will.

    Args:
        path: The converter's socket.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def start(self) -> None:
        """Wait until the converter answers.

        Raises:
            ConverterUnavailable: It does not.
        """
        self._ask({"do": "state"}, b"", Deadline.after(_START_S), None)

    def convert(
        self,
        docx: bytes,
        deadline: Deadline,
        *,
        priority: Priority = Priority.SINGLE,
        cancelled: Cancelled | None = None,
        label: str = "",
    ) -> bytes:
        """Convert one document; see `Converter.convert`."""
        header = {"do": "convert", "priority": priority.value, "label": label}
        return self._ask(header, docx, deadline, cancelled)[1]

    def state(self) -> ConverterState:
        """Look at the engine behind the socket; an empty answer when there is none."""
        try:
            values = self._ask({"do": "state"}, b"", Deadline.after(_STATE_S), None)[0]["state"]
        except ServiceError:
            return ConverterState("", "", (), ("转换进程没有回应",), 0, 0)
        layers = {name: tuple(values[name]) for name in ("layers", "missing_layers")}
        return ConverterState(**{**values, **layers})

    def recycle(self) -> None:
        """Start LibreOffice anew behind the running one."""
        with contextlib.suppress(ServiceError):
            self._ask({"do": "recycle"}, b"", Deadline.after(_STATE_S), None)

    def close(self) -> None:
        """Nothing to end: the converter belongs to whoever started it."""

    def _ask(
        self, header: Header, body: bytes, deadline: Deadline, cancelled: Cancelled | None
    ) -> tuple[Header, bytes]:
        fault = ""
        for _ in range(_TRIES):
            try:
                answer, content = self._ask_once(header, body, deadline, cancelled)
            except TimeoutError as error:
                raise ConversionTimeout("转换没有在时限内完成，已终止。", detail="no answer") from error
            except (OSError, ValueError) as error:
                fault = repr(error)
                # A new converter listens at the same socket within a moment.
                threading.Event().wait(min(_PAUSE_S, deadline.remaining_s()))
                if deadline.passed:
                    break
                continue
            if answer["said"] == "error":
                raise _error(answer)
            return answer, content
        raise ConverterUnavailable("转换进程暂不可用，请稍后重试。", detail=fault, retry_after_s=5)

    def _ask_once(
        self, header: Header, body: bytes, deadline: Deadline, cancelled: Cancelled | None
    ) -> tuple[Header, bytes]:
        with socket.socket(socket.AF_UNIX) as connection, socket_address(self._path) as address:
            connection.settimeout(max(0.001, deadline.remaining_s()))
            connection.connect(address)
            write_frame(connection, {**header, "seconds": deadline.remaining_s()}, body)
            _await_answer(connection, deadline, cancelled)
            connection.settimeout(deadline.remaining_s() + _LATE_S)
            frame = read_frame(connection)
        if frame is None:
            raise ConnectionError("hung up")
        return frame


def _await_answer(connection: socket.socket, deadline: Deadline, cancelled: Cancelled | None) -> None:
    poller = select.poll()
    poller.register(connection, select.POLLIN)
    while True:
        # The converter itself answers at the deadline; this end only waits a little longer.
        left_s = deadline.remaining_s() + _LATE_S
        if poller.poll(1000 * (min(left_s, _CANCEL_POLL_S) if cancelled else left_s)):
            return
        if cancelled is not None and cancelled():
            raise ConversionCancelled("请求已被取消。")
        if deadline.passed:
            raise TimeoutError


def _error(answer: dict[str, Any]) -> ServiceError:
    kind = getattr(errors, answer["class"], None)
    if not (isinstance(kind, type) and issubclass(kind, ServiceError)):
        kind = ServiceError
    return kind(
        answer["message"],
        detail=answer["detail"],
        code=answer["code"],
        retry_after_s=answer["retry_after_s"],
    )
