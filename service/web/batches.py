"""``POST /v1/batches/{id}``: rows in, a streamed zip, one PDF or a line for each item out."""

import contextlib
import hashlib
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from flask import Blueprint, Response, request

from service.batch import (
    BatchOptions,
    BatchPlan,
    BatchStream,
    SheetLimits,
    error_workbook,
    plan_batch,
    read_rows,
)
from service.batch.stream import FIRST_SIZES
from service.bootstrap import Services, work_dir
from service.errors import NotAcceptable, RequestError, TooLarge, UnsupportedMedia
from service.model import OutputFormat, TemplateSpec
from service.pipeline.press import SheetSettings
from service.web.answers import content_disposition
from service.web.clients import client_gone, while_wanted
from service.web.context import batch_door, services
from service.web.idempotency import once
from service.web.parameters import flag, on_missing_glyph, one_of, only_parameters, whole_number

BLUEPRINT = Blueprint("batches", __name__, url_prefix="/v1")

_NDJSON = "application/x-ndjson"
_COMMON = {"format", "merge", "on_error", "draft", "on_missing_glyph"}
_DOCUMENT = {"seal"}
_SHEET = {"sheet", "start_at", "offset_x_mm", "offset_y_mm", "order", "sort", "copies"}
_CHUNK_BYTES = 1 << 18
_MOST_COPIES = 100
_MOST_START = 200


@BLUEPRINT.post("/batches/<template_id>")
def create_batch(template_id: str) -> Response:
    """Make one document or label of each row."""
    found = services()
    spec = found.renderer.catalog.get(template_id)
    options = _options(spec)
    events = _wants_events(merged=options.merge)
    with contextlib.ExitStack() as stack:
        content, name, media_type = stack.enter_context(_content(found.settings.batch_limit_bytes))
        place = stack.enter_context(entered())
        limits = SheetLimits.of_rows(found.settings.batch_http_rows_limit)
        with once(lambda: _digest(content)):
            rows = read_rows(content, spec, name=name, content_type=media_type, limits=limits)
            plan = plan_batch(found.renderer, template_id, rows, options, FIRST_SIZES)
        faulty = error_workbook(rows, plan.faults_by_row) if plan.refusals else b""
        return batch_answer(plan, place, faulty, events=events)


def entered() -> contextlib.ExitStack:
    """Take one of the places for batches; it is free again when the stack closes.

    Raises:
        ConverterBusy: All are taken. Whoever is in is not turned away half-way.
    """
    place = contextlib.ExitStack()
    place.enter_context(batch_door().inside())
    return place


def batch_answer(
    plan: BatchPlan, place: contextlib.ExitStack, faulty_rows: bytes = b"", *, events: bool = False
) -> Response:
    """Make a plan, and hand it out: news line by line, one PDF, or a zip.

    Args:
        plan: What to make; closed at the end.
        place: From `entered`, and emptied: the answer keeps the place to its end.
        faulty_rows: Workbook of the rows that cannot be made; empty for none.
        events: Whether news are wanted.
    """
    found = services()
    stream = BatchStream(
        plan,
        found.renderer,
        slots=found.settings.converters,
        timeout_s=found.settings.timeout_s,
        gone=client_gone(request.environ),
        work_dir=_scratch(found),
        faulty_rows=faulty_rows,
    )
    merged = plan.options.merge
    if events:
        response = Response(stream.events(merged=merged), content_type=_NDJSON)
    elif merged:
        response = _merged(stream, found)
    else:
        response = Response(while_wanted(stream.chunks()), content_type="application/zip")
    response.call_on_close(place.pop_all().close)
    return _named(response, plan, "pdf" if merged else "zip")


def _wants_events(*, merged: bool) -> bool:
    """Whether the client likes news line by line better than one file; who likes neither gets the file."""
    whole = "application/pdf" if merged else "application/zip"
    return request.accept_mimetypes.best_match((whole, _NDJSON), whole) == _NDJSON


