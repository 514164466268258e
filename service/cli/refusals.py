"""What gunicorn turns away before the application sees it, answered as everything else is."""

import contextlib
import json
import secrets
import socket
from http import HTTPStatus
from typing import Any

import structlog
from gunicorn.http import errors
from gunicorn.util import write_nonblock

from service.web.problems import MEDIA_TYPE, TYPE_PREFIX

_LOG = structlog.get_logger("wenyin.http")
_REQUEST_ID_BYTES = 8


class HeadTimeout(errors.ParseException):  # type: ignore[misc]
    """The head of a request did not come to its end in time."""


_REFUSALS: dict[type[BaseException], tuple[int, str, str]] = {
    HeadTimeout: (408, "request-timeout", "请求超时：请求没有在时限内发完。"),
    errors.LimitRequestLine: (414, "uri-too-long", "网址过长。"),
    errors.LimitRequestHeaders: (431, "headers-too-large", "请求头过多或过长。"),
    errors.UnsupportedTransferCoding: (501, "http-501", "不支持这种 Transfer-Encoding。"),
    errors.ExpectationFailed: (417, "expectation-failed", "不支持所要求的 Expect。"),
}
_OTHER = (400, "bad-request", "请求不符合 HTTP 的格式。")
_OURS = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName)


def is_refusal(error: BaseException) -> bool:
    """Whether it is the client whose bytes are no request; the rest is our own failure."""
    return isinstance(error, errors.ParseException) and not isinstance(error, _OURS)


def refuse(connection: socket.socket, error: BaseException) -> None:
    """Say why, and log it without the bytes that were sent: a key or a name may be among them.

    Args:
        connection: To whoever sent them; the caller closes it, when the rest of what was sent has come.
        error: Of gunicorn's parser.
    """
    status, code, detail = _REFUSALS.get(type(error), _OTHER)
    request_id = secrets.token_hex(_REQUEST_ID_BYTES)
    _LOG.info("problem", request_id=request_id, status=status, type=code, error=type(error).__name__)
    body = {
        "type": TYPE_PREFIX + code,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": f"urn:wenyin:request:{request_id}",
    }
    with contextlib.suppress(OSError):
        write_nonblock(
            connection, _answer(status, json.dumps(body, ensure_ascii=False).encode() + b"\n", request_id)
        )


def _answer(status: int, body: bytes, request_id: str) -> bytes:
    headers: dict[str, Any] = {
        "Connection": "close",
        "Content-Type": MEDIA_TYPE,
        "Content-Length": len(body),
        "X-Request-Id": request_id,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body
