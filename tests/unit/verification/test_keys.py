"""The key folder: every fault is named, the first start is atomic, changes are followed."""

import json
import multiprocessing
import os
import stat
import threading
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from service.errors import ConfigError, InvalidRequest
from service.verification import (
    KeyRing,
    KeyStatus,
    add_issuer,
    china_today,
    create_development_issuer,
    give_development_certificate,
    mint_token,
    revoke_document,
    rotate_key,
    set_key_status,
)
from service.verification.issuers import jwk_of, kid_of, public_key_of, thumbprint
from service.verification.keyadmin import DEVELOPMENT_NAME

from .helpers import NOTICE


def _edit(path: Path, change: Callable[[Any], Any]) -> None:
    data = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(change(data) or data, ensure_ascii=False), "utf-8")


def _pem(folder: Path) -> Path:
    (found,) = (path for path in (folder / "private").glob("*.pem") if not path.name.startswith("pdf-"))
    return found


def test_thumbprint_is_rfc_7638_s_when_computed() -> None:
    # RFC 7638 has an RSA example only; this is the EC key of RFC 7517 appendix A.1, hashed by hand.
    jwk = {
        "kty": "EC",
        "crv": "P-256",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    }
    public_key = public_key_of({**jwk, "use": "enc", "kid": "1"})
    assert jwk_of(public_key) == jwk
    assert thumbprint(public_key).hex().startswith(kid_of(public_key).hex())
    assert thumbprint(public_key).hex() == "727f88fd634c0a57a1895a79d62ff4569384356d6ea447ab03cb046a6e619feb"


def test_development_issuer_says_so_when_created(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "keys"
    create_development_issuer(folder)
    ring = KeyRing.load(folder)
    issuer = ring.signing_key().issuer
    assert issuer.development
    assert issuer.name == DEVELOPMENT_NAME == "文印开发试用签发者（仅供试用，不具效力）"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for secret in (folder / "master.key", _pem(folder)):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert len((folder / "master.key").read_bytes()) == 32
    assert [path.name for path in folder.parent.iterdir()] == ["keys"]


def test_keys_are_kept_when_the_folder_exists(tmp_path: Path) -> None:
    create_development_issuer(tmp_path / "keys")
    before = {path: path.read_bytes() for path in (tmp_path / "keys").rglob("*") if path.is_file()}
    create_development_issuer(tmp_path / "keys")
    assert {path: path.read_bytes() for path in (tmp_path / "keys").rglob("*") if path.is_file()} == before


def test_folder_is_filled_when_it_exists_empty(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir(mode=0o755)
    create_development_issuer(tmp_path / "keys")
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    KeyRing.load(tmp_path / "keys")


def test_folder_is_filled_when_it_cannot_be_renamed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "keys"
    (folder / "lost+found").mkdir(parents=True)
    create_development_issuer(folder)
    KeyRing.load(folder)
    assert {path.name for path in folder.iterdir()} == {
        "certificates.json", "issuers.json", "keys.json", "lost+found", "master.key", "private", "revoked",
    }  # fmt: skip


def test_configuration_is_refused_when_the_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="keys"):
        create_development_issuer(tmp_path / "file" / "keys")


def _create_and_report(folder: str, start: Any, answers: Any) -> None:
    start.wait()
    create_development_issuer(Path(folder))
    ring = KeyRing.load(Path(folder))
    answers.put(
        (ring.signing_key().kid.hex(), ring.master.hex(), mint_token(NOTICE, ring.signing_key()).hex())
    )


@pytest.mark.parametrize("place", ["new", "empty", "mounted"])
def test_one_ring_results_when_eight_processes_start_at_once(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "keys"
    if place != "new":
        folder.mkdir()
    if place == "mounted":
        (folder / "lost+found").mkdir()
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(8), context.Queue()
    workers = [
        context.Process(target=_create_and_report, args=(str(folder), start, answers)) for _ in range(8)
    ]
    for worker in workers:
        worker.start()
    found = {answers.get(timeout=120) for _ in workers}
    for worker in workers:
        worker.join(30)
    assert len(found) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620])
@pytest.mark.parametrize("secret", ["master.key", "pem"])
def test_configuration_is_refused_when_a_secret_is_open_to_others(
    folder: Path, secret: str, mode: int
) -> None:
    path = _pem(folder) if secret == "pem" else folder / secret
    path.chmod(mode)
    with pytest.raises(ConfigError, match=r"chmod 600") as caught:
        KeyRing.load(folder)
    assert path.name in str(caught.value)


