"""The file of API keys: what it holds, how it changes, and what is refused."""

import json
import os
from datetime import date
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import pytest

from service.access.follow import Followed
from service.access.keyfile import NO_KEY, holds_key, new_key, read_keys, revoke_key, split_key
from service.errors import ConfigError, RequestError
from service.scopes import Grant

TODAY = date(2026, 5, 8)
WORDS = ["template:notice", "issuer:*", "batch"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "apikeys.json"


def test_the_file_has_hashes_alone_and_is_for_its_owner(file: Path) -> None:
    made, text = new_key(file, "人事系统", WORDS, TODAY, date(2027, 1, 1))
    key_id, _, secret = text.partition(".")
    assert (made.key_id, len(secret)) == (key_id, 43)
    assert secret not in file.read_text("utf-8")
    assert file.stat().st_mode & 0o777 == 0o600
    read = read_keys(file)[key_id]
    assert read == made
    assert read.matches(secret)
    assert not read.matches(secret[:-1] + ("A" if secret[-1] != "A" else "B"))
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_no_secret_opens_the_key_that_stands_for_unknown_ones() -> None:
    for secret in ("", "0" * 64, "A" * 43):
        assert not NO_KEY.matches(secret)


def test_a_revoked_key_stays_on_record_with_its_first_day(file: Path) -> None:
    made, _ = new_key(file, "a", WORDS, TODAY)
    kept, _ = new_key(file, "b", WORDS, TODAY)
    revoke_key(file, made.key_id, TODAY)
    assert revoke_key(file, made.key_id, date(2030, 1, 1)).revoked == TODAY
    assert read_keys(file)[kept.key_id].revoked is None
    with pytest.raises(RequestError, match="wy0000000000"):
        revoke_key(file, "wy0000000000", TODAY)


def test_keys_made_at_once_are_all_there(file: Path) -> None:
    with ThreadPool(4) as pool:
        made = pool.map(lambda number: new_key(file, str(number), WORDS, TODAY)[0].key_id, range(12))
    assert set(read_keys(file)) == set(made)


@pytest.mark.parametrize("name", ["", "x" * 61, "a\nb", "\x1b[31m"])
def test_a_name_that_cannot_be_shown_is_refused(file: Path, name: str) -> None:
    with pytest.raises(RequestError, match="名称"):
        new_key(file, name, WORDS, TODAY)
    assert not file.exists()


@pytest.mark.parametrize("word", ["all", "template:", "template", "template:a/b", "batch:x", "issuer:一", ""])
def test_a_scope_that_is_none_is_named(file: Path, word: str) -> None:
    with pytest.raises(RequestError, match="没有权限"):
        new_key(file, "a", [*WORDS, word], TODAY)


def changed(file: Path, **fields: Any) -> None:
    content = json.loads(file.read_text("utf-8"))
    content["keys"][0].update(fields)
    file.write_text(json.dumps(content), "utf-8")


@pytest.mark.parametrize(
    "fields",
    [
        {"id": "wy1"},
        {"id": None},
        {"sha256": "0" * 63},
        {"sha256": "A" * 64},
        {"scopes": ["everything"]},
        {"scopes": None},
        {"expires": "soon"},
        {"created": None},
        {"secret": "x"},
    ],
)
def test_a_wrong_entry_is_named_by_its_place(file: Path, fields: dict[str, Any]) -> None:
    new_key(file, "a", WORDS, TODAY)
    changed(file, **fields)
    with pytest.raises(ConfigError, match=r"第 1 项有误：.*[\u4e00-\u9fff]?"):
        read_keys(file)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"keys": {}}', '{"keys": [1]}', '{"keys": null}'])
def test_what_is_no_key_file_is_refused(file: Path, content: str) -> None:
    file.write_text(content, "utf-8")
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="接口密钥文件"):
        read_keys(file)


def test_a_file_that_others_can_read_is_refused_and_one_for_the_group_is_not(file: Path) -> None:
    new_key(file, "a", WORDS, TODAY)
    file.chmod(0o440)
    assert read_keys(file)
    for mode in (0o644, 0o602, 0o601):
        file.chmod(mode)
        with pytest.raises(ConfigError, match="chmod 600"):
            read_keys(file)


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"apikeys\.json"):
        read_keys(file)


def test_a_change_is_followed_and_a_broken_one_is_not(file: Path) -> None:
    made, _ = new_key(file, "a", WORDS, TODAY)
    keys = Followed(file, read_keys)
    revoke_key(file, made.key_id, TODAY)
    assert keys.current()[made.key_id].revoked == TODAY
    for spoil in (lambda: file.write_text("{"), lambda: file.chmod(0o604), file.unlink):
        spoil()
        assert keys.current()[made.key_id].revoked == TODAY
    later, _ = new_key(file, "b", WORDS, TODAY)
    os.utime(file, ns=(0, 0))
    assert set(keys.current()) == {later.key_id}


def test_keys_are_found_in_a_text_and_told_from_what_is_none(file: Path) -> None:
    _, text = new_key(file, "a", WORDS, TODAY)
    assert split_key(text) == tuple(text.split("."))
    assert holds_key(f"/v1/documents/notice?x={text}&y=1")
    for other in ("", ".", text[:-1], text + "x", text.upper(), text.replace(".", ""), "a.b.c"):
        assert split_key(other) is None
    assert not holds_key("format=pdf&draft=true")


def test_what_somebody_else_calls_a_scope_allows_nothing() -> None:
    words = [
        "wenyin:template:notice",
        "template:plan-form",
        "wenyin:root",
        "wenyin:batch",
        "batch",
        "wenyin:",
    ]
    grant = Grant.claimed(words, "wenyin:")
    assert grant.words == {"template:notice", "batch"}
    assert grant.allows("template", "notice")
    assert not grant.allows("template", "plan-form")
    assert not grant.allows("template", "*")
    assert not grant.allows("seal")
