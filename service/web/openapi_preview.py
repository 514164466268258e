"""The description of the preview of templates."""

from typing import Any

from service.pipeline.trial import PARTS
from service.web.openapi_parts import BINARY, problems, response

_CAPTIONS = {
    "template": "模板（.docx），必填",
    "schema": "schema.json",
    "manifest": "template.toml",
    "sample": "样例数据（JSON），用来填写",
}


def preview_paths() -> dict[str, Any]:
    """Return the operation that tries a template."""
    binary = {"type": "string", "format": "binary"}
    asked = {
        "type": "object",
        "properties": {name: {**binary, "description": _CAPTIONS[name]} for name in PARTS},
        "required": ["template"],
        "additionalProperties": False,
    }
    text = {"type": "string"}
    finding = {
        "type": "object",
        "properties": {
            "severity": {**text, "enum": ["error", "warning"]},
            "place": {**text, "description": "在模板的什么地方"},
            "message": text,
        },
        "required": ["severity", "place", "message"],
    }
    findings = {
        "type": "object",
        "properties": {
            "findings": {"type": "array", "items": finding},
            "pages": {"type": "integer", "minimum": 0, "description": "没有生成页面时为 0"},
        },
        "required": ["findings", "pages"],
    }
    content = {"application/zip": BINARY, "application/pdf": BINARY, "application/json": {"schema": findings}}
    return {
        "/v1/templates/_preview": {
            "post": {
                "operationId": "preview-template",
                "summary": "检查并预览一个模板；默认不开放（404）",
                "description": "zip：findings.json 和 preview.pdf；PDF：只有页面；JSON：只检查。"
                "页面有“草稿”字样，不签发，没有可核验的二维码；上传的内容不保留。",
                "tags": ["模板"],
                "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": asked}}},
                "responses": {
                    "200": response("检查结果与草稿", content, "Content-Disposition", "X-Warnings"),
                    **problems(400, 403, 404, 406, 408, 413, 415, 422, 429, 502, 503, 504),
                },
            }
        }
    }
