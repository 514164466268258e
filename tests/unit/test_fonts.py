"""Fonts: the fontconfig file asked of the real fontconfig, the report, and the coverage."""

import os
import subprocess
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from service.fonts import (
    OFFICIAL,
    TAIL,
    FaceTable,
    FontFace,
    default_font_dirs,
    fontconfig_xml,
    inspect_fonts,
    scan_fonts,
)
from service.fonts.scan import best_face, code_points

RARE = "䶮㛃𬀩𬬭𫖯𫍯𬭚𣗋堃喆甪垚翀镕瑢𠮷〇鿭"
PUNCTUATION = "，。、；：？！“”‘’（）《》〈〉【】〔〕「」『』—…·～％℃√×①㎡★☆■□●○〓 \u3000"


def coverage(faces: tuple[FontFace, ...]) -> set[int]:
    table = FaceTable(faces)
    return {code for code in range(0x40000) if table.has_glyph(chr(code))}


@pytest.fixture(scope="module")
def faces() -> tuple[FontFace, ...]:
    return scan_fonts(default_font_dirs())


def make_font(path: Path, family: str, text: str) -> Path:
    glyph = TTGlyphPen(None)
    glyph.moveTo((0, 0))
    glyph.lineTo((500, 700))
    glyph.lineTo((900, 0))
    glyph.closePath()
    names = [".notdef", *(f"uni{ord(char):04X}" for char in text)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(char): f"uni{ord(char):04X}" for char in text})
    builder.setupGlyf(dict.fromkeys(names, glyph.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2(usWeightClass=400)
    builder.setupPost()
    builder.save(path)
    return path


class Fontconfig:
    """Asks the real fontconfig, with nothing but our file."""

    def __init__(self, folder: Path, font_dirs: tuple[Path, ...], licensed: Path | None = None) -> None:
        self._file = folder / "fonts.conf"
        self._file.write_text(fontconfig_xml(font_dirs, licensed, folder / "cache"), encoding="utf-8")

    def match(self, pattern: str, *, every: bool = True) -> list[str]:
        command = ["fc-match", *(["-s"] if every else []), "-f", "%{family[0]}|%{weight}\n", pattern]
        environment = {"FONTCONFIG_FILE": str(self._file), "PATH": os.environ["PATH"]}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout.splitlines()

    def families(self, pattern: str) -> list[str]:
        return list(dict.fromkeys(line.split("|")[0] for line in self.match(pattern)))


@pytest.fixture(scope="module")
def fontconfig(tmp_path_factory: pytest.TempPathFactory) -> Fontconfig:
    return Fontconfig(tmp_path_factory.mktemp("fontconfig"), default_font_dirs())


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("仿宋_GB2312", ["FandolFang", "LXGW WenKai", "Noto Serif CJK SC", "HanaMinA", "HanaMinB"]),
        ("FangSong", ["FandolFang", "LXGW WenKai", "Noto Serif CJK SC", "HanaMinA", "HanaMinB"]),
        ("楷体_GB2312", ["FandolKai", "LXGW WenKai", "Noto Serif CJK SC", "HanaMinA", "HanaMinB"]),
        ("黑体", ["Noto Sans CJK SC", "HanaMinA", "HanaMinB", "LXGW WenKai"]),
        ("宋体", ["Noto Serif CJK SC", "HanaMinA", "HanaMinB", "LXGW WenKai"]),
        ("方正小标宋简体", ["Noto Serif CJK SC", "HanaMinA", "HanaMinB", "LXGW WenKai"]),
        ("Times New Roman", ["Liberation Serif", "Noto Serif CJK SC", "HanaMinA", "HanaMinB"]),
        ("Arial", ["Liberation Sans", "Noto Sans CJK SC"]),
        ("从未听说的字体", ["Noto Serif CJK SC", "HanaMinA", "HanaMinB", "LXGW WenKai"]),
    ],
)
def test_faces_stand_in_in_order(fontconfig: Fontconfig, name: str, first: list[str]) -> None:
    # Others may stand between them: fontconfig leaves out those that add no character, by version.
    families = fontconfig.families(f"{name}:lang=zh-cn")
    assert families[0] == first[0]
    assert [family for family in families if family in first][: len(first)] == first


