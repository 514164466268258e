"""One OpenAPI 3.1 document, assembled from data: each template brings its own schema."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from service import __version__
from service.model import TemplateSpec, VerdictCode
from service.pipeline.rows import WORKBOOK_TYPE
from service.web.answers import MEDIA_TYPES
from service.web.openapi_batches import batch_operation
from service.web.problems import MEDIA_TYPE

_HEADERS = {
    "Content-Disposition": "附件名（RFC 6266），中文名在 filename* 中",
    "Content-Digest": "内容摘要（RFC 9530）",
    "ETag": "内容的强标识",
    "X-Document-Id": "文件编号；相同输入得到相同编号",
    "X-Verify-Url": "二维码中的核验网址",
    "X-Warnings": "提醒的条数；内容见 bundle 中的 manifest.json",
    "Server-Timing": "各阶段用时（毫秒）",
}
_PROBLEMS = {
    "400": "不是严格的 JSON，或参数有误",
    "403": "没有权限",
    "404": "没有这个模板或地址",
    "406": "不支持的输出格式",
    "413": "内容过大",
    "415": "内容类型不对",
    "422": "数据不符合要求；errors 列出全部问题",
    "429": "排队已满，按 Retry-After 重试",
    "500": "服务内部错误",
    "502": "转换失败",
    "503": "暂不可用，按 Retry-After 重试",
    "504": "转换超时",
}


def build_openapi(templates: Iterable[TemplateSpec], base_url: str) -> dict[str, Any]:
    """Return the description of every operation.

    Args:
        templates: Loaded templates.
        base_url: Where the service is reached.
    """
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {"Problem": _problem_schema(), "Verdict": _verdict_schema()}
    for spec in templates:
        name = f"template-{spec.template_id}"
        schemas[name] = _component(spec.schema, name)
        paths[f"/v1/documents/{spec.template_id}"] = {"post": _document_operation(spec, name)}
        paths[f"/v1/batches/{spec.template_id}"] = {
            "post": batch_operation(spec, name, _problems(*_PROBLEMS))
        }
    paths.update(_template_paths())
    paths.update(_verify_paths())
    paths.update(_wellknown_paths())
    paths.update(_operation_paths())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "文印 wenyin",
            "version": __version__,
            "description": "从 JSON 生成公文 docx 与 PDF，并嵌入可核验的二维码。"
            "重试规则：4xx 不要重试；429 与 503 按 Retry-After；500、502、504 可随时重试，"
            "相同输入得到相同的文件编号。",
        },
        "servers": [{"url": base_url}],
        "paths": paths,
        "components": {"schemas": schemas},
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
    binary = {
        media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in MEDIA_TYPES.values()
    }
    return {
        "operationId": f"create-{spec.template_id}",
        "summary": f"生成{spec.title}",
        "tags": ["文件"],
        "parameters": [
            _query(
                "format", {"type": "string", "enum": ["pdf", "docx", "bundle"]}, "输出格式，优先于 Accept"
            ),
            _query("draft", {"type": "boolean", "default": False}, "草稿：加水印，二维码标明草稿"),
            _query(
                "seal",
                {"type": "boolean", "default": False},
                "在 PDF 的署名和日期上盖签发单位的印章图样；未配置则返回 seal-unavailable",
            ),
            _query(
                "on_missing_glyph",
                {"type": "string", "enum": ["error", "geta"]},
                "没有字体能印出的字：error 退回并逐一指出，geta 印成〓并提醒；默认由服务配置",
            ),
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema_name}"}}},
        },
        "responses": {
            "200": {
                "description": "文件",
                "headers": {
                    name: {"description": text, "schema": {"type": "string"}}
                    for name, text in _HEADERS.items()
                },
                "content": binary,
            },
            **_problems(*_PROBLEMS),
        },
    }


def _template_paths() -> dict[str, Any]:
    def get(summary: str, operation: str, media_type: str, *, by_id: bool) -> dict[str, Any]:
        binary = {"type": "string", "format": "binary"}
        schema = binary if media_type == WORKBOOK_TYPE else {"type": "object"}
        found: dict[str, Any] = {
            "operationId": operation,
            "summary": summary,
            "tags": ["模板"],
            "responses": {
                "200": {"description": "成功", "content": {media_type: {"schema": schema}}},
                **(_problems("404") if by_id else {}),
            },
        }
        if by_id:
            found["parameters"] = [_path("template_id", "模板编号")]
        return {"get": found}

    one = "/v1/templates/{template_id}"
    return {
        "/v1/templates": get("全部模板", "list-templates", "application/json", by_id=False),
        one: get("一个模板", "get-template", "application/json", by_id=True),
        f"{one}/schema": get("模板的 JSON Schema", "get-schema", "application/schema+json", by_id=True),
        f"{one}/sample": get("模板的样例数据", "get-sample", "application/json", by_id=True),
        f"{one}/workbook": get("批量填写用的工作簿（.xlsx）", "get-workbook", WORKBOOK_TYPE, by_id=True),
    }


_VERDICT = {"application/json": {"schema": {"$ref": "#/components/schemas/Verdict"}}}
_UPLOAD = {
    "type": "object",
    "properties": {
        "file": {
            "type": "string",
            "format": "binary",
            "description": "PDF、docx，或扫描图片（PNG、JPEG）",
        }
    },
    "required": ["file"],
}
_TOKEN = {
    "type": "object",
    "properties": {"token": {"type": "string", "description": "二维码中的网址或数字"}},
    "required": ["token"],
    "additionalProperties": False,
}


def _verify_paths() -> dict[str, Any]:
    asked = {"application/json": {"schema": _TOKEN}, "multipart/form-data": {"schema": _UPLOAD}}
    page = {"text/html": {"schema": {"type": "string"}}, **_VERDICT}
    return {
        "/v1/verify": {
            "post": {
                "operationId": "verify",
                "summary": "核验二维码或文件",
                "tags": ["核验"],
                "requestBody": {"required": True, "content": asked},
                "responses": {
                    "200": {"description": "结论", "content": _VERDICT},
                    **_problems("400", "413", "415", "422", "500", "503"),
                },
            }
        },
        "/V/{digits}": {
            "get": {
                "operationId": "verdict-page",
                "summary": "二维码指向的核验页；按 Accept 返回 HTML 或 JSON",
                "tags": ["核验"],
                "parameters": [_path("digits", "二维码中的数字")],
                "responses": {"200": {"description": "结论", "content": page}, **_problems("404")},
            }
        },
    }


def _wellknown_paths() -> dict[str, Any]:
    def get(summary: str, operation: str, media_type: str, *, by_kid: bool = False) -> dict[str, Any]:
        kind = "string" if media_type == "application/jose" else "object"
        found: dict[str, Any] = {
            "operationId": operation,
            "summary": summary,
            "tags": ["核验"],
            "responses": {
                "200": {"description": "成功", "content": {media_type: {"schema": {"type": kind}}}},
                **(_problems("404") if by_kid else {}),
            },
        }
        if by_kid:
            found["parameters"] = [_path("kid", "密钥编号，8 位十六进制")]
        return {"get": found}

    base, plain = "/.well-known/wenyin", "application/json"
    return {
        f"{base}/jwks.json": get("全部公钥（JWK Set）", "jwks", "application/jwk-set+json"),
        f"{base}/issuers.json": get("签发单位及其 PDF 签名证书", "issuers", plain),
        f"{base}/revoked/{{kid}}.json": get("一把密钥的作废名单", "revoked", plain, by_kid=True),
        f"{base}/revoked/{{kid}}.jws": get(
            "作废名单的签名（分离式 JWS）", "revoked-signature", "application/jose", by_kid=True
        ),
    }


def _operation_paths() -> dict[str, Any]:
    def health(summary: str, operation: str, *statuses: str) -> dict[str, Any]:
        content = {"application/json": {"schema": {"type": "object"}}}
        responses = {status: {"description": "状态", "content": content} for status in statuses}
        return {
            "get": {"operationId": operation, "summary": summary, "tags": ["运维"], "responses": responses}
        }

    return {
        "/livez": health("进程存活", "livez", "200"),
        "/readyz": health("可以生成文件", "readyz", "200", "503"),
        "/openapi.json": health("本文档", "openapi", "200"),
        "/metrics": {
            "get": {
                "operationId": "metrics",
                "summary": "转换器的计数，Prometheus 文本格式",
                "tags": ["运维"],
                "responses": {
                    "200": {"description": "计数", "content": {"text/plain": {"schema": {"type": "string"}}}},
                    **_problems("403"),
                },
            }
        },
    }


def _problems(*statuses: str) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _PROBLEMS[status], "content": content} for status in statuses}


def _query(name: str, schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _path(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
        "description": description,
    }


def _problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    fault = {
        "type": "object",
        "properties": {"pointer": text, "keyword": text, "message": text},
        "required": ["pointer", "keyword", "message"],
    }
    return {
        "type": "object",
        "description": "RFC 9457",
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "instance": text,
            "errors": {"type": "array", "items": fault},
        },
        "required": ["type", "title", "status", "detail", "instance"],
    }


def _differences_schema() -> dict[str, Any]:
    return {
        "type": "array",
        "description": "ALTERED：签发时的全文与文件的文字逐段对照；全文只在模板要求写入二维码时才有",
        "items": {
            "type": "object",
            "properties": {
                "kind": {"type": "string", "enum": ["same", "removed", "added"]},
                "text": {"type": "string"},
            },
            "required": ["kind", "text"],
        },
    }


def _verdict_schema() -> dict[str, Any]:
    texts = {"type": "array", "items": {"type": "string"}}
    page = {"type": "integer", "minimum": 1}
    several = {
        "type": "array",
        "description": "文件含有不止一个验证码时，逐个的结论",
        "items": {"$ref": "#/components/schemas/Verdict"},
    }
    return {
        "type": "object",
        "properties": {
            "verdict": {"type": "string", "enum": [code.value for code in VerdictCode]},
            "claims": {"type": "object"},
            "checked": texts,
            "not_checked": texts,
            "message": {"type": "string"},
            "document_id": {"type": "string"},
            "development": {"type": "boolean"},
            "authenticated_text": {"type": "string", "description": "签发时的文字，逐行"},
            "differences": _differences_schema(),
            "page": {**page, "description": "这一结论所指的首页"},
            "last_page": {**page, "description": "这一结论所指的末页"},
            "documents": several,
        },
        "required": ["verdict", "claims", "checked", "not_checked", "message"],
    }
