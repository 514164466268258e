"""What the descriptions of all operations share: parameters, headers, problems."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.errors import ServiceError
from service.web.problems import HTTP_PROBLEMS, MEDIA_TYPE, TYPE_PREFIX

REFINED_CODES = (
    *("encoding", "duplicate-key", "not-a-number", "too-deep", "number-too-long", "not-object"),
    *(
        "not-docx",
        "not-xlsx",
        "encrypted",
        "archive-limit",
        "archive-names",
        "dtd-forbidden",
        "active-content",
    ),
    *("external-resource", "empty", "not-array", "bad-csv", "bad-header", "missing-sheet", "many-sheets"),
    *("orphan-row", "too-many-rows", "too-many-columns", "qr-too-dense", "claims-invalid", "too-many-pixels"),
    *("bad-parameter", "template-unsafe", "render-limit", "key-in-address"),
)
"""Types of single errors that say more than their class; `docs/errors.md` explains each."""

BINARY = {"schema": {"type": "string", "format": "binary"}}
HTML = {"text/html": {"schema": {"type": "string"}}}
EVERYWHERE = (
    "X-Request-Id",
    "Cache-Control",
    "X-Content-Type-Options",
    "Content-Security-Policy",
    "Referrer-Policy",
)
"""Headers of every answer."""

_REQUEST_ID = "0123456789abcdef"
_HEADERS: Mapping[str, tuple[str, str]] = {
    "X-Request-Id": ("请求编号，报障时请提供", _REQUEST_ID),
    "Cache-Control": ("能否缓存；文件和错误一律 no-store", "no-store"),
    "X-Content-Type-Options": ("不猜测内容类型", "nosniff"),
    "Content-Security-Policy": ("页面只用本服务的资源", "default-src 'self'"),
    "Referrer-Policy": ("不把网址告诉别的网站", "no-referrer"),
    "Content-Disposition": (
        "附件名（RFC 6266），中文名在 filename* 中",
        "attachment; filename=\"notice-1.pdf\"; filename*=UTF-8''%E9%80%9A%E7%9F%A5.pdf",
    ),
    "Content-Digest": (
        "内容的 SHA-256（RFC 9530）",
        "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
    ),
    "ETag": ("内容的强标识；GET 可用 If-None-Match 重新验证", '"e3b0c44298fc1c149afbf4c8996fb924"'),
    "X-Document-Id": ("文件编号，16 位十六进制；相同输入得到相同编号", _REQUEST_ID),
    "X-Verify-Url": ("二维码中的核验网址", "https://V.EXAMPLE.GOV.CN/V/123456"),
    "X-Warnings": ("提醒的条数；内容见 bundle 中的 manifest.json、批次的 report.json 或 result 事件", "0"),
    "X-Failed-Items": ("合并成一个 PDF 时没有做成的项数", "0"),
    "Server-Timing": ("各阶段用时（毫秒）", "schema;dur=1.2, convert;dur=80.0"),
    "Retry-After": ("多少秒后重试", "5"),
    "Allow": ("这个地址支持的请求方法", "GET, HEAD"),
    "Vary": ("答复随这个请求头而不同", "Accept"),
    "WWW-Authenticate": ("怎样证明身份（RFC 6750）", 'Bearer realm="wenyin"'),
    "Set-Cookie": ("登录的凭证", "wenyin_session=1"),
    "Location": ("改到这个地址", "/docs"),
    "Last-Modified": ("文件的时间", "Mon, 23 Nov 2026 00:00:00 GMT"),
    "X-Robots-Tag": ("不收入搜索引擎", "noindex"),
}
_PROBLEMS: Mapping[int, tuple[str, str, str, str]] = {
    400: (
        "不是严格的 JSON，或参数、请求头有误",
        "json-syntax",
        "JSON 无法读取",
        "JSON 有语法错误，第 1 行第 8 列：内容可能没有传完整",
    ),
    401: (
        "没有证明身份，或凭证无效",
        "unauthenticated",
        "没有证明身份",
        "请在请求头 Authorization 中写明接口密钥。",
    ),
    403: ("没有权限，或来自其他网站的页面", "forbidden", "没有权限", "这个地址只回答本机直接访问。"),
    404: (
        "没有这个模板或地址",
        "unknown-template",
        "没有这个模板",
        "没有名为“notic”的模板，可用的有：notice。",
    ),
    405: (
        "这个地址不支持此请求方法",
        "method-not-allowed",
        "Method Not Allowed",
        "这个地址不支持此请求方法。",
    ),
    406: ("不支持的输出格式", "not-acceptable", "不支持的输出格式", "format 只能取 pdf、docx 或 bundle。"),
    408: ("请求没有在时限内发完", "request-timeout", "Request Timeout", "请求超时：请求没有在时限内发完。"),
    409: (
        "与先前的不一致：Idempotency-Key 已用于别的内容，或工作簿属于旧版本的模板",
        "key-reused",
        "键已用于另一个请求",
        "这个 Idempotency-Key 已用于另一个请求。",
    ),
    413: ("内容过大", "too-large", "内容过大", "请求内容超过 4000000 字节的上限。"),
    415: (
        "内容类型不对",
        "unsupported-media-type",
        "不支持的内容类型",
        "请求的 Content-Type 应为 application/json。",
    ),
    422: (
        "内容不符合要求；errors 列出全部问题",
        "invalid-request",
        "数据不符合模板要求",
        "有 1 处不符合要求。",
    ),
    429: ("排队已满，按 Retry-After 重试", "converter-busy", "服务繁忙", "正在处理的文件过多，请稍后重试。"),
    500: ("服务内部错误", "internal", "服务内部错误", "服务内部错误，请凭请求编号联系管理员。"),
    502: ("转换失败", "conversion-failed", "转换失败", "LibreOffice 没有生成 PDF。"),
    503: ("暂不可用，按 Retry-After 重试", "queue-timeout", "排队超时", "排队超时，请稍后重试。"),
    504: ("转换超时", "conversion-timeout", "转换超时", "转换没有在时限内完成，已终止。"),
}
_MORE_HEADERS = {401: ("WWW-Authenticate",), 405: ("Allow",), 429: ("Retry-After",), 503: ("Retry-After",)}
_FAULT = {"pointer": "/title", "keyword": "required", "message": "“标题”必须填写"}


def response(description: str, content: Mapping[str, Any] | None = None, *headers: str) -> dict[str, Any]:
    """Return a response with the headers of every answer and some more.

    Args:
        description: In Chinese.
        content: By media type; ``None`` for an empty body.
        headers: Names of more headers.
    """
    names = (*EVERYWHERE, *headers)
    found: dict[str, Any] = {
        "description": description,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
    }
    return {**found, "content": dict(content)} if content else found


def problems(*statuses: int) -> dict[str, Any]:
    """Return responses that are problems; any operation may fail inside.

    Args:
        statuses: Which.
    """
    return {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in (*statuses, 500)}


def page_problems(*statuses: int) -> dict[str, Any]:
    """Return problems of a page: HTML for a browser."""
    made = {}
    for status in (*statuses, 500):
        problem = problem_responses()[f"Problem{status}"]
        made[str(status)] = {**problem, "content": {**problem["content"], **HTML}}
    return made


def query(name: str, schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    """Return an optional query parameter."""
    return {
        "name": name,
        "in": "query",
        "required": False,
        "schema": dict(schema),
        "description": description,
    }


def in_path(name: str, description: str, example: str, **schema: Any) -> dict[str, Any]:
    """Return a parameter in the path, a text.

    Args:
        name: As in the path.
        description: In Chinese.
        example: One that may work.
        **schema: What else is known of it.
    """
    found = {"name": name, "in": "path", "required": True, "schema": {"type": "string", **schema}}
    return {**found, "description": description, "example": example}


def template_place(ids: Sequence[str]) -> dict[str, Any]:
    """Return the parameter that names a template.

    Args:
        ids: Of the templates there are.
    """
    return in_path("template_id", "模板编号", ids[0] if ids else "notice", enum=list(ids))


def request_header(name: str, schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    """Return an optional request header."""
    return {
        "name": name,
        "in": "header",
        "required": False,
        "schema": dict(schema),
        "description": description,
    }


IF_NONE_MATCH = request_header("If-None-Match", {"type": "string"}, "先前得到的 ETag；没有变化时答 304")
IDEMPOTENCY_KEY = request_header(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "同一个请求重试时用同一个键；键已用于别的请求时退回 409。尽力而为：每台机器各记各的，见接口说明",
)


def header_components() -> dict[str, Any]:
    """Return all headers."""
    return {
        name: {
            "description": text,
            "required": name in EVERYWHERE,
            "schema": {"type": "string"},
            "example": example,
        }
        for name, (text, example) in _HEADERS.items()
    }


def problem_responses() -> dict[str, Any]:
    """Return the response of every problem's status, with an example."""
    made = {}
    for status, (description, code, title, detail) in _PROBLEMS.items():
        example: dict[str, Any] = {
            "type": TYPE_PREFIX + code,
            "title": title,
            "status": status,
            "detail": detail,
            "instance": f"urn:wenyin:request:{_REQUEST_ID}",
        }
        if status == 422:
            example["errors"] = [_FAULT]
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}}
        made[f"Problem{status}"] = response(description, content, *_MORE_HEADERS.get(status, ()))
    return made


