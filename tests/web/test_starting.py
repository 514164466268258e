"""A start that must not go on: every fault is named, and nothing serves."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from service.access import new_key
from service.errors import ExitCode
from tests.serving import serving

pytestmark = pytest.mark.libreoffice


def started(folder: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WENYIN_")}
    values = {
        "state_dir": str(folder / "var"),
        "work_dir": str(folder / "work"),
        "soffice": "/nothing",
        **settings,
    }
    environment |= {f"WENYIN_{key.upper()}": value for key, value in values.items()}
    command = [sys.executable, "-m", "service", "serve"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)


def test_settings_that_contradict_each_other_are_all_named(tmp_path: Path) -> None:
    done = started(
        tmp_path,
        proxy_user_header="X-Remote-User",
        oidc_issuer="https://id.example.cn",
        session_s="1",
        trusted_proxies="10.0.0.1/8",
    )
    assert done.returncode == ExitCode.CONFIG
    for name in ("TRUSTED_PROXIES", "OIDC_AUDIENCE", "OIDC_JWKS", "SESSION_S"):
        assert f"WENYIN_{name}" in done.stderr


def test_files_that_cannot_be_used_are_all_named_and_nothing_is_left(tmp_path: Path) -> None:
    keys = tmp_path / "apikeys.json"
    new_key(keys, "a", ["batch"], date(2026, 1, 1))
    keys.chmod(0o644)
    done = started(
        tmp_path,
        api_keys=str(keys),
        oidc_issuer="https://id.example.cn",
        oidc_audience="wenyin",
        oidc_jwks=str(tmp_path / "jwks.json"),
    )
    assert done.returncode == ExitCode.CONFIG, done.stderr
    assert "chmod 600" in done.stderr
    assert "jwks.json" in done.stderr
    assert list((tmp_path / "work").glob("instance-*")) == []


def test_a_service_open_to_the_network_without_access_control_says_so(tmp_path: Path) -> None:
    with serving(tmp_path, soffice="/nothing", host="0.0.0.0") as server:
        assert "没有设置访问控制" in server.log
