"""Who may call what, written into the OpenAPI document where callers are told apart."""

import re
from collections.abc import Mapping
from typing import Any

from flask import current_app
from werkzeug.exceptions import HTTPException

from service.web.context import services
from service.web.guard import NEEDS, Need, scopes
from service.web.openapi_parts import HTML, page_problems, problems, response
from service.web.signin import COOKIE

_METHODS = frozenset({"get", "put", "post", "delete", "patch"})
_PLACE = re.compile(r"\{([a-z_]+)\}")
_KEY = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "key_id.secret",
    "description": "接口密钥，写在请求头 Authorization: Bearer 中",
}
_COOKIE = {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "在网页上用接口密钥登录之后"}
_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "单位身份服务（OIDC）签发的令牌",
}


def describe_access(document: dict[str, Any]) -> dict[str, Any]:
    """Return the description with the proofs that are accepted, and where one is asked for.

    The list beside a scheme names the scopes that the operation needs (OpenAPI 3.1 §4.8.30).

    Args:
        document: Described without access control; changed in place.
    """
    schemes = _schemes()
    if not schemes:
        return document
    document["components"]["securitySchemes"] = schemes
    for path, operations in document["paths"].items():
        for method in _METHODS & set(operations):
            operation = operations[method]
            need, template_id = need_of(method, path)
            if need in (Need.NOTHING, Need.OWN):
                operation["security"] = [] if need is Need.NOTHING else [{}, *_asked(schemes, ["metrics"])]
                continue
            operation["security"] = _asked(schemes, scopes(need, template_id))
            # 400: a key in the address.
            said_by = page_problems if "网页" in operation["tags"] else problems
            operation["responses"].update(said_by(400, 401, 403))
            if "网页" in operation["tags"] and method == "get":
                operation["responses"]["303"] = response("先登录", HTML, "Location")
    return document


def need_of(method: str, path: str) -> tuple[Need, str]:
    """Return what an operation of the description asks for, and the template that its path names.

    Args:
        method: In any case.
        path: As the description writes it, with places in braces.
    """
    example = _PLACE.sub(r"\1", path)
    try:
        endpoint, values = current_app.url_map.bind("").match(example, method.upper())
    except HTTPException:
        return Need.ALL, ""
    template_id = "*" if "{template_id}" in path else values.get("template_id", "")
    return NEEDS.get(endpoint, Need.ALL), template_id


def _schemes() -> dict[str, Any]:
    found = services()
    schemes: dict[str, Any] = {}
    if "key" in found.gate.ways:
        schemes |= {"key": _KEY, "session": _COOKIE}
    if "oidc" in found.gate.ways:
        schemes["oidc"] = _TOKEN
    if "proxy" in found.gate.ways:
        header = found.settings.proxy_user_header
        schemes["proxy"] = {"type": "apiKey", "in": "header", "name": header, "description": "由反向代理写入"}
    return schemes


def _asked(schemes: Mapping[str, Any], words: list[str]) -> list[dict[str, list[str]]]:
    return [{name: words} for name in schemes]
