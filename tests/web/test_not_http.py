"""Bytes that are no request, or more of one than is read: a problem with a reason, and nothing of them in the log."""

import json
import socket

import pytest

from tests.serving import Server

pytestmark = pytest.mark.libreoffice
SECRET = "wy0123456789." + "S" * 43
HEAD = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
WRONG: dict[str, tuple[bytes, int, str]] = {
    "no HTTP": (b"\x16\x03\x01 hello " + SECRET.encode() + b"\r\n\r\n", 400, "bad-request"),
    "long address": (b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "uri-too-long"),
    "long header": (HEAD + b"X-A: " + b"x" * 9000 + b"\r\n\r\n", 431, "headers-too-large"),
    "many headers": (
        HEAD + b"".join(b"X-%d: 1\r\n" % n for n in range(120)) + b"\r\n",
        431,
        "headers-too-large",
    ),
    "a very long header": (HEAD + b"X-A: " + b"x" * 200_000 + b"\r\n\r\n", 431, "headers-too-large"),
    "no colon": (HEAD + b"Authorization Bearer " + SECRET.encode() + b"\r\n\r\n", 400, "bad-request"),
    "escape in a header": (HEAD + b"X-A: \x1b[31m" + SECRET.encode() + b"\r\n\r\n", 400, "bad-request"),
    "bare return in a header": (HEAD + b"X-A: a\rX-B: " + SECRET.encode() + b"\r\n\r\n", 400, "bad-request"),
    "folded header": (HEAD + b"X-A: a\r\n {}\r\n\r\n".replace(b"{}", SECRET.encode()), 400, "bad-request"),
    "two lengths": (
        b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        400,
        "bad-request",
    ),
    "length and chunks": (
        b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        "bad-request",
    ),
    "unknown coding": (
        b"POST /v1/verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: magic\r\n\r\n",
        501,
        "http-501",
    ),
}


def said(server: Server, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(sent)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(first.split(" ")[1]), headers, body


@pytest.mark.fault("H7", "H8")
@pytest.mark.parametrize("name", WRONG)
def test_every_refusal_is_a_problem_and_quotes_nothing(server: Server, name: str) -> None:
    sent, status, code = WRONG[name]
    got, headers, body = said(server, sent)
    assert (got, headers["content-type"]) == (status, "application/problem+json"), body
    problem = json.loads(body)
    assert (problem["status"], problem["type"]) == (status, f"urn:wenyin:problem:{code}")
    assert problem["instance"].endswith(headers["x-request-id"])
    assert int(headers["content-length"]) == len(body)
    assert "S" * 43 not in body.decode()
    assert "S" * 43 not in server.log
    (line,) = [one for one in server.log.splitlines() if headers["x-request-id"] in one]
    assert json.loads(line)["status"] == status
    assert server.get("/livez").status == 200
