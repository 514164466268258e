"""The guide for template owners, followed word for word with a template that was made in LibreOffice Writer."""

import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docx
import pdfplumber
import pytest

from service.model import VerdictCode
from service.verification import decode_symbols
from tests.conftest import ROOT
from tests.pages import blocks, page_text, script
from tests.serving import Server, serving

pytestmark = pytest.mark.libreoffice
PAGE = "docs/template-guide.md"
GUIDE = page_text(PAGE)
MADE = ROOT / "tests/data/made-in-writer"
FOLDER = "my-templates/volunteer-proof"
ADDRESS = "127.0.0.1:8000"
FILES = ("template.docx", "template.toml", "schema.json", "sample.json")


def texts(kind: str) -> list[str]:
    return [block.text for block in blocks(PAGE) if block.kind == kind]


def test_what_the_guide_says_to_type_is_what_was_typed() -> None:
    assert texts("toml") == [(MADE / "template.toml").read_text("utf-8")]
    assert texts("json") == [(MADE / name).read_text("utf-8") for name in ("schema.json", "sample.json")]
    opened = docx.Document(str(MADE / "template.docx"))
    typed = {paragraph.text.strip() for paragraph in opened.paragraphs} - {""}
    typed |= {cell.text for row in opened.tables[0].rows for cell in row.cells} - {""}
    shown = GUIDE.replace("\\|", "|")
    assert [text for text in typed if text not in shown] == []
    assert (
        "LibreOffice/25"
        in opened.part.package.part_related_by(
            "http://schemas.openxmlformats.org/officeDocument/2006/relationships/extended-properties"
        ).blob.decode()
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like the checkout."""
    folder = tmp_path_factory.mktemp("guide")
    for name in ("templates", "service", ".venv", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Server]:
    """The last chapter's service; the folder of templates is there by then."""
    shutil.copytree(
        MADE, place / "served" / "volunteer-proof", ignore=shutil.ignore_patterns("*.md", "*.bas")
    )
    with serving(place, templates_dir=str(place / "served")) as running:
        yield running


def test_every_command_of_the_guide_works_in_its_order(place: Path, server: Server) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WENYIN_")}
    environment |= {f"WENYIN_{key.upper()}": value for key, value in server.environment.items()}
    del environment["WENYIN_TEMPLATES_DIR"]
    lines = script(PAGE).splitlines()
    outputs = {}
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", line.replace(ADDRESS, f"127.0.0.1:{server.port}")],
            cwd=place,
            env=environment,
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, (line, done.stderr.decode())
        outputs[line] = done.stdout.decode()
        if line.startswith("cp -r"):
            # What a person does by hand in chapters 3 to 6.
            for name in FILES:
                shutil.copyfile(MADE / name, place / FOLDER / name)
    assert outputs[f".venv/bin/wenyin templates lint {FOLDER}"] == "通过\tvolunteer-proof\n"
    verdict = json.loads(next(text for line, text in outputs.items() if " verify " in line))
    assert verdict["verdict"] == VerdictCode.EXACT
    assert verdict["claims"]["type"] == "志愿服务证明"
    assert {"caption": "姓名", "value": "欧阳䶮"} in verdict["claims"]["facts"]
    assert (place / "placeholder.png").read_bytes() in _pictures(place / FOLDER / "template.docx")
    _is_the_page_that_was_meant((place / "proof.pdf").read_bytes())
    _is_the_page_that_was_meant((place / "served.pdf").read_bytes())
    judged = server.upload("/v1/verify", "served.pdf", (place / "served.pdf").read_bytes()).json
    assert (judged["verdict"], judged["claims"]["type"]) == ("EXACT", "志愿服务证明")


def _pictures(path: Path) -> list[bytes]:
    package = docx.Document(str(path)).part.package
    return [part.blob for part in package.iter_parts() if part.partname.endswith(".png")]


def _is_the_page_that_was_meant(pdf: bytes) -> None:
    with pdfplumber.open(io.BytesIO(pdf)) as opened:
        (page,) = opened.pages
        text = "".join(page.extract_text().split())
        for words in (
            "志愿服务证明",
            "欧阳䶮（云州市示例中学）：",
            "2026年7月18日",
            "合计服务12小时。",
            "2026年8月3日",
        ):
            assert words in text
        assert "{" not in text
        faces = {char["fontname"].split("+")[-1] for char in page.chars}
        assert any(face.startswith("FandolFang") for face in faces), faces
        (code,) = page.images
        assert code["x1"] - code["x0"] == pytest.approx(30 / 25.4 * 72, abs=1)
        assert code["x0"] == pytest.approx(155 / 25.4 * 72, abs=2)
        assert code["top"] == pytest.approx(6 / 25.4 * 72, abs=2)
        picture = page.to_image(resolution=300).original.convert("L")
        assert any("/V/" in found for found in decode_symbols(picture))
