"""Settings and template folders: every fault at once, in Chinese, naming what to mend."""

import shutil
from pathlib import Path

import pytest

from service.bootstrap import load_catalog
from service.catalog import Catalog, load_template
from service.errors import ConfigError, TemplateError, UnknownTemplate
from service.settings import Settings
from tests.conftest import ROOT

NOTICE = ROOT / "templates" / "docx" / "notice"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(NOTICE, tmp_path / "notice")
    return tmp_path


def test_defaults_and_empty_values() -> None:
    settings = Settings.from_env({"WENYIN_PORT": "", "OTHER": "x"})
    assert (settings.port, settings.base_url) == (8000, "http://127.0.0.1:8000")
    assert Settings.from_env({"WENYIN_HOST": "0.0.0.0"}).base_url == "http://127.0.0.1:8000"
    assert Settings.from_env({"WENYIN_PUBLIC_URL": "https://v.example.gov.cn/x/"}).base_url.endswith("/x")


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings.from_env({}).port = 1


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "abc", "整数"),
        ("PORT", "70000", "65535"),
        ("TIMEOUT_S", "0", "大于"),
        ("SANDBOX", "maybe", "require"),
        ("PUBLIC_URL", "v.example.gov.cn", "http"),
        ("PUBLIC_URL", "https://x/?a=1", "问号"),
        ("COLOUR", "red", "没有这个配置项"),
        ("THREADS", "0", "小于"),
    ],
)
def test_each_wrong_value_is_named(name: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Settings.from_env({f"WENYIN_{name}": value, "WENYIN_QUEUE_LIMIT": "-1"})
    assert f"WENYIN_{name}" in str(caught.value)
    assert words in str(caught.value)
    assert "WENYIN_QUEUE_LIMIT" in str(caught.value)


def test_shipped_templates_load_and_know_each_other_by_id() -> None:
    catalog = Catalog.load(NOTICE.parent)
    assert catalog.faults == {}
    spec = catalog.get("notice")
    assert (spec.title, spec.verify.doc_type, spec.qr.marker) == ("通知", 1, "wenyin-qr")
    with pytest.raises(UnknownTemplate, match="notice"):
        catalog.get("notise")


def test_digest_follows_each_file(folder: Path) -> None:
    before = load_template(folder / "notice").sha256
    manifest = folder / "notice" / "template.toml"
    manifest.write_text(manifest.read_text("utf-8").replace("version = 1", "version = 2"), "utf-8")
    assert load_template(folder / "notice").sha256 != before


@pytest.mark.parametrize("name", ["template.docx", "schema.json", "sample.json"])
def test_missing_file_is_named_and_others_serve(folder: Path, name: str) -> None:
    shutil.copytree(NOTICE, folder / "other")
    (folder / "other" / name).unlink()
    catalog = Catalog.load(folder)
    assert [spec.template_id for spec in catalog] == ["notice"]
    assert name in catalog.faults["other"]


@pytest.mark.fault("T1")
@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("template.toml", "version = 1", "version = 0", "version"),
        ("template.toml", "version = 1", "version = 1\ncolour = 2", "colour"),
        ("template.toml", "[qr]", "[qr", "template.toml"),
        ("template.toml", '"/title"', '"title"', "verify.title"),
        ("schema.json", "{", "[", "schema.json"),
        ("schema.json", '"type": "object"', '"type": "objekt"', "schema"),
        ("schema.json", '"title": "标题"', '"title": "Title"', "title"),
    ],
)
def test_broken_template_is_left_out_with_its_reason(
    folder: Path, name: str, old: str, new: str, words: str
) -> None:
    shutil.copytree(NOTICE, folder / "other")
    path = folder / "other" / name
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    catalog = load_catalog(Settings.from_mapping({"templates_dir": folder}))
    assert [spec.template_id for spec in catalog] == ["notice"]
    assert words in catalog.faults["other"]


def test_no_template_at_all_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="没有模板"):
        load_catalog(Settings.from_mapping({"templates_dir": tmp_path}))


def test_template_is_left_out_when_its_type_is_taken_by_other_facts(tmp_path: Path) -> None:
    for name in ("notice", "a-letter"):
        shutil.copytree(ROOT / "templates/docx/notice", tmp_path / name)
    manifest = tmp_path / "a-letter" / "template.toml"
    text = manifest.read_text("utf-8").replace('title = "通知"', 'title = "函"')
    manifest.write_text(text, "utf-8")
    settings = Settings.from_mapping({"templates_dir": tmp_path})
    assert load_catalog(settings).faults == {}
    manifest.write_text(text.replace("发文机关署名", "姓名"), "utf-8")
    faults = load_catalog(settings).faults
    assert list(faults) == ["a-letter"]
    assert "doc_type 1 已由模板 notice 使用" in faults["a-letter"]
    manifest.write_text(text.replace("发文机关署名", "姓名").replace("doc_type = 1", "doc_type = 6"), "utf-8")
    assert load_catalog(settings).faults == {}
