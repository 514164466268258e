"""A template that puts the whole text into its code: what the paper, the file and a forger then get."""

import dataclasses
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from service.bootstrap import Services, open_services
from service.model import Deadline
from service.pdf import render_pages
from service.pipeline.lint import lint_template
from service.settings import Settings
from service.verification import decode_symbols, token_from_url, verify_url
from service.web.app import create_app
from tests.conftest import FIXTURES, PUBLIC_URL, ROOT
from tests.web.test_verify import edited

pytestmark = pytest.mark.libreoffice
MINIMAL = (FIXTURES / "notice" / "minimal.json").read_bytes()
SAMPLE = (ROOT / "templates/docx/notice/sample.json").read_bytes()
SENTENCE = "自2026年7月1日起，值班电话改为010-0000-0000。"
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def house(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The notice twice: with the whole text in the code, and with it where there is room."""
    folder = tmp_path_factory.mktemp("full-text")
    for name, value in (("notice", "true"), ("roomy", '"optional"')):
        copied = folder / "templates" / name
        shutil.copytree(ROOT / "templates/docx/notice", copied)
        manifest = copied / "template.toml"
        said = manifest.read_text("utf-8").replace("[verify]", f"[verify]\nfull_text = {value}", 1)
        manifest.write_text(said, "utf-8")
    own = settings.model_copy(
        update={
            "templates_dir": folder / "templates",
            "state_dir": folder / "var",
            "work_dir": folder / "work",
        }
    )
    with open_services(own) as made:
        yield made


@pytest.fixture(scope="module")
def client(house: Services) -> FlaskClient:
    return create_app(house).test_client()


@pytest.fixture(scope="module")
def genuine(client: FlaskClient) -> dict[str, bytes]:
    answer = client.post("/v1/documents/notice?format=bundle", data=MINIMAL, content_type="application/json")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        files = {name.rpartition(".")[2]: archive.read(name) for name in archive.namelist()}
    return {**files, "url": answer.headers["X-Verify-Url"].encode()}


def judged(client: FlaskClient, content: bytes, name: str = "a.pdf", page: bool = False) -> Any:
    upload = {"file": (io.BytesIO(content), name)}
    if page:
        return client.post("/verify", data=upload, headers=HTML).get_data(as_text=True)
    return reply(client.post("/v1/verify", data=upload))


def reply(answer: TestResponse) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.data)
    return found


def changes(verdict: dict[str, Any]) -> list[tuple[str, str]]:
    return [(span["kind"], span["text"]) for span in verdict["differences"] if span["kind"] != "same"]


def test_code_on_the_page_tells_the_whole_text(client: FlaskClient, genuine: dict[str, bytes]) -> None:
    (read,) = decode_symbols(next(iter(render_pages(genuine["pdf"], 200))))
    assert read.encode() == genuine["url"]
    path = "/V/" + read.rpartition("/")[2]
    verdict = reply(client.get(path, headers={"Accept": "application/json"}))
    assert verdict["verdict"] == "CLAIMS_ONLY"
    assert SENTENCE in verdict["authenticated_text"].replace("\n", "").replace(" ", "")
    page = client.get(path, headers=HTML).get_data(as_text=True)
    assert all(line in page for line in verdict["authenticated_text"].splitlines())
    assert "签发时的文字（请与纸面逐行核对）" in page
    assert "请逐项与纸面核对</h2>" in page


def test_files_as_they_were_issued_keep_their_verdicts(
    client: FlaskClient, genuine: dict[str, bytes]
) -> None:
    for kind, code in (("pdf", "EXACT"), ("docx", "TEXT_MATCH")):
        verdict = judged(client, genuine[kind], f"a.{kind}")
        assert (verdict["verdict"], verdict.get("differences")) == (code, None)


def test_changed_sentence_is_marked_in_either_form(
    house: Services, client: FlaskClient, genuine: dict[str, bytes], tmp_path: Path
) -> None:
    forged = edited(genuine["docx"], "7月1日", "8月1日")
    pdf = house.converter.convert(forged, Deadline.after(120))
    verdict = judged(client, pdf)
    assert verdict["verdict"] == "ALTERED"
    assert changes(verdict) == [("removed", "7"), ("added", "8")]
    signed = "".join(span["text"] for span in verdict["differences"] if span["kind"] != "added")
    assert signed == verdict["authenticated_text"]
    page = judged(client, pdf, page=True)
    for mark in (
        '<del class="gone"><span class="mark">删</span>',
        '<ins class="new"><span class="mark">添</span>',
    ):
        assert mark in page
    assert "文件与签发时的文字不同之处" in page
    word = judged(client, forged, "a.docx")
    assert word["verdict"] == "ALTERED"
    assert {("removed", "7"), ("added", "8")} <= set(changes(word))
    assert "文本框" in word["message"]


def test_code_on_another_document_shows_what_it_was_made_for(
    house: Services, client: FlaskClient, genuine: dict[str, bytes]
) -> None:
    forged = edited(genuine["docx"], SENTENCE, "经研究决定，" + "给予全体人员一次性奖励。" * 12)
    verdict = judged(client, house.converter.convert(forged, Deadline.after(120)))
    assert (verdict["verdict"], verdict.get("differences")) == ("ALTERED", None)
    assert "值班电话" in verdict["authenticated_text"]


def test_token_with_another_text_is_none_of_ours(client: FlaskClient, genuine: dict[str, bytes]) -> None:
    token = token_from_url(genuine["url"].decode())
    assert token
    for place in range(len(token) - 120, len(token) - 70, 7):
        changed = token[:place] + bytes([token[place] ^ 1]) + token[place + 1 :]
        answer = reply(client.post("/v1/verify", json={"token": verify_url(PUBLIC_URL, changed)}))
        assert answer["verdict"] == "BAD_TOKEN"
        assert "authenticated_text" not in answer


def test_text_without_room_is_refused_or_left_out_with_a_warning(client: FlaskClient) -> None:
    refused = client.post("/v1/documents/notice", data=SAMPLE, content_type="application/json")
    assert refused.status_code == 422
    assert reply(refused)["type"].endswith("qr-too-dense")
    assert "放不进 30 毫米见方的二维码" in reply(refused)["detail"]
    left = client.post("/v1/documents/roomy?format=bundle", data=SAMPLE, content_type="application/json")
    assert left.status_code == 200
    with zipfile.ZipFile(io.BytesIO(left.data)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    assert [text for text in manifest["warnings"] if text == "二维码容量有限，未写入：全文。"]


def test_lint_warns_that_the_text_becomes_public(house: Services) -> None:
    spec = house.renderer.catalog.get("notice")
    findings = [finding for finding in lint_template(spec) if "full_text" in finding.message]
    assert [(finding.severity, finding.place) for finding in findings] == [("warning", "template.toml")]
    quiet = dataclasses.replace(spec, verify=dataclasses.replace(spec.verify, full_text=False))
    assert [finding for finding in lint_template(quiet) if "full_text" in finding.message] == []
