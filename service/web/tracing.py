"""Spans of requests and their stages, sent by OTLP; only where ``WENYIN_OTLP_ENDPOINT`` is set.

A span holds the route, the template's id, sizes, pages, the verdict and the type of an error; never a value of
a request, an address or an exception's message.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request

from service import spans
from service.errors import ConfigError, ServiceError

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_SERVICE = "wenyin"
_SERVER_ERROR = 500


class Tracing:
    """Spans of one application.

    Args:
        endpoint: Address of the collector that takes ``POST …/v1/traces`` (OTLP over HTTP).

    Raises:
        ConfigError: The extra is not installed.
    """

    def __init__(self, endpoint: str) -> None:
        try:
            import opentelemetry.exporter.otlp.proto.http.trace_exporter  # noqa: F401, PLC0415 - an extra
        except ImportError as error:
            raise ConfigError(
                "设了 WENYIN_OTLP_ENDPOINT，但没有安装 wenyin[otel]。", detail=repr(error)
            ) from error
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._made: tuple[int, Tracer] | None = None

    def register(self, app: Flask) -> None:
        """Watch every request of an application, and the stages within."""
        spans.watch(self._stage, _annotate)
        app.before_request(self._begin)
        app.after_request(_note)
        app.teardown_request(_end)

    def _tracer(self) -> "Tracer":
        """Return this process's own tracer: the thread that sends does not survive a fork."""
        made = self._made
        if made is not None and made[0] == os.getpid():
            return made[1]
        with self._lock:
            if self._made is None or self._made[0] != os.getpid():
                self._made = (os.getpid(), _make_tracer(self._endpoint))
            return self._made[1]

    def _begin(self) -> None:
        from opentelemetry import context, trace  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        carrier = {
            name: request.headers[name] for name in ("traceparent", "tracestate") if name in request.headers
        }
        route = request.url_rule.rule if request.url_rule else "-"
        opened = self._tracer().start_span(
            f"{request.method} {route}" if request.url_rule else "-",
            context=TraceContextTextMapPropagator().extract(carrier),
            kind=trace.SpanKind.SERVER,
            attributes={
                "http.request.method": request.method if request.url_rule else "-",
                "http.route": route,
            },
        )
        template = (request.view_args or {}).get("template_id")
        g.span = opened, context.attach(trace.set_span_in_context(opened)), template

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        made = self._made
        if made is None or made[0] != os.getpid():
            # Before the first request: the master process makes a document, and must fork without our thread.
            yield
            return
        with made[1].start_as_current_span(
            name, record_exception=False, set_status_on_exception=False
        ) as opened:
            try:
                yield
            except BaseException as error:
                opened.set_attribute("error.type", _kind(error))
                raise


def _make_tracer(endpoint: str) -> "Tracer":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: _SERVICE}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider.get_tracer(_SERVICE)


def _annotate(name: str, value: str | int) -> None:
    from opentelemetry import trace  # noqa: PLC0415

    trace.get_current_span().set_attribute(name, value)


def _kind(error: BaseException) -> str:
    return error.type_code if isinstance(error, ServiceError) else type(error).__name__


def _note(response: Response) -> Response:
    if "span" not in g:
        return response
    opened, _, template = g.span
    opened.set_attribute("http.response.status_code", response.status_code)
    if not response.is_streamed:
        opened.set_attribute("http.response.body.size", response.calculate_content_length() or 0)
    if response.status_code < 400 and template:
        opened.set_attribute("wenyin.template", template)
    if response.status_code >= _SERVER_ERROR:
        from opentelemetry.trace import StatusCode  # noqa: PLC0415

        opened.set_status(StatusCode.ERROR)
    return response


def _end(_error: BaseException | None) -> None:
    if "span" in g:
        from opentelemetry import context  # noqa: PLC0415

        opened, token, _ = g.pop("span")
        context.detach(token)
        opened.end()
