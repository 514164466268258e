"""One OpenAPI 3.1 document, assembled from data: each template brings its own schema and its sample."""

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any

from service import __version__
from service.model import TemplateSpec
from service.pipeline.rows import WORKBOOK_TYPE
from service.web.answers import MEDIA_TYPES
from service.web.openapi_batches import batch_operation
from service.web.openapi_pages import page_paths
from service.web.openapi_parts import (
    BINARY,
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    header_components,
    problem_responses,
    problem_schema,
    problems,
    query,
    response,
    template_place,
)
from service.web.openapi_preview import preview_paths
from service.web.openapi_verify import verify_paths, verify_schemas

_ABOUT = """从 JSON 生成公文 docx 与 PDF，并嵌入可核验的二维码。

- 重试：4xx 不要重试；429 与 503 按 Retry-After；500、502、504 可随时重试，相同输入得到相同的文件编号。
- 出错一律是 application/problem+json（RFC 9457）；方法不对是 405 并带 Allow，地址不对是 404。
- 凡是 GET 的地方都可以 HEAD；带 ETag 的答复可用 If-None-Match 重新验证，没有变化时是 304。
- 不向别的网站的页面开放（没有 CORS），预检请求（OPTIONS）一律拒绝。"""
_DOCUMENT_HEADERS = (
    *("Content-Disposition", "Content-Digest", "ETag", "X-Document-Id", "X-Verify-Url", "X-Warnings"),
    "Server-Timing",
)
_JSON = "application/json"
_TEMPLATE = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "title": {"type": "string"},
        "version": {"type": "integer", "minimum": 1},
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "formats": {"type": "array", "items": {"type": "string", "enum": ["pdf", "docx", "bundle"]}},
        "fonts": {"type": "array", "items": {"type": "string"}},
        "pages": {
            "type": "object",
            "properties": {"minimum": {"type": "integer"}, "maximum": {"type": "integer"}},
            "required": ["minimum", "maximum"],
        },
        "links": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["id", "title", "version", "sha256", "formats", "fonts", "pages", "links"],
}


def build_openapi(templates: Iterable[TemplateSpec], base_url: str) -> dict[str, Any]:
    """Return the description of every operation.

    Args:
        templates: Loaded templates.
        base_url: Where the service is reached.
    """
    specs = list(templates)
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {"Problem": problem_schema(), "Template": _TEMPLATE, **verify_schemas()}
    for spec in specs:
        name = f"template-{spec.template_id}"
        schemas[name] = _component(spec.schema, name)
        paths[f"/v1/documents/{spec.template_id}"] = {"post": _document_operation(spec, name)}
        paths[f"/v1/batches/{spec.template_id}"] = {"post": batch_operation(spec, name)}
    place = template_place([spec.template_id for spec in specs])
    for more in (
        _template_paths(place),
        preview_paths(),
        verify_paths(),
        _operation_paths(),
        page_paths(place),
    ):
        paths.update(more)
    return {
        "openapi": "3.1.0",
        "info": {"title": "文印 wenyin", "version": __version__, "description": _ABOUT},
        "servers": [{"url": base_url}],
        "tags": [{"name": name} for name in ("文件", "批次", "模板", "核验", "运维", "网页")],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": header_components(),
            "responses": problem_responses(),
        },
    }


