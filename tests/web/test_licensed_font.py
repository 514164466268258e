"""A font of the operator's own, dropped into a folder: pages are drawn by it, and every report says so."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fontTools import subset
from fontTools.ttLib import TTFont

from service.fonts import default_font_dirs, scan_fonts
from service.fonts.scan import best_face
from tests.conftest import FIXTURES
from tests.glyphs import drawn_characters
from tests.serving import serving

pytestmark = pytest.mark.libreoffice

FACE = "LicensedFangSong"
TEXT = "会议定于上午召开，请各单位准时参加。"
LACKED = "展镕"  # the first is in the next face of the chain, the second in one far down


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the glyphs of a real face under the name of the official one."""
    face = best_face("FandolKai", scan_fonts(default_font_dirs()))
    assert face
    font = TTFont(face.path)
    wanted = subset.Subsetter()
    wanted.populate(text=TEXT)
    wanted.subset(font)
    names = font["name"]
    names.names = []
    for language, family in ((0x409, "FangSong_GB2312"), (0x804, "仿宋_GB2312")):
        names.setName(family, 1, 3, 1, language)
        names.setName("Regular", 2, 3, 1, language)
        names.setName(family, 4, 3, 1, language)
    names.setName(FACE, 6, 3, 1, 0x409)
    font["CFF "].cff.fontNames = [FACE]
    made = tmp_path_factory.mktemp("字体 & 授权")
    font.save(made / "fangsong.otf")
    return made


@pytest.mark.fault("T14")
def test_licensed_font_draws_the_page_and_the_log_says_so(folder: Path, tmp_path: Path) -> None:
    data = json.loads((FIXTURES / "notice" / "minimal.json").read_bytes())
    data["body"] = [{"level": 0, "text": TEXT + LACKED}]
    with serving(tmp_path, font_dir=str(folder), converters="1") as server:
        answer = server.post_json("/v1/documents/notice", data)
        assert answer.status == 200, answer.body
        log = server.log
    drawn = drawn_characters(answer.body)
    shown = "".join(item.char for item in drawn)
    start = shown.index(TEXT + LACKED)
    faces = [item.face for item in drawn[start : start + len(TEXT + LACKED)]]
    assert set(faces[: len(TEXT)]) == {FACE}
    assert faces[len(TEXT) :] == ["FandolFang-Regular", "LXGWWenKai-Light"]
    assert f"仿宋_GB2312：正式字体 仿宋_GB2312（{folder / 'fangsong.otf'}）" in log
    assert "楷体_GB2312：以 FandolKai 替代" in log


@pytest.mark.fault("T14")
def test_doctor_says_what_stands_in_for_what(folder: Path, tmp_path: Path) -> None:
    settings = {"WENYIN_FONT_DIR": str(folder), "WENYIN_STATE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "service", "doctor"],
        env=os.environ | settings | {"WENYIN_WORK_DIR": str(tmp_path / "work")},
        capture_output=True,
        timeout=120,
        check=False,
    )
    report = done.stdout.decode()
    assert done.returncode == 0, report
    assert f"仿宋_GB2312：正式字体 仿宋_GB2312（{folder / 'fangsong.otf'}）" in report
    for name, family in (
        ("黑体", "Noto Sans CJK SC"),
        ("楷体_GB2312", "FandolKai"),
        ("宋体", "Noto Serif CJK SC"),
    ):
        assert f"{name}：以 {family} 替代" in report
