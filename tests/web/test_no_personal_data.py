"""Every fixture through a real service, with faults of all kinds: no person and no secret is found where it leaves something."""

import base64
import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from service.access import new_key
from service.access.keyfile import hash_of
from service.bootstrap import Services
from service.isolation.process import descendants
from service.scopes import EVERYTHING
from service.verification import token_from_url
from tests.conftest import FIXTURES
from tests.documents import plain
from tests.engines import children, kill
from tests.serving import Answer, Server, serving, wait_until
from tests.unit.verification.test_import import certificate, packed
from tests.web.test_tracing import attributes, collector, spans_in

pytestmark = pytest.mark.libreoffice
PERSONAL = {"phone", "office_phone", "mobile", "fax", "email", "attn", "address"}
PEOPLE = {"contact": ("name",), "contacts": ("name",), "mailing_address": ("text",)}
# In these every field holds the same text, a title like a name.
SAME_EVERYWHERE = "literal.json"
ADDRESSES = ("/", "/readyz", "/metrics", "/verify", "/verify/offline.html", "/openapi.json", "/v1/templates")
FILES = [path for path in sorted(FIXTURES.glob("*/*.json")) if path.name != SAME_EVERYWHERE]


def values(node: Any, key: str = "", owner: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield owner, key and text of every text in a request."""
    if isinstance(node, dict):
        for name, item in node.items():
            yield from values(item, name, key)
    elif isinstance(node, list):
        for item in node:
            yield from values(item, key, owner)
    elif isinstance(node, str):
        yield owner, key, node


def personal(requests: list[Any]) -> set[str]:
    """Return what must stay between the caller and the document."""
    every = [item for request in requests for item in values(request)]
    found = {text for owner, key, text in every if key in PERSONAL or key in PEOPLE.get(owner, ())}
    public = "\n".join(text for _, _, text in every if text not in found)
    return {text for text in found if len(text) > 1 and text not in public}


def forms(text: str) -> Iterator[bytes]:
    yield text.encode()
    yield json.dumps(text)[1:-1].encode()
    yield base64.b64encode(text.encode()).rstrip(b"=")


def urls_of(server: Server, template: str, body: bytes) -> tuple[list[str], list[bytes]]:
    """Render a fixture; return its verification URLs, and all else that the answers say of it."""
    answer = server.post_json(f"/v1/documents/{template}?format=bundle", body)
    said = [json.dumps(dict(answer.headers)).encode()]
    if answer.status != 200:
        # A refusal names field and rule.
        assert answer.status == 422, answer.body
        return [], [*said, answer.body]
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        said.append(archive.read("manifest.json"))
        manifest = json.loads(said[-1])
        said.append("\n".join(archive.namelist()).encode())
    items = manifest.get("documents", [])
    return [manifest["verify_url"], *(item["verify_url"] for item in items)], said


def broken(request: dict[str, Any]) -> list[bytes]:
    """Return requests that are refused, with a person's data in each."""
    text = json.dumps(request, ensure_ascii=False)
    wrong = {**request, "nobody_knows_this": 1}
    return [json.dumps(wrong).encode(), text[:-1].encode(), json.dumps({"only": text}).encode()]


TOKEN = "m-7f1c9-canary"
STRANGER = "钱多多13911110000"
"""Who is in no fixture: sent in headers, addresses, file names and broken requests."""
BEARER = "孔令奇（总务处）"
"""Whose key it is that is typed in on the page."""
PASSWORD = "p12-9c41e-canary"
ROUTES = {"/signin", "/signout", "/v1/documents/<template_id>", "/v1/batches/<template_id>", "-"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}


@dataclass(frozen=True)
class Keyed(Server):
    """Shows a key wherever the request brings no other proof.

    Attributes:
        key: An API key; empty shows none.
    """

    key: str = ""

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 120.0,
    ) -> Answer:
        given = dict(headers or {})
        if not given.keys() & {"Authorization", "Cookie"} and not path.startswith("/signin"):
            given["Authorization"] = f"Bearer {self.key}"
        return super().ask(method, path, body, given, timeout_s)