def _component(schema: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a template's schema with its local references re-rooted into the document."""
    prefix = f"#/components/schemas/{name}"

    def walk(node: Any) -> Any:
        if isinstance(node, Mapping):
            return {
                key: prefix + value[1:] if key == "$ref" and isinstance(value, str) else walk(value)
                for key, value in node.items()
            }
        if isinstance(node, list):
            return [walk(item) for item in node]
        return node

    result: dict[str, Any] = walk(copy.deepcopy(dict(schema)))
    result.pop("$schema", None)
    result.pop("$id", None)
    return result


def _document_operation(spec: TemplateSpec, schema_name: str) -> dict[str, Any]:
    boolean = {"type": "boolean", "default": False}
    body = {"schema": {"$ref": f"#/components/schemas/{schema_name}"}, "example": json.loads(spec.sample)}
    return {
        "operationId": f"create-{spec.template_id}",
        "summary": f"生成{spec.title}",
        "tags": ["文件"],
        "parameters": [
            query("format", {"type": "string", "enum": ["pdf", "docx", "bundle"]}, "输出格式，优先于 Accept"),
            query("draft", boolean, "草稿：加水印，二维码标明草稿"),
            query(
                "seal", boolean, "在 PDF 的署名和日期上盖签发单位的印章图样；未配置则返回 seal-unavailable"
            ),
            query(
                "on_missing_glyph",
                {"type": "string", "enum": ["error", "geta"]},
                "没有字体能印出的字：error 退回并逐一指出，geta 印成〓并提醒；默认由服务配置",
            ),
            IDEMPOTENCY_KEY,
        ],
        "requestBody": {"required": True, "content": {_JSON: body}},
        "responses": {
            "200": response("文件", dict.fromkeys(MEDIA_TYPES.values(), BINARY), *_DOCUMENT_HEADERS),
            **problems(400, 403, 406, 408, 409, 413, 415, 422, 429, 502, 503, 504),
        },
    }


def _template_paths(place: Mapping[str, Any]) -> dict[str, Any]:
    def get(summary: str, operation: str, content: Mapping[str, Any], *headers: str) -> dict[str, Any]:
        return {
            "get": {
                "operationId": operation,
                "summary": summary,
                "tags": ["模板"],
                "parameters": [IF_NONE_MATCH] if operation == "list-templates" else [place, IF_NONE_MATCH],
                "responses": {
                    "200": response("成功", content, "ETag", *headers),
                    "304": response("没有变化", None, "ETag", *headers),
                    **problems(*(() if operation == "list-templates" else (404,))),
                },
            }
        }

    one = {"$ref": "#/components/schemas/Template"}
    every = {"type": "object", "properties": {"templates": {"type": "array", "items": one}}}
    anything = {"schema": {"type": "object"}}
    path = "/v1/templates/{template_id}"
    return {
        "/v1/templates": get(
            "全部模板", "list-templates", {_JSON: {"schema": {**every, "required": ["templates"]}}}
        ),
        path: get("一个模板", "get-template", {_JSON: {"schema": one}}),
        f"{path}/schema": get("模板的 JSON Schema", "get-schema", {"application/schema+json": anything}),
        f"{path}/sample": get("模板的样例数据", "get-sample", {_JSON: anything}),
        f"{path}/workbook": get(
            "批量填写用的工作簿（.xlsx）", "get-workbook", {WORKBOOK_TYPE: BINARY}, "Content-Disposition"
        ),
    }


def _operation_paths() -> dict[str, Any]:
    def get(summary: str, operation: str, responses: Mapping[str, Any]) -> dict[str, Any]:
        about = {"operationId": operation, "summary": summary, "tags": ["运维"]}
        return {"get": {**about, "responses": {**responses, **problems()}}}

    def state(*names: str, value: str) -> dict[str, Any]:
        schema = {
            "type": "object",
            "properties": {name: {"type": "string"} for name in names},
            "required": list(names),
        }
        return {_JSON: {"schema": schema, "example": {"status": value, "message": "可以生成文件"}}}

    ready, not_ready = state("status", "message", value="ok"), state("status", "message", value="unavailable")
    alive = {_JSON: {"schema": {"type": "object", "properties": {"status": {"const": "ok"}}}}}
    text = {"text/plain": {"schema": {"type": "string"}}}
    document = {_JSON: {"schema": {"type": "object"}}}
    unchanged = response("没有变化", None, "ETag")
    return {
        "/livez": get("进程存活", "livez", {"200": response("存活", alive)}),
        "/readyz": get(
            "可以接受请求",
            "readyz",
            {
                "200": response("可以；status 为 degraded 时没有可用的签名密钥，只能核验", ready),
                "503": response("不可以", not_ready, "Retry-After"),
            },
        ),
        "/openapi.json": get(
            "本文档", "openapi", {"200": response("本文档", document, "ETag"), "304": unchanged}
        ),
        "/metrics": get(
            "转换器的计数，Prometheus 文本格式",
            "metrics",
            {"200": response("计数", text), **problems(401, 403)},
        ),
    }
