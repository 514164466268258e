"""Who may ask for what, over real HTTP: keys, their scopes, and everything that is not a good key."""

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from html import escape as plain_escape
from pathlib import Path
from urllib.parse import urlencode

import pytest

from service.access import new_key, revoke_key
from service.access.keyfile import hash_of
from tests.conftest import FIXTURES
from tests.serving import Answer, Server, serving, wait_until

pytestmark = [pytest.mark.libreoffice, pytest.mark.fault("H5")]
MINIMAL = (FIXTURES / "notice" / "minimal.json").read_bytes()
NOTICE = "/v1/documents/notice?format=docx"
TODAY = date(2026, 1, 1)
# What an empty body gets once the caller was let through.
LET_IN = {200, 400, 404, 415, 422, 503}
PUBLIC = {
    "/v1/verify",
    "/V/{digits}",
    "/.well-known/wenyin/jwks.json",
    "/.well-known/wenyin/issuers.json",
    "/.well-known/wenyin/revoked/{kid}.json",
    "/.well-known/wenyin/revoked/{kid}.jws",
    "/livez",
    "/readyz",
}
SCOPES = {
    "full": ["template:*", "issuer:*", "batch", "seal", "metrics"],
    "notice": ["template:notice", "issuer:dev"],
    "batch": ["template:*", "issuer:*", "batch"],
    "metrics": ["metrics"],
    "stranger": ["template:*", "issuer:another", "batch"],
}


def escape(text: str) -> str:
    """As it stands in an attribute of our pages."""
    return plain_escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")


class Guarded:
    """A service that asks for a key, and keys for it."""

    def __init__(self, server: Server, file: Path, keys: dict[str, str]) -> None:
        self.server, self.file, self.keys = server, file, keys

    def ask(self, method: str, path: str, key: str = "", body: bytes = b"", **headers: str) -> Answer:
        given = {"Authorization": f"Bearer {self.keys.get(key, key)}"} if key else {}
        return self.server.ask(method, path, body or None, {"Accept": "*/*", **given, **headers})

    def make(self, key: str, path: str = NOTICE) -> Answer:
        return self.ask("POST", path, key, MINIMAL, **{"Content-Type": "application/json"})


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    file = folder / "apikeys.json"
    keys = {name: new_key(file, name, words, TODAY)[1] for name, words in SCOPES.items()}
    keys["late"] = new_key(file, "late", SCOPES["full"], TODAY, date(2020, 1, 1))[1]
    gone, keys["gone"] = new_key(file, "gone", SCOPES["full"], TODAY)
    revoke_key(file, gone.key_id, TODAY)
    with serving(folder, soffice="/nothing", api_keys=str(file), workers="2") as server:
        yield Guarded(server, file, keys)
        # Whatever was tried, no secret was written down.
        for key in keys.values():
            assert key.partition(".")[2] not in server.log
            assert hash_of(key.partition(".")[2]) not in server.log


def refused(answer: Answer, status: int, code: str) -> str:
    assert (answer.status, answer.type) == (status, "application/problem+json"), answer.body
    assert answer.json["type"] == f"urn:wenyin:problem:{code}"
    assert re.search(r"[\u4e00-\u9fff]", answer.json["detail"])
    return str(answer.json["detail"])


