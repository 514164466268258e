"""The description of verification: verdicts, and what anyone needs to verify without us."""

from typing import Any

from service.model import VerdictCode
from service.web.openapi_parts import HTML, IF_NONE_MATCH, in_path, page_problems, problems, response

_VERDICT_EXAMPLE = {
    "verdict": "CLAIMS_ONLY",
    "claims": {
        "issuer": "示例单位",
        "title": "关于举办示例活动的通知",
        "ref": "示例办发〔2026〕1号",
        "date": "2026-05-08",
    },
    "checked": ["二维码的签名有效", "没有作废"],
    "not_checked": ["正文未核验"],
    "message": "二维码真实；请逐项与纸面核对。",
}
_VERDICT = {
    "application/json": {"schema": {"$ref": "#/components/schemas/Verdict"}, "example": _VERDICT_EXAMPLE}
}
_UPLOAD = {
    "type": "object",
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "PDF、docx，或扫描图片（PNG、JPEG）"}
    },
    "required": ["file"],
}
_TOKEN = {
    "type": "object",
    "properties": {"token": {"type": "string", "description": "二维码中的网址或数字"}},
    "required": ["token"],
    "additionalProperties": False,
}


def verify_paths() -> dict[str, Any]:
    """Return the operations of verification."""
    asked = {
        "application/json": {"schema": _TOKEN, "example": {"token": "https://V.EXAMPLE.GOV.CN/V/123456"}},
        "multipart/form-data": {"schema": _UPLOAD},
    }
    page = {**HTML, **_VERDICT}
    return {
        "/v1/verify": {
            "post": {
                "operationId": "verify",
                "summary": "核验二维码或文件",
                "tags": ["核验"],
                "requestBody": {"required": True, "content": asked},
                "responses": {
                    "200": response("结论", _VERDICT),
                    **problems(400, 403, 408, 413, 415, 422, 503),
                },
            }
        },
        "/V/{digits}": {
            "get": {
                "operationId": "verdict-page",
                "summary": "二维码指向的核验页；按 Accept 返回 HTML 或 JSON，其他类型也得到 HTML",
                "tags": ["核验"],
                "parameters": [in_path("digits", "二维码中的数字", "123456")],
                "responses": {
                    "200": response("结论", page, "Vary", "X-Robots-Tag"),
                    **page_problems(404),
                },
            }
        },
        **_wellknown_paths(),
    }


def _wellknown_paths() -> dict[str, Any]:
    kid = in_path("kid", "密钥编号，8 位十六进制", "0123abcd", pattern="^[0-9a-f]{8}$")

    def get(summary: str, operation: str, media_type: str, *, by_kid: bool = False) -> dict[str, Any]:
        kind = "string" if media_type == "application/jose" else "object"
        return {
            "get": {
                "operationId": operation,
                "summary": summary,
                "tags": ["核验"],
                "parameters": [*([kid] if by_kid else []), IF_NONE_MATCH],
                "responses": {
                    "200": response("成功", {media_type: {"schema": {"type": kind}}}, "ETag"),
                    "304": response("没有变化", None, "ETag"),
                    **problems(*((404,) if by_kid else ())),
                },
            }
        }

    base, plain = "/.well-known/wenyin", "application/json"
    return {
        f"{base}/jwks.json": get("全部公钥（JWK Set）", "jwks", "application/jwk-set+json"),
        f"{base}/issuers.json": get("签发单位及其 PDF 签名证书", "issuers", plain),
        f"{base}/revoked/{{kid}}.json": get("一把密钥的作废名单", "revoked", plain, by_kid=True),
        f"{base}/revoked/{{kid}}.jws": get(
            "作废名单的签名（分离式 JWS）", "revoked-signature", "application/jose", by_kid=True
        ),
    }


def verify_schemas() -> dict[str, Any]:
    """Return the schemas of verdicts."""
    return {"Verdict": _verdict_schema()}


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