def _options(spec: TemplateSpec) -> BatchOptions:
    is_labels = spec.layout == "labels"
    only_parameters(_COMMON | (_SHEET if is_labels else _DOCUMENT))
    output = OutputFormat(one_of("format", [item.value for item in OutputFormat], "pdf", NotAcceptable))
    merge = flag("merge")
    if merge and output is not OutputFormat.PDF:
        raise RequestError("merge=true 得到一个 PDF，format 只能是 pdf。", code="bad-parameter")
    sheets = SheetSettings(
        sheet=request.args.get("sheet", "L7163"),
        start_at=whole_number("start_at", 1, _MOST_START),
        offset_x_mm=_millimetres("offset_x_mm"),
        offset_y_mm=_millimetres("offset_y_mm"),
        order="column" if one_of("order", ["row", "column"], "row") == "column" else "row",
        sort="postcode" if one_of("sort", ["given", "postcode"], "given") == "postcode" else "given",
        copies=whole_number("copies", 1, _MOST_COPIES),
    )
    skip = one_of("on_error", ["abort", "skip"], "abort") == "skip"
    return BatchOptions(
        output,
        flag("draft"),
        skip,
        merge,
        sheets,
        seal=flag("seal"),
        on_missing_glyph=on_missing_glyph(),
    )


def _millimetres(name: str) -> float:
    try:
        value = float(request.args.get(name, "0"))
    except ValueError:
        value = float("nan")
    if not abs(value) <= 10:
        raise RequestError(f"参数 {name} 应为 -10 到 10 之间的毫米数。", code="bad-parameter")
    return value


@contextlib.contextmanager
def _content(limit_bytes: int) -> Iterator[tuple[Path, str, str]]:
    """Give the body as a file, its name and its media type; it goes through the memory in pieces."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("不接受压缩过的请求内容（Content-Encoding）。")
    # One byte more: of a body without a length the stream ends at the limit in silence.
    request.max_content_length = limit_bytes + 1
    name, media_type, source = "", request.mimetype, request.stream
    if media_type == "multipart/form-data":
        files = request.files.getlist("file")
        if len(files) != 1 or len(request.files) != 1:
            raise RequestError("请上传一个文件（字段名 file）。", code="bad-request")
        name, media_type, source = files[0].filename or "", files[0].mimetype, files[0].stream
    with tempfile.NamedTemporaryFile(prefix="rows-", dir=_scratch(services())) as kept:
        _copy(source, kept.file, limit_bytes)
        yield Path(kept.name), name, media_type


def _copy(source: Any, target: IO[bytes], limit_bytes: int) -> None:
    size = 0
    while piece := source.read(_CHUNK_BYTES):
        size += len(piece)
        if size > limit_bytes:
            raise TooLarge(
                f"请求内容超过 {limit_bytes // 1_000_000} MB 的上限，请分成几批提交，或改用命令行。"
            )
        target.write(piece)
    target.flush()


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _scratch(found: Services) -> Path:
    folder = work_dir(found.settings)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _merged(stream: BatchStream, found: Services) -> Response:
    """Answer with one PDF, made whole before the answer begins, so that a failure is an answer too."""
    whole = tempfile.TemporaryFile(dir=_scratch(found))  # noqa: SIM115 - closed with the answer
    try:
        for _ in stream.join(whole):
            pass
    except BaseException:
        whole.close()
        raise
    size, digest = whole.tell(), hashlib.sha256()
    whole.seek(0)
    while piece := whole.read(_CHUNK_BYTES):
        digest.update(piece)
    whole.seek(0)
    response = Response(iter(lambda: whole.read(_CHUNK_BYTES), b""), content_type="application/pdf")
    response.call_on_close(whole.close)
    response.content_length = size
    response.headers["Content-Digest"] = f"sha-256=:{b64encode(digest.digest()).decode()}:"
    response.headers["X-Failed-Items"] = str(stream.failed)
    return response


def _named(response: Response, plan: BatchPlan, extension: str) -> Response:
    name = f"{plan.spec.title}{plan.total}份.{extension}"
    response.headers["Content-Disposition"] = content_disposition(name, f"{plan.spec.template_id}-batch")
    response.headers["X-Warnings"] = str(len(plan.warnings))
    return response
