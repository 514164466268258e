"""The JSON API under ``/v1``."""

from typing import Any

from flask import Blueprint, Response, jsonify, request, url_for

from service.errors import Fault, InvalidRequest, NotAcceptable, TooLarge, UnsupportedMedia
from service.model import Deadline, OutputFormat, RenderOptions, TemplateSpec
from service.pipeline.rows import WORKBOOK_TYPE, template_workbook
from service.web.answers import MEDIA_TYPES, content_disposition, document_answer, revalidated, verdict_answer
from service.web.clients import client_gone
from service.web.context import counted, door, services
from service.web.guard import permitted
from service.web.idempotency import once
from service.web.parameters import flag, on_missing_glyph, only_parameters

BLUEPRINT = Blueprint("api", __name__, url_prefix="/v1")

_SCHEMA_TYPE = "application/schema+json"


@BLUEPRINT.get("/templates")
def list_templates() -> Response:
    """All templates, without their schemas."""
    found = permitted(services().renderer.catalog)
    return revalidated(jsonify({"templates": [_description(spec) for spec in found]}))


@BLUEPRINT.get("/templates/<template_id>")
def get_template(template_id: str) -> Response:
    """One template."""
    return revalidated(jsonify(_description(services().renderer.catalog.get(template_id))))


@BLUEPRINT.get("/templates/<template_id>/schema")
def get_schema(template_id: str) -> Response:
    """Its JSON Schema 2020-12."""
    response = jsonify(services().renderer.catalog.get(template_id).schema)
    response.content_type = _SCHEMA_TYPE
    return revalidated(response)


@BLUEPRINT.get("/templates/<template_id>/sample")
def get_sample(template_id: str) -> Response:
    """Request data that is valid and renders."""
    sample = services().renderer.catalog.get(template_id).sample
    return revalidated(Response(sample, content_type="application/json"))


@BLUEPRINT.get("/templates/<template_id>/workbook")
def get_workbook(template_id: str) -> Response:
    """The workbook to fill in for a batch."""
    spec = services().renderer.catalog.get(template_id)
    response = Response(template_workbook(spec), content_type=WORKBOOK_TYPE)
    response.headers["Content-Disposition"] = content_disposition(
        f"{spec.title}.xlsx", f"{spec.template_id}-{spec.version}"
    )
    return revalidated(response)


@BLUEPRINT.post("/documents/<template_id>")
def create_document(template_id: str) -> Response:
    """Render one document."""
    found = services()
    found.renderer.catalog.get(template_id)
    only_parameters({"format", "draft", "seal", "on_missing_glyph"})
    output = _output_format()
    options = RenderOptions(
        output, draft=flag("draft"), seal=flag("seal"), on_missing_glyph=on_missing_glyph()
    )
    # A slow sender holds up nobody but himself.
    body = _json_body(found.settings.body_limit_bytes)
    with door().inside(), once(lambda: body):
        document = found.renderer.render(
            template_id,
            body,
            Deadline.after(found.settings.timeout_s),
            options,
            cancelled=client_gone(request.environ),
        )
    if output is OutputFormat.BUNDLE:
        content = found.renderer.bundle(document)
    else:
        content = document.pdf if output is OutputFormat.PDF else document.docx
    return document_answer(document, content, output)


@BLUEPRINT.post("/verify")
def verify() -> Response:
    """Judge a token or an uploaded file."""
    desk = services().desk
    if request.mimetype == "multipart/form-data":
        return verdict_answer(counted(desk.verify_file(uploaded_file())))
    data = services().renderer.parse(_json_body(services().settings.body_limit_bytes))
    token = data.get("token")
    if not isinstance(token, str) or set(data) != {"token"}:
        fault = Fault("/token", "type", "请给出 token：二维码中的网址，或其中的数字。")
        raise InvalidRequest("请求应为 {“token”: “…”}，或以 multipart 上传 file。", faults=[fault])
    return verdict_answer(counted(desk.verify_token(token)))


def uploaded_file() -> bytes:
    """Return the bytes of the one uploaded file.

    Raises:
        InvalidRequest: There is not exactly one part named ``file``, or it is empty.
        TooLarge: It is over the limit.
    """
    files = request.files.getlist("file")
    if len(files) != 1 or len(request.files) != 1:
        fault = Fault("/file", "required", "请选择并上传一个文件（字段名 file）。")
        raise InvalidRequest("请上传一个文件。", faults=[fault])
    limit = services().settings.upload_limit_bytes
    data = files[0].stream.read(limit + 1)
    if len(data) > limit:
        raise TooLarge(f"上传的文件超过 {limit // 1_000_000} MB 的上限。")
    if not data:
        fault = Fault("/file", "minLength", "上传的文件是空的。")
        raise InvalidRequest("上传的文件是空的。", faults=[fault])
    return data


def _description(spec: TemplateSpec) -> dict[str, Any]:
    def link(endpoint: str) -> str:
        return url_for(f"api.{endpoint}", template_id=spec.template_id)

    return {
        "id": spec.template_id,
        "title": spec.title,
        "version": spec.version,
        "sha256": spec.sha256,
        "formats": [output.value for output in OutputFormat],
        "fonts": list(spec.fonts),
        "pages": {"minimum": spec.pages.minimum, "maximum": spec.pages.maximum},
        "links": {
            "self": link("get_template"),
            "schema": link("get_schema"),
            "sample": link("get_sample"),
            "workbook": link("get_workbook"),
            "documents": link("create_document"),
            "batches": url_for("batches.create_batch", template_id=spec.template_id),
        },
    }


def _json_body(limit_bytes: int) -> bytes:
    if request.mimetype != "application/json":
        raise UnsupportedMedia("请求的 Content-Type 应为 application/json。")
    if request.mimetype_params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMedia("JSON 请使用 UTF-8 编码。")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("不接受压缩过的请求内容（Content-Encoding）。")
    # One byte more: of a body without a length the stream ends at the limit in silence.
    request.max_content_length = limit_bytes + 1
    body = request.get_data(cache=False)
    if len(body) > limit_bytes:
        raise TooLarge(f"请求内容超过 {limit_bytes} 字节的上限。")
    return body


def _output_format() -> OutputFormat:
    asked = request.args.get("format")
    if asked is not None:
        try:
            return OutputFormat(asked)
        except ValueError:
            raise NotAcceptable("format 只能取 pdf、docx 或 bundle。") from None
    by_type = {media_type: output for output, media_type in MEDIA_TYPES.items()}
    if not request.accept_mimetypes:
        return OutputFormat.PDF
    best = request.accept_mimetypes.best_match(list(by_type))
    if best is None:
        raise NotAcceptable("Accept 只能取 " + "、".join(by_type) + "。")
    return by_type[best]