def test_a_good_key_makes_a_document_and_its_id_is_logged(guarded: Guarded) -> None:
    answer = guarded.make("notice")
    assert (answer.status, answer.headers["x-warnings"]) == (200, "1")
    lines = [json.loads(line) for line in guarded.server.log.splitlines()]
    mine = [line for line in lines if line.get("request_id") == answer.headers["x-request-id"]]
    assert [line["caller"] for line in mine] == [guarded.keys["notice"].partition(".")[0]]


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer wy0123456789." + "A" * 43,
        "Bearer {id}." + "A" * 43,
        "Bearer {id}",
        "Bearer {id}.",
        "Bearer .{secret}",
        "Bearer {secret}",
        "Bearer {id}.{secret}x",
        "Bearer {ID}.{secret}",
        "bearer {id}.{secret}, Bearer x",
        "Basic {id}:{secret}",
        "{id}.{secret}",
        "Bearer {late}",
        "Bearer {gone}",
        "Bearer \u00fc",
        "Bearer " + "x" * 8000,
    ],
)
def test_every_other_proof_is_401(guarded: Guarded, authorization: str | None) -> None:
    key_id, _, secret = guarded.keys["full"].partition(".")
    parts = {"id": key_id, "ID": key_id.upper(), "secret": secret, **guarded.keys}
    headers = {} if authorization is None else {"Authorization": authorization.format(**parts)}
    answer = guarded.ask("POST", NOTICE, "", MINIMAL, **{"Content-Type": "application/json"}, **headers)
    detail = refused(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith('Bearer realm="wenyin"')
    assert secret not in answer.body.decode()
    if authorization and ("{late}" in authorization or "{gone}" in authorization):
        assert "过期" in detail or "停用" in detail


@pytest.mark.parametrize("place", ["?api_key={}", "?key={}&format=docx", "?x={}", "?{}", "?access_token=1"])
def test_a_key_in_the_address_is_refused_and_not_repeated(guarded: Guarded, place: str) -> None:
    path = "/v1/documents/notice" + place.format(guarded.keys["full"])
    for answer in (guarded.make("", path), guarded.make("full", path)):
        assert "网址" in refused(answer, 400, "key-in-address")
        assert guarded.keys["full"].partition(".")[2] not in answer.body.decode()


def test_every_operation_of_the_description_asks_for_what_it_says(guarded: Guarded) -> None:
    document = guarded.ask("GET", "/openapi.json", "full").json
    schemes = document["components"]["securitySchemes"]
    assert schemes["key"]["scheme"] == "bearer"
    operations = [
        (path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if "网页" not in operation["tags"]  # a browser is led to the sign-in page
    ]
    assert len(operations) > 20
    for path, method, operation in operations:
        address = re.sub(r"\{[a-z_]+\}", "notice", path)
        verb = method.upper()
        anonymous = guarded.ask(verb, address)
        if path in PUBLIC:
            assert operation["security"] == [], path
            assert anonymous.status in LET_IN, (path, anonymous.status)
            continue
        if path == "/metrics":
            assert operation["security"] == [{}, {"key": ["metrics"]}, {"session": ["metrics"]}]
            continue
        assert {"400", "401", "403"} <= set(operation["responses"]), path
        assert {name for asked in operation["security"] for name in asked} == set(schemes)
        refused(anonymous, 401, "unauthenticated")
        wanted = operation["security"][0]["key"]
        assert guarded.ask(verb, address, "full").status in LET_IN, path
        if wanted:
            detail = refused(guarded.ask(verb, address, "metrics"), 403, "forbidden")
            assert wanted[0].split(":")[0] in detail


@pytest.mark.parametrize(
    ("key", "method", "path", "missing"),
    [
        ("notice", "POST", "/v1/documents/commendation", "template:commendation"),
        ("notice", "POST", "/v1/documents/no-such-template", "template:no-such-template"),
        ("notice", "GET", "/v1/templates/commendation/schema", "template:commendation"),
        ("notice", "POST", "/v1/batches/notice", "batch"),
        ("notice", "POST", "/v1/documents/notice?seal=true", "seal"),
        ("batch", "POST", "/v1/documents/notice?seal=1", "seal"),
        ("batch", "POST", "/v1/batches/notice?seal=true", "seal"),
        ("stranger", "POST", "/v1/documents/notice", "issuer:dev"),
        ("stranger", "POST", "/v1/batches/notice", "issuer:dev"),
        ("batch", "GET", "/metrics", "metrics"),
        ("notice", "GET", "/fill/commendation", "template:commendation"),
        ("notice", "GET", "/batch/notice", "batch"),
    ],
)
def test_what_a_key_may_not_do_is_named(
    guarded: Guarded, key: str, method: str, path: str, missing: str
) -> None:
    answer = guarded.ask(method, path, key, MINIMAL, Accept="application/json")
    assert missing in refused(answer, 403, "forbidden")


def test_what_a_key_may_do_is_done(guarded: Guarded) -> None:
    assert guarded.make("batch").status == 200
    # Neither has a seal picture been configured here.
    sealed = guarded.make("full", f"{NOTICE.replace('docx', 'pdf')}&seal=true")
    assert sealed.status in (422, 503)
    assert guarded.ask("GET", "/metrics", "metrics").status == 200
    assert guarded.ask("GET", "/metrics").status == 200
    assert guarded.ask("GET", "/metrics", "wrong").status == 401
    for path in ("/v1/templates", "/openapi.json"):
        said = json.dumps(guarded.ask("GET", path, "notice").json)
        assert '"template-notice"' in said or '"notice"' in said
        assert "commendation" not in said


def test_a_key_made_or_revoked_while_serving_counts_at_once(guarded: Guarded) -> None:
    made, text = new_key(guarded.file, "新来的", SCOPES["notice"], TODAY, date.today() + timedelta(days=2))
    guarded.keys["new"] = text
    assert guarded.make("new").status == 200
    revoke_key(guarded.file, made.key_id, TODAY)
    # Every worker looks for itself.
    assert {guarded.make("new").status for _ in range(8)} == {401}


def test_a_broken_file_leaves_the_keys_as_they_were(guarded: Guarded) -> None:
    whole = guarded.file.read_bytes()
    try:
        guarded.file.write_bytes(whole[:-20])
        assert guarded.make("notice").status == 200
        assert guarded.make("gone").status == 401
        wait_until(lambda: "沿用原来的内容" in guarded.server.log, 60, "the fault is logged")
    finally:
        guarded.file.write_bytes(whole)
    assert guarded.make("notice").status == 200


def test_unknown_and_wrong_keys_are_refused_alike(guarded: Guarded) -> None:
    key_id = guarded.keys["full"].partition(".")[0]
    known = guarded.ask("GET", "/v1/templates", f"{key_id}.{'A' * 43}")
    unknown = guarded.ask("GET", "/v1/templates", f"wy0000000000.{'A' * 43}")
    assert known.json["detail"] == unknown.json["detail"]
    assert set(known.headers) == set(unknown.headers)


def test_a_large_body_without_a_key_hears_why(guarded: Guarded) -> None:
    answer = guarded.ask("POST", NOTICE, "", b"x" * 6_000_000, **{"Content-Type": "application/json"})
    refused(answer, 401, "unauthenticated")


FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}


def enter(guarded: Guarded, key: str, wanted: str = "/fill/notice", kept: str = "", **headers: str) -> Answer:
    body = urlencode({"key": guarded.keys.get(key, key), "next": wanted, "kept": kept}).encode()
    return guarded.server.ask("POST", "/signin", body, {**FORM, **headers})


def test_a_page_leads_to_the_sign_in_page_and_back(guarded: Guarded) -> None:
    asked = guarded.ask("GET", "/fill/notice?sample=1", Accept="text/html")
    assert (asked.status, asked.headers["location"]) == (303, "/signin?next=/fill/notice?sample%3D1")
    assert "/fill/notice?sample=1" in guarded.ask("GET", asked.headers["location"]).body.decode()
    answer = enter(guarded, "notice", "/fill/notice?sample=1")
    assert (answer.status, answer.headers["location"]) == (303, "/fill/notice?sample=1")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=28800"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    shown = guarded.ask("GET", "/fill/notice", Cookie=cookie.partition(";")[0], Accept="text/html")
    assert shown.status == 200
    # The cookie may do what its key may, in the interface as well.
    got = {"Cookie": cookie.partition(";")[0], "Content-Type": "application/json"}
    assert guarded.ask("POST", NOTICE, "", MINIMAL, **got).status == 200
    assert guarded.ask("POST", "/v1/documents/commendation", "", b"{}", **got).status == 403
    # A program is told, not led.
    refused(guarded.ask("GET", "/fill/notice", Accept="application/json"), 401, "unauthenticated")
    assert guarded.ask("GET", "/fill/notice", "wrong", Accept="text/html").status == 401


@pytest.mark.parametrize("origin", ["https://v.example.cn", "http://v.example.cn"])
def test_the_cookie_is_for_https_alone_where_the_browser_uses_it(guarded: Guarded, origin: str) -> None:
    host = origin.partition("//")[2]
    cookie = enter(guarded, "notice", Origin=origin, Host=host).headers["set-cookie"]
    assert ("Secure" in cookie) is origin.startswith("https")


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example.com/",
        "//evil.example.com",
        "/\\evil.example.com",
        "/\t/evil.example.com",
        "\n//evil.example.com",
        "javascript:alert(1)",
        "evil",
        "/signout",
        "/一",
        "/" + "x" * 3000,
        "",
    ],
)
def test_nobody_is_led_elsewhere(guarded: Guarded, wanted: str) -> None:
    assert enter(guarded, "notice", wanted).headers["location"] == "/"
    page = guarded.ask("GET", f"/signin?{urlencode({'next': wanted})}", Accept="text/html").body.decode()
    assert 'name="next" value="/"' in page


