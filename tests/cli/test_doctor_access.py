"""``wenyin doctor`` about who may ask: every way, how it does, and no secret."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from service.access import Health, new_key, report_access, revoke_key
from service.access.keyfile import hash_of
from service.errors import ExitCode
from service.settings import Settings
from service.verification import china_today
from tests.conftest import ROOT
from tests.serving import free_port

TODAY = china_today()
SCOPES = ["template:*", "issuer:*"]
PROXY = {"proxy_user_header": "X-Remote-User", "trusted_proxies": "10.1.2.3,10.2.0.0/16"}
OIDC = {"oidc_issuer": "https://id.example.cn", "oidc_audience": "wenyin"}


def said(**settings: str) -> list[tuple[str, Health]]:
    found = report_access(Settings.from_mapping(settings), TODAY)
    return [(way.message, way.health) for way in found]


def key_set() -> bytes:
    keys = [ECKey.generate_key("P-256", {"kid": kid}, private=False).as_dict() for kid in ("a", "b")]
    return json.dumps({"keys": keys}).encode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two keys that work, one of them not for long; one that ended, two that were ended."""
    path = tmp_path / "api[keys].json"
    new_key(path, "甲", SCOPES, TODAY)
    new_key(path, "乙", SCOPES, TODAY, TODAY - timedelta(days=1))
    for name in ("丙", "丁"):
        made, _ = new_key(path, name, SCOPES, TODAY, TODAY - timedelta(days=9))
        revoke_key(path, made.key_id, TODAY)
    return path


@pytest.fixture
def provider() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = key_set() if self.path == "/jwks" else b"{}"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_without_access_control_the_address_decides() -> None:
    ((message, health),) = said()
    assert ("只有本机" in message, health) == (True, Health.GOOD)
    ((message, health),) = said(host="0.0.0.0")
    assert ("连得上的人都能生成文件" in message, health) == (True, Health.DOUBTFUL)


def test_keys_are_counted_and_those_that_end_soon_are_named(file: Path) -> None:
    (keys, sign_in) = said(api_keys=str(file), session_s="5400")
    assert keys == (f"接口密钥：{file}，可用 1 把，过期 1 把，停用 2 把。", Health.GOOD)
    assert sign_in == ("网页登录：用接口密钥，1.5 小时内有效。", Health.GOOD)
    ending, _ = new_key(file, "戊", SCOPES, TODAY, TODAY + timedelta(days=3))
    (message, health), _ = said(api_keys=str(file))
    assert (f"{ending.key_id}将在 30 天内到期" in message, health) == (True, Health.DOUBTFUL)
    for record in json.loads(file.read_bytes())["keys"]:
        revoke_key(file, record["id"], TODAY)
    (message, health), _ = said(api_keys=str(file))
    assert ("没有一把能用" in message, health) == (True, Health.DOUBTFUL)
    file.chmod(0o644)
    (message, health), _ = said(api_keys=str(file))
    assert ("chmod 600" in message, health) == (True, Health.BROKEN)


def test_the_proxy_is_told_with_whom_to_believe() -> None:
    (proxy, sign_in) = said(**PROXY)
    assert proxy == (
        "反向代理：登录名在请求头 X-Remote-User 中，只信来自 10.1.2.3/32、10.2.0.0/16 的，"
        "人人有权限 template:* issuer:* batch seal。",
        Health.GOOD,
    )
    assert "网页登录：没有" in sign_in[0]
    (grouped, _) = said(**PROXY, proxy_groups_header="X-Groups")
    assert "权限取自 X-Groups 中 wenyin: 开头的组" in grouped[0]
    (nobody, _) = said(**PROXY, proxy_scopes=" ")
    assert ("谁都没有权限" in nobody[0], nobody[1]) == (True, Health.DOUBTFUL)


def test_the_providers_keys_are_fetched_and_counted(provider: str, tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_bytes(key_set())
    for place in (str(tmp_path / "jwks.json"), f"{provider}/jwks"):
        (message, health), _ = said(**OIDC, oidc_jwks=place)
        assert ("aud 为 wenyin，公钥 2 把" in message, health) == (True, Health.GOOD)
    for place, words in (
        (str(tmp_path / "none.json"), "应为 JWK Set"),
        (f"{provider}/other", "暂时取不到"),
        (f"http://127.0.0.1:{free_port()}/jwks", "暂时取不到"),
    ):
        (message, health), _ = said(**OIDC, oidc_jwks=place)
        assert (words in message, health) == (True, Health.BROKEN)


@pytest.mark.libreoffice
def test_doctor_names_what_is_broken_and_looks_at_the_rest(file: Path, tmp_path: Path) -> None:
    secret = new_key(file, "己", SCOPES, TODAY)[1].partition(".")[2]

    def doctor(**settings: str) -> "subprocess.CompletedProcess[str]":
        given = {"state_dir": str(tmp_path / "var"), "work_dir": str(tmp_path / "work"), **settings}
        environment = {key: value for key, value in os.environ.items() if not key.startswith("WENYIN_")}
        environment |= {f"WENYIN_{key.upper()}": value for key, value in given.items()}
        line = [sys.executable, "-m", "service", "doctor"]
        return subprocess.run(
            line, env=environment, capture_output=True, text=True, timeout=240, check=False, cwd=ROOT
        )

    good = doctor(api_keys=str(file), **PROXY)
    assert good.returncode == 0, good.stderr
    assert f"{file}，可用 2 把，过期 1 把，停用 2 把" in good.stdout
    assert "X-Remote-User" in good.stdout
    assert "网页登录：用接口密钥，8 小时内有效" in good.stdout
    file.chmod(0o644)
    bad = doctor(api_keys=str(file), **OIDC, oidc_jwks=str(tmp_path / "none.json"))
    assert bad.returncode == ExitCode.CONFIG, bad.stderr
    for words in ("chmod 600", "应为 JWK Set", "LibreOffice 25.", "试转换：正常"):
        assert words in bad.stdout
    for done in (good, bad):
        for hidden in (secret, hash_of(secret), "甲", "己"):
            assert hidden not in done.stdout + done.stderr
