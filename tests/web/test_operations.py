"""Health, descriptions, and what is served when LibreOffice is not there."""

import io
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families
from python_calamine import CalamineWorkbook

from service.web import metrics
from tests.conftest import FIXTURES
from tests.serving import Server, serving

pytestmark = pytest.mark.libreoffice
MINIMAL = (FIXTURES / "notice" / "minimal.json").read_bytes()
NOTICE = "/v1/documents/notice"


def test_health(server: Server) -> None:
    assert server.get("/livez").json == {"status": "ok"}
    ready = server.get("/readyz")
    assert (ready.status, ready.json["status"]) == (200, "ok")


def counted(server: Server, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(server.get("/metrics").body.decode())
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def test_every_process_counts_its_requests_problems_and_verdicts(server: Server) -> None:
    asked: dict[str, tuple[str, dict[str, str]]] = {
        "/livez": (
            "wenyin_http_request_seconds_count",
            {"route": "/livez", "method": "GET", "status": "200"},
        ),
        "/nothing": ("wenyin_problems_total", {"type": "not-found"}),
        "/V/1": ("wenyin_verdicts_total", {"verdict": "BAD_TOKEN"}),
    }
    before = {path: counted(server, name, **labels) for path, (name, labels) in asked.items()}
    # Enough for both of the two HTTP processes to get some.
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(server.get, list(asked) * 20))) == 60
    for path, (name, labels) in asked.items():
        assert counted(server, name, **labels) == before[path] + 20, path
    # No address, and no token in one, is ever a label.
    assert server.ask("BREW", "/V/" + "7" * 300).status in (405, 501)
    text = server.get("/metrics").body.decode()
    assert "7" * 30 not in text
    assert "BREW" not in text


def test_metrics_tell_this_machine_what_the_converter_did(server: Server) -> None:
    assert server.post_json(NOTICE, MINIMAL).status == 200
    assert (server.get("/nothing").status, server.get("/V/1").status) == (404, 200)
    answer = server.get("/metrics")
    assert (answer.status, answer.type) == (200, "text/plain")
    families = {family.name: family for family in text_string_to_metric_families(answer.body.decode())}
    declared = {item.name: item for item in metrics.described()}
    assert {name.removesuffix("_info") for name in families} == set(declared)
    for name, family in families.items():
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert labels == set(declared[name.removesuffix("_info")].labels)
    assert families["wenyin_ready"].samples[0].value == 1
    assert families["wenyin_converter_memory_bytes"].samples[0].value > 10_000_000
    seconds = {
        (sample.name.rpartition("_")[2], sample.labels["template"]): sample.value
        for sample in families["wenyin_conversion_seconds"].samples
        if sample.labels.get("le", "+Inf") == "+Inf"
    }
    assert seconds["bucket", "notice"] == seconds["count", "notice"] >= 1
    assert seconds["sum", "notice"] > 0
    assert server.ask("GET", "/metrics", headers={"X-Forwarded-For": "203.0.113.7"}).status == 403


def test_metrics_ask_for_the_token_once_there_is_one(tmp_path: Path) -> None:
    with serving(tmp_path, soffice="/nothing", metrics_token="m-1") as server:
        assert server.get("/metrics").json["type"] == "urn:wenyin:problem:forbidden"
        for bearer, status in (("m-1", 200), ("m-2", 403), ("", 403)):
            headers = {"Authorization": f"Bearer {bearer}", "X-Forwarded-For": "203.0.113.7"}
            assert server.ask("GET", "/metrics", headers=headers).status == status


def test_templates_describe_themselves(server: Server) -> None:
    listed = server.get("/v1/templates").json["templates"]
    assert [item["id"] for item in listed] == [
        "commendation",
        "notice",
        "plan-form",
        "plaque-labels",
        "summary-report",
    ]
    one = server.get("/v1/templates/notice").json
    assert one in listed
    assert set(one) >= {"id", "title", "version", "sha256", "formats", "fonts", "pages", "links"}
    schema = server.get(one["links"]["schema"])
    assert schema.type == "application/schema+json"
    Draft202012Validator.check_schema(schema.json)
    sample = server.get(one["links"]["sample"])
    Draft202012Validator(schema.json).validate(sample.json)


def test_every_template_has_a_workbook_that_reads_back(server: Server) -> None:
    for item in server.get("/v1/templates").json["templates"]:
        answer = server.get(item["links"]["workbook"])
        assert answer.type == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        assert f"filename*=UTF-8''{quote(item['title'])}.xlsx" in answer.headers["content-disposition"]
        book = CalamineWorkbook.from_filelike(io.BytesIO(answer.body))
        assert book.sheet_names[0] == item["title"]
        assert book.sheet_names[-2:] == ["说明", "wenyin"]
    assert server.get("/v1/templates/nothing/workbook").status == 404


def test_security_headers_are_on_every_answer(server: Server) -> None:
    for path in ("/", "/livez", "/nothing", "/verify", "/V/1", "/static/wenyin.css", "/docs"):
        headers = server.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'self'" in headers["content-security-policy"]
        # A page with a form must let the browser name its origin; no other host ever learns an address.
        has_form = path in ("/", "/verify")
        assert headers["referrer-policy"] == ("same-origin" if has_form else "no-referrer")
        assert headers["x-request-id"]


@pytest.mark.fault("H6")
def test_host_header_never_reaches_the_code(server: Server) -> None:
    answer = server.post_json(
        NOTICE, MINIMAL, Host="evil.example.com", **{"X-Forwarded-Host": "evil.example.com"}
    )
    assert answer.headers["x-verify-url"].startswith(f"http://127.0.0.1:{server.port}/V/")


def test_log_is_json_and_says_the_keys_are_for_trial(server: Server) -> None:
    server.get("/V/" + "1" * 300)
    lines = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
    assert any("开发试用" in line["event"] for line in lines)
    requests = [line for line in lines if line["event"] == "request"]
    assert {"request_id", "method", "route", "status", "ms", "bytes"} <= set(requests[-1])
    assert "1" * 300 not in server.log


@pytest.mark.fault("C1", "H9")
def test_without_libreoffice_all_but_pdf_is_served(tmp_path: Path) -> None:
    with serving(tmp_path, soffice="/nothing") as server:
        assert server.get("/livez").status == 200
        ready = server.get("/readyz")
        assert (ready.status, ready.json["status"]) == (503, "unavailable")
        assert "\nwenyin_ready 0.0\n" in server.get("/metrics").body.decode()
        answer = server.post_json(NOTICE, MINIMAL)
        assert (answer.status, answer.json["type"]) == (503, "urn:wenyin:problem:converter-missing")
        answer = server.post_json(f"{NOTICE}?format=docx", MINIMAL)
        assert (answer.status, answer.headers["x-warnings"]) == (200, "1")
        assert server.upload("/v1/verify", "a.docx", answer.body).json["verdict"] == "TEXT_MATCH"


def test_client_that_goes_away_leaves_nothing_behind(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = f"POST {NOTICE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(MINIMAL)}\r\n\r\n"
        connection.sendall(head.encode() + MINIMAL)
    assert server.post_json(NOTICE, MINIMAL).status == 200
