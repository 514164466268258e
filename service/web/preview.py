"""``POST /v1/templates/_preview``: a template goes in, what is wrong with it and its pages come out; nothing stays."""

import json

from flask import Blueprint, Response, request

from service.archive import write_docx
from service.errors import Fault, InvalidRequest, NotAcceptable, TooLarge, UnknownTemplate, UnsupportedMedia
from service.model import Deadline
from service.pipeline.trial import PARTS, Trial
from service.web.answers import content_disposition
from service.web.context import services
from service.web.parameters import only_parameters

BLUEPRINT = Blueprint("preview", __name__, url_prefix="/v1/templates")

_ZIP, _PDF, _JSON = "application/zip", "application/pdf", "application/json"


@BLUEPRINT.post("/_preview")
def preview() -> Response:
    """Try a template; its pages bear 草稿 and no code."""
    found = services()
    if found.trial is None:
        raise UnknownTemplate("没有开放模板预览；需要时请管理员设置 WENYIN_TEMPLATE_PREVIEW=true。")
    only_parameters(set())
    best = request.accept_mimetypes.best_match((_ZIP, _PDF, _JSON)) if request.accept_mimetypes else _ZIP
    if best is None:
        raise NotAcceptable(f"Accept 只能取 {_ZIP}、{_PDF} 或 {_JSON}。")
    files = _files()
    if best == _JSON:
        return _answer(found.trial.lint(files), _JSON)
    return _answer(found.trial.draw(files, Deadline.after(found.settings.timeout_s)), best)


def _files() -> dict[str, bytes]:
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMedia("请以 multipart/form-data 上传，字段名为 " + "、".join(PARTS) + "。")
    faults = [
        Fault(
            f"/{name}", "additionalProperties", f"没有名为 {name[:40]} 的字段，可用的有：{'、'.join(PARTS)}。"
        )
        for name in sorted({*request.files, *request.form} - set(PARTS))
    ]
    if len(request.files.getlist("template")) != 1:
        faults.append(Fault("/template", "required", "请上传一个模板（字段名 template，.docx）。"))
    if faults:
        raise InvalidRequest(faults[0].message, faults=faults)
    limit = services().settings.upload_limit_bytes
    files = {name: (request.files[name].stream.read(limit + 1)) for name in PARTS if name in request.files}
    files |= {name: request.form[name].encode("utf-8", "replace") for name in PARTS if name in request.form}
    if sum(map(len, files.values())) > limit:
        raise TooLarge(f"上传的文件超过 {limit // 1_000_000} MB 的上限。")
    return files


def _answer(trial: Trial, media_type: str) -> Response:
    said = {"findings": list(trial.findings), "pages": trial.pages}
    text = (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode()
    content = {
        _JSON: lambda: text,
        _PDF: lambda: trial.pdf,
        _ZIP: lambda: write_docx({"findings.json": text, "preview.pdf": trial.pdf}),
    }[media_type]()
    response = Response(content, content_type=media_type)
    if media_type != _JSON:
        extension = "pdf" if media_type == _PDF else "zip"
        response.headers["Content-Disposition"] = content_disposition(f"模板预览.{extension}", "preview")
    response.headers["X-Warnings"] = str(len(trial.findings))
    return response
