"""Health and the API description."""

from flask import Blueprint, Response, jsonify

from service.web.answers import revalidated
from service.web.context import is_stopping, services
from service.web.guard import permitted
from service.web.openapi import build_openapi
from service.web.openapi_access import describe_access

BLUEPRINT = Blueprint("ops", __name__)


@BLUEPRINT.get("/livez")
def livez() -> Response:
    """The process answers."""
    return jsonify({"status": "ok"})


@BLUEPRINT.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Work may be sent here: a canary went through LibreOffice a short while ago, and the service stays.

    Without a signing key no document can be made, here or on any other replica. It is said, but not by a
    503: that would take verification from whoever holds a document.
    """
    if is_stopping():
        return jsonify({"status": "stopping", "message": "服务正在停止，不再接受新的请求。"}), 503
    found = services()
    state = found.readiness.check()
    fault = found.keyring.signing_fault(found.settings.issuer)
    status = "unavailable" if not state.ready else "degraded" if fault else "ok"
    message = f"{state.reason}不能生成文件，核验照常：{fault}" if fault else state.reason
    return jsonify({"status": status, "message": message}), 200 if state.ready else 503


@BLUEPRINT.get("/openapi.json")
def openapi() -> Response:
    """OpenAPI 3.1, assembled from the templates' schemas."""
    found = services()
    document = build_openapi(permitted(found.renderer.catalog), found.settings.base_url)
    return revalidated(jsonify(describe_access(document)))
