"""Three services with one key folder: they agree without a word between them, and follow each change of it."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from service.verification import KeyStatus, add_issuer, revoke_document, rotate_key, set_key_status
from tests.conftest import FIXTURES
from tests.serving import Server, serving

pytestmark = pytest.mark.libreoffice
MINIMAL = (FIXTURES / "notice" / "minimal.json").read_bytes()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared") / "keys"
    add_issuer(folder, "office", "示例市科学技术协会")
    return folder


@pytest.fixture(scope="module")
def replicas(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """The third has a copy of the folder, as on another machine."""
    copied = tmp_path_factory.mktemp("copied") / "keys"
    shutil.copytree(keys, copied)
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                serving(
                    tmp_path_factory.mktemp(f"replica{number}"),
                    keys_dir=str(folder),
                    public_url="https://v.example.cn",
                    converters="1",
                    workers="1",
                )
            )
            for number, folder in enumerate((keys, keys, copied))
        ]


def synced(keys: Path, replicas: list[Server]) -> None:
    """Bring the copy up to date, as whoever mirrors a folder does."""
    target = Path(replicas[2].environment["keys_dir"])
    shutil.copytree(keys, target, dirs_exist_ok=True)


def verdicts(replicas: list[Server], url: str, pdf: bytes) -> list[tuple[str, str]]:
    digits = url.rpartition("/")[2]
    return [
        (
            server.get(f"/V/{digits}", "application/json").json["verdict"],
            server.upload("/v1/verify", "a.pdf", pdf).json["verdict"],
        )
        for server in replicas
    ]


@pytest.mark.fault("V5")
def test_replicas_agree_on_the_document_and_on_every_change_of_the_keys(
    keys: Path, replicas: list[Server]
) -> None:
    answers = [server.post_json("/v1/documents/notice", MINIMAL) for server in replicas]
    assert len({answer.headers["x-document-id"] for answer in answers}) == 1
    (url,) = {answer.headers["x-verify-url"] for answer in answers}
    pdf, document_id = answers[0].body, answers[0].headers["x-document-id"]
    assert verdicts(replicas, url, pdf) == [("CLAIMS_ONLY", "EXACT")] * 3
    (old,) = [key["kid"] for key in replicas[2].get("/.well-known/wenyin/jwks.json").json["keys"]]
    # The old key still verifies, the new one signs, everywhere.
    new = rotate_key(keys, "office")
    synced(keys, replicas)
    assert verdicts(replicas, url, pdf) == [("CLAIMS_ONLY", "EXACT")] * 3
    fresh = [
        server.post_json("/v1/documents/notice?format=docx", MINIMAL).headers["x-verify-url"]
        for server in replicas
    ]
    assert len(set(fresh)) == 1
    assert fresh[0] != url
    kids = [
        server.get(f"/V/{fresh[0].rpartition('/')[2]}", "application/json").json["claims"]["kid"]
        for server in replicas
    ]
    assert kids == [new] * 3
    revoke_document(keys, old, document_id)
    assert verdicts(replicas[:2], url, pdf) == [("REVOKED", "REVOKED")] * 2
    assert verdicts(replicas[2:], url, pdf) == [("CLAIMS_ONLY", "EXACT")], "its copy is older"
    synced(keys, replicas)
    assert verdicts(replicas, url, pdf) == [("REVOKED", "REVOKED")] * 3
    assert "已作废" in replicas[2].get(f"/V/{url.rpartition('/')[2]}", "text/html").body.decode()
    lists = [server.get(f"/.well-known/wenyin/revoked/{old}.json").body for server in replicas]
    signatures = [server.get(f"/.well-known/wenyin/revoked/{old}.jws").body for server in replicas]
    assert (len(set(lists)), len(set(signatures))) == (1, 1)
    set_key_status(keys, old, KeyStatus.COMPROMISED)
    synced(keys, replicas)
    assert verdicts(replicas, url, pdf) == [("KEY_COMPROMISED", "KEY_COMPROMISED")] * 3
