"""Every failure as ``application/problem+json`` (RFC 9457), or as a page for people."""

import json
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response, g, render_template, request
from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge

from service.errors import Fault, RequestError, ServiceError, TooLarge, Unauthenticated
from service.spans import annotate
from service.web.context import counts

_LOG = structlog.get_logger("wenyin.problem")
TYPE_PREFIX = "urn:wenyin:problem:"
MEDIA_TYPE = "application/problem+json"
_DETAIL = 2_000
_PAGE_PATHS = ("/V/", "/verify", "/fill/", "/upload/", "/batch/", "/docs", "/sign")

_PROGRAM_PATHS = ("/v1/", "/.well-known/")
_HTTP_TITLES = {404: "网址有误", 405: "不支持的请求方法", 415: "不支持的内容类型"}
HTTP_PROBLEMS = {
    400: ("bad-request", "请求格式有误。"),
    404: ("not-found", "没有这个地址。"),
    405: ("method-not-allowed", "这个地址不支持此请求方法。"),
    406: ("not-acceptable", "不支持所要求的输出格式。"),
    408: ("request-timeout", "请求超时：请求没有在时限内发完。"),
    414: ("uri-too-long", "网址过长。"),
    411: ("length-required", "请求没有写明长度（Content-Length）。"),
    415: ("unsupported-media-type", "不支持的内容类型。"),
    416: ("range-not-satisfiable", "没有所要求的那一段内容（Range）。"),
    417: ("expectation-failed", "不支持请求头 Expect 的要求。"),
}
"""Type and Chinese sentence of what goes wrong before a view is reached, by status."""
_RETRY_AFTER_S = 10
_WAIT = (429, 503)


def register(app: Flask) -> None:
    """Hang the three handlers into the application."""
    app.register_error_handler(ServiceError, _on_service_error)
    app.register_error_handler(HTTPException, _on_http_exception)
    app.register_error_handler(Exception, _on_exception)


def _on_service_error(error: ServiceError) -> Response:
    _note(error)
    body: dict[str, Any] = _body(error.type_code, error.title, error.http_status, str(error))
    faults = error.faults
    if not faults and isinstance(error, RequestError):
        # The empty pointer is the whole document (RFC 6901 5).
        faults = (Fault("", error.type_code, str(error)),)
    if faults:
        body["errors"] = [
            {"pointer": fault.pointer, "keyword": fault.keyword, "message": fault.message} for fault in faults
        ]
    response = _answer(body)
    if isinstance(error, Unauthenticated):
        given = ', error="invalid_token"' if request.authorization else ""
        response.headers["WWW-Authenticate"] = f'Bearer realm="wenyin"{given}'
    if error.retry_after_s is not None or error.http_status in _WAIT:
        response.headers["Retry-After"] = str(error.retry_after_s or _RETRY_AFTER_S)
    return response


def _note(error: ServiceError) -> None:
    status = error.http_status
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        # Who sent it is told all; here it would only show what they sent.
        _LOG.info("problem", type=error.type_code, status=status)
        return
    passing = status == HTTPStatus.SERVICE_UNAVAILABLE
    (_LOG.warning if passing else _LOG.error)(
        "problem", type=error.type_code, status=status, detail=error.detail[:_DETAIL]
    )


def _on_http_exception(error: HTTPException) -> Response:
    if isinstance(error, RequestEntityTooLarge):
        return _on_service_error(TooLarge("请求内容超过大小上限，请减小后重试。"))
    # Whoever cut the connection does not read this; whoever sends too slowly does.
    status = HTTPStatus.REQUEST_TIMEOUT if isinstance(error, ClientDisconnected) else error.code or 500
    code, detail = HTTP_PROBLEMS.get(status, (f"http-{status}", "请求无法处理。"))
    response = _answer(_body(code, _HTTP_TITLES.get(status, RequestError.title), status, detail))
    for key, value in error.get_headers():
        if key.lower() in ("allow", "location", "retry-after", "www-authenticate"):
            response.headers[key] = value
    return response


def _on_exception(error: Exception) -> Response:
    _LOG.error("unexpected", exc_info=error)
    return _answer(_body("internal", "服务内部错误", 500, "服务内部错误，请凭请求编号联系管理员。"))


def _body(code: str, title: str, status: int, detail: str) -> dict[str, Any]:
    return {
        "type": TYPE_PREFIX + code,
        "title": title,
        "status": status,
        "detail": detail,
        "instance": f"urn:wenyin:request:{g.get('request_id', '-')}",
    }


def _answer(body: dict[str, Any]) -> Response:
    code = body["type"].removeprefix(TYPE_PREFIX)
    counts().problem(code)
    annotate("error.type", code)
    if is_page():
        html = render_template("problem.html", problem=body)
        return Response(html, body["status"], content_type="text/html; charset=utf-8")
    text = json.dumps(body, ensure_ascii=False)
    return Response(text + "\n", body["status"], content_type=MEDIA_TYPE)


def is_page() -> bool:
    """Whether a person is to read the answer: on a page, or where a browser asks for what is not there."""
    if request.path == "/" or request.path.startswith(_PAGE_PATHS):
        return wants_html()
    lost = request.url_rule is None and not request.path.startswith(_PROGRAM_PATHS)
    return lost and "text/html" in request.headers.get("Accept", "")


def wants_html() -> bool:
    """Whether the client is a browser rather than a program."""
    accepted = request.accept_mimetypes
    return accepted.best_match(("text/html", "application/json"), "text/html") == "text/html"
