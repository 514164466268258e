"""Settings and template folders: every fault at once, in Chinese, naming what to mend."""

import re
import shutil
from pathlib import Path

import pytest

from service.bootstrap import load_catalog
from service.catalog import Catalog, load_template
from service.errors import ConfigError, TemplateError, UnknownTemplate
from service.model import TemplateSpec
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


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TRUSTED_PROXIES", "10.0.0.1/8", "网段"),
        ("TRUSTED_PROXIES", "10.0.0.1,nginx", "nginx"),
        ("TRUSTED_PROXIES", "0.0.0.0/0", "谁都信任"),
        ("TRUSTED_PROXIES", "10.0.0.1, ::/0", "谁都信任"),
        ("PROXY_USER_HEADER", "X Remote", "请求头的名称"),
        ("PROXY_USER_HEADER", "X_Remote_User", "连字符"),
        ("PROXY_SCOPES", "template:* everything", "everything"),
        ("OIDC_JWKS", "http://id.example.cn/jwks", "https"),
        ("OIDC_JWKS", "ftp://id.example.cn/jwks", "https"),
        ("SESSION_S", "10", "60"),
        ("SESSION_S", "9999999", "604800"),
    ],
)
def test_each_wrong_value_of_access_control_is_named(name: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Settings.from_env({f"WENYIN_{name}": value})
    assert f"WENYIN_{name}" in str(caught.value)
    assert words in str(caught.value)


def test_settings_that_need_each_other_are_named_beside_single_faults() -> None:
    with pytest.raises(ConfigError) as caught:
        Settings.from_env(
            {
                "WENYIN_PORT": "0",
                "WENYIN_PROXY_USER_HEADER": "X-Remote-User",
                "WENYIN_OIDC_ISSUER": "https://id.example.cn",
            }
        )
    for name in ("PORT", "TRUSTED_PROXIES", "OIDC_AUDIENCE", "OIDC_JWKS"):
        assert f"WENYIN_{name}" in str(caught.value)
    for alone in ("OIDC_JWKS", "OIDC_AUDIENCE", "PROXY_GROUPS_HEADER"):
        with pytest.raises(ConfigError, match="就要设"):
            Settings.from_env({f"WENYIN_{alone}": "x"})


def test_proxies_are_read_as_networks() -> None:
    settings = Settings.from_env({"WENYIN_TRUSTED_PROXIES": " 10.1.0.0/16,, ::1 "})
    assert [str(network) for network in settings.trusted_networks] == ["10.1.0.0/16", "::1/128"]
    assert Settings.from_env({}).trusted_networks == ()
    for url in ("https://id.example.cn/jwks", "http://127.0.0.1:1/jwks", "/etc/jwks.json"):
        given = {"oidc_issuer": "x", "oidc_audience": "y", "oidc_jwks": url}
        assert Settings.from_mapping(given).oidc_jwks == url


def test_every_setting_states_its_default_and_a_number_its_unit() -> None:
    counted = ("个", "数", "份", "行", "秒", "字节", "端口")
    for variable, default, description in Settings.table():
        field = Settings.model_fields[variable.removeprefix("WENYIN_").lower()]
        assert default or re.search("默认|不设|可不填", description), variable
        if re.search(r"\b(int|float)\b", str(field.annotation)):
            assert any(word in description for word in counted), variable


def test_value_behind_a_misspelt_name_is_not_told() -> None:
    with pytest.raises(ConfigError) as caught:
        Settings.from_env({"WENYIN_METRIC_TOKEN": "m-secret"})
    assert "WENYIN_METRIC_TOKEN" in str(caught.value)
    assert "m-secret" not in str(caught.value)


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


@pytest.mark.fault("T16")
@pytest.mark.parametrize("times", [1, 10])
def test_template_that_changes_while_it_is_read_is_read_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    left = list(range(times))

    def load(place: Path) -> TemplateSpec:
        spec = load_template(place)
        if left:
            left.pop()
            manifest = place / "template.toml"
            version = f"version = {spec.version + 1}"
            manifest.write_text(re.sub(r"(?m)^version = \d+", version, manifest.read_text("utf-8")), "utf-8")
        return spec

    monkeypatch.setattr("service.catalog.load_template", load)
    monkeypatch.setattr("service.catalog._BETWEEN_READINGS_S", 0.0)
    if times == 1:
        assert Catalog.load(folder).get("notice").version == 2
    else:
        with pytest.raises(TemplateError, match="一直在变动"):
            Catalog.load(folder)


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
