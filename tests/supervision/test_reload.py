"""Templates and fonts change while the service runs: nobody notices but by what they get."""

import re
import shutil
import signal
import threading
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

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
