"""Holds answers against the service's own description: status, headers, media type and JSON."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from service.catalog import Catalog
from service.web.openapi import build_openapi
from service.web.openapi_parts import EVERYWHERE, HTML, problem_responses
from tests.tables import TEMPLATES

# What gunicorn and the framework add to anything.
_OF_HTTP = {
    "server",
    "date",
    "connection",
    "content-type",
    "content-length",
    "transfer-encoding",
    "accept-ranges",
}
# Where callers are told apart, and whatever the address.
_ANYWHERE = {401, 403, 404, 405}
_KEY_IN_ADDRESS = b"urn:wenyin:problem:key-in-address"
_TO_SIGN_IN = 303


@cache
def description() -> dict[str, Any]:
    """Return the OpenAPI document of the shipped templates."""
    made: dict[str, Any] = json.loads(
        json.dumps(build_openapi(Catalog.load(TEMPLATES), "http://127.0.0.1:8000"))
    )
    return made


def resolved(node: Any) -> Any:
    """Return what a reference within the document points to."""
    while isinstance(node, Mapping) and "$ref" in node:
        target: Any = description()
        for step in node["$ref"][2:].split("/"):
            target = target[step]
        node = target
    return node


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """Return the operation behind an address; a fixed path goes before one with parameters."""
    path = urlsplit(path).path.rstrip("/") or "/"
    for template in sorted(description()["paths"], key=lambda name: name.count("{")):
        pattern = re.sub(r"\\\{filename\\\}", ".+", re.escape(template))
        if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", pattern), path):
            found: dict[str, Any] | None = description()["paths"][template].get(
                method.lower().replace("head", "get")
            )
            return found
    return None


def check_answer(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Fail where an answer is not one that the description allows.

    Args:
        method: Of the request.
        path: Its path, with or without a query.
        status: Of the answer.
        headers: Lower-case names to values.
        body: The content.
    """
    where = f"{method} {urlsplit(path).path[:60]} {status}"
    operation = operation_of(method, path)
    anywhere = {*_ANYWHERE, _TO_SIGN_IN, *([400] if _KEY_IN_ADDRESS in body else [])}
    if operation is None or (status in anywhere and str(status) not in operation["responses"]):
        assert status in (*anywhere, 308, 413), f"{where}: no such operation is described"
        if status in (_TO_SIGN_IN, 308):
            return
        said = {**problem_responses()[f"Problem{status}"]}
        said["content"] = {**HTML, **said["content"]}
    else:
        said = operation["responses"].get(str(status))
    assert said is not None, f"{where}: the status is not described"
    said = resolved(said)
    described = {name.lower(): resolved(item) for name, item in said.get("headers", {}).items()}
    surplus = set(headers) - set(described) - _OF_HTTP
    assert not surplus, f"{where}: headers {surplus} are not described"
    missing = {name.lower() for name in EVERYWHERE} - set(headers)
    assert not missing, f"{where}: headers {missing} are missing"
    content = said.get("content", {})
    kind = headers.get("content-type", "").partition(";")[0]
    if not content or (not body and method == "HEAD"):
        assert not body, f"{where}: no content is described"
        return
    assert kind in content, f"{where}: {kind} is not described"
    if kind.endswith(("/json", "+json")):
        check_schema(content[kind]["schema"], json.loads(body), where)


@cache
def _registry() -> Registry[Any]:
    registry: Registry[Any] = Registry()
    made: Registry[Any] = registry.with_resource("urn:api", DRAFT202012.create_resource(description()))
    return made


def check_schema(schema: Mapping[str, Any], value: Any, where: str) -> None:
    """Fail where a value does not fit its schema."""
    absolute = json.loads(json.dumps(schema).replace('"#/', '"urn:api#/'))
    fault = next(Draft202012Validator(absolute, registry=_registry()).iter_errors(value), None)
    assert fault is None, f"{where}: {fault and fault.message}"
