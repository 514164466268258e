"""Whether the client still waits for its answer."""

import select
from collections.abc import Callable, Mapping
from typing import Any


def client_gone(environ: Mapping[str, Any]) -> Callable[[], bool] | None:
    """Return what says whether the client has hung up; ``None`` where that cannot be known.

    Args:
        environ: The request's WSGI environment; gunicorn puts the connection there.
    """
    connection = environ.get("gunicorn.socket")
    if connection is None:
        return None

    def gone() -> bool:
        try:
            poller = select.poll()
            poller.register(connection, select.POLLRDHUP)
            return bool(poller.poll(0))
        except (OSError, ValueError):
            return True

    return gone
