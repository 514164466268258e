"""The description of the API is the API: no route without an operation, no type or header without a word."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from service.bootstrap import Services
from service.web.app import create_app
from service.web.openapi_parts import problem_types
from tests.conftest import ROOT
from tests.serving import Server
from tests.web.conformance import check_answer, check_schema, description, resolved

pytestmark = pytest.mark.libreoffice
METHODS = {"get", "post", "put", "patch", "delete"}
# Nobody is answered these over HTTP.
COMMAND_LINE_ALONE = {"scheduler-lost", "output-taken"}
CODE = re.compile(r"code=\"([a-z0-9-]+)\"|_unsafe\(\s*\"([a-z0-9-]+)\"|_Kind\(\s*\"([a-z0-9-]+)\"")
GOOD = {
    "x-request-id": "0",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'self'",
    "referrer-policy": "no-referrer",
    "content-type": "application/json",
}


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (path, method.upper()): operation
        for path, item in description()["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


@pytest.mark.fault("H8")
def test_every_route_has_an_operation_and_every_operation_a_route(services: Services) -> None:
    ids = [spec.template_id for spec in services.catalog]
    routes = set()
    for rule in create_app(services).url_map.iter_rules():
        path = re.sub(r"<(?:path:)?(\w+)>", r"{\1}", rule.rule).rstrip("/") or "/"
        each = ids if path in ("/v1/documents/{template_id}", "/v1/batches/{template_id}") else [""]
        for template_id in each:
            concrete = path.replace("{template_id}", template_id) if template_id else path
            routes |= {(concrete, method) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    assert routes == set(operations())


def test_the_document_is_openapi_3_1_and_served_as_it_is(server: Server) -> None:
    served = server.get("/openapi.json").json
    OpenAPIV31SpecValidator(served).validate()
    assert served["openapi"].startswith("3.1")
    assert {**served, "servers": []} == {**description(), "servers": []}
    properties = served["components"]["schemas"]["template-notice"]["properties"]
    assert properties["title"]["title"] == "标题"


def test_each_operation_is_told_in_chinese_with_its_failures_and_headers() -> None:
    names = [operation["operationId"] for operation in operations().values()]
    assert len(names) == len(set(names))
    for place, operation in operations().items():
        assert re.search(r"[\u4e00-\u9fff]", operation["summary"]), place
        assert "500" in operation["responses"], place
        for status, response in operation["responses"].items():
            found = resolved(response)
            assert "X-Request-Id" in found["headers"], (place, status)
            if status in ("429", "503"):
                assert "Retry-After" in found["headers"], (place, status)
            if status[0] in "45" and place != ("/readyz", "GET"):
                assert "application/problem+json" in found["content"], (place, status)


def test_examples_are_good_and_speak_chinese() -> None:
    seen = 0
    for operation in operations().values():
        asked = operation.get("requestBody", {}).get("content", {})
        answered = [resolved(item).get("content", {}) for item in operation["responses"].values()]
        for content in (asked, *answered):
            for kind, media in content.items():
                if "example" in media:
                    check_schema(media["schema"], media["example"], f"{operation['operationId']} {kind}")
                    seen += 1
        if operation["operationId"].startswith("create-") and not operation["operationId"].endswith("batch"):
            assert re.search(r"[\u4e00-\u9fff]", json.dumps(asked, ensure_ascii=False))
    assert seen > 50


def test_every_type_of_problem_is_listed() -> None:
    listed = set(problem_types())
    for path in sorted(Path(ROOT / "service").rglob("*.py")):
        for groups in CODE.findall(path.read_text("utf-8")):
            code = next(group for group in groups if group)
            assert f"urn:wenyin:problem:{code}" in listed or code in COMMAND_LINE_ALONE, (path, code)
    text = (ROOT / "docs" / "errors.md").read_text("utf-8")
    for name in listed:
        assert f"`{name.rpartition(':')[2]}`" in text, name


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (418, {}, b"{}"),
        (200, {"x-secret": "1"}, b"{}"),
        (200, {"content-type": "text/html"}, b""),
        (200, {}, b'{"templates": [{"id": "notice"}]}'),
    ],
)
def test_an_answer_that_is_not_described_is_caught(status: int, headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(AssertionError):
        check_answer("GET", "/v1/templates", status, {**GOOD, **headers}, body)
    check_answer("GET", "/v1/templates", 200, {**GOOD, "etag": '"1"'}, b'{"templates": []}')


def test_templates_schemas_stay_schemas_inside_the_document() -> None:
    for name, schema in description()["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        assert name
