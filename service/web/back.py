"""The browser's Back without scripts: pages as they were left, what was typed in them included."""

from flask import Response

_HTML = "text/html"


def let_back_work(response: Response) -> Response:
    """Let the browser keep a page for its own Back and Forward, and ask anew for everything else.

    A page that answers a form and is not kept cannot be gone back to at all, and one that was asked for by its
    address comes back empty. Where scripts run, pages with data in them are fetched past the browser's store.

    Args:
        response: Any answer; only pages are changed.
    """
    if response.mimetype == _HTML:
        response.headers["Cache-Control"] = "private, no-cache"
    return response