def proved(server: Keyed, key: str) -> tuple[list[bytes], list[bytes]]:
    """Sign in, come back, and show a key where it does not belong; return the secrets, and what was answered."""
    secret = key.partition(".")[2]

    def enter(shown: str) -> Answer:
        return server.ask("POST", "/signin", urlencode({"key": shown, "next": "/"}).encode(), FORM)

    entered = enter(key)
    assert entered.status == 303
    cookie = entered.headers["set-cookie"].partition(";")[0]
    held = {**FORM, "Cookie": cookie}
    answers = [
        enter(f"{key}x"),
        enter(secret),
        server.ask("POST", "/fill/notice", b"do=preview", held),
        server.ask("GET", "/fill/notice", headers={**held, "Cookie": f"{cookie}x"}),
        server.ask("GET", f"/v1/templates?key={key}"),
        server.ask("GET", f"/v1/templates?{secret}"),
        server.ask("GET", f"/{key}", headers={"Authorization": f"Basic {key}"}),
        server.ask("GET", "/v1/templates", headers={"Authorization": f"Bearer {key}x"}),
        server.ask("GET", "/v1/templates", headers={"Authorization": cookie}),
        server.ask("POST", "/signout", b"", held),
    ]
    assert [answer.status for answer in answers] == [401, 401, 200, 303, 400, 200, 404, 401, 401, 303]
    # His own name is for his own eyes, on the one page that he was let in to.
    assert [BEARER.encode() in answer.body for answer in answers].count(True) == 1
    said = [answer.body.replace(BEARER.encode(), b"") for answer in answers]
    said += [json.dumps(dict(answer.headers)).encode() for answer in answers]
    secrets = [secret, hash_of(secret), cookie.partition("=")[2]]
    return [item.encode() for item in secrets], [entered.body, *said]


def imported(server: Server, folder: Path) -> list[bytes]:
    """Import a certificate with a wrong and the right password; return all that is said, and that is kept."""
    authority, key = (rsa.generate_private_key(public_exponent=65_537, key_size=2_048) for _ in range(2))
    (folder / "a.p12").write_bytes(packed(key, certificate(key, authority), PASSWORD))
    keys = server.folder / "var" / "keys"
    environment = {**os.environ, "WENYIN_KEYS_DIR": str(keys), "WENYIN_LOG_LEVEL": "debug"}
    said = []
    for given, code in ((f"{PASSWORD}x", 3), (PASSWORD, 0)):
        (folder / "password").write_text(given, "utf-8")
        line = ("keys", "import", str(folder / "a.p12"), "--password-file", str(folder / "password"))
        done = subprocess.run(
            [sys.executable, "-m", "service", *line], env=environment, capture_output=True, check=False
        )
        assert done.returncode == code, done.stderr
        said += [done.stdout, done.stderr]
    return [*said, *(path.read_bytes() for path in keys.rglob("*") if path.is_file())]


