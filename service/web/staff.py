"""The staff pages: choose a document, fill it in or hand in a file, look at it, take it away.

Nothing is kept between two requests: what was typed in travels with the page.
"""

import base64
import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, g, make_response, redirect, render_template, request, url_for

from service.errors import Fault, RequestError, ServiceError, TooLarge
from service.model import Deadline, OutputFormat, RenderedDocument, RenderOptions, TemplateSpec
from service.pipeline.form import Form
from service.pipeline.formview import FIRST, FormView
from service.pipeline.official_seal import SealOffer
from service.pipeline.pictures import PAGES_SHOWN, page_pictures
from service.web.answers import document_answer
from service.web.back import let_back_work
from service.web.clients import client_gone
from service.web.context import door, services
from service.web.guard import permitted
from service.web.origin import tell_origin

BLUEPRINT = Blueprint("staff", __name__)

_OUTPUTS = {output.value: output for output in OutputFormat}
_SEAL = "seal"
_WITH_SEAL = frozenset({OutputFormat.PDF, OutputFormat.BUNDLE})
_COVER_AGE_S = 31_536_000
# Percent-encoded, a Chinese character takes three times its bytes.
_ENCODED = 3


BLUEPRINT.after_request(tell_origin)
BLUEPRINT.after_request(let_back_work)


@BLUEPRINT.get("/")
def home() -> str:
    """Every template with its picture, and what can be done with it."""
    found = services()
    cards = [(spec, found.covers.version(spec)) for spec in permitted(found.renderer.catalog)]
    return render_template("home.html", cards=cards)


@BLUEPRINT.get("/covers/<template_id>.png")
def cover(template_id: str) -> Response:
    """What a template looks like; a blank page where it cannot be drawn now."""
    try:
        picture = services().covers.cover(template_id, client_gone(request.environ))
    except ServiceError as error:
        if error.http_status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        return redirect(url_for("static", filename="blank.svg"))  # type: ignore[return-value]
    response = Response(picture, content_type="image/png")
    response.headers["Cache-Control"] = f"public, max-age={_COVER_AGE_S}, immutable"
    return response


@BLUEPRINT.get("/fill/<template_id>")
def blank_form(template_id: str) -> str:
    """An empty form, or one filled in with the sample."""
    spec = services().renderer.catalog.get(template_id)
    form = Form(spec)
    if "sample" in request.args:
        return _form_page(spec, form.view(json.loads(spec.sample)), given=True)
    return _form_page(spec, form.view(form.blank(), focus=FIRST))


@BLUEPRINT.post("/fill/<template_id>")
def filled_form(template_id: str) -> Response:
    """Whatever a button of the form or of the preview asks for."""
    spec = services().renderer.catalog.get(template_id)
    request.max_form_memory_size = _ENCODED * services().settings.body_limit_bytes
    form = Form(spec)
    verb, _, where = request.form.get("do", "preview").partition(":")
    given = request.form.get("data", "").encode()
    state = services().renderer.parse(given) if given else form.read(request.form.items(multi=True))
    if verb == "edit":
        return make_response(_form_page(spec, form.view(state), given=True))
    if verb in ("add", "remove", "up", "down"):
        focus = form.change(state, verb, where)
        return make_response(_form_page(spec, form.view(state, (), focus), given=True))
    first = int(where) if where.isdecimal() and len(where) < 5 else 1
    if given:
        return answer_data(spec, given, state, verb, first)
    return answer_data(spec, form.submission(state), form.tidied(state), verb, first)


def answer_data(
    spec: TemplateSpec, body: bytes, state: Any, verb: str = "preview", first: int = 1
) -> Response:
    """Show the pages or hand out the document; with faults, show the form with what was given in it.

    Args:
        spec: The template.
        body: Request data as JSON.
        state: The same as a form shows it.
        verb: ``preview``, or an output format.
        first: Page from which a preview begins, from 1.

    Raises:
        Forbidden: The caller asks for the seal's picture, and may not.
    """
    output = _OUTPUTS.get(verb)
    sealed = output in _WITH_SEAL and bool(request.form.get("seal"))
    if sealed:
        g.caller.require(_SEAL)
    options = RenderOptions(output or OutputFormat.PDF, draft=output is None, seal=sealed)
    try:
        document = _render(spec, body, options)
    except ServiceError as error:
        # An answer to "is this right?" is an answer; only what is our own failure has its status.
        own = error.http_status >= HTTPStatus.TOO_MANY_REQUESTS
        status = error.http_status if own else HTTPStatus.OK
        return make_response(_form_with_faults(spec, state, error), status)
    if output is None:
        return make_response(_preview_page(spec, body, document, max(1, min(first, document.pages))))
    content = {OutputFormat.PDF: document.pdf, OutputFormat.DOCX: document.docx}.get(output)
    return document_answer(document, content or services().renderer.bundle(document), output)


def _render(spec: TemplateSpec, body: bytes, options: RenderOptions) -> RenderedDocument:
    found = services()
    limit = found.settings.body_limit_bytes
    if len(body) > limit:
        raise TooLarge(f"内容超过 {limit // 1_000_000} MB 的上限，请删减或分成几份。")
    deadline = Deadline.after(found.settings.timeout_s)
    with door().inside():
        return found.renderer.render(
            spec.template_id, body, deadline, options, cancelled=client_gone(request.environ)
        )


def _form_with_faults(spec: TemplateSpec, state: Any, error: ServiceError) -> str:
    faults: Sequence[Fault] = error.faults or (Fault("", error.type_code, _as_on_the_page(str(error))),)
    retry_s = None if isinstance(error, RequestError) else error.retry_after_s
    return faulty_form(spec, state, faults, retry_s)


def _as_on_the_page(message: str) -> str:
    """Name what the reader ticked instead of the parameter that a program sends."""
    return message.replace("去掉 seal 参数", "在预览页不勾选印章图样")


def faulty_form(spec: TemplateSpec, state: Any, faults: Sequence[Fault], retry_s: int | None = None) -> str:
    """Return the form with data in it and what is wrong with it, each at its control.

    Args:
        spec: The template.
        state: JSON value.
        faults: At least one.
        retry_s: Seconds after which it may go well unchanged.
    """
    return _form_page(spec, Form(spec).view(state, faults), given=True, retry_s=retry_s)


def _form_page(spec: TemplateSpec, view: FormView, *, given: bool = False, retry_s: int | None = None) -> str:
    return render_template("fill.html", spec=spec, view=view, given=given, retry_s=retry_s)


def _seal_offer(spec: TemplateSpec, body: bytes) -> SealOffer | None:
    return services().renderer.seal_offer(spec.template_id, body) if g.caller.grant.allows(_SEAL) else None


def _preview_page(spec: TemplateSpec, body: bytes, document: RenderedDocument, first: int) -> str:
    pictures = [base64.b64encode(picture).decode() for picture in page_pictures(document, first)]
    following = first + PAGES_SHOWN
    return render_template(
        "preview.html",
        spec=spec,
        document=document,
        pictures=pictures,
        first=first,
        before=max(1, first - PAGES_SHOWN) if first > 1 else 0,
        following=following if following <= document.pages else 0,
        data=body.decode(),
        seal=_seal_offer(spec, body),
    )
