"""One file that verifies codes without this service: saved to disk, it needs nothing else."""

import base64
import hashlib
import json
from pathlib import Path

from flask import Blueprint, Response, render_template

from service.pipeline.snapshot import offline_snapshot
from service.web.context import services

BLUEPRINT = Blueprint("offline", __name__)

_FOLDER = Path(__file__).parent / "static"
_SCRIPT = (_FOLDER / "offline.js").read_text("utf-8")
_STYLE = (_FOLDER / "wenyin.css").read_text("utf-8")


def _source(text: str) -> str:
    """Return the CSP source of one inline element (CSP Level 3 §2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_CSP = (
    f"default-src 'none'; script-src {_source(_SCRIPT)}; style-src {_source(_STYLE)};"
    " img-src blob:; media-src blob:; base-uri 'none'; form-action 'none'"
)


@BLUEPRINT.get("/verify/offline.html")
def page() -> Response:
    """The page with today's keys and revocations in it."""
    found = services()
    snapshot = offline_snapshot(found.keyring, found.renderer.catalog)
    # No "<" in a data block: it cannot end the element, whatever an issuer is called.
    data = json.dumps(snapshot, ensure_ascii=False).replace("<", "\\u003c")
    html = render_template("offline.html", script=_SCRIPT, style=_STYLE, data=data, csp=_CSP)
    response = Response(html, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = f"{_CSP}; frame-ancestors 'none'"
    return response
