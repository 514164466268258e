"""The description of the pages for people, and of the files that they need."""

from collections.abc import Mapping
from typing import Any

from service.pipeline.rows import WORKBOOK_TYPE
from service.web.answers import MEDIA_TYPES
from service.web.openapi_parts import BINARY, HTML, in_path, page_problems, query, response

_TAKEN_AWAY = ("Content-Disposition", "Content-Digest", "ETag", "X-Document-Id", "X-Verify-Url", "X-Warnings")
_FILE_HEADERS = ("ETag", "Last-Modified", "Content-Disposition")
_ANYTHING = {"type": "object", "additionalProperties": True}
_UPLOAD = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary"}},
    "additionalProperties": True,
}


def page_paths(place: dict[str, Any]) -> dict[str, Any]:
    """Return the operations behind the pages; their forms are made for people and may change.

    Args:
        place: The parameter that names a template.
    """
    form = {
        "application/x-www-form-urlencoded": {"schema": _ANYTHING},
        "multipart/form-data": {"schema": _ANYTHING},
    }
    file = {"multipart/form-data": {"schema": _UPLOAD}}
    documents = {**HTML, **dict.fromkeys(MEDIA_TYPES.values(), BINARY)}
    batches = {**HTML, WORKBOOK_TYPE: BINARY, "application/zip": BINARY, "application/pdf": BINARY}
    taken = (*_TAKEN_AWAY, "Server-Timing", "X-Failed-Items")
    sample = query("sample", {"type": "string"}, "写上就填好样例")
    return {
        "/": {"get": _operation("首页", "home", [], HTML)},
        "/fill/{template_id}": {
            "get": _operation("空白表单", "blank-form", [place, sample], HTML, 404),
            "post": _form("预览或生成", "fill-form", place, form, documents, taken),
        },
        "/upload/{template_id}": {
            "get": _operation("上传数据文件", "upload-form", [place], HTML, 404),
            "post": _form("预览上传的数据", "upload-data", place, file, documents, taken),
        },
        "/batch/{template_id}": {
            "get": _operation("上传表格", "batch-form", [place], HTML, 404),
            "post": _form("查看并成批生成", "batch-rows", place, file, batches, taken),
        },
        "/verify": {
            "get": _operation("核验页", "verify-form", [], HTML),
            "post": _verified(file),
        },
        "/verify/offline.html": {"get": _operation("离线核验页，可存盘使用", "verify-offline", [], HTML)},
        **_signin_paths(),
        **_file_paths(place),
    }


def _signin_paths() -> dict[str, Any]:
    asked = {"application/x-www-form-urlencoded": {"schema": _ANYTHING}}
    wanted = query("next", {"type": "string"}, "登录之后去的页面")
    elsewhere = {"303": response("到别的页面", HTML, "Location", "Set-Cookie")}
    form = _operation("登录页", "signin-form", [wanted], HTML)
    entered = response("已登录，接着提交原来的表单", HTML, "Set-Cookie")
    refused = page_problems(400, 401, 403, 408, 413, 415, 503)

    def post(summary: str, operation: str, responses: Mapping[str, Any]) -> dict[str, Any]:
        about = {"operationId": operation, "summary": summary, "tags": ["网页"]}
        return {
            **about,
            "requestBody": {"content": asked},
            "responses": {**responses, **elsewhere, **refused},
        }

    form["responses"] |= elsewhere
    return {
        "/signin": {"get": form, "post": post("以接口密钥登录", "signin", {"200": entered})},
        "/signout": {"post": post("退出登录", "signout", {})},
    }


def _operation(
    summary: str, operation: str, parameters: list[dict[str, Any]], content: Mapping[str, Any], *statuses: int
) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": summary,
        "tags": ["网页"],
        "parameters": parameters,
        "responses": {"200": response("网页", content), **page_problems(*statuses)},
    }


def _form(
    summary: str,
    operation: str,
    place: dict[str, Any],
    asked: Mapping[str, Any],
    content: Mapping[str, Any],
    headers: tuple[str, ...],
) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": summary,
        "tags": ["网页"],
        "parameters": [place],
        "requestBody": {"content": dict(asked)},
        "responses": {
            "200": response("网页（有错时在原处指出），或文件", content, *headers),
            **page_problems(400, 403, 404, 408, 413, 415, 422, 429, 502, 503, 504),
        },
    }


def _verified(file: Mapping[str, Any]) -> dict[str, Any]:
    verdict = {"application/json": {"schema": {"$ref": "#/components/schemas/Verdict"}}}
    return {
        "operationId": "verify-upload",
        "summary": "核验上传的文件，给出网页；按 Accept 也给 JSON",
        "tags": ["网页"],
        "requestBody": {"content": dict(file)},
        "responses": {
            "200": response("结论", {**HTML, **verdict}, "Vary", "X-Robots-Tag"),
            **page_problems(400, 403, 408, 413, 415, 422, 503),
        },
    }


def _file_paths(place: dict[str, Any]) -> dict[str, Any]:
    name = in_path("filename", "文件名", "wenyin.css")
    asset = in_path("name", "文件名", "swagger-ui.css")

    def get(summary: str, operation: str, parameters: list[Any], *media_types: str) -> dict[str, Any]:
        content = dict.fromkeys(media_types, BINARY)
        return {
            "get": {
                "operationId": operation,
                "summary": summary,
                "tags": ["网页"],
                "parameters": parameters,
                "responses": {
                    "200": response("文件", content, *_FILE_HEADERS),
                    "304": response("没有变化", None, *_FILE_HEADERS),
                    **page_problems(*((404,) if parameters else ())),
                },
            }
        }

    cover = get("模板的样子", "cover", [place], "image/png")
    cover["get"]["responses"]["302"] = response("现在画不出来，改用空白图片", HTML, "Location")
    kinds = ("text/css", "text/javascript", "image/svg+xml", "image/png")
    return {
        "/covers/{template_id}.png": cover,
        "/static/{filename}": get("页面用的文件", "static", [name], *kinds),
        "/favicon.ico": get("图标", "favicon", [], "image/svg+xml"),
        "/docs": {"get": _operation("接口说明", "docs", [], HTML)},
        "/docs/assets/{name}": get("接口说明用的文件", "docs-asset", [asset], *kinds),
    }
