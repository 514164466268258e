"""Clients that say half a word, or do not hang up, keep nobody else waiting."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.serving import Server, serving

pytestmark = pytest.mark.libreoffice
MANY = 40
PATIENCE_S = 60.0
WHOLE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
BODY = (
    b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("slow")
    with serving(folder, soffice="/nothing", workers="1", threads="4") as running:
        yield running


def connected(server: Server, stack: ExitStack) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)
    return stack.enter_context(made)


def rest(connection: socket.socket) -> bytes:
    said = b""
    while piece := connection.recv(65536):
        said += piece
    return said


def one_answer(connection: socket.socket) -> bool:
    said = b""
    while not said.endswith(b'{"status":"ok"}\n'):
        piece = connection.recv(65536)
        assert piece, said
        said += piece
    return said.startswith(b"HTTP/1.1 200 ")


def test_half_a_head_takes_no_thread_and_is_answered_in_the_end(narrow: Server) -> None:
    with ExitStack() as stack:
        slow = [connected(narrow, stack) for _ in range(MANY)]
        for connection in slow:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHo")
        later = connected(narrow, stack)
        later.sendall(WHOLE[:20])
        assert narrow.get("/livez").status == 200
        later.sendall(WHOLE[20:])
        assert one_answer(later)
        # The head of a second request on the same connection is waited for in the same way.
        later.sendall(WHOLE + WHOLE[:10])
        assert one_answer(later)
        assert narrow.get("/livez").status == 200
        later.sendall(WHOLE[10:])
        assert one_answer(later)
        for connection in slow:
            head, _, body = rest(connection).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 408 ")
            assert json.loads(body)["type"] == "urn:wenyin:problem:request-timeout"


def test_who_does_not_hang_up_holds_up_nobody(narrow: Server) -> None:
    with ExitStack() as stack:
        done = [connected(narrow, stack) for _ in range(MANY)]
        for connection in done:
            connection.sendall(LAST)
        later = connected(narrow, stack)
        later.settimeout(PATIENCE_S / 2)
        later.sendall(WHOLE)
        # With two seconds for each of the others in the main loop this would not come.
        assert one_answer(later)
        assert all(rest(connection).startswith(b"HTTP/1.1 200 ") for connection in done)


def test_half_a_body_is_given_up(narrow: Server) -> None:
    with ExitStack() as stack:
        slow = connected(narrow, stack)
        slow.sendall(BODY)
        head = rest(slow).partition(b"\r\n\r\n")[0]
        assert head.startswith(b"HTTP/1.1 408 ")
    assert narrow.get("/livez").status == 200


def test_full_of_silent_connections_it_takes_in_whoever_comes(narrow: Server) -> None:
    with ExitStack() as stack:
        for _ in range(1_010):
            connected(narrow, stack)
        assert narrow.get("/livez").status == 200
