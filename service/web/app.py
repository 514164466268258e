"""The application factory."""

import contextlib
import time
from collections.abc import Callable
from http import HTTPStatus

from flask import Flask, Response, g, request

from service.bootstrap import Services, work_dir
from service.errors import ServiceStopping
from service.isolation.memory import Thrift
from service.settings import Settings
from service.web import (
    api,
    batch,
    batches,
    docs,
    metrics,
    offline,
    ops,
    pages,
    preview,
    problems,
    signin,
    staff,
    upload,
    wellknown,
)
from service.web.context import BATCH_DOOR, COUNTS, DOOR, KEYBOOK, SERVICES, STOPPING, is_stopping
from service.web.counts import Counts
from service.web.door import Door
from service.web.guard import check_access
from service.web.keybook import KeyBook
from service.web.observe import begin, note_answer
from service.web.origin import refuse_cross_site, refuse_preflight
from service.web.tracing import Tracing

BLUEPRINTS = (
    api.BLUEPRINT,
    batches.BLUEPRINT,
    pages.BLUEPRINT,
    staff.BLUEPRINT,
    upload.BLUEPRINT,
    batch.BLUEPRINT,
    docs.BLUEPRINT,
    metrics.BLUEPRINT,
    offline.BLUEPRINT,
    ops.BLUEPRINT,
    wellknown.BLUEPRINT,
    signin.BLUEPRINT,
    preview.BLUEPRINT,
)
"""Everything that answers."""

_OVERHEAD_BYTES = 64_000
_THRIFT_AFTER_S = 3.0
_DRAIN_BYTES = 64_000_000
_DRAIN_S = 5.0
_PIECE_BYTES = 1 << 16
_RETRY_ELSEWHERE_S = 5
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_FORM_PARTS = 20
_FORM_TEXT_BYTES = 500_000
# Previews travel inside their page, since nothing of them is kept.
_CSP = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


def create_app(
    services: Services, stopping: Callable[[], bool] = lambda: False, counts: Counts | None = None
) -> Flask:
    """Build the WSGI application.

    Args:
        services: Everything that the composition root made.
        stopping: Whether the service is about to end: pages are still served, new work is turned away.
        counts: Where its processes count together; without it each counts for itself.

    Returns:
        A Flask application that holds no state of its own.
    """
    app = Flask("service.web", static_url_path="/static")
    app.config.update(
        MAX_CONTENT_LENGTH=services.settings.upload_limit_bytes + _OVERHEAD_BYTES,
        MAX_FORM_PARTS=_FORM_PARTS,
        MAX_FORM_MEMORY_SIZE=_FORM_TEXT_BYTES,
    )
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.extensions[SERVICES] = services
    app.extensions[STOPPING] = stopping
    app.extensions[COUNTS] = counts or Counts()
    app.extensions |= _shared_by_processes(services.settings)
    app.url_map.strict_slashes = False
    problems.register(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.before_request(begin)
    if services.settings.otlp_endpoint:
        Tracing(services.settings.otlp_endpoint).register(app)
    app.before_request(_refuse_when_stopping)
    app.before_request(refuse_preflight)
    app.before_request(refuse_cross_site)
    app.before_request(check_access)
    app.context_processor(
        lambda: {
            "caller": g.get("caller"),
            "signing_fault": lambda: services.keyring.signing_fault(services.settings.issuer),
        }
    )
    app.after_request(_end)
    thrift = Thrift(_THRIFT_AFTER_S)
    # What a document takes for a moment stays with the process otherwise.
    app.teardown_request(lambda _error: thrift.worked())
    return app


def _shared_by_processes(settings: Settings) -> dict[str, object]:
    return {
        KEYBOOK: KeyBook(work_dir(settings) / "idempotency-keys", settings.idempotency_s),
        DOOR: Door(settings.documents_limit, "份文件"),
        BATCH_DOOR: Door(settings.batches_limit, "批数据"),
    }


def _refuse_when_stopping() -> None:
    if request.method in _WITH_BODY and is_stopping():
        raise ServiceStopping("服务正在停止，没有处理本请求，请稍后重试。", retry_after_s=_RETRY_ELSEWHERE_S)


def _drain() -> None:
    """Take in what the client still sends, within bounds.

    An answer given while the body is still on its way is lost: the client sees a
    broken connection where it should see why it was turned away.
    """
    stream = request.environ["wsgi.input"]
    until_s = time.monotonic() + _DRAIN_S
    taken = 0
    with contextlib.suppress(OSError):
        while taken < _DRAIN_BYTES and time.monotonic() < until_s:
            piece = stream.read(_PIECE_BYTES)
            if not piece:
                break
            taken += len(piece)


def _end(response: Response) -> Response:
    if response.status_code >= HTTPStatus.BAD_REQUEST and request.method in _WITH_BODY:
        _drain()
    headers = response.headers
    headers["X-Request-Id"] = g.request_id
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Content-Security-Policy", _CSP)
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Cache-Control", "no-store")
    note_answer(response)
    return response
