"""What each operation asks of its caller, decided here for all of them."""

from collections.abc import Iterable, Mapping
from enum import Enum
from types import MappingProxyType

from flask import Response, g, request

from service.access import ANYBODY, Asking, Caller, holds_key
from service.errors import ConfigError, Forbidden, RequestError, Unauthenticated
from service.model import TemplateSpec
from service.scopes import ALL
from service.web import signin
from service.web.context import services
from service.web.parameters import flag


class Need(Enum):
    """What a caller must show.

    Attributes:
        NOTHING: Anybody may ask.
        CALLER: Anybody who is known.
        TEMPLATE: The template in the address.
        DOCUMENT: The template, the issuer, and the seal if it is asked for.
        BATCH: The same, and many at once.
        OWN: The view decides by itself.
        ALL: Nobody thought of it; nobody gets it where callers are told apart.
    """

    NOTHING = ()
    CALLER = ("caller",)
    TEMPLATE = ("template",)
    DOCUMENT = ("template", "issuer")
    BATCH = ("template", "issuer", "batch")
    OWN = ("own",)
    ALL = ("all",)


NEEDS: Mapping[str, Need] = MappingProxyType(
    {
        "static": Need.NOTHING,
        "api.list_templates": Need.CALLER,
        "api.get_template": Need.TEMPLATE,
        "api.get_schema": Need.TEMPLATE,
        "api.get_sample": Need.TEMPLATE,
        "api.get_workbook": Need.TEMPLATE,
        "preview.preview": Need.CALLER,
        "api.create_document": Need.DOCUMENT,
        # Whoever holds the paper may ask whether it is genuine.
        "api.verify": Need.NOTHING,
        "batches.create_batch": Need.BATCH,
        "pages.favicon": Need.NOTHING,
        "pages.verdict_by_digits": Need.NOTHING,
        "pages.verify_form": Need.NOTHING,
        "pages.verify_upload": Need.NOTHING,
        "offline.page": Need.NOTHING,
        "wellknown.jwks": Need.NOTHING,
        "wellknown.issuers": Need.NOTHING,
        "wellknown.revoked": Need.NOTHING,
        "wellknown.revoked_signature": Need.NOTHING,
        "staff.home": Need.CALLER,
        "staff.cover": Need.TEMPLATE,
        "staff.blank_form": Need.DOCUMENT,
        "staff.filled_form": Need.DOCUMENT,
        "upload.upload_form": Need.DOCUMENT,
        "upload.uploaded": Need.DOCUMENT,
        "batch.batch_form": Need.BATCH,
        "batch.batch": Need.BATCH,
        "signin.form": Need.NOTHING,
        "signin.enter": Need.NOTHING,
        "signin.leave": Need.NOTHING,
        # The description holds the templates' schemas, so it is guarded as they are.
        "docs.index": Need.CALLER,
        "docs.asset": Need.NOTHING,
        "ops.openapi": Need.CALLER,
        "ops.livez": Need.NOTHING,
        "ops.readyz": Need.NOTHING,
        "metrics.metrics": Need.OWN,
    }
)
"""Endpoint to need. A new endpoint without a line here is refused to everybody, and a test fails."""

_KEY_PARAMETERS = frozenset({"key", "api_key", "apikey", "api-key", "access_token"})


def check_access() -> Response | None:
    """Let a request through to what its caller may have; before every request.

    Returns:
        The way to the sign-in page, for a person who has not signed in.

    Raises:
        Unauthenticated: Nobody is known to have sent it.
        Forbidden: Its sender may not have that.
        RequestError: A key is in its address.
    """
    if request.endpoint is None:
        return None
    need = NEEDS.get(request.endpoint, Need.ALL)
    if not services().gate.ways or need in (Need.NOTHING, Need.OWN):
        g.caller = ANYBODY
        return None
    _refuse_key_in_address()
    try:
        g.caller = known_caller()
    except Unauthenticated:
        if signin.is_offered() and request.authorization is None:
            return signin.ask()
        raise
    _check(need, g.caller)
    return None


def known_caller() -> Caller:
    """Return who sent the request.

    Raises:
        Unauthenticated: Nobody is known to have sent it.
        Forbidden: It bears a header that only a proxy may write.
    """
    headers = {name.lower(): value for name, value in request.headers}
    asking = Asking(
        request.remote_addr or "",
        request.headers.get("Authorization"),
        request.cookies.get(signin.COOKIE, ""),
        headers,
    )
    return services().gate.identify(asking)


def permitted(templates: Iterable[TemplateSpec]) -> list[TemplateSpec]:
    """Return those of the templates that the caller may use."""
    caller: Caller = g.caller
    return [spec for spec in templates if caller.grant.allows("template", spec.template_id)]


def scopes(need: Need, template_id: str) -> list[str]:
    """Return the scopes that a need asks for, as words.

    Args:
        need: Of an operation.
        template_id: What its address names.
    """
    names = {"template": f"template:{template_id}", "issuer": f"issuer:{_issuer_id()}"}
    return [] if need is Need.CALLER else [names.get(word, word) for word in need.value]


def _issuer_id() -> str:
    """Return in whose name documents are made, signed or not: whoever may ask does not depend on a key's life.

    Where nobody chose among several issuers, only who may use any name gets through.
    """
    found = services()
    try:
        return found.settings.issuer or found.keyring.only_issuer().issuer_id
    except ConfigError:
        return ALL


def _check(need: Need, caller: Caller) -> None:
    if need is Need.ALL:
        raise Forbidden("这项功能没有对外开放。", detail=f"no decision for {request.endpoint}")
    for scope in need.value:
        if scope == "template":
            caller.require(scope, (request.view_args or {}).get("template_id", ""))
        elif scope == "issuer":
            caller.require(scope, _issuer_id())
        elif scope == "batch":
            caller.require(scope)
    if need in (Need.DOCUMENT, Need.BATCH) and flag("seal"):
        caller.require("seal")


def _refuse_key_in_address() -> None:
    names = {name.lower() for name in request.args}
    if names & _KEY_PARAMETERS or holds_key(request.query_string.decode("latin-1")):
        raise RequestError(
            "密钥不能写在网址里：沿途的日志会记下网址。请停用这把密钥，换一把，写在请求头 Authorization 中。",
            code="key-in-address",
        )
