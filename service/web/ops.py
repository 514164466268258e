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
    """Documents can be made: a canary went through LibreOffice a short while ago, and the service stays."""
    if is_stopping():
        return jsonify({"status": "stopping", "message": "服务正在停止，不再接受新的请求。"}), 503
    state = services().readiness.check()
    body = {"status": "ok" if state.ready else "unavailable", "message": state.reason}
    return jsonify(body), 200 if state.ready else 503


@BLUEPRINT.get("/openapi.json")
def openapi() -> Response:
    """OpenAPI 3.1, assembled from the templates' schemas."""
    found = services()
    document = build_openapi(permitted(found.renderer.catalog), found.settings.base_url)
    return revalidated(jsonify(describe_access(document)))
