"""What HTTP promises beside the documents: revalidation, HEAD, negotiation, keys for retries, no other origin."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service.bootstrap import Services
from service.errors import KeyReused
from service.web.keybook import KeyBook
from tests.conftest import FIXTURES
from tests.serving import Server, serving
from tests.web.conformance import description

pytestmark = pytest.mark.libreoffice
NOTICE = "/v1/documents/notice"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
MINIMAL = (FIXTURES / "notice" / "minimal.json").read_bytes()
OTHER = json.dumps({**json.loads(MINIMAL), "title": "关于另一件事的通知"}, ensure_ascii=False).encode()
OLD = {"sec-fetch-site", "origin"}


def revalidated() -> Iterator[str]:
    for path, item in description()["paths"].items():
        names = [parameter["name"] for parameter in item.get("get", {}).get("parameters", ())]
        if "If-None-Match" in names and "{kid}" not in path:
            yield path.replace("{template_id}", "notice")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service of two processes without LibreOffice: it still makes docx."""
    with serving(tmp_path_factory.mktemp("plain"), soffice="/nothing", workers="2") as running:
        yield running


@pytest.mark.parametrize("path", sorted(revalidated()))
def test_what_has_not_changed_is_not_sent_again(plain: Server, path: str) -> None:
    first = plain.get(path)
    tag = first.headers["etag"]
    assert first.status == 200
    assert first.headers["cache-control"] in ("private, no-cache", "public, max-age=300")
    for given in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = plain.ask("GET", path, headers={"If-None-Match": given})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag), given
    assert plain.ask("GET", path, headers={"If-None-Match": '"other"'}).body == first.body
    head = plain.ask("HEAD", path)
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", tag)
    assert head.headers["content-length"] == str(len(first.body))


def test_head_works_wherever_get_does_and_a_post_is_not_revalidated(plain: Server) -> None:
    for path in ("/", "/livez", "/readyz", "/metrics", "/verify", "/V/123456", "/docs", "/static/wenyin.css"):
        get, head = plain.get(path), plain.ask("HEAD", path)
        assert (head.status, head.body) == (get.status, b""), path
    made = plain.post_json(f"{NOTICE}?format=docx", MINIMAL)
    again = plain.post_json(f"{NOTICE}?format=docx", MINIMAL, **{"If-None-Match": made.headers["etag"]})
    assert (again.status, again.headers["etag"]) == (200, made.headers["etag"])
    assert again.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("accept", "status", "kind"),
    [
        (f"{DOCX};q=0.5, application/zip;q=0.1", 200, DOCX),
        (f"text/html, {DOCX};q=0.2", 200, DOCX),
        (f"application/pdf;q=0, {DOCX}", 200, DOCX),
        ("application/pdf;q=0, application/zip;q=0", 406, "application/problem+json"),
        ("text/html", 406, "application/problem+json"),
        ("image/*", 406, "application/problem+json"),
        (f"application/*;q=0.1, {DOCX};q=0.9", 200, DOCX),
    ],
)
@pytest.mark.fault("H8")
def test_the_form_of_a_document_is_negotiated_by_quality(
    plain: Server, accept: str, status: int, kind: str
) -> None:
    answer = plain.post_json(NOTICE, MINIMAL, Accept=accept)
    assert (answer.status, answer.type) == (status, kind)


@pytest.mark.parametrize("path", ["/v1/templates", NOTICE, "/.well-known/wenyin/jwks.json", "/", "/nothing"])
def test_no_page_of_another_origin_is_let_in(plain: Server, path: str) -> None:
    far = {"Origin": "https://other.example", "Access-Control-Request-Method": "POST"}
    asked = plain.ask("OPTIONS", path, headers={**far, "Access-Control-Request-Headers": "content-type"})
    assert asked.status == (404 if path == "/nothing" else 405)
    if path != "/nothing":
        assert "OPTIONS" not in asked.headers["allow"]
    got = plain.ask("GET", path, headers=far)
    posted = plain.ask("POST", path, MINIMAL, {**far, "Content-Type": "application/json"})
    assert posted.status in (403, 404, 405)
    for answer in (asked, got, posted):
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.fault("J25")
def test_a_key_stands_for_one_request_on_every_worker(plain: Server) -> None:
    docx, key = f"{NOTICE}?format=docx", {"Idempotency-Key": "order-1"}
    # A request that fails leaves its key free, so that it may be mended.
    assert plain.post_json(docx, b"{}", **key).status == 422
    first = plain.post_json(docx, MINIMAL, **key)
    for _ in range(8):
        again = plain.post_json(docx, MINIMAL, **key)
        assert (again.status, again.body) == (200, first.body)
        for name in ("x-document-id", "x-verify-url"):
            assert again.headers[name] == first.headers[name]
        refused = plain.post_json(docx, OTHER, **key)
        assert (refused.status, refused.json["type"]) == (409, "urn:wenyin:problem:key-reused")
    assert plain.post_json(f"{docx}&draft=true", MINIMAL, **key).status == 409
    assert plain.post_json(docx, OTHER, **{"Idempotency-Key": "order-2"}).status == 200
    assert plain.post_json(docx, OTHER).status == 200


@pytest.mark.fault("J25")
@pytest.mark.parametrize("key", ["", " ", "a b", "键", "a" * 256])
def test_a_key_that_is_none_is_refused(plain: Server, key: str) -> None:
    answer = plain.post_json(
        f"{NOTICE}?format=docx", MINIMAL, **{"Idempotency-Key": key.encode().decode("latin-1")}
    )
    assert (answer.status, answer.json["type"]) == (400, "urn:wenyin:problem:bad-parameter")
    assert not key.strip() or key not in plain.log


def test_keys_are_forgotten_in_time_and_never_fill_the_disk(tmp_path: Path) -> None:
    book, again = KeyBook(tmp_path / "keys", 60.0), KeyBook(tmp_path / "keys", 60.0)
    with book.once(b"a key of some length", b"1"):
        pass
    for number in range(2_000):
        with book.once(str(number).encode(), b"x"):
            pass
    with pytest.raises(KeyReused), again.once(b"a key of some length", b"2"):
        pass
    with KeyBook(tmp_path / "keys", 0.000_001).once(b"a key of some length", b"2"):
        pass
    with KeyBook(tmp_path / "keys", 0).once(b"a key of some length", b"3"):
        pass
    assert (tmp_path / "keys").stat().st_size < 3_000_000
    assert b"a key" not in (tmp_path / "keys").read_bytes()
    # A folder that takes no file is no reason to make no document.
    (tmp_path / "file").write_bytes(b"")
    with KeyBook(tmp_path / "file" / "keys", 60.0).once(b"k", b"1"):
        pass


def test_addresses_in_answers_come_from_the_settings(services: Services, plain: Server) -> None:
    answer = plain.get("/openapi.json").json
    assert urlsplit(answer["servers"][0]["url"]).port == plain.port
