"""gunicorn's worker of threads, as this service needs it: nobody silent or slow keeps the others waiting."""

import contextlib
import mmap
import select
import socket
import struct
import time
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.http.errors import LimitRequestHeaders
from gunicorn.workers.gthread import TConn, ThreadWorker

from service.cli.refusals import HeadTimeout, is_refusal, refuse

_HEAD_S = 10.0
_HEAD_BYTES = 1 << 16
_HEAD_END = b"\r\n\r\n"
_PIECE_BYTES = 1 << 16
_BODY_S = 20.0
_BODY_BYTES_PER_S = 500
_READER_S = 300.0
_LINGER_S = 2.0
_LINGER_BYTES = 1 << 18
_TIMEVAL = struct.Struct("@ll")


class Stop:
    """Whether the service is about to end: set by the master process, seen by all at once."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, 1)

    def begin(self) -> None:
        """Say that it is."""
        self._page[0] = 1

    def has_begun(self) -> bool:
        """Tell whether it is."""
        return bool(self._page[0])


class Worker(ThreadWorker):  # type: ignore[misc]
    """A worker of threads whose main loop waits for requests and for goodbyes, so that no thread has to.

    gunicorn's own lets a thread wait for the head of a request, for as long as its sender likes: as many
    half-sent heads as there are threads, and nobody is heard any more. And for a client that has its answer
    and does not hang up the main loop itself waits, two seconds each (RFC 9112 9.6 asks for the wait, not for
    one after the other).

    When the service ends, gunicorn's own takes no more connections, but its socket stays open until the last
    request is answered: whoever connects meanwhile waits for nothing and is cut off. This one goes on
    answering (the application tells new work to go elsewhere) until what it had in hand is done.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_hand: set[TConn] = set()
        self._closed = False
        self._heads: dict[TConn, bytearray] = {}
        self._refused: dict[TConn, Exception] = {}
        self._leaving: dict[TConn, int] = {}

    def accept(self, listener: Any) -> None:
        """Take a connection in, unless what was answered in the same turn of the loop was the last."""
        if listener.fileno() >= 0:
            super().accept(listener)

    def enqueue_req(self, conn: TConn) -> None:
        """Wait for the head of a request; a thread takes over when it is there."""
        # What came right behind the request before.
        ahead = conn.parser.unreader.take_buffered() if conn.parser else b""
        self._heads[conn] = bytearray(ahead)
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + _HEAD_S
        self.poller.register(conn.sock, EVENT_READ, partial(self._read_head, conn))
        if not self._head_is_there(conn):
            self._read_head(conn, conn.sock)

    def handle(self, conn: TConn) -> Any:
        """Answer a request, in a thread."""
        refused = self._refused.pop(conn, None)
        if refused is None:
            return super().handle(conn)
        self.handle_error(None, conn.sock, conn.client, refused)
        return False

    def finish_request(self, conn: TConn, fs: Any) -> None:
        """Go on with a connection after an answer."""
        self._in_hand.discard(conn)
        if not fs.cancelled() and not fs.exception() and not fs.result():
            self._say_goodbye(conn)
        else:
            super().finish_request(conn, fs)
        if self._ends():
            self.set_accept_enabled(False)

    def murder_pending(self) -> None:
        """Look after the time of those who have not said what they want, and of those who do not go."""
        now_s = time.monotonic()
        for conn in [item for item in self._heads if item.timeout <= now_s]:
            if self._heads[conn]:
                self._refuse(conn, HeadTimeout())
            else:
                self._drop(conn)
        for conn in [item for item in self._leaving if item.timeout <= now_s]:
            self._drop(conn)
        # Here alone: what the poller has found for a connection must not come after its end.
        if self.nr_conns >= self.worker_connections:
            self._make_room()

    def set_accept_enabled(self, enabled: bool) -> None:
        """Accept connections or not; to the end while the service ends."""
        if not self._ends():
            super().set_accept_enabled(enabled)
        elif not self._in_hand and not self._closed:
            self._closed = True
            for listener in self.sockets:
                self._accept_waiting(listener)
            super().set_accept_enabled(False)
            for listener in self.sockets:
                listener.close()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what is no request."""
        if is_refusal(exc):
            refuse(client, exc)
        else:
            super().handle_error(req, client, addr, exc)

    def _ends(self) -> bool:
        return not self.alive and self.app.stop.has_begun()

    def _accept_waiting(self, listener: Any) -> None:
        """Take in whoever is connected by now; closing the socket would cut them off."""
        waiting = select.poll()
        waiting.register(listener, select.POLLIN)
        while waiting.poll(0):
            self.accept(listener)

    def _make_room(self) -> None:
        """Let the longest silent connection go, so that others are accepted."""
        if self.keepalived_conns:
            self.keepalived_conns[0].timeout = 0.0
            self.murder_keepalived()
        elif silent := next(iter(self._leaving or self._heads), None):
            self._drop(silent)

    def _head_is_there(self, conn: TConn) -> bool:
        """Hand a connection to a thread if its head is whole, or cannot become one."""
        head = self._heads[conn]
        # A letter begins every request; gunicorn's parser says what is wrong with the others.
        if _HEAD_END in head or (head[:1].strip() and not head[:1].isalpha()):
            self._begin(conn)
        elif len(head) > _HEAD_BYTES:
            self._refuse(conn, LimitRequestHeaders(f"over {_HEAD_BYTES} bytes"))
        else:
            return False
        return True

    def _read_head(self, conn: TConn, sock: socket.socket) -> None:
        piece = _received(sock)
        if piece is None:
            return
        self._heads[conn] += piece
        if not self._head_is_there(conn) and not piece:
            self._drop(conn)

    def _refuse(self, conn: TConn, error: Exception) -> None:
        self._refused[conn] = error
        self._begin(conn)

    def _begin(self, conn: TConn) -> None:
        head = self._heads.pop(conn)
        self.poller.unregister(conn.sock)
        conn.data_ready = True
        conn.sock.setblocking(True)
        # Apart from these, whoever sends nothing or takes nothing would keep a thread for ever.
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL.pack(int(_BODY_S), 0))
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.pack(int(_READER_S), 0))
        conn.init()
        conn.parser.unreader.sock = _Paced(conn.sock)
        conn.parser.unreader.unread(bytes(head))
        if self.alive:
            self._in_hand.add(conn)
        super().enqueue_req(conn)

    def _say_goodbye(self, conn: TConn) -> None:
        """Close our side, and the rest when the client has closed its own (RFC 9112 9.6)."""
        self._leaving[conn] = 0
        conn.timeout = time.monotonic() + _LINGER_S
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            self.poller.register(conn.sock, EVENT_READ, partial(self._take_rest, conn))
        except (OSError, ValueError):
            self._drop(conn)

    def _take_rest(self, conn: TConn, sock: socket.socket) -> None:
        piece = _received(sock)
        if piece is None:
            return
        self._leaving[conn] += len(piece)
        if not piece or self._leaving[conn] > _LINGER_BYTES:
            self._drop(conn)

    def _drop(self, conn: TConn) -> None:
        self._heads.pop(conn, None)
        self._leaving.pop(conn, None)
        with contextlib.suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()


def _received(sock: socket.socket) -> bytes | None:
    """Return what has come; empty when the other side has gone, ``None`` when there is nothing yet."""
    try:
        return sock.recv(_PIECE_BYTES)
    except BlockingIOError:
        return None
    except OSError:
        return b""


class _Paced:
    """A socket from which a body is read, as long as it comes at a bearable pace.

    Args:
        sock: Blocking, with a time limit of its own for each piece.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._begun_s = time.monotonic()
        self._taken = 0

    def recv(self, size: int) -> bytes:
        """Return the next piece.

        Raises:
            OSError: None came in time, or all that came is too little for the time it took.
        """
        if self._is_late():
            raise TimeoutError("the body comes too slowly")
        piece = self._sock.recv(size)
        self._taken += len(piece)
        return piece

    def _is_late(self) -> bool:
        return time.monotonic() - self._begun_s > _BODY_S + self._taken / _BODY_BYTES_PER_S

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)
