"""What anyone needs to verify without us: keys, issuers, revocations."""

import json
from typing import Any

from flask import Blueprint, Response, abort

from service.web.answers import revalidated
from service.web.context import services

BLUEPRINT = Blueprint("wellknown", __name__, url_prefix="/.well-known/wenyin")

_KEYS_S = 300
_REVOKED_S = 60


@BLUEPRINT.get("/jwks.json")
def jwks() -> Response:
    """All keys ever used, with their status (RFC 7517 §5)."""
    return _public(_json(services().keyring.jwks()), "application/jwk-set+json", _KEYS_S)


@BLUEPRINT.get("/issuers.json")
def issuers() -> Response:
    """All issuers, with the certificates of their PDFs."""
    return _public(_json(services().keyring.issuers_public()), "application/json", _KEYS_S)


@BLUEPRINT.get("/revoked/<kid>.json")
def revoked(kid: str) -> Response:
    """The documents withdrawn under one key; its signature is at ``<kid>.jws``."""
    content = services().keyring.revoked_json(kid)
    return _public(content, "application/json", _REVOKED_S) if content else abort(404)


@BLUEPRINT.get("/revoked/<kid>.jws")
def revoked_signature(kid: str) -> Response:
    """A detached JWS over the list of the same name."""
    text = services().keyring.revoked_signature(kid)
    return _public(text.encode("ascii"), "application/jose", _REVOKED_S) if text else abort(404)


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"


def _public(content: bytes, media_type: str, max_age_s: int) -> Response:
    return revalidated(Response(content, content_type=media_type), f"public, max-age={max_age_s}")
