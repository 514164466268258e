"""Refuse what another site makes a browser send."""

from urllib.parse import urlsplit

from flask import Response, request
from werkzeug.exceptions import MethodNotAllowed

from service.errors import CrossSite
from service.web.context import services

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN = frozenset({"same-origin", "none"})


def refuse_cross_site() -> None:
    """Let a request that may change something come from our own pages or from a program only.

    Browsers say where a request comes from: by ``Sec-Fetch-Site`` over https and to this machine, by
    ``Origin`` everywhere (Fetch §3.2). A program says neither.

    Raises:
        CrossSite: It was another site.
    """
    if request.method in _SAFE:
        return
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        allowed = site in _OWN
    elif origin is not None:
        own = {_origin(services().settings.base_url), _origin(request.host_url)}
        # Behind a proxy that ends TLS the scheme seen here is not the browser's.
        allowed = _origin(origin) in own or urlsplit(origin).netloc == request.host
    else:
        allowed = True
    if not allowed:
        raise CrossSite("这个请求来自其他网站的页面，已拒绝；请从本服务的页面操作。")


def refuse_preflight() -> None:
    """Answer no OPTIONS: a browser asks so whether another site's page may do what forms cannot (Fetch §4.8).

    Raises:
        MethodNotAllowed: It is one; unknown addresses are left to say so themselves.
    """
    if request.method == "OPTIONS" and request.url_rule is not None:
        raise MethodNotAllowed(sorted((request.url_rule.methods or set()) - {"OPTIONS"}))


def tell_origin(response: Response) -> Response:
    """Let the browser name the origin of a page's form; with ``no-referrer`` it would not (Fetch §3.2)."""
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
