"""Many documents from one sheet: look at the rows as they were understood, then make them."""

import base64
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint, Response, make_response, render_template, request, url_for

from service.batch import BatchOptions, BatchPlan, SheetLimits, error_workbook, read_rows
from service.errors import Fault, InvalidRequest, RequestError, ServiceError
from service.model import OutputFormat, TemplateSpec
from service.pipeline.form import Form
from service.pipeline.naming import shown_name
from service.pipeline.press import SheetSettings
from service.pipeline.rows import WORKBOOK_TYPE, Preview, preview_rows
from service.web.answers import content_disposition
from service.web.api import uploaded_file
from service.web.back import let_back_work
from service.web.batches import batch_answer, entered
from service.web.context import services
from service.web.origin import tell_origin
from service.web.upload import FORM_PARTS, controls, file_name

BLUEPRINT = Blueprint("batch", __name__)
BLUEPRINT.after_request(tell_origin)
BLUEPRINT.after_request(let_back_work)

_SHOWN = 200
# In Base64, together with the other fields, within the bound on a form's text.
_KEPT_BYTES = 300_000
_SETTINGS = frozenset({"/sheet", "/start_at", "/offset_mm"})


@dataclass(frozen=True, slots=True)
class _Given:
    """A sheet and its name."""

    name: str
    content: bytes

    @property
    def kept(self) -> str:
        """What the page brings along, so that a browser without scripts need not choose the file again."""
        return base64.b64encode(self.content).decode() if len(self.content) <= _KEPT_BYTES else ""


@dataclass(frozen=True, slots=True)
class _Look:
    """What a file holds, as far as it is shown.

    Attributes:
        table: The first rows.
        good: Items that can be made.
        refused: Each row that cannot: what to say before its faults, and these.
        warnings: Chinese sentences.
    """

    table: Preview
    good: int
    refused: Sequence[tuple[str, Sequence[Fault]]]
    warnings: Sequence[str]


@BLUEPRINT.get("/batch/<template_id>")
def batch_form(template_id: str) -> str:
    """The page that takes a sheet."""
    return _page(services().renderer.catalog.get(template_id))


@BLUEPRINT.post("/batch/<template_id>")
def batch(template_id: str) -> Response:
    """Look at the rows, make the documents, or hand out the faulty rows."""
    spec = services().renderer.catalog.get(template_id)
    request.max_form_parts = FORM_PARTS
    verb = request.form.get("do", "look")
    given = None
    with ExitStack() as stack:
        try:
            given = _given()
            place = stack.enter_context(entered())
            kept = stack.enter_context(ExitStack())
            plan = kept.enter_context(closing(BatchPlan(services().renderer, template_id, _options(spec))))
            limits = SheetLimits.of_rows(services().settings.batch_http_rows_limit)
            source = read_rows(given.content, spec, name=given.name, limits=limits)
            try:
                plan.read(source)
            except InvalidRequest:
                # Not one row is good; which and why is shown below.
                if not plan.refusals:
                    raise
            failures = plan.faults_by_row
            if verb == "errors" and failures:
                return _attached(
                    error_workbook(source, failures), f"{spec.title}-有错的行.xlsx", WORKBOOK_TYPE
                )
            if verb == "make" and len(plan) and (not failures or request.form.get("skip")):
                faulty = error_workbook(source, failures) if failures else b""
                kept.pop_all()
                return batch_answer(plan, place, faulty)
            return make_response(_page(spec, (), _look(spec, given, plan), given))
        except ServiceError as error:
            faults = error.faults or (Fault("", error.type_code, str(error)),)
            own = error.http_status >= HTTPStatus.TOO_MANY_REQUESTS
            return make_response(
                _page(spec, faults, None, given), error.http_status if own else HTTPStatus.OK
            )


def _given() -> _Given:
    """Return the chosen file; without one, the one that the page has kept.

    Raises:
        ServiceError: There is neither, or what came with the page is no file.
    """
    kept = request.form.get("kept", "")
    if not kept or file_name():
        return _Given(file_name(), uploaded_file())
    try:
        return _Given(request.form.get("kept_name", ""), base64.b64decode(kept, validate=True))
    except ValueError as error:
        raise RequestError("页面里的文件已损坏，请重新选择。") from error


def _options(spec: TemplateSpec) -> BatchOptions:
    form = Form(spec)
    said = form.read(request.form.items(multi=True)) if spec.layout == "labels" else {}
    offset = said.get("offset_mm") or {}
    output = request.form.get("output", "merge" if spec.layout == "labels" else "pdf")
    return BatchOptions(
        output=OutputFormat.BUNDLE if output == "bundle" else OutputFormat.PDF,
        skip=True,
        merge=output == "merge",
        sheets=SheetSettings(
            sheet=said.get("sheet") or "L7163",
            start_at=said.get("start_at") or 1,
            offset_x_mm=offset.get("dx") or 0.0,
            offset_y_mm=offset.get("dy") or 0.0,
            sort="postcode" if request.form.get("sort") else "given",
        ),
    )


def _look(spec: TemplateSpec, given: _Given, plan: BatchPlan) -> _Look:
    limit = services().settings.batch_http_rows_limit
    table = preview_rows(given.content, spec, name=given.name, content_type="", rows_limit=limit)
    # Of a sheet, each fault names its cell; the items of a JSON array have only a place.
    refused = [
        ("" if row.line else f"第 {row.index + 1} 项：", refusal.faults)
        for refusal in plan.refusals
        for row in (refusal.row,)
    ]
    return _Look(table, len(plan), refused, plan.warnings[:_SHOWN])


def _attached(content: bytes, name: str, kind: str) -> Response:
    response = Response(content, content_type=kind)
    response.headers["Content-Disposition"] = content_disposition(name, "batch")
    return response


def _page(
    spec: TemplateSpec,
    faults: Sequence[Fault] = (),
    look: _Look | None = None,
    given: _Given | None = None,
) -> str:
    return render_template(
        "batch.html",
        spec=spec,
        controls=[node for node in controls(spec) if node.pointer in _SETTINGS],
        output=request.form.get("output", "merge" if spec.layout == "labels" else "pdf"),
        sort=bool(request.form.get("sort")),
        faults=faults,
        look=look,
        shown=_SHOWN,
        name=shown_name(given.name if given else file_name()),
        kept=given.kept if given else "",
        kept_name=given.name if given else "",
        workbook=url_for("api.get_workbook", template_id=spec.template_id),
    )
