"""Bearer tokens made by a local key: one that is right, and every way to be wrong."""

import base64
import hmac
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey
from joserfc.jwt import encode

from service.access.oidc import FileKeys, OidcRule, UrlKeys, check_token, key_set
from service.errors import ConfigError, IdentityUnavailable, Unauthenticated

RULE = OidcRule("https://id.example.cn", "wenyin", "scope")
RSA_KEY = RSAKey.generate_key(2048, {"kid": "r1", "use": "sig"})
EC_KEY = ECKey.generate_key("P-256", {"kid": "e1"})
ED_KEY = OKPKey.generate_key("Ed25519", {"kid": "o1"})
STRANGER = RSAKey.generate_key(2048, {"kid": "r1"})
PUBLIC = {"keys": [key.as_dict(private=False) for key in (RSA_KEY, EC_KEY, ED_KEY)]}


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {
        "iss": RULE.issuer,
        "aud": "wenyin",
        "sub": "u-1",
        "iat": now,
        "exp": now + 600,
        "scope": "wenyin:batch x",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def token(key: Any = RSA_KEY, alg: str = "RS256", kid: str | None = "r1", **changes: Any) -> str:
    header = {"alg": alg, **({"kid": kid} if kid else {})}
    return encode(header, claims(**changes), key, algorithms=[alg])


def keys(_fresh: bool) -> KeySet:
    return key_set(json.dumps(PUBLIC).encode())


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("key", "alg", "kid"),
    [(RSA_KEY, "RS256", "r1"), (RSA_KEY, "PS384", "r1"), (EC_KEY, "ES256", "e1"), (ED_KEY, "Ed25519", "o1")],
)
def test_a_good_token_says_who_and_what(key: Any, alg: str, kid: str) -> None:
    assert check_token(token(key, alg, kid), RULE, keys) == ("u-1", ["wenyin:batch", "x"])


def test_audience_and_scopes_may_be_lists() -> None:
    given = token(aud=["other", "wenyin"], scope=["wenyin:seal", 7])
    assert check_token(given, RULE, keys) == ("u-1", ["wenyin:seal"])
    assert check_token(token(scope=None), RULE, keys) == ("u-1", [])
    assert check_token(token(scope={"a": 1}), RULE, keys) == ("u-1", [])


def unsigned() -> str:
    return f"{part({'alg': 'none', 'kid': 'r1'})}.{part(claims())}."