def _other_pem(curve: str) -> bytes:
    made: Any = {
        "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "Ed25519": ed25519.Ed25519PrivateKey.generate,
    }[curve]()
    return bytes(
        made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


@pytest.mark.parametrize("curve", ["P-256", "P-384", "Ed25519"])
def test_configuration_is_refused_when_the_private_key_is_another(folder: Path, curve: str) -> None:
    _pem(folder).write_bytes(_other_pem(curve))
    with pytest.raises(ConfigError, match="不匹配"):
        KeyRing.load(folder)


def _set(name: str, /, **values: object) -> Callable[[Any], None]:
    return lambda data: data[name][0].update(values)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("keys.json", _set("keys", alg="ES384")),
        ("keys.json", _set("keys", alg="EdDSA")),
        ("keys.json", _set("keys", status="revoked")),
        ("keys.json", _set("keys", issuer="nobody")),
        ("keys.json", _set("keys", kid="00000000")),
        ("keys.json", _set("keys", not_before="2021-13-01")),
        ("keys.json", _set("keys", not_before=20210101)),
        ("keys.json", _set("keys", private="../master.key")),
        ("keys.json", _set("keys", private="absent.pem")),
        ("keys.json", _set("keys", jwk={"kty": "EC", "crv": "P-384"})),
        ("keys.json", _set("keys", jwk={"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43})),
        ("keys.json", _set("keys", jwk=None)),
        ("keys.json", _set("keys", comment="no")),
        ("keys.json", lambda data: data["keys"].append(data["keys"][0])),
        ("keys.json", lambda data: [data]),
        ("issuers.json", _set("issuers", id="有中文")),
        ("issuers.json", _set("issuers", name="")),
        ("issuers.json", _set("issuers", uscc="123")),
        ("issuers.json", _set("issuers", doc_types="all")),
        ("issuers.json", _set("issuers", doc_types=[True])),
        ("issuers.json", _set("issuers", development="no")),
        ("issuers.json", _set("issuers", id="other")),
        ("issuers.json", lambda data: data["issuers"].append(data["issuers"][0])),
        ("issuers.json", lambda data: data["issuers"].clear()),
        ("issuers.json", lambda data: {"issuers": "none"}),
    ],
)
def test_configuration_is_refused_when_a_record_is_wrong(
    folder: Path, file: str, change: Callable[[Any], Any]
) -> None:
    _edit(folder / file, change)
    with pytest.raises(ConfigError, match=r"有误：") as caught:
        KeyRing.load(folder)
    assert any(name in str(caught.value) for name in ("keys.json", "issuers.json", "absent.pem"))


@pytest.mark.parametrize("name", ["issuers.json", "keys.json", "master.key"])
def test_configuration_is_refused_when_a_file_is_missing(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ConfigError, match=name):
        KeyRing.load(folder)


@pytest.mark.parametrize(
    ("name", "content"), [("keys.json", b"{"), ("issuers.json", b"\xff"), ("master.key", b"x" * 31)]
)
def test_configuration_is_refused_when_a_file_is_damaged(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(ConfigError, match=name):
        KeyRing.load(folder)


def test_a_key_only_verifies_when_it_has_no_private_half(folder: Path) -> None:
    _edit(folder / "keys.json", _set("keys", private=None))
    ring = KeyRing.load(folder)
    assert len(ring.jwks()["keys"]) == 1
    with pytest.raises(ConfigError, match="没有可用的签名密钥"):
        ring.signing_key()


def test_no_key_signs_when_outside_its_period(ring: KeyRing) -> None:
    today = china_today()
    assert ring.signing_key(today=today).kid == ring.signing_key(today=today + timedelta(days=365)).kid
    for day in (today - timedelta(days=1), today + timedelta(days=366)):
        with pytest.raises(ConfigError):
            ring.signing_key(today=day)


def test_an_issuer_must_be_named_when_there_are_several(folder: Path) -> None:
    add_issuer(folder, "second", "第二单位", uscc="91110000100006478X", doc_types=(1, 4))
    ring = KeyRing.load(folder)
    with pytest.raises(ConfigError, match="cast、second"):
        ring.signing_key()
    with pytest.raises(ConfigError, match="third"):
        ring.signing_key("third")
    assert ring.signing_key("second").issuer.doc_types == (1, 4)
    assert [issuer["id"] for issuer in ring.issuers_public()["issuers"]] == ["cast", "second"]
    assert all(len(issuer["kids"]) == 1 for issuer in ring.issuers_public()["issuers"])


def test_nothing_changes_when_an_issuer_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="重复"):
        add_issuer(folder, "cast", "冒名")
    assert len(KeyRing.load(folder).issuers_public()["issuers"]) == 1


def test_the_old_key_verifies_only_when_rotated(folder: Path, ring: KeyRing) -> None:
    old = ring.signing_key().kid
    new = rotate_key(folder, "cast")
    assert ring.signing_key().kid.hex() == new != old.hex()
    assert ring.find(old)[0].status is KeyStatus.RETIRED
    assert [key["status"] for key in ring.jwks()["keys"]] == ["retired", "active"]
    with pytest.raises(ConfigError):
        rotate_key(folder, "nobody")


def test_the_newer_key_signs_when_two_are_active(folder: Path, ring: KeyRing) -> None:
    _edit(folder / "keys.json", _set("keys", not_before="2021-01-01"))
    old = ring.signing_key().kid
    new = rotate_key(folder, "cast")
    set_key_status(folder, old.hex(), KeyStatus.ACTIVE)
    assert [key["status"] for key in ring.jwks()["keys"]] == ["active", "active"]
    assert ring.signing_key().kid.hex() == new


def test_all_keys_are_found_when_the_kid_collides(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.verification.keyadmin.kid_of", lambda _: b"same")
    monkeypatch.setattr("service.verification.keyfiles.kid_of", lambda _: b"same")
    _edit(folder / "keys.json", _set("keys", kid=b"same".hex()))
    rotate_key(folder, "cast")
    assert len(KeyRing.load(folder).find(b"same")) == 2


def test_secrets_stay_out_when_keys_are_published(ring: KeyRing) -> None:
    published = json.dumps([ring.jwks(), ring.issuers_public()])
    assert '"d"' not in published
    assert ring.master.hex() not in published
    assert "private" not in published


def test_revocation_is_seen_when_the_file_appears_and_changes(folder: Path, ring: KeyRing) -> None:
    kid = ring.signing_key().kid
    assert not ring.is_revoked(kid, "0" * 16)
    assert ring.revoked_public(kid.hex()) == {"kid": kid.hex(), "ctr": 0, "rids": []}
    revoke_document(folder, kid.hex(), "0" * 16)
    assert ring.is_revoked(kid, "0" * 16)
    revoke_document(folder, kid.hex(), "1" * 16)
    assert ring.revoked_public(kid.hex()) == {"kid": kid.hex(), "ctr": 2, "rids": ["0" * 16, "1" * 16]}
    assert ring.revoked_public("00000000") is None
    (folder / "revoked" / f"{kid.hex()}.json").unlink()
    assert not ring.is_revoked(kid, "0" * 16)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"kid":"KID","ctr":1}',
        '{"kid":"ffffffff","ctr":1,"rids":[]}',
        '{"kid":"KID","ctr":-1,"rids":[]}',
        '{"kid":"KID","ctr":1,"rids":["ABCDEF0123456789"]}',
        '{"kid":"KID","ctr":1,"rids":"x"}',
    ],
)
def test_revocations_hold_when_a_change_cannot_be_read(folder: Path, ring: KeyRing, content: str) -> None:
    kid = ring.signing_key().kid
    revoke_document(folder, kid.hex(), "0" * 16)
    assert ring.reload_fault is None
    path = folder / "revoked" / f"{kid.hex()}.json"
    path.write_text(content.replace("KID", kid.hex()))
    assert ring.is_revoked(kid, "0" * 16)
    assert ring.reload_fault is not None
    assert path.name in ring.reload_fault
    with pytest.raises(ConfigError, match=path.name):
        KeyRing.load(folder)
    path.unlink()
    assert ring.reload_fault is None


