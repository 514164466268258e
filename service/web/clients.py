"""Whether the client still waits for its answer."""

import errno
import select
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from service.errors import ConversionCancelled


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


def while_wanted(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Hand on what is made until the client has gone.

    Args:
        chunks: End by `ConversionCancelled` when nobody waits any more.

    Raises:
        BrokenPipeError: The client has gone; gunicorn then closes the connection and reports nothing. To end
            as if all were there would make half an answer look whole to one who closed its sending side alone.
    """
    try:
        yield from chunks
    except ConversionCancelled as error:
        raise BrokenPipeError(errno.EPIPE, "the client has gone") from error