def problem_schema() -> dict[str, Any]:
    """Return the schema of ``application/problem+json``."""
    text = {"type": "string"}
    fault = {
        "type": "object",
        "properties": {
            "pointer": {**text, "description": "出错的位置（JSON Pointer，RFC 6901）；空为整个内容"},
            "keyword": {**text, "description": "规则的代号"},
            "message": {**text, "description": "中文说明"},
        },
        "required": ["pointer", "keyword", "message"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "description": "RFC 9457",
        "properties": {
            "type": {**text, "enum": problem_types(), "description": "稳定的错误代号"},
            "title": text,
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {**text, "description": "可以直接给人看的中文说明"},
            "instance": {**text, "pattern": "^urn:wenyin:request:"},
            "errors": {"type": "array", "items": fault, "minItems": 1},
        },
        "required": ["type", "title", "status", "detail", "instance"],
        "additionalProperties": False,
    }


def problem_types() -> list[str]:
    """Return every type that a problem may have."""
    codes = {*_codes(ServiceError), *REFINED_CODES, *(code for code, _ in HTTP_PROBLEMS.values())}
    return [TYPE_PREFIX + code for code in sorted(codes)]


def _codes(kind: type[ServiceError]) -> Iterator[str]:
    yield kind.code
    for child in kind.__subclasses__():
        if child.__module__ == kind.__module__:
            yield from _codes(child)
