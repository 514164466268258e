"""What a caller may get wrong: each a 4xx problem in Chinese, none a 500, and the next request works."""

import http.client
import json
from typing import Any

import pytest

from tests.conftest import FIXTURES
from tests.serving import Server

pytestmark = pytest.mark.libreoffice
NOTICE = "/v1/documents/notice"
MINIMAL = json.loads((FIXTURES / "notice" / "minimal.json").read_bytes())


def changed(**changes: Any) -> bytes:
    return json.dumps({**MINIMAL, **changes}, ensure_ascii=False).encode("utf-8", "surrogatepass")


def without(key: str) -> bytes:
    return json.dumps({name: value for name, value in MINIMAL.items() if name != key}).encode()


TITLE = json.dumps(MINIMAL["title"], ensure_ascii=False)
TEXT = json.dumps(MINIMAL, ensure_ascii=False)

CASES = [
    ("truncated", TEXT[:-5].encode(), 400, "json-syntax", None),
    ("nothing", b"", 400, "json-syntax", None),
    ("GBK bytes", TEXT.encode("gbk"), 400, "encoding", None),
    ("UTF-16", TEXT.encode("utf-16"), 400, "encoding", None),
    (
        "duplicate key",
        TEXT.replace('"title"', '"title": "a", "title"').encode(),
        400,
        "duplicate-key",
        "/title",
    ),
    ("NaN", TEXT.replace(TITLE, "NaN").encode(), 400, "not-a-number", "/title"),
    ("infinite", TEXT.replace(TITLE, "1e999").encode(), 400, "not-a-number", "/title"),
    ("1,000 deep", b'{"title":' + b"[" * 1000 + b"]" * 1000 + b"}", 400, "too-deep", None),
    ("100,000 deep", b"[" * 100_000, 400, "too-deep", None),
    ("5,000 digits", TEXT.replace(TITLE, "9" * 5000).encode(), 400, "number-too-long", "/title"),
    ("array at the top", b"[]", 400, "not-object", None),
    ("missing field", without("issuer"), 422, "required", "/issuer"),
    ("null", changed(title=None), 422, "type", "/title"),
    ("2月30日", changed(issued_on="2026-02-30"), 422, "format", "/issued_on"),
    ("13月", changed(issued_on="2026-13-01"), 422, "format", "/issued_on"),
    ("unknown key", changed(titel="x"), 422, "additionalProperties", "/titel"),
    ("NUL", changed(title="a\0b"), 422, "illegal-char", "/title"),
    ("vertical tab", changed(title="a\vb"), 422, "illegal-char", "/title"),
    ("U+FFFE", changed(title="a\ufffeb"), 422, "illegal-char", "/title"),
    ("lone surrogate", TEXT.replace(TITLE, '"a\\ud800b"').encode(), 422, "illegal-char", "/title"),
    ("bidi control", changed(title="a\u202eb"), 422, "bidi-control", "/title"),
    ("emoji", changed(title="通知😀"), 422, "no-glyph", "/title"),
    ("family", changed(title="通知👨‍👩‍👧"), 422, "no-glyph", "/title"),
    ("no such hanzi in any font", changed(title="通知\U00030000"), 422, "no-glyph", "/title"),
    ("picture as a data URI", changed(title="data:image/png;base64,iVBORw0KGgo="), 422, "image", "/title"),
    ("empty list", changed(recipients=[]), 422, "minItems", "/recipients"),
    ("number for a name", changed(issuer=110101199001011234), 422, "type", "/issuer"),
    ("endless text", changed(title="通" * 1_000_000), 422, "maxLength", "/title"),
    ("a million items", changed(recipients=[1] * 1_000_000), 422, "maxItems", "/recipients"),
    ("deep value", changed(body=[{"level": 9, "text": "x"}]), 422, "maximum", "/body/0/level"),
]


