"""One document from a file of data."""

from collections.abc import Sequence
from pathlib import PurePath

from flask import Blueprint, Response, make_response, render_template, request, url_for

from service.errors import Fault, ServiceError
from service.model import TemplateSpec
from service.pipeline.form import Form
from service.pipeline.formview import Node
from service.pipeline.intake import take_in
from service.pipeline.naming import shown_name
from service.web.api import uploaded_file
from service.web.back import let_back_work
from service.web.context import services
from service.web.origin import tell_origin
from service.web.staff import answer_data, faulty_form

BLUEPRINT = Blueprint("upload", __name__)
BLUEPRINT.after_request(tell_origin)
BLUEPRINT.after_request(let_back_work)

FORM_PARTS = 60
"""Most parts of a form with a file."""


@BLUEPRINT.get("/upload/<template_id>")
def upload_form(template_id: str) -> str:
    """The page that takes a file."""
    return _page(services().renderer.catalog.get(template_id))


@BLUEPRINT.post("/upload/<template_id>")
def uploaded(template_id: str) -> Response:
    """The document of an uploaded file as a preview; with faults, the form with its data in it."""
    spec = services().renderer.catalog.get(template_id)
    request.max_form_parts = FORM_PARTS
    try:
        content = uploaded_file()
        form = Form(spec)
        more = {
            name: value
            for name, value in form.read(request.form.items(multi=True)).items()
            if f"/{name}" != spec.verify.each and value not in ({}, [])
        }
        given = take_in(services().renderer, spec, content, file_name(), more)
    except ServiceError as error:
        return make_response(_page(spec, error.faults or (Fault("", error.type_code, str(error)),)))
    if given.faults:
        return make_response(faulty_form(spec, given.state, given.faults))
    return answer_data(spec, given.body, given.state)


def file_name() -> str:
    """Return the last part of the uploaded file's name."""
    sent = request.files.get("file")
    return PurePath((sent.filename or "").replace("\\", "/")).name if sent else ""


def controls(spec: TemplateSpec) -> Sequence[Node]:
    """Return what a table of labels does not say: the paper, and where to begin."""
    if spec.layout != "labels":
        return ()
    form = Form(spec)
    return [
        node
        for node in form.view(form.read(request.form.items(multi=True))).root.children
        if node.pointer != spec.verify.each
    ]


def _page(spec: TemplateSpec, faults: Sequence[Fault] = ()) -> str:
    sample = url_for("api.get_sample", template_id=spec.template_id)
    workbook = url_for("api.get_workbook", template_id=spec.template_id)
    return render_template(
        "upload.html",
        spec=spec,
        controls=controls(spec),
        faults=faults,
        name=shown_name(file_name()),
        examples=[
            (workbook, "空白工作簿（Excel）", "下载后填写，再到这里上传"),
            (sample, "样例（JSON）", "供其他系统对接时参照"),
        ],
    )
