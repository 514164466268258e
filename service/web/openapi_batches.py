"""The description of batches, a part of the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

from service.batch import MEDIA_TYPES
from service.model import TemplateSpec

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_DOCUMENTS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "format": ({"type": "string", "enum": ["pdf", "docx", "bundle"], "default": "pdf"}, "每份文件的格式"),
    "merge": ({"type": "boolean", "default": False}, "全部合并成一个 PDF"),
    "on_error": (
        {"type": "string", "enum": ["abort", "skip"], "default": "abort"},
        "有错的项：全部不做，或跳过它们",
    ),
    "draft": ({"type": "boolean", "default": False}, "草稿：加水印，二维码标明草稿"),
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
_HEADERS = {
    "Content-Disposition": "附件名（RFC 6266）",
    "X-Warnings": "提醒的条数，如重复的收件人；内容见 report.json 或 result 事件",
    "X-Failed-Items": "合并成一个 PDF 时：没有做成的项数",
}


def batch_operation(spec: TemplateSpec, schema_name: str, problems: Mapping[str, Any]) -> dict[str, Any]:
    """Return the operation that makes one document or label of each row.

    Args:
        spec: Template of the items.
        schema_name: Component of its schema.
        problems: Responses that are errors.
    """
    is_labels = spec.layout == "labels"
    item: dict[str, Any] = {"$ref": f"#/components/schemas/{schema_name}"}
    if is_labels:
        item = {"type": "object", "description": "一枚标签，或带 award 与 plaque_no 的筹备方案"}
    content: dict[str, Any] = dict.fromkeys(MEDIA_TYPES, _BINARY)
    content["application/json"] = {"schema": {"type": "array", "items": item, "minItems": 1}}
    upload = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
    content["multipart/form-data"] = {"schema": {**upload, "required": ["file"]}}
    return {
        "operationId": f"create-{spec.template_id}-batch",
        "summary": f"成批生成{spec.title}",
        "tags": ["批次"],
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": schema, "description": description}
            for name, (schema, description) in {**_DOCUMENTS, **(_LABELS if is_labels else {})}.items()
        ],
        "requestBody": {"required": True, "content": content},
        "responses": {"200": _success(), **problems},
    }


def _success() -> dict[str, Any]:
    return {
        "description": "zip（每项一份文件和 report.json）；merge=true 为一个 PDF；"
        "Accept: application/x-ndjson 为每项一行 progress，最后一行 result，content 是 Base64",
        "headers": {
            name: {"description": text, "schema": {"type": "string"}} for name, text in _HEADERS.items()
        },
        "content": {
            "application/zip": _BINARY,
            "application/pdf": _BINARY,
            "application/x-ndjson": {"schema": {"type": "string"}},
        },
    }
