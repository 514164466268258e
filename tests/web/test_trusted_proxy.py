"""A reverse proxy on one address of this machine, an impostor on another, and tokens of a provider."""

import http.client
import json
import time
from collections.abc import Iterator

import pytest
from joserfc.jwk import RSAKey
from joserfc.jwt import encode

from tests.serving import Answer, Server, serving

pytestmark = [pytest.mark.libreoffice, pytest.mark.fault("H5")]
PROXY, ELSEWHERE = "127.0.0.2", "127.0.0.1"
KEY = RSAKey.generate_key(2048, {"kid": "r1"})
ISSUER = "https://id.example.cn"


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("behind")
    (folder / "jwks.json").write_text(json.dumps({"keys": [KEY.as_dict(private=False)]}))
    with serving(
        folder,
        soffice="/nothing",
        host="0.0.0.0",
        trusted_proxies=f"10.0.0.0/8, {PROXY}",
        proxy_user_header="X-Remote-User",
        oidc_issuer=ISSUER,
        oidc_audience="wenyin",
        oidc_jwks=str(folder / "jwks.json"),
        public_url="https://v.example.cn",
    ) as server:
        yield server
        for name in ("zhang.san", "张三", "token-subject"):
            assert name not in server.log
        assert "没有设置访问控制" not in server.log


def ask(server: Server, source: str, path: str = "/v1/templates", **headers: str | bytes) -> Answer:
    connection = http.client.HTTPConnection(ELSEWHERE, server.port, timeout=120, source_address=(source, 0))
    try:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers={"Accept": "application/json", **given})
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()


def caller(server: Server, answer: Answer) -> str:
    lines = [json.loads(line) for line in server.log.splitlines() if answer.headers["x-request-id"] in line]
    return str(next(line["caller"] for line in lines if line["event"] == "request"))


def test_the_proxy_says_who_it_is_and_the_log_does_not(behind: Server) -> None:
    known = ask(behind, PROXY, X_Remote_User="zhang.san")
    again = ask(behind, PROXY, X_Remote_User="zhang.san")
    other = ask(behind, PROXY, X_Remote_User="张三".encode())
    assert [answer.status for answer in (known, again, other)] == [200, 200, 200]
    assert caller(behind, known) == caller(behind, again) != caller(behind, other)
    page = ask(behind, PROXY, "/", X_Remote_User="张三".encode(), Accept="text/html")
    assert "张三" in page.body.decode()
    assert "退出" not in page.body.decode()


@pytest.mark.parametrize(
    ("source", "headers", "status"),
    [
        (ELSEWHERE, {"X_Remote_User": "zhang.san"}, 403),
        (ELSEWHERE, {"X_Remote_User": "zhang.san", "X_Forwarded_For": PROXY, "X_Real_Ip": PROXY}, 403),
        (ELSEWHERE, {"X_Remote_User": "zhang.san", "Forwarded": f"for={PROXY}"}, 403),
        (PROXY, {}, 401),
        (PROXY, {"X_Remote_User": ""}, 401),
        (PROXY, {"X_Remote_User": "zhang.san, root"}, 401),
        (PROXY, {"Remote_User": "zhang.san"}, 401),
        (PROXY, {"X_Forwarded_User": "zhang.san"}, 401),
        (PROXY, {"X_Remote_User": "zhang.san", "Authorization": "Bearer x"}, 401),
    ],
)
def test_nobody_else_is_believed(behind: Server, source: str, headers: dict[str, str], status: int) -> None:
    answer = ask(behind, source, **headers)
    assert (answer.status, answer.type) == (status, "application/problem+json"), answer.body
    assert (status == 401) is ("www-authenticate" in answer.headers)


def test_an_underscore_does_not_stand_for_a_hyphen(behind: Server) -> None:
    # WSGI would give both names the same key.
    connection = http.client.HTTPConnection(ELSEWHERE, behind.port, timeout=120, source_address=(PROXY, 0))
    connection.request("GET", "/v1/templates", headers={"X_Remote_User": "root", "X-Remote_User": "root"})
    assert connection.getresponse().status == 401
    connection.close()


def test_a_person_without_the_proxy_is_told_where_to_go(behind: Server) -> None:
    page = ask(behind, ELSEWHERE, "/", Accept="text/html")
    assert (page.status, page.type) == (401, "text/html")
    assert "从单位的入口访问" in page.body.decode()
    # There is no key to type in.
    assert ask(behind, ELSEWHERE, "/signin", Accept="text/html").status == 303


def test_a_token_of_the_provider_opens_what_its_scopes_say(behind: Server) -> None:
    def bearer(**changes: object) -> str:
        claims = {"iss": ISSUER, "aud": "wenyin", "sub": "token-subject", "exp": int(time.time()) + 600}
        said = {**claims, "scope": "openid wenyin:template:notice wenyin:issuer:*", **changes}
        return "Bearer " + encode({"alg": "RS256", "kid": "r1"}, said, KEY)

    listed = ask(behind, ELSEWHERE, Authorization=bearer())
    assert [item["id"] for item in listed.json["templates"]] == ["notice"]
    assert caller(behind, listed).startswith("token-")
    assert ask(behind, ELSEWHERE, "/v1/templates/notice/schema", Authorization=bearer()).status == 200
    denied = ask(behind, ELSEWHERE, "/v1/templates/commendation/schema", Authorization=bearer())
    assert (denied.status, "template:commendation" in denied.json["detail"]) == (403, True)
    for wrong in ({"aud": "x"}, {"iss": "x"}, {"exp": 1}, {"nbf": int(time.time()) + 7200}):
        assert ask(behind, ELSEWHERE, Authorization=bearer(**wrong)).status == 401
    schemes = ask(behind, ELSEWHERE, "/openapi.json", Authorization=bearer()).json["components"][
        "securitySchemes"
    ]
    assert set(schemes) == {"proxy", "oidc"}