@pytest.mark.fault("U4")
@pytest.mark.parametrize("path", ["/signin", "/signout", "/fill/notice"])
def test_another_site_signs_nobody_in_or_out(guarded: Guarded, path: str) -> None:
    for said in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example.com"},
        {"Origin": "null"},
    ):
        answer = guarded.server.ask("POST", path, b"key=x", {**FORM, **said})
        assert (answer.status, "set-cookie" in answer.headers) == (403, False)


def test_a_form_that_was_kept_comes_back_as_text(guarded: Guarded) -> None:
    sent = urlencode({"/title": "<script>alert(1)</script>\r\n\"'&", "do": "edit"})
    turned = guarded.server.ask("POST", "/fill/notice", sent.encode(), FORM)
    assert (turned.status, turned.headers["www-authenticate"]) == (401, 'Bearer realm="wenyin"')
    assert escape(sent) in turned.body.decode()
    page = enter(guarded, "notice", kept=sent)
    assert (page.status, "set-cookie" in page.headers) == (200, True)
    text = page.body.decode()
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    refused_page = enter(guarded, "wrong", kept=sent)
    assert (refused_page.status, "set-cookie" in refused_page.headers) == (401, False)
    assert escape(sent) in refused_page.body.decode()


def test_signing_out_takes_the_cookie_back(guarded: Guarded) -> None:
    answer = guarded.server.ask("POST", "/signout", b"", FORM)
    assert (answer.status, answer.headers["location"]) == (303, "/signin")
    assert "Max-Age=0" in answer.headers["set-cookie"]


def test_the_page_gives_the_seal_to_those_alone_who_may_have_it(guarded: Guarded) -> None:
    form = {"data": MINIMAL.decode(), "do": "pdf", "seal": "1"}
    asked = guarded.ask("POST", "/fill/notice", "notice", urlencode(form).encode(), **FORM)
    assert asked.status == 403
    assert guarded.ask("POST", "/fill/notice", "full", urlencode(form).encode(), **FORM).status == 200
    # A Word file has no seal, so that nothing is asked for.
    word = urlencode({**form, "do": "docx"}).encode()
    assert guarded.ask("POST", "/fill/notice", "notice", word, **FORM).status == 200
