"""What is told of every request: one line of the log, one count; never its path, its body or its address."""

import secrets
import time

import structlog
from flask import Response, g, request

from service.web.context import counts

_LOG = structlog.get_logger("wenyin.http")
_REQUEST_ID_BYTES = 8


def begin() -> None:
    """Give the request its id; every line of the log that it causes bears it."""
    g.request_id = secrets.token_hex(_REQUEST_ID_BYTES)
    g.begun_s = time.perf_counter()
    # Not cleared at the end: a streamed answer is still being made then, in this thread.
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def note_answer(response: Response) -> None:
    """Log and count an answer that is about to be sent."""
    seconds = time.perf_counter() - g.begun_s
    # The path of a verification page is a token; the rule names the page without it.
    route = request.url_rule.rule if request.url_rule else "-"
    _LOG.info(
        "request",
        method=request.method,
        route=route,
        status=response.status_code,
        caller=g.caller.log_id if "caller" in g else "",
        ms=round(seconds * 1000, 1),
        bytes=None if response.is_streamed else response.calculate_content_length(),
    )
    counts().request(request.method, route, response.status_code, seconds)
