"""Every fixture through a real service, and then everywhere that it leaves something: no person is found."""

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.bootstrap import Services
from service.isolation.process import descendants
from service.verification import token_from_url
from tests.conftest import FIXTURES
from tests.serving import Server, serving

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


def test_no_person_is_found_anywhere(tmp_path: Path, services: Services) -> None:
    people = personal([json.loads(path.read_bytes()) for path in FILES])
    left: dict[str, list[bytes]] = {"token": [], "verdict": [], "answer": [], "refusal": [], "public": []}
    with serving(tmp_path, converters="2", log_level="debug") as server:
        # The description of the interface has examples of its own.
        said_before = b"\n".join(server.get(address).body for address in ADDRESSES)
        people = {text for text in people if text.encode() not in said_before}
        for path in FILES:
            body = path.read_bytes()
            request = json.loads(body)
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
                for wrong in broken(request):
                    refused = server.post_json(f"/v1/documents/{path.parent.name}", wrong)
                    assert refused.status in (400, 422)
                    left["refusal"].append(refused.body)
        kid = server.get("/.well-known/wenyin/jwks.json").json["keys"][0]["kid"]
        for name in ("jwks.json", "issuers.json", f"revoked/{kid}.json", f"revoked/{kid}.jws"):
            left["public"].append(server.get(f"/.well-known/wenyin/{name}").body)
        left["public"] += [server.get(address).body for address in ADDRESSES]
        left["file"] = [
            str(path).encode() + (path.read_bytes() if path.is_file() else b"")
            for path in (tmp_path / "work").rglob("*")
        ]
        left["log"] = [server.log.encode()]
        left["command line"] = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in _family(server)]
    left["state"] = [repr(services.converter.state()).encode()]
    assert len(people) > 100, "the fixtures hold people"
    for place, contents in left.items():
        assert contents, place
        whole = b"\n".join(contents)
        found = sorted(text for text in people if any(form in whole for form in forms(text)))
        assert found == [], (place, found)


def _family(server: Server) -> list[int]:
    return [pid for pid in descendants(server.process.pid) if Path(f"/proc/{pid}/cmdline").exists()]