@pytest.mark.parametrize("variant", [name for chain in OFFICIAL for name in chain.names])
def test_every_variant_gets_the_first_stand_in(fontconfig: Fontconfig, variant: str) -> None:
    chain = next(chain for chain in OFFICIAL if variant in chain.names)
    expected = chain.free[1] if chain.free[0] == "Zhuque Fangsong" else chain.free[0]
    escaped = variant.replace("-", r"\-")
    assert fontconfig.match(f"{escaped}:lang=zh-cn", every=False)[0].startswith(expected + "|")


def test_small_title_song_is_bold_and_the_others_are_not(fontconfig: Fontconfig) -> None:
    assert fontconfig.match("方正小标宋简体", every=False) == ["Noto Serif CJK SC|200"]
    assert fontconfig.match("宋体", every=False) == ["Noto Serif CJK SC|80"]
    assert fontconfig.match("宋体:bold", every=False) == ["Noto Serif CJK SC|200"]


@pytest.mark.parametrize("code", [0x4E2D, 0x4DAE, 0x2B413, 0x3406, 0x9FEB, 0x20001])
def test_a_lacking_glyph_comes_from_the_next_face(fontconfig: Fontconfig, code: int) -> None:
    # Which face has a character depends on the fonts' versions; the order must not.
    chain = next(chain for chain in OFFICIAL if chain.name == "仿宋_GB2312")
    faces = scan_fonts(default_font_dirs())
    holders = [
        family
        for family in chain.free
        if any(code in code_points(face) for face in faces if family in face.families)
    ]
    found = fontconfig.families(f"仿宋_GB2312:lang=zh-cn:charset={code:x}")[0]
    assert found == holders[0].removesuffix(" Light")


def test_licensed_font_wins_and_is_not_emboldened(tmp_path: Path) -> None:
    licensed = tmp_path / "持证 & 字体"
    licensed.mkdir()
    make_font(licensed / "a.ttf", "方正小标宋简体", "中国")
    make_font(licensed / "b.ttf", "FangSong", "中国")
    bold = "<const>bold</const>"
    assert bold in fontconfig_xml(default_font_dirs(), None, tmp_path)
    assert bold not in fontconfig_xml(default_font_dirs(), licensed, tmp_path)
    asked = Fontconfig(tmp_path, default_font_dirs(), licensed)
    assert asked.match("方正小标宋简体:lang=zh-cn", every=False) == ["方正小标宋简体|80"]
    assert asked.families("仿宋_GB2312:lang=zh-cn")[:2] == ["FangSong", "FandolFang"]
    assert asked.families("仿宋_GB2312:charset=4e00")[0] == "FandolFang"
    reports = {report.name: report for report in inspect_fonts(scan_fonts([licensed, *default_font_dirs()]))}
    assert reports["方正小标宋简体"].real
    assert reports["仿宋_GB2312"].path == licensed / "b.ttf"
    assert "正式字体 FangSong" in reports["仿宋_GB2312"].message
    assert not reports["黑体"].real


def test_names_of_faces_are_known_unless_a_licensed_one_has_none(
    tmp_path: Path, faces: tuple[FontFace, ...]
) -> None:
    names = FaceTable(faces).postscript_names(["Noto Sans CJK JP"])
    assert {"FandolFang-Regular", "NotoSerifCJKsc-Bold", "NotoSansCJKjp-Regular"} <= names
    assert "NotoSansCJKjp-Regular" not in FaceTable(faces).postscript_names([])
    make_font(tmp_path / "b.ttf", "FangSong", "中国")
    assert FaceTable(scan_fonts([tmp_path, *default_font_dirs()])).postscript_names([]) == frozenset()


def test_zhuque_goes_before_fandol(tmp_path: Path) -> None:
    licensed = tmp_path / "licensed"
    licensed.mkdir()
    make_font(licensed / "z.ttf", "Zhuque Fangsong", "中国")
    asked = Fontconfig(tmp_path, default_font_dirs(), licensed)
    assert asked.families("仿宋_GB2312:lang=zh-cn")[0] == "Zhuque Fangsong"
    report = inspect_fonts(scan_fonts([licensed, *default_font_dirs()]))[1]
    assert (report.family, report.real, report.degraded) == ("Zhuque Fangsong", False, False)