def abused(server: Server) -> list[bytes]:
    """Send what breaks rules of every kind, a person in each; return what is answered beyond the person's own field."""
    name = STRANGER.encode()
    label = json.loads((FIXTURES / "plaque-labels" / "minimal.json").read_bytes())["labels"][0]
    rows = [label, {**label, "attn": f"{STRANGER}\u0007"}, {**label, "phone": STRANGER * 9}]
    said = [
        server.post_json("/v1/batches/plaque-labels", rows),
        server.post_json(
            "/v1/batches/plaque-labels?on_error=skip", [*rows, 7], Accept="application/x-ndjson"
        ),
        server.ask("POST", "/v1/batches/plaque-labels", name, {"Content-Type": "text/csv"}),
        server.ask(
            "GET", "/metrics", headers={"Authorization": f"Bearer {STRANGER}".encode().decode("latin-1")}
        ),
        server.ask("GET", f"/{base64.b16encode(name).decode()}?{base64.b16encode(name).decode()}=1"),
        server.ask("POST", "/v1/documents/notice", name * 100, {"Content-Type": "application/json"}),
        server.upload("/v1/verify", f"{base64.b16encode(name).decode()}.pdf", b"%PDF-1.7 " + name),
        server.upload("/v1/verify", "a.docx", plain(STRANGER)),
        server.post_json("/v1/verify", {"token": STRANGER}),
        server.ask(
            "POST", "/fill/notice", b"title=" + name, {"Content-Type": "application/x-www-form-urlencoded"}
        ),
    ]
    assert {answer.status for answer in said} <= {200, 400, 401, 403, 404, 413, 415, 422}
    # No HTTP at all, and a header with a terminal's codes in it.
    for raw in (name + b"\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX-" + name + b": \x1b[31m\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), 60) as connection:
            connection.sendall(raw)
            with contextlib.suppress(OSError):
                while connection.recv(4_096):
                    pass
    return [json.dumps(dict(answer.headers)).encode() for answer in said]


def hurt(server: Server, body: bytes) -> None:
    """Kill converting children and an HTTP process while documents are being made."""
    over = threading.Event()

    def render() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                server.post_json("/v1/documents/notice", body)

    threads = [threading.Thread(target=render) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: children(server.process.pid), 60, "a child converts")
        kill(children(server.process.pid)[0])
        master = server.process.pid
        kill(next(pid for pid in _family(server) if pid != master and _is_http(pid)))
        wait_until(lambda: "SIGKILL" in server.log, 60, "gunicorn tells of its dead process")
    finally:
        over.set()
        for thread in threads:
            thread.join()
    wait_until(lambda: server.post_json("/v1/documents/notice", body).status == 200, 90, "all is well again")


def secrets_of(server: Server) -> list[bytes]:
    """Return what only the service may know, in the forms in which it might get out."""
    keys = server.folder / "var" / "keys"
    found = [TOKEN.encode()]
    for path in sorted(keys.glob("private/*.pem")):
        lines = path.read_bytes().splitlines()[1:-1]
        found += [max(lines, key=len), b"".join(lines)[40:80]]
    master = (keys / "master.key").read_bytes()
    found += [master, base64.b64encode(master).rstrip(b"="), master.hex().encode()]
    assert len(found) >= 8
    return found


def _is_http(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"\0serve\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _family(server: Server) -> list[int]:
    return [pid for pid in descendants(server.process.pid) if Path(f"/proc/{pid}/cmdline").exists()]


def seen_from_outside(server: Server) -> dict[str, list[bytes]]:
    """Return what another user of the machine, or a child that is taken over, could see."""
    lines, environments = [], []
    for pid in _family(server):
        with contextlib.suppress(OSError):
            lines.append(Path(f"/proc/{pid}/cmdline").read_bytes())
            if not _is_http(pid):
                environments.append(Path(f"/proc/{pid}/environ").read_bytes())
    files = [
        str(path).encode() + (path.read_bytes() if path.is_file() else b"")
        for path in (server.folder / "work").rglob("*")
    ]
    return {"command line": lines, "environment of a child": environments, "file": files}


def all_fixtures(server: Server) -> dict[str, list[bytes]]:
    left: dict[str, list[bytes]] = {"token": [], "verdict": [], "answer": [], "refusal": [], "public": []}
    for path in FILES:
        body = path.read_bytes()
        urls, said = urls_of(server, path.parent.name, body)
        left["answer"] += said
        for url in dict.fromkeys(urls):
            token = token_from_url(url)
            assert token
            left["token"] += [token, url.encode()]
        for url in urls[:2]:
            for accept in ("application/json", "text/html"):
                left["verdict"].append(server.get("/V/" + url.rpartition("/")[2], accept).body)
        if path.stem == "everything":
            for wrong in broken(json.loads(body)):
                refused = server.post_json(f"/v1/documents/{path.parent.name}", wrong)
                assert refused.status in (400, 422)
                left["refusal"].append(refused.body)
    kid = server.get("/.well-known/wenyin/jwks.json").json["keys"][0]["kid"]
    for name in ("jwks.json", "issuers.json", f"revoked/{kid}.json", f"revoked/{kid}.jws"):
        left["public"].append(server.get(f"/.well-known/wenyin/{name}").body)
    return left


@pytest.mark.fault("C11", "H5", "H7")
def test_no_person_and_no_secret_is_found_anywhere(
    tmp_path: Path, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = personal([json.loads(path.read_bytes()) for path in FILES])
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
    file = tmp_path / "apikeys.json"
    keys = [new_key(file, name, sorted(EVERYTHING.words), date(2026, 1, 1))[1] for name in ("desk", BEARER)]
    with (
        collector() as (url, traces),
        serving(
            tmp_path,
            converters="2",
            log_level="debug",
            metrics_token=TOKEN,
            api_keys=str(file),
            otlp_endpoint=url,
        ) as plain_server,
    ):
        server = Keyed(plain_server.port, plain_server.process, plain_server.folder, key=keys[0])

        def public() -> list[bytes]:
            return [
                server.ask("GET", address, headers=bearer if address == "/metrics" else {}).body
                for address in ADDRESSES
            ]

        # The description of the interface has examples of its own.
        said_before = b"\n".join(public())
        people = {text for text in people if text.encode() not in said_before} | {STRANGER, BEARER}
        left = all_fixtures(server)
        left["header"] = abused(server)
        shown, left["proof"] = proved(server, keys[1])
        # Before a process is killed that still holds some.
        wait_until(lambda: routes(traces) >= ROUTES, 60, "spans have come")
        hurt(server, (FIXTURES / "notice" / "everything.json").read_bytes())
        left["public"] += public()
        left |= seen_from_outside(server)
        left["certificate"] = imported(server, tmp_path)
        secrets = [*secrets_of(server), *shown, keys[0].partition(".")[2].encode(), PASSWORD.encode()]
        for folder in (tmp_path / "work").glob("instance-*"):
            assert folder.stat().st_mode & 0o77 == 0, folder
    left["trace"] = list(traces)
    left["log"] = [server.log.encode()]
    for line in server.log.splitlines():
        assert {"event", "level", "logger", "timestamp"} <= set(json.loads(line)), line
    left["left behind"] = [str(path).encode() for path in (tmp_path / "work").rglob("*")]
    left["state"] = [repr(services.converter.state()).encode()]
    assert len(people) > 100, "the fixtures hold people"
    for place, contents in left.items():
        assert contents, place
        whole = b"\n".join(contents)
        found = sorted(text for text in people if any(form in whole for form in forms(text)))
        assert found == [], (place, found)
        mine = [PASSWORD.encode()] if place == "certificate" else secrets
        assert [item for item in mine if item in whole] == [], place


def routes(traces: list[bytes]) -> set[str | int]:
    """Return the routes of all requests that a collector was told of."""
    return {attributes(span).get("http.route", "") for span in spans_in(traces)}
