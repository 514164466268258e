"""``/docs``: Swagger UI from an installed package, nothing from another host."""

from pathlib import Path

import flask_swagger_ui
from flask import Blueprint, Response, abort, make_response, render_template, send_from_directory

BLUEPRINT = Blueprint("docs", __name__, url_prefix="/docs")

_ASSETS = Path(flask_swagger_ui.__file__).parent / "dist"
_SHIPPED = frozenset({"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"})
# Swagger UI sets style attributes and data: icons from its script.
_CSP = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " base-uri 'none'; frame-ancestors 'none'"
)


@BLUEPRINT.get("/")
def index() -> Response:
    """The page itself."""
    response = make_response(render_template("docs.html"))
    response.headers["Content-Security-Policy"] = _CSP
    return response


@BLUEPRINT.get("/assets/<name>")
def asset(name: str) -> Response:
    """One file of Swagger UI."""
    if name not in _SHIPPED:
        abort(404)
    response = send_from_directory(_ASSETS, name, max_age=86_400)
    response.headers["Cache-Control"] = "public, max-age=86400"
    return response