@pytest.mark.fault(
    "J1", "J3", "J4", "J5", "J6", "J7", "J8", "J9", "J10", "J14", "J16", "J17", "J19", "J21", "J22", "J24"
)
@pytest.mark.parametrize(
    ("body", "status", "keyword", "pointer"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_each_fault_is_named_in_chinese_with_its_place(
    server: Server, body: bytes, status: int, keyword: str, pointer: str | None
) -> None:
    answer = server.post_json(NOTICE, body)
    assert (answer.status, answer.type) == (status, "application/problem+json"), answer.body.decode()
    problem = answer.json
    assert problem["status"] == status
    assert any("\u4e00" <= char <= "\u9fff" for char in problem["detail"])
    assert problem["instance"].startswith("urn:wenyin:request:")
    if status == 400:
        assert problem["type"] == f"urn:wenyin:problem:{keyword}"
    else:
        assert problem["type"] == "urn:wenyin:problem:invalid-request"
    keywords = {item["keyword"]: item["pointer"] for item in problem.get("errors", [])}
    assert keyword in keywords or status == 400
    if pointer is not None:
        assert keywords[keyword] == pointer, keywords
    for item in problem.get("errors", []):
        assert any("\u4e00" <= char <= "\u9fff" for char in item["message"]), item


@pytest.mark.fault("J20")
def test_all_faults_come_at_once_in_order_of_their_place(server: Server) -> None:
    body = changed(title="a\0", issued_on="2026-02-30", recipients=[], issuer=None, more=1)
    problem = server.post_json(NOTICE, body).json
    pointers = [item["pointer"] for item in problem["errors"]]
    assert pointers == ["/issued_on", "/issuer", "/more", "/recipients", "/title"]
    paragraphs = [{"level": 0, "text": "好"}] * 12
    paragraphs[2] = paragraphs[10] = {"level": 7, "text": "坏"}
    problem = server.post_json(NOTICE, changed(body=paragraphs)).json
    assert [item["pointer"] for item in problem["errors"]] == ["/body/2/level", "/body/10/level"]


@pytest.mark.fault("J2")
@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/json; charset=gbk"]
)
def test_wrong_content_type_is_415(server: Server, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = server.ask("POST", NOTICE, TEXT.encode(), headers)
    assert (answer.status, answer.type) == (415, "application/problem+json")


@pytest.mark.fault("J2")
def test_compressed_body_is_never_inflated(server: Server) -> None:
    answer = server.post_json(NOTICE, b"\x1f\x8b", **{"Content-Encoding": "gzip"})
    assert answer.status == 415


@pytest.mark.fault("J19", "H1")
@pytest.mark.parametrize("path", [NOTICE, "/v1/verify", "/v1/documents/nothing"])
def test_20_mb_is_turned_away_and_the_client_hears_why(server: Server, path: str) -> None:
    answer = server.post_json(path, b'{"title":"' + b"a" * 20_000_000 + b'"}')
    assert answer.status == (404 if path.endswith("nothing") else 413)
    assert answer.type == "application/problem+json"
    assert answer.json["errors"][0]["pointer"] == ""


@pytest.mark.fault("J19", "H1")
def test_20_mb_without_a_length_is_413(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        pieces = (b"a" * 100_000 for _ in range(200))
        connection.request("POST", NOTICE, pieces, {"Content-Type": "application/json"}, encode_chunked=True)
        assert connection.getresponse().status == 413
    finally:
        connection.close()


@pytest.mark.fault("J3")
def test_bom_is_accepted(server: Server) -> None:
    assert server.post_json(NOTICE, b"\xef\xbb\xbf" + TEXT.encode()).status == 200


@pytest.mark.fault("H8")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/v1/templates/nothing", 404),
        ("POST", "/v1/documents/nothing", 404),
        ("GET", NOTICE, 405),
        ("DELETE", "/v1/templates", 405),
        ("GET", "/v1/templates/..%2f..%2fetc", 404),
    ],
)
def test_unknown_places_are_problems_not_html(server: Server, method: str, path: str, status: int) -> None:
    answer = server.ask(method, path)
    assert (answer.status, answer.type) == (status, "application/problem+json")


def test_misspelt_parameter_is_named(server: Server) -> None:
    answer = server.post_json(f"{NOTICE}?fromat=docx", TEXT.encode())
    assert answer.status == 400
    assert "fromat" in answer.json["detail"]


def test_parameter_given_twice_is_named(server: Server) -> None:
    answer = server.post_json(f"{NOTICE}?format=docx&format=pdf", TEXT.encode())
    assert (answer.status, answer.json["type"]) == (400, "urn:wenyin:problem:bad-parameter")
    assert "format" in answer.json["detail"]


def test_next_request_works(server: Server) -> None:
    assert server.post_json(NOTICE, TEXT.encode()).status == 200
