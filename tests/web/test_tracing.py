"""Spans as a collector on this machine receives them: every stage, and nobody's data."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from service.pdf import page_count
from tests.conftest import FIXTURES
from tests.serving import serving, wait_until

pytestmark = pytest.mark.libreoffice

ATTRIBUTES = {
    "error.type",
    "http.request.method",
    "http.response.body.size",
    "http.response.status_code",
    "http.route",
    "wenyin.pages",
    "wenyin.template",
    "wenyin.verdict",
}
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(self.path.encode() + b"\n" + body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def spans_in(received: list[bytes]) -> list[Span]:
    found = []
    for item in list(received):
        path, _, body = item.partition(b"\n")
        assert path == b"/v1/traces"
        request = ExportTraceServiceRequest.FromString(body)
        found += [span for r in request.resource_spans for s in r.scope_spans for span in s.spans]
    return found


def attributes(span: Span) -> dict[str, str | int]:
    return {item.key: item.value.string_value or item.value.int_value for item in span.attributes}


def test_stages_reach_the_collector_and_hold_no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = (FIXTURES / "notice" / "everything.json").read_bytes()
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    with collector() as (url, received), serving(tmp_path, otlp_endpoint=url, converters="1") as server:
        made = server.post_json("/v1/documents/notice", body, traceparent=f"00-{TRACE}-{PARENT}-01")
        assert made.status == 200
        digits = made.headers["x-verify-url"].rpartition("/")[2]
        assert server.get(f"/V/{digits}", "application/json").status == 200
        assert server.post_json("/v1/documents/notice", b"{").status == 400
        assert server.get(f"/{digits}").status == 404

        def whole() -> bool:
            routes = [attributes(span).get("http.route") for span in spans_in(received)]
            return {"/V/<digits>", "-"} <= set(routes) and routes.count("/v1/documents/<template_id>") == 2

        wait_until(whole, 60, "all spans have come")
    spans = spans_in(received)
    (root,) = [span for span in spans if span.parent_span_id.hex() == PARENT]
    assert (root.trace_id.hex(), root.name) == (TRACE, "POST /v1/documents/<template_id>")
    stages = [span for span in spans if span.parent_span_id == root.span_id]
    assert {span.name for span in stages} == {"schema", "fill", "convert", "seal", "sign"}
    assert {span.trace_id for span in stages} == {root.trace_id}
    told = {key: value for span in [root, *stages] for key, value in attributes(span).items()}
    assert (told["wenyin.template"], told["http.response.status_code"]) == ("notice", 200)
    assert (told["wenyin.pages"], told["http.response.body.size"]) == (page_count(made.body), len(made.body))
    everything = [attributes(span) for span in spans]
    assert any(found.get("wenyin.verdict") == "CLAIMS_ONLY" for found in everything)
    assert any(found.get("error.type") == "json-syntax" for found in everything)
    assert {key for found in everything for key in found} <= ATTRIBUTES
    assert all(not span.events and not span.status.message for span in spans)
    raw = b"".join(received)
    contact = json.loads(body)["contacts"][0]
    for text in (digits, contact["name"], contact["phone"], contact["email"], json.loads(body)["title"]):
        assert text.encode() not in raw, text


def test_nothing_of_it_is_loaded_when_it_is_off() -> None:
    script = "import sys, service.web; sys.exit('opentelemetry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
