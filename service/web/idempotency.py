"""``Idempotency-Key``: a request that is sent again must be the same request.

A repeated request is made again, and comes out as the same document with the same code; what a key adds is
that a retry with other content is told so. See docs/adr/0009.
"""

import contextlib
import re
from collections.abc import Callable, Iterator

from flask import g, request

from service.errors import RequestError
from service.web.context import keybook, services

_NAME = "Idempotency-Key"
_KEY = re.compile(r"[!-~]{1,255}")


@contextlib.contextmanager
def once(content: Callable[[], bytes]) -> Iterator[None]:
    """Hold the request against what its key stood for; the key is kept once the block has gone well.

    Args:
        content: Returns the request's body, or its digest; called only where there is a key.

    Raises:
        RequestError: The key is no line of 1 to 255 visible ASCII characters.
        KeyReused: It stands for another request.
    """
    key = request.headers.get(_NAME)
    if key is None:
        yield
        return
    if not _KEY.fullmatch(key):
        raise RequestError(f"请求头 {_NAME} 应为 1 到 255 个可见的 ASCII 字符。", code="bad-parameter")
    asked = f"{request.method} {request.full_path}".encode()
    owner = "\0".join((services().settings.base_url, g.caller.log_id, key)).encode()
    with keybook().once(owner, asked + b"\0" + content()):
        yield