def test_without_fandol_fangsong_degrades_to_wenkai_light(tmp_path: Path) -> None:
    folders = tuple(folder for folder in default_font_dirs() if folder.name != "fandol")
    assert Fontconfig(tmp_path, folders).match("仿宋_GB2312:lang=zh-cn", every=False) == ["LXGW WenKai|50"]
    report = inspect_fonts(scan_fonts(folders))[1]
    assert (report.family, report.degraded) == ("LXGW WenKai Light", True)
    assert report.missing == ("FandolFang",)


def test_report_names_face_and_file_of_each_official_font(faces: tuple[FontFace, ...]) -> None:
    reports = inspect_fonts(faces)
    assert [report.name for report in reports] == [
        "方正小标宋简体",
        "仿宋_GB2312",
        "黑体",
        "楷体_GB2312",
        "宋体",
        "Times New Roman",
    ]
    assert not any(report.real or report.degraded or report.missing for report in reports)
    paths = [report.path.name for report in reports if report.path]
    assert paths[:2] == ["NotoSerifCJK-Bold.ttc", "FandolFang-Regular.otf"]
    assert paths[4] == "NotoSerifCJK-Regular.ttc"


def test_report_and_coverage_of_an_empty_machine(tmp_path: Path) -> None:
    nothing = scan_fonts([tmp_path, tmp_path / "absent"])
    assert nothing == ()
    assert coverage(nothing) == set()
    for report in inspect_fonts(nothing):
        assert report.family is None
        assert "请安装" in report.message


def test_damaged_font_is_passed_over(tmp_path: Path) -> None:
    good = make_font(tmp_path / "good.ttf", "Noto Serif CJK SC", "中国")
    (tmp_path / "cut.ttf").write_bytes(good.read_bytes()[:200])
    (tmp_path / "text.otf").write_text("not a font")
    (tmp_path / "empty.ttc").touch()
    (tmp_path / "head.ttc").write_bytes(b"ttcf\0\1\0\0\xff\xff\xff\xff")
    found = scan_fonts([tmp_path])
    assert [face.path.name for face in found] == ["good.ttf"]
    assert {chr(code) for code in coverage(found)} == {"中", "国"}


def test_coverage_is_what_every_chain_can_draw(faces: tuple[FontFace, ...]) -> None:
    covered = coverage(faces)
    assert [char for char in RARE + PUNCTUATION if ord(char) not in covered] == []
    for first, last in [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6D6), (0x2A700, 0x2B734)]:
        assert all(code in covered for code in range(first, last + 1))
    for char in "😀👍👨🏽🇨\u200d\u202e\ufeff\x00\n\ue863✔\U00030000\ud800":
        assert ord(char) not in covered


def test_coverage_needs_every_chain(tmp_path: Path) -> None:
    make_font(tmp_path / "sans.ttf", "Noto Sans CJK SC", "中文")
    assert coverage(scan_fonts([tmp_path])) == set()
    make_font(tmp_path / "serif.ttf", TAIL[0], "中")
    assert set(coverage(scan_fonts([tmp_path]))) == {ord("中")}


def test_coverage_agrees_with_the_library(faces: tuple[FontFace, ...]) -> None:
    from fontTools.ttLib import TTFont

    for family in (*TAIL, "FandolFang", "LXGW WenKai Light", "Noto Sans CJK SC"):
        face = best_face(family, faces)
        assert face is not None
        with TTFont(face.path, fontNumber=face.index, lazy=True) as font:
            assert set(code_points(face)) == set(font.getBestCmap())


def test_relative_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="absolute"):
        fontconfig_xml([Path("fonts")], None, tmp_path)


def test_file_has_only_our_folders(tmp_path: Path) -> None:
    asked = Fontconfig(tmp_path, default_font_dirs())
    assert asked.families("DejaVu Sans")[0] == "Noto Serif CJK SC"
