"""A service that asks who calls and has no key to sign with: its pages show, and say what cannot be done."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from urllib.parse import urlencode

import pytest

from service.access import new_key
from service.verification import KeyStatus, add_issuer, rotate_key, set_key_status
from tests.conftest import FIXTURES
from tests.serving import Answer, Server, serving

pytestmark = pytest.mark.libreoffice
MINIMAL = (FIXTURES / "notice" / "minimal.json").read_bytes()
TODAY = date(2026, 1, 1)
PAGES = ("/", "/fill/notice", "/fill/notice?sample=1", "/upload/notice", "/batch/notice", "/docs/")
NOTICED = PAGES[:-1]
CANNOT = "现在不能生成文件，请联系管理员"


class Scene:
    """A running service, its key folder, and two of its callers."""

    def __init__(self, server: Server, keys: Path, callers: dict[str, str]) -> None:
        self.server, self.keys, self.callers = server, keys, callers

    def ask(self, method: str, path: str, body: bytes | None = None, who: str = "own", **more: str) -> Answer:
        bearer = {"Authorization": f"Bearer {self.callers[who]}"}
        return self.server.ask(method, path, body, {"Accept": "*/*", **bearer, **more})

    def kid(self) -> str:
        kid: str = json.loads((self.keys / "keys.json").read_bytes())["keys"][-1]["kid"]
        return kid


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("unsigned")
    keys = folder / "keys"
    add_issuer(keys, "office", "示例市科学技术协会")
    file = folder / "apikeys.json"
    callers = {
        name: new_key(file, name, ["template:*", f"issuer:{issuer}", "batch"], TODAY)[1]
        for name, issuer in (("own", "office"), ("any", "*"), ("other", "another"))
    }
    with serving(folder, soffice="/nothing", api_keys=str(file), keys_dir=str(keys), workers="1") as server:
        yield Scene(server, keys, callers)


def expire(scene: Scene) -> None:
    path = scene.keys / "keys.json"
    data = json.loads(path.read_bytes())
    for record in data["keys"]:
        record |= {"not_before": "2019-01-01", "not_after": "2020-01-01"}
    path.write_text(json.dumps(data), "utf-8")


def declare(scene: Scene) -> None:
    set_key_status(scene.keys, scene.kid(), KeyStatus.COMPROMISED)


def lose(scene: Scene) -> None:
    path = scene.keys / "keys.json"
    path.write_text(json.dumps({"keys": []}), "utf-8")


def crowd(scene: Scene) -> None:
    add_issuer(scene.keys, "another", "云州市科学技术促进会")


@pytest.fixture(params=[expire, declare, lose, crowd])
def without(request: pytest.FixtureRequest, scene: Scene, tmp_path: Path) -> Iterator[str]:
    """Take the key away, and put everything back."""
    saved = shutil.copytree(scene.keys, tmp_path / "saved")
    spoil: Callable[[Scene], None] = request.param
    spoil(scene)
    yield spoil.__name__
    shutil.rmtree(scene.keys / "private")
    shutil.copytree(saved, scene.keys, dirs_exist_ok=True)
    assert scene.ask("POST", "/v1/documents/notice?format=docx", MINIMAL, **JSON).status == 200


JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}


def test_pages_show_and_say_what_cannot_be_done(scene: Scene, without: str) -> None:
    # Among several issuers of which none was chosen, nobody's own is meant.
    who = "any" if without == "crowd" else "own"
    reason = "有多个签发者（office、another）" if without == "crowd" else "没有可用的签名密钥"
    ready = scene.ask("GET", "/readyz")
    assert (ready.status, reason in ready.json["message"]) == (503, True), ready.json
    for path in PAGES:
        page = scene.ask("GET", path, who=who, Accept="text/html")
        assert page.status == 200, (path, page.body.decode())
        said = page.body.decode()
        assert (CANNOT in said, reason in said) == (path in NOTICED, path in NOTICED), path
    described = scene.ask("GET", "/openapi.json", who=who)
    assert described.status == 200
    asked = described.json["paths"]["/v1/documents/notice"]["post"]["security"][0]["key"]
    assert asked == ["template:notice", "issuer:*" if without == "crowd" else "issuer:office"]
    # What was typed in is not lost, and the reason stands above it.
    typed = urlencode({"data": MINIMAL.decode(), "do": "docx"}).encode()
    kept = scene.ask("POST", "/fill/notice", typed, who, **FORM)
    assert kept.status == 500
    assert "所填内容都还在" in kept.body.decode()
    assert reason in kept.body.decode()
    assert "关于调整值班电话的通知" in kept.body.decode()
    told = scene.ask("POST", "/v1/documents/notice?format=docx", MINIMAL, who, **JSON)
    assert (told.status, told.json["type"]) == (500, "urn:wenyin:problem:config-error")
    assert reason in told.json["detail"]
    # Who may not make anything in this name still may not.
    for path in ("/fill/notice", "/batch/notice"):
        assert scene.ask("GET", path, who="other", Accept="application/json").status == 403


def test_a_new_key_takes_the_notice_away_at_once(scene: Scene) -> None:
    declare(scene)
    assert CANNOT in scene.ask("GET", "/fill/notice", Accept="text/html").body.decode()
    rotate_key(scene.keys, "office")
    page = scene.ask("GET", "/fill/notice", Accept="text/html").body.decode()
    assert CANNOT not in page
    assert re.search(r"<h1>填写通知", page)
    assert scene.ask("POST", "/v1/documents/notice?format=docx", MINIMAL, **JSON).status == 200