def test_revoking_is_refused_when_key_or_document_is_none(folder: Path, ring: KeyRing) -> None:
    with pytest.raises(InvalidRequest):
        revoke_document(folder, ring.signing_key().kid.hex(), "XYZ")
    with pytest.raises(ConfigError):
        revoke_document(folder, "00000000", "0" * 16)
    with pytest.raises(ConfigError):
        set_key_status(folder, "00000000", KeyStatus.COMPROMISED)
    with pytest.raises(ConfigError):
        revoke_document(folder / "absent", "00000000", "0" * 16)


def test_files_are_not_reread_when_nothing_changed(ring: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.verification.keys.read_folder", lambda _: pytest.fail("read again"))
    assert ring.signing_key().issuer.name == "中国科协办公厅"


def test_threads_see_whole_states_when_keys_rotate(folder: Path, ring: KeyRing) -> None:
    stop = threading.Event()
    faults: list[BaseException] = []

    def ask() -> None:
        while not stop.is_set():
            try:
                key = ring.signing_key()
                assert ring.find(key.kid)
                mint_token(NOTICE, key)
            except BaseException as error:
                faults.append(error)
                return

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        rotate_key(folder, "cast", date.today())
    stop.set()
    for thread in threads:
        thread.join(30)
    assert faults == []
    assert ring.reload_fault is None
    assert len(ring.jwks()["keys"]) == 11


def test_no_temporary_file_remains_when_a_write_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(path.name for path in folder.rglob("*"))
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        set_key_status(folder, KeyRing.load(folder).signing_key().kid.hex(), KeyStatus.RETIRED)
    assert sorted(path.name for path in folder.rglob("*")) == before


def test_start_locks_no_folder_that_it_need_not_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "keys"
    add_issuer(folder, "office", "示例市科学技术协会")

    def refuse(*_arguments: object) -> None:
        raise OSError("no locks on this file system")

    monkeypatch.setattr("fcntl.flock", refuse)
    give_development_certificate(folder)
