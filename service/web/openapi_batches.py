"""The description of batches, a part of the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from service.batch import MEDIA_TYPES
from service.model import TemplateSpec
from service.web.openapi_parts import BINARY, IDEMPOTENCY_KEY, problems, query, response

_DOCUMENTS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "format": ({"type": "string", "enum": ["pdf", "docx", "bundle"], "default": "pdf"}, "每份文件的格式"),
    "merge": ({"type": "boolean", "default": False}, "全部合并成一个 PDF"),
    "on_error": (
        {"type": "string", "enum": ["abort", "skip"], "default": "abort"},
        "有错的项：全部不做，或跳过它们",
    ),
    "draft": ({"type": "boolean", "default": False}, "草稿：加水印，二维码标明草稿"),
    "on_missing_glyph": (
        {"type": "string", "enum": ["error", "geta"]},
        "没有字体能印出的字：error 视为出错并逐一指出，geta 印成〓并提醒；默认由服务配置",
    ),
}
_SEAL: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "seal": (
        {"type": "boolean", "default": False},
        "在每份 PDF 的署名和日期上盖签发单位的印章图样；署名与签发单位不同的项视为出错",
    ),
}
_LABELS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "sheet": ({"type": "string", "default": "L7163"}, "标签纸的型号"),
    "start_at": ({"type": "integer", "minimum": 1, "maximum": 200, "default": 1}, "从第几枚标签开始"),
    "offset_x_mm": ({"type": "number", "minimum": -10, "maximum": 10, "default": 0}, "整体右移（毫米）"),
    "offset_y_mm": ({"type": "number", "minimum": -10, "maximum": 10, "default": 0}, "整体下移（毫米）"),
    "order": ({"type": "string", "enum": ["row", "column"], "default": "row"}, "逐行或逐列排"),
    "sort": ({"type": "string", "enum": ["given", "postcode"], "default": "given"}, "按原顺序或按邮政编码"),
    "copies": ({"type": "integer", "minimum": 1, "maximum": 100, "default": 1}, "每枚几份"),
}
_HEADERS = ("Content-Disposition", "X-Warnings", "X-Failed-Items", "Content-Digest")


def batch_operation(spec: TemplateSpec, schema_name: str) -> dict[str, Any]:
    """Return the operation that makes one document or label of each row.

    Args:
        spec: Template of the items.
        schema_name: Component of its schema.
    """
    is_labels = spec.layout == "labels"
    item: dict[str, Any] = {"$ref": f"#/components/schemas/{schema_name}"}
    if is_labels:
        item = {"type": "object", "description": "一枚标签，或带 award 与 plaque_no 的筹备方案"}
    content: dict[str, Any] = dict.fromkeys(MEDIA_TYPES, BINARY)
    content["application/json"] = {"schema": {"type": "array", "items": item, "minItems": 1}}
    upload = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
    content["multipart/form-data"] = {"schema": {**upload, "required": ["file"]}}
    return {
        "operationId": f"create-{spec.template_id}-batch",
        "summary": f"成批生成{spec.title}",
        "tags": ["批次"],
        "parameters": [
            *(
                query(name, *rest)
                for name, rest in {**_DOCUMENTS, **(_LABELS if is_labels else _SEAL)}.items()
            ),
            IDEMPOTENCY_KEY,
        ],
        "requestBody": {"required": True, "content": content},
        "responses": {
            "200": _success(),
            **problems(400, 403, 406, 408, 409, 413, 415, 422, 429, 502, 503, 504),
        },
    }


def _success() -> dict[str, Any]:
    content = {
        "application/zip": BINARY,
        "application/pdf": BINARY,
        "application/x-ndjson": {"schema": {"type": "string"}},
    }
    return response(
        "zip（每项一份文件和 report.json）；merge=true 为一个 PDF；"
        "Accept: application/x-ndjson 为每项一行 progress，最后一行 result，content 是 Base64",
        content,
        *_HEADERS,
    )