def signed_by_the_public_key() -> str:
    """What a verifier takes that lets the token choose between RSA and HMAC."""
    signed = f"{part({'alg': 'HS256', 'kid': 'r1'})}.{part(claims())}"
    digest = hmac.digest(RSA_KEY.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def with_changed_claims() -> str:
    head, _, signature = token().split(".")
    return f"{head}.{part(claims(sub='somebody else'))}.{signature}"


def with_its_own_key() -> str:
    header = {"alg": "RS256", "kid": "r1", "jwk": STRANGER.as_dict(private=False)}
    return encode(header, claims(), STRANGER, algorithms=["RS256"])


now = int(time.time())
WRONG: dict[str, Callable[[], str]] = {
    "alg none": unsigned,
    "alg None in capitals": lambda: f"{part({'alg': 'NONE', 'kid': 'r1'})}.{part(claims())}.",
    "HMAC with the public key": signed_by_the_public_key,
    "signed by a stranger": lambda: token(STRANGER),
    "brings its own key": with_its_own_key,
    "claims changed": with_changed_claims,
    "signature cut off": lambda: token().rpartition(".")[0] + ".",
    "unknown kid": lambda: token(kid="r2"),
    "kid of another kind": lambda: token(kid="e1"),
    "no kid among several keys": lambda: token(kid=None),
    "expired": lambda: token(exp=now - 120),
    "no end": lambda: token(exp=None),
    "end is no number": lambda: token(exp="2099"),
    "not yet": lambda: token(nbf=now + 7200),
    "other audience": lambda: token(aud="another-system"),
    "no audience": lambda: token(aud=None),
    "audience that begins alike": lambda: token(aud="wenyin2"),
    "other issuer": lambda: token(iss="https://id.example.cn.evil.example"),
    "no issuer": lambda: token(iss=None),
    "no subject": lambda: token(sub=None),
    "subject is no text": lambda: token(sub={"a": 1}),
    "nothing": lambda: "",
    "dots": lambda: "..",
    "no base64": lambda: "ä.ö.ü",
    "not JSON": lambda: "YQ.YQ.YQ",
    "list of claims": lambda: f"{part({'alg': 'RS256', 'kid': 'r1'})}.{part([1])}.YQ",
}


@pytest.mark.parametrize("name", WRONG)
def test_every_wrong_token_is_refused(name: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        check_token(WRONG[name](), RULE, keys)
    assert "令牌" in str(caught.value)
    assert "u-1" not in caught.value.detail


def test_secret_and_encrypting_keys_are_not_taken() -> None:
    secret = OctKey.generate_key(256, {"kid": "s1"}).as_dict(private=True)
    secret["kid"] = "s1"
    other = {**RSA_KEY.as_dict(private=False), "use": "enc"}
    for record in (secret, other, {"kty": "RSA"}, {}):
        with pytest.raises(ValueError, match="no usable key"):
            key_set(json.dumps({"keys": [record]}).encode())
    assert key_set(json.dumps({"keys": [secret, PUBLIC["keys"][1]]}).encode()).keys[0].kid == "e1"


@pytest.mark.parametrize("content", [b"", b"[]", b'{"keys": 1}', b'{"keys": [1]}', b"\xff"])
def test_a_file_that_is_no_key_set_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="JWK Set"):
        FileKeys(path)


def test_a_key_that_the_provider_changes_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": PUBLIC["keys"][1:]}))
    found = FileKeys(path)
    with pytest.raises(Unauthenticated):
        check_token(token(), RULE, found)
    path.write_text(json.dumps(PUBLIC))
    assert check_token(token(), RULE, found)[0] == "u-1"


def test_keys_are_fetched_when_needed_and_not_for_every_wrong_token() -> None:
    clock = [1000.0]
    answers: list[bytes | OSError] = [OSError("down"), json.dumps({"keys": PUBLIC["keys"][1:]}).encode()]
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        answer = answers[min(len(asked), len(answers)) - 1]
        if isinstance(answer, OSError):
            raise answer
        return answer

    found = UrlKeys("https://id.example.cn/jwks", fetch, lambda: clock[0])
    for _ in range(3):
        with pytest.raises(IdentityUnavailable) as caught:
            check_token(token(), RULE, found)
        assert caught.value.retry_after_s
    assert len(asked) == 1
    clock[0] += 31
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            check_token(token(), RULE, found)
    assert len(asked) == 2
    answers.append(json.dumps(PUBLIC).encode())
    clock[0] += 31
    assert check_token(token(), RULE, found)[0] == "u-1"
    answers.append(OSError("down again"))
    clock[0] += 4000
    assert check_token(token(), RULE, found)[0] == "u-1"
    assert len(asked) == 4


class _Provider(BaseHTTPRequestHandler):
    """Hands out the keys, too much, or the way elsewhere."""

    def do_GET(self) -> None:
        self.send_response(302 if self.path == "/moved" else 200)
        if self.path == "/moved":
            self.send_header("Location", "/jwks")
        self.end_headers()
        self.wfile.write(b" " * 1_100_000 if self.path == "/much" else json.dumps(PUBLIC).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_keys_come_over_http_within_bounds() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Provider) as provider:
        thread = threading.Thread(target=provider.serve_forever)
        thread.start()
        try:
            address = f"http://127.0.0.1:{provider.server_port}"
            for path in ("/jwks", "/moved"):
                assert check_token(token(), RULE, UrlKeys(address + path))[0] == "u-1"
            with pytest.raises(IdentityUnavailable):
                check_token(token(), RULE, UrlKeys(f"{address}/much"))
        finally:
            provider.shutdown()
            thread.join()
    with pytest.raises(IdentityUnavailable):
        check_token(token(), RULE, UrlKeys(f"{address}/jwks"))
