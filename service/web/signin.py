"""Signing in to the pages with an API key; what was typed in meanwhile is not lost."""

from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for

from service.errors import Unauthenticated
from service.web.context import services
from service.web.origin import tell_origin
from service.web.problems import is_page

BLUEPRINT = Blueprint("signin", __name__)
BLUEPRINT.after_request(tell_origin)

COOKIE = "wenyin_session"
_ADDRESS_LENGTH = 2_000
_KEPT_BYTES = 1_000_000
# Percent-encoded once more on its way through the sign-in page.
_FORM_BYTES = 3 * _KEPT_BYTES
_URLENCODED = "application/x-www-form-urlencoded"


def is_offered() -> bool:
    """Whether the request is for a page, and a key would open it."""
    return is_page() and "key" in services().gate.ways


def ask() -> Response:
    """Lead to the sign-in page, and back again afterwards; a form that was sent travels with it."""
    if request.method in ("GET", "HEAD"):
        asked = request.full_path.rstrip("?")
        return redirect(url_for("signin.form", next=asked), HTTPStatus.SEE_OTHER)  # type: ignore[return-value]
    kept = ""
    if request.mimetype == _URLENCODED and (request.content_length or 0) <= _KEPT_BYTES:
        kept = request.get_data(cache=False).decode("ascii", "replace")
    page = _page(request.path, kept=kept, again=True)
    response = make_response(page, HTTPStatus.UNAUTHORIZED)
    response.headers["WWW-Authenticate"] = 'Bearer realm="wenyin"'
    return tell_origin(response)


@BLUEPRINT.get("/signin")
def form() -> Response:
    """The page that takes a key."""
    if "key" not in services().gate.ways:
        return redirect(url_for("staff.home"), HTTPStatus.SEE_OTHER)  # type: ignore[return-value]
    return make_response(_page(_own(request.args.get("next", ""))))


@BLUEPRINT.post("/signin")
def enter() -> Response:
    """Take a key; lead on to where its bearer wanted to go."""
    request.max_form_memory_size = _FORM_BYTES
    wanted, kept = _own(request.form.get("next", "")), request.form.get("kept", "")
    gate = services().gate
    try:
        caller, cookie = gate.sign_in(request.form.get("key", ""))
    except Unauthenticated as error:
        response = make_response(_page(wanted, kept=kept, fault=str(error)), HTTPStatus.UNAUTHORIZED)
        response.headers["WWW-Authenticate"] = 'Bearer realm="wenyin"'
        return response
    if kept:
        fields = parse_qsl(kept, keep_blank_values=True)
        response = make_response(
            render_template("signed_in.html", fields=fields, wanted=wanted, caller=caller)
        )
    else:
        response = make_response(redirect(wanted, HTTPStatus.SEE_OTHER))
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=gate.sessions.lasting_s,
        secure=_is_encrypted(),
        httponly=True,
        samesite="Strict",
    )
    return response


@BLUEPRINT.post("/signout")
def leave() -> Response:
    """Forget who it was."""
    response = make_response(redirect(url_for("signin.form"), HTTPStatus.SEE_OTHER))
    response.delete_cookie(COOKIE, httponly=True, samesite="Strict")
    return response


def _page(wanted: str, *, kept: str = "", again: bool = False, fault: str = "") -> str:
    return render_template("signin.html", wanted=wanted, kept=kept, again=again, fault=fault)


def _own(address: str) -> str:
    """Return an address on this service, and its first page for any other."""
    is_path = address.startswith("/") and not address.startswith(("//", "/sign")) and "\\" not in address
    # A browser drops tabs and line breaks, and what was a path is a host.
    is_plain = address.isascii() and address.isprintable() and len(address) <= _ADDRESS_LENGTH
    return address if is_path and is_plain else url_for("staff.home")


def _is_encrypted() -> bool:
    """Whether the browser speaks https; behind a proxy only the browser itself can tell."""
    origin = request.headers.get("Origin", "")
    return request.is_secure or urlsplit(origin).scheme == "https"
