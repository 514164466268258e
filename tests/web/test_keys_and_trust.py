"""Keys that change under a running service, and verification without it."""

import base64
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import cbor2
import pypdf
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from service.errors import ExitCode
from service.pdf.signatures import examine_signatures
from service.verification import TrustFolder
from tests.conftest import FIXTURES, ROOT
from tests.serving import Server, serving

pytestmark = pytest.mark.libreoffice
NOTICE = "/v1/documents/notice"
PUBLIC = "/.well-known/wenyin"
MINIMAL = (FIXTURES / "notice" / "minimal.json").read_bytes()
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service whose keys this module may ruin."""
    with serving(tmp_path_factory.mktemp("keys"), converters="1") as running:
        yield running


def make(server: Server) -> tuple[bytes, str]:
    answer = server.post_json(NOTICE, MINIMAL)
    assert answer.status == 200, answer.body
    return answer.body, answer.headers["x-verify-url"]


def digits(url: str) -> str:
    return url.rpartition("/")[2]


def ask(server: Server, url: str) -> str:
    found: str = server.get(f"/V/{digits(url)}", "application/json").json["verdict"]
    return found


def command(folder: Path) -> Run:
    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        environment = {key: value for key, value in os.environ.items() if not key.startswith("WENYIN_")}
        environment |= {"WENYIN_STATE_DIR": str(folder / "var"), "WENYIN_WORK_DIR": str(folder / "work2")}
        line = [sys.executable, "-m", "service", *map(str, arguments)]
        return subprocess.run(
            line, env=environment, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT
        )

    return run


@pytest.fixture(scope="module")
def run(own_server: Server) -> Run:
    return command(own_server.folder)


def listed(run: Run) -> list[dict[str, str]]:
    return [json.loads(line) for line in run("keys", "list").stdout.splitlines()]


def download(server: Server, folder: Path) -> Path:
    (folder / "revoked").mkdir(parents=True)
    for name in ("jwks.json", "issuers.json"):
        (folder / name).write_bytes(server.get(f"{PUBLIC}/{name}").body)
    for key in json.loads((folder / "jwks.json").read_bytes())["keys"]:
        for ending in ("json", "jws"):
            name = f"revoked/{key['kid']}.{ending}"
            answer = server.get(f"{PUBLIC}/{name}")
            if answer.status == 200:
                (folder / name).write_bytes(answer.body)
            else:
                assert (answer.status, answer.type) == (404, "application/problem+json"), name
    return folder


def test_published_files_say_who_signs_and_let_caches_work(server: Server) -> None:
    keys = server.get(f"{PUBLIC}/jwks.json")
    assert keys.type == "application/jwk-set+json"
    (jwk,) = keys.json["keys"]
    assert {"kty", "crv", "x", "y", "kid", "alg", "status", "issuer"} <= set(jwk)
    (issuer,) = server.get(f"{PUBLIC}/issuers.json").json["issuers"]
    assert issuer["kids"] == [jwk["kid"]]
    certificate = x509.load_der_x509_certificate(base64.b64decode(issuer["certificates"][0]["x5c"][0]))
    assert issuer["name"] in certificate.subject.rfc4514_string()
    revoked = server.get(f"{PUBLIC}/revoked/{jwk['kid']}.json")
    assert revoked.json == {"kid": jwk["kid"], "ctr": 0, "rids": []}
    assert server.get(f"{PUBLIC}/revoked/{jwk['kid']}.jws").type == "application/jose"
    for answer in (keys, revoked):
        assert answer.headers["cache-control"].startswith("public, max-age=")
    again = server.ask("GET", f"{PUBLIC}/jwks.json", headers={"If-None-Match": keys.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    for name in ("revoked/00000000.json", "revoked/00000000.jws", "revoked/x.json", "master.key"):
        assert server.get(f"{PUBLIC}/{name}").status == 404
    secret = (server.folder / "var" / "keys" / "master.key").read_bytes()
    everything = keys.body + server.get(f"{PUBLIC}/issuers.json").body
    assert secret.hex().encode() not in everything
    assert b'"d"' not in everything


@pytest.mark.fault("V4")
def test_a_document_lives_through_rotation_until_its_key_is_compromised(own_server: Server, run: Run) -> None:
    pdf, url = make(own_server)
    before = listed(run)
    assert {(item["use"], item["status"]) for item in before} == {("token", "active"), ("pdf", "active")}
    done = run("keys", "rotate")
    assert done.returncode == 0, done.stderr
    assert [item["status"] for item in listed(run)].count("retired") == 2
    other, other_url = make(own_server)
    assert other_url != url
    for content in (pdf, other):
        assert own_server.upload("/v1/verify", "a.pdf", content).json["verdict"] == "EXACT"
    certificate = next(item["key_id"] for item in before if item["use"] == "pdf")
    assert run("keys", "revoke", certificate, "compromised").returncode == 0
    verdict = own_server.upload("/v1/verify", "a.pdf", pdf).json
    assert verdict["verdict"] == "TEXT_MATCH"
    assert any("失效" in item for item in verdict["not_checked"])
    kid = next(item["key_id"] for item in before if item["use"] == "token")
    assert run("keys", "revoke", kid, "compromised").returncode == 0
    assert ask(own_server, url) == "KEY_COMPROMISED"
    assert own_server.upload("/v1/verify", "a.pdf", pdf).json["verdict"] == "KEY_COMPROMISED"
    assert ask(own_server, other_url) == "CLAIMS_ONLY"


def test_a_withdrawn_document_is_so_at_once_and_on_every_replica(
    own_server: Server, run: Run, tmp_path: Path
) -> None:
    pdf, url = make(own_server)
    (tmp_path / "a.pdf").write_bytes(pdf)
    keys = str(own_server.folder / "var" / "keys")
    (tmp_path / "b").mkdir()
    with serving(tmp_path / "b", keys_dir=keys, soffice="/nothing") as replica:
        assert [ask(server, url) for server in (own_server, replica)] == ["CLAIMS_ONLY"] * 2
        done = run("revoke", tmp_path / "a.pdf")
        assert done.returncode == 0, done.stderr
        assert "已作废" in done.stdout
        assert [ask(server, url) for server in (own_server, replica)] == ["REVOKED"] * 2
        assert own_server.upload("/v1/verify", "a.pdf", pdf).json["verdict"] == "REVOKED"
        for key in own_server.get(f"{PUBLIC}/jwks.json").json["keys"]:
            for ending in ("json", "jws"):
                path = f"{PUBLIC}/revoked/{key['kid']}.{ending}"
                assert own_server.get(path).body == replica.get(path).body


def lists(server: Server, folder: Path) -> tuple[set[str], set[str]]:
    """Return the kids whose revocation list is served, and those whose list is signed; see that readers believe it."""
    TrustFolder(download(server, folder))
    found = [{path.stem for path in (folder / "revoked").glob(f"*.{ending}")} for ending in ("json", "jws")]
    return found[0], found[1]


def test_lists_and_verification_go_on_when_the_keys_do_not(
    own_server: Server, run: Run, tmp_path: Path
) -> None:
    assert run("keys", "rotate").returncode == 0
    pdf, url = make(own_server)
    path = own_server.folder / "var" / "keys" / "keys.json"
    records = json.loads(path.read_bytes())["keys"]
    kids = {record["kid"] for record in records}
    assert len(kids) > 1
    assert lists(own_server, tmp_path / "signing") == (kids, kids)
    assert own_server.get("/readyz").json["status"] == "ok"
    assert "\nwenyin_signing_ready 1.0\n" in own_server.get("/metrics").body.decode()

    # The issuer signs no more; what it withdraws is still believed, and the compromised key signs nothing.
    assert run("keys", "revoke", records[-1]["kid"], "retired").returncode == 0
    assert lists(own_server, tmp_path / "retired") == (kids, kids)
    ready = own_server.get("/readyz")
    assert (ready.status, ready.json["status"]) == (200, "degraded")
    assert "没有可用的签名密钥" in ready.json["message"]
    assert "核验照常" in ready.json["message"]
    metrics = own_server.get("/metrics").body.decode()
    assert "\nwenyin_signing_ready 0.0\n" in metrics
    assert "\nwenyin_ready 1.0\n" in metrics
    assert own_server.post_json(NOTICE, MINIMAL).json["type"] == "urn:wenyin:problem:config-error"
    assert own_server.upload("/v1/verify", "a.pdf", pdf).json["verdict"] in ("EXACT", "TEXT_MATCH")
    doctor = run("doctor")
    assert doctor.returncode == ExitCode.CONFIG, doctor.stdout + doctor.stderr
    assert "不能生成文件，核验照常：" in doctor.stdout

    # Public halves alone, and keys that nobody believes: lists without a signature.
    saved = path.read_bytes()
    public = [{**record, "private": None} for record in json.loads(saved)["keys"]]
    path.write_text(json.dumps({"keys": public}), "utf-8")
    assert lists(own_server, tmp_path / "public") == (kids, set())
    assert own_server.get("/readyz").json["status"] == "degraded"
    path.write_bytes(saved)
    for kid in kids:
        assert run("keys", "revoke", kid, "compromised").returncode == 0
    assert lists(own_server, tmp_path / "compromised") == (kids, set())
    assert ask(own_server, url) == "KEY_COMPROMISED"

    # A private key that went missing is a fault of the folder: what was read before stays.
    assert run("keys", "rotate").returncode == 0
    record = json.loads(path.read_bytes())["keys"][-1]
    kids.add(record["kid"])
    private = path.parent / "private" / record["private"]
    assert lists(own_server, tmp_path / "again") == (kids, kids)
    private.rename(tmp_path / "away.pem")
    assert lists(own_server, tmp_path / "missing") == (kids, kids)
    (tmp_path / "away.pem").rename(private)
    assert own_server.get("/readyz").json["status"] == "ok"
    make(own_server)


def test_commands_refuse_in_chinese_what_makes_no_sense(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7\n")
    cases = [
        (run("keys", "revoke", "00000000", "retired"), ExitCode.CONFIG, "没有编号"),
        (run("keys", "rotate", "nobody"), ExitCode.CONFIG, "nobody"),
        (run("keys", "new", "坏", "--name", "x"), ExitCode.CONFIG, "id"),
        (run("keys", "new", "x", "--name", "单位", "--type", "999"), ExitCode.REQUEST, "种类"),
        (run("revoke", "1" * 300), ExitCode.REQUEST, "无法作废"),
        (run("revoke", tmp_path / "a.pdf"), ExitCode.REQUEST, "PDF"),
        (run("revoke", tmp_path / "none"), ExitCode.REQUEST, "无法读取"),
        (run("verify", "--offline", tmp_path / "a.pdf"), ExitCode.USAGE, "--trust"),
        (run("verify", "--offline", "--trust", tmp_path, "1"), ExitCode.CONFIG, "issuers.json"),
    ]
    for done, code, words in cases:
        assert done.returncode == code, (done.args, done.stderr)
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_new_issuers_get_both_keys_and_sign_only_what_they_may(tmp_path: Path) -> None:
    run = command(tmp_path)
    done = run("keys", "new", "cast", "--name", "中国科协办公厅", "--type", "1")
    assert done.returncode == 0, done.stderr
    found = listed(run)
    assert [(item["use"], item["issuer_name"]) for item in found] == [
        ("token", "中国科协办公厅"),
        ("pdf", "中国科协办公厅"),
    ]
    folder = tmp_path / "var" / "keys"
    for path in (folder / "master.key", *(folder / "private").iterdir()):
        assert path.stat().st_mode & 0o077 == 0


def test_without_a_certificate_the_pdf_goes_unsigned_and_a_warning_says_so(tmp_path: Path) -> None:
    run = command(tmp_path)
    run("keys", "new", "cast", "--name", "中国科协办公厅")
    (tmp_path / "var" / "keys" / "certificates.json").unlink()
    data = FIXTURES / "notice" / "minimal.json"
    done = run("render", "notice", data, "-o", tmp_path / "a.pdf")
    assert done.returncode == 0, done.stderr
    assert "没有可用的 PDF 签名证书" in done.stderr
    assert json.loads(run("verify", tmp_path / "a.pdf").stdout)["verdict"] == "TEXT_MATCH"
    assert run("keys", "rotate", "--pdf").returncode == 0
    run("render", "notice", data, "-o", tmp_path / "b.pdf")
    assert json.loads(run("verify", tmp_path / "b.pdf").stdout)["verdict"] == "EXACT"


def test_offline_verification_needs_only_what_was_published(server: Server, tmp_path: Path) -> None:
    pdf, url = make(server)
    trust = download(server, tmp_path / "trust")
    (tmp_path / "a.pdf").write_bytes(pdf)
    (tmp_path / "b.pdf").write_bytes(pdf + b"\n")
    run = command(tmp_path)
    assert ask_offline(run, trust, url)[0] == "CLAIMS_ONLY"
    code, verdict = ask_offline(run, trust, tmp_path / "a.pdf")
    assert code == "EXACT"
    assert any("文字校验值" in item for item in verdict["not_checked"])
    assert any("名单是那时下载的" in item for item in verdict["not_checked"])
    assert ask_offline(run, trust, tmp_path / "b.pdf")[0] == "CLAIMS_ONLY"
    last = str((int(url[-1]) + 1) % 10)
    assert ask_offline(run, trust, url[:-1] + last)[0] == "BAD_TOKEN"
    assert not (tmp_path / "var").exists()
    anchors = [
        base64.b64decode(item["x5c"][0])
        for issuer in json.loads((trust / "issuers.json").read_bytes())["issuers"]
        for item in issuer["certificates"]
    ]
    assert examine_signatures(pdf, anchors).intact


def ask_offline(run: Run, trust: Path, subject: object) -> tuple[str, dict[str, list[str]]]:
    done = run("verify", "--offline", "--trust", trust, subject)
    assert done.stdout, done.stderr
    verdict = json.loads(done.stdout)
    return verdict["verdict"], verdict


def test_offline_a_forged_revocation_list_is_refused(server: Server, tmp_path: Path) -> None:
    _, url = make(server)
    trust = download(server, tmp_path / "trust")
    run = command(tmp_path)
    (path,) = (trust / "revoked").glob("*.json")
    document_id = server.get(f"/V/{digits(url)}", "application/json").json["document_id"]
    content = {**json.loads(path.read_bytes()), "ctr": 1, "rids": [document_id]}
    path.write_text(json.dumps(content))
    done = run("verify", "--offline", "--trust", trust, url)
    assert done.returncode == ExitCode.CONFIG
    assert "签名" in done.stderr
    path.with_suffix(".jws").unlink()
    assert ask_offline(run, trust, url)[0] == "REVOKED"
    path.unlink()
    code, verdict = ask_offline(run, trust, url)
    assert code == "CLAIMS_ONLY"
    assert "作废名单" not in verdict["checked"]
    assert any("没有下载过" in item for item in verdict["not_checked"])


def test_bundle_names_the_digest_of_the_signed_file(server: Server) -> None:
    answer = server.post_json(f"{NOTICE}?format=bundle", MINIMAL)
    with zipfile.ZipFile(BytesIO(answer.body)) as archive:
        (pdf,) = (archive.read(name) for name in archive.namelist() if name.endswith(".pdf"))
    assert server.upload("/v1/verify", "a.pdf", pdf).json["verdict"] == "EXACT"


def test_openssl_verifies_our_token_from_the_published_key_alone(server: Server, tmp_path: Path) -> None:
    """COSE_Sign1 of RFC 9052 §4.4, put together without any code of the service."""
    _, url = make(server)
    number = int(digits(url))
    token = number.to_bytes((number.bit_length() + 7) // 8, "big")[1:]
    protected, unprotected, payload, signature = cbor2.loads(token)
    assert unprotected == {}
    header = cbor2.loads(protected)
    assert header[1] == -7
    jwks = server.get(f"{PUBLIC}/jwks.json").json["keys"]
    jwk = next(item for item in jwks if item["kid"] == header[4].hex())
    x, y = (base64.urlsafe_b64decode(jwk[name] + "=") for name in ("x", "y"))
    # SubjectPublicKeyInfo of P-256 (RFC 5480 §2): a constant head, then the point.
    spki = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200") + b"\4" + x + y
    (tmp_path / "key.der").write_bytes(spki)
    (tmp_path / "signed").write_bytes(cbor2.dumps(["Signature1", protected, b"wenyin/1", payload]))
    halves = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    (tmp_path / "signature").write_bytes(encode_dss_signature(*halves))
    line = [
        "openssl",
        "dgst",
        "-sha256",
        "-verify",
        "key.der",
        "-keyform",
        "DER",
        "-signature",
        "signature",
        "signed",
    ]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "Verified OK", done.stderr
    (tmp_path / "signed").write_bytes(b"x")
    assert subprocess.run(line, cwd=tmp_path, capture_output=True, check=False).returncode != 0


def test_signed_file_still_says_it_is_pdf_a_2b(server: Server) -> None:
    reader = pypdf.PdfReader(BytesIO(make(server)[0]))
    metadata = reader.root_object["/Metadata"].get_object().get_data()  # type: ignore[union-attr]
    assert b"<pdfaid:part>2</pdfaid:part>" in metadata
    assert b"<pdfaid:conformance>B</pdfaid:conformance>" in metadata
    assert reader.root_object["/OutputIntents"]
    assert reader.metadata is not None
    assert "LibreOffice" in str(reader.metadata.producer)
    assert "pyHanko" not in str(reader.metadata.producer)
