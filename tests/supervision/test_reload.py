"""Templates and fonts change while the service runs: nobody notices but by what they get."""

import hashlib
import io
import json
import re
import shutil
import signal
import threading
import tomllib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from service.archive import write_docx
from service.isolation.process import descendants
from tests.engines import zygotes
from tests.serving import Server, serving, wait_until

pytestmark = pytest.mark.libreoffice

SHIPPED = Path(__file__).parents[2] / "templates" / "docx"
SAMPLE = "/v1/templates/commendation/sample"
DOCUMENT = "/v1/documents/commendation"


def change_version(folder: Path) -> int:
    manifest = folder / "commendation" / "template.toml"
    text = manifest.read_text(encoding="utf-8")
    changed = re.sub(r"(?m)^version = (\d+)$", lambda found: f"version = {int(found[1]) + 7}", text)
    assert changed != text
    manifest.write_text(changed, encoding="utf-8")
    return int(tomllib.loads(changed)["version"])


def version(server: Server) -> int:
    return int(server.get("/v1/templates/commendation").json["version"])


@pytest.mark.fault("T16")
@pytest.mark.parametrize("by_signal", [True, False])
def test_changed_template_is_served_and_no_request_is_lost(tmp_path: Path, by_signal: bool) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(SHIPPED, folder)
    over = threading.Event()
    watch_s = "0" if by_signal else "0.5"
    with serving(tmp_path, templates_dir=str(folder), watch_s=watch_s, workers="1") as server:
        sample = server.get(SAMPLE).body
        before = set(zygotes(server.process.pid))

        def render() -> set[int]:
            seen = set()
            while not over.is_set():
                seen.add(server.post_json(DOCUMENT, sample).status)
            return seen

        with ThreadPoolExecutor(1) as pool:
            rendering = pool.submit(render)
            try:
                wanted = change_version(folder)
                if by_signal:
                    server.process.send_signal(signal.SIGHUP)
                wait_until(lambda: version(server) == wanted, 60, "the new template is served")
                wait_until(
                    lambda: not before & set(descendants(server.process.pid)), 60, "LibreOffice is new"
                )
            finally:
                over.set()
            assert rendering.result() == {200}
        assert server.post_json(DOCUMENT, sample).status == 200


def edition(source: Path, mark: str) -> dict[str, bytes]:
    """Return the files of a template each of which says which edition it is of."""
    files = {path.name: path.read_bytes() for path in source.iterdir()}
    with zipfile.ZipFile(io.BytesIO(files["template.docx"])) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    core, marked = "docProps/core.xml", f"<dc:description>{mark}</dc:description></cp:coreProperties>"
    parts[core] = parts[core].replace(b"</cp:coreProperties>", marked.encode())
    schema = json.loads(files["schema.json"])
    schema["description"] = mark
    toml = re.sub(r"(?m)^file_name = .*\n", "", files["template.toml"].decode())
    return {
        **files,
        "template.docx": write_docx(parts),
        "schema.json": json.dumps(schema, ensure_ascii=False).encode(),
        "template.toml": f'file_name = "{mark}"\n{toml}'.encode(),
    }


def digest_of(files: dict[str, bytes]) -> str:
    parts = (files[name] for name in ("template.docx", "template.toml", "schema.json"))
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def editions_of(server: Server, sample: bytes) -> tuple[str, str, str]:
    """Return the edition of a document's docx, of its name, and the digest of its template."""
    answer = server.post_json(f"{DOCUMENT}?format=bundle", sample)
    assert answer.status == 200, answer.body
    with zipfile.ZipFile(io.BytesIO(answer.body)) as bundle:
        manifest = json.loads(bundle.read("manifest.json"))
        (docx,) = (name for name in bundle.namelist() if name.endswith(".docx"))
        with zipfile.ZipFile(io.BytesIO(bundle.read(docx))) as archive:
            core = archive.read("docProps/core.xml").decode()
    description = re.search(r"<dc:description>(.*?)</dc:description>", core)
    assert description
    return description[1], docx.removesuffix(".docx"), manifest["template"]["sha256"]


@pytest.mark.fault("T16")
def test_no_document_is_of_two_editions_of_a_template(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    target = folder / "commendation"
    editions = {mark: edition(SHIPPED / "commendation", mark) for mark in ("first", "second", "third")}
    whole = {(mark, mark, digest_of(files)) for mark, files in editions.items()}
    target.mkdir(parents=True)
    for name, content in editions["first"].items():
        (target / name).write_bytes(content)
    seen: set[tuple[str, str, str]] = set()
    over = threading.Event()
    # Longer than any two files of one copying lie apart, however slow the machine.
    with serving(tmp_path, templates_dir=str(folder), watch_s="8", workers="1", converters="1") as server:
        sample = server.get(SAMPLE).body

        def render() -> None:
            while not over.is_set():
                seen.add(editions_of(server, sample))

        def is_served(mark: str) -> bool:
            return rendering.done() or (mark, mark, digest_of(editions[mark])) in seen

        with ThreadPoolExecutor(1) as pool:
            rendering = pool.submit(render)
            try:
                wait_until(lambda: is_served("first"), 120, "documents are made")
                for mark in ("second", "third"):
                    for name, content in editions[mark].items():
                        (target / name).write_bytes(content)
                        server.process.send_signal(signal.SIGHUP)
                        over.wait(1)
                    wait_until(partial(is_served, mark), 120, f"the {mark} edition is served")
            finally:
                over.set()
            rendering.result()
        assert seen == whole
        schema = server.get("/v1/templates/commendation/schema").json
        assert schema["description"] == "third"


@pytest.mark.fault("T1")
def test_broken_template_is_left_out_and_the_others_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    shutil.copytree(SHIPPED, folder)
    with serving(tmp_path, templates_dir=str(folder), watch_s="0.5", workers="1") as server:
        sample = server.get(SAMPLE).body
        (folder / "notice" / "template.docx").write_bytes(b"PK broken")
        wait_until(lambda: server.get("/v1/templates/notice").status == 404, 60, "it is left out")
        assert server.post_json(DOCUMENT, sample).status == 200
        # Nothing at all to serve: what was loaded stays.
        shutil.move(folder, tmp_path / "gone")
        wait_until(lambda: "重新载入失败" in server.log, 60, "the fault is said")
        assert server.post_json(DOCUMENT, sample).status == 200
