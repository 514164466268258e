"""Three services with one key folder behind nginx, by the configuration in `deploy/nginx`; one of them is killed."""

import contextlib
import http.client
import os
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.pdf import pdf_text
from service.verification import add_issuer
from tests.conftest import FIXTURES, ROOT
from tests.nginx import NGINX, faults, framed
from tests.serving import STOP_S, Answer, Server, free_port, serving, wait_until

pytestmark = [
    pytest.mark.libreoffice,
    pytest.mark.skipif(
        not NGINX.exists() and not os.environ.get("CI"), reason="tools/install-system.sh --test"
    ),
]
CONFIGURATION = ROOT / "deploy" / "nginx"
MINIMAL = (FIXTURES / "notice" / "minimal.json").read_text("utf-8")
DOCUMENT = "/v1/documents/notice"
TITLES = [f"关于举办第{number}届科普讲解活动的通知" for number in "一二三四"]
PATIENCE_S = 180.0
# What a caller may see when its service dies or is full; it asks again (docs/errors.md).
PASSING = {429, 502, 503, 504}


def configuration(folder: Path, port: int, replicas: list[int], **changes: str) -> str:
    """Return the configuration as shipped, with this machine's ports and folders, and no TLS."""
    text = (CONFIGURATION / "wenyin.conf").read_text("utf-8")
    line = "server 127.0.0.1:{} max_fails=3 fail_timeout=5s;"
    assert line.format(8000) in text
    for old, new in {
        line.format(8000): "\n    ".join(line.format(replica) for replica in replicas),
        "listen 443 ssl;": f"listen 127.0.0.1:{port};",
        "listen 80;": f"listen unix:{folder}/unused;",
        "include /etc/nginx/wenyin-tls.conf;": "",
        "/var/log/nginx/wenyin.log": f"{folder}/access.log",
        **changes,
    }.items():
        assert old in text, old
        text = text.replace(old, new)
    return framed(folder, text)


@contextlib.contextmanager
def proxy(folder: Path, replicas: list[int], **changes: str) -> Iterator[Server]:
    """Run nginx in front of services on these ports."""
    folder.mkdir()
    port = free_port()
    (folder / "nginx.conf").write_text(configuration(folder, port, replicas, **changes), "utf-8")
    process = subprocess.Popen([NGINX, "-c", folder / "nginx.conf", "-e", folder / "error.log"])
    server = Server(port, process, folder)
    try:
        wait_until(lambda: answers(server), PATIENCE_S, "nginx answers")
        yield server
    finally:
        process.terminate()
        process.wait(STOP_S)


def answers(server: Server) -> bool:
    assert server.process.poll() is None, (server.folder / "error.log").read_text("utf-8")
    with contextlib.suppress(OSError):
        return server.get("/livez").status == 200
    return False


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    keys = tmp_path_factory.mktemp("shared") / "keys"
    add_issuer(keys, "office", "示例市科学技术协会")
    with contextlib.ExitStack() as stack:
        started = [tmp_path_factory.mktemp(f"replica{number}") for number in range(3)]
        yield [
            stack.enter_context(
                serving(
                    folder, keys_dir=str(keys), public_url="https://v.example.cn", converters="1", workers="1"
                )
            )
            for folder in started
        ]


@dataclass
class Clerk:
    """Asks for documents of one title, and has each verified; keeps what came.

    Attributes:
        title: In every document.
        made: The documents, each complete.
        wrong: What should not have been.
    """

    title: str
    made: list[Answer] = field(default_factory=list)
    wrong: list[object] = field(default_factory=list)

    def work(self, front: Server, over: threading.Event) -> None:
        body = MINIMAL.replace("关于调整值班电话的通知", self.title).encode()
        assert self.title.encode() in body
        while not over.is_set():
            try:
                answer = front.post_json(DOCUMENT, body)
            except (OSError, http.client.HTTPException):
                continue
            if answer.status == 200:
                self.look_at(front, answer)
            elif answer.status not in PASSING:
                self.wrong.append(answer)

    def look_at(self, front: Server, answer: Answer) -> None:
        self.made.append(answer)
        if self.title not in "".join(pdf_text(answer.body).split()):
            self.wrong.append("another document")
        checked = front.upload("/v1/verify", "a.pdf", answer.body)
        code = front.get(f"/V/{answer.headers['x-verify-url'].rpartition('/')[2]}", "application/json")
        said = [(item.status, item.status == 200 and item.json["verdict"]) for item in (checked, code)]
        if said != [(200, "EXACT"), (200, "CLAIMS_ONLY")]:
            self.wrong.append(said)


def test_death_of_a_replica_under_load_harms_no_document_and_no_verification(
    replicas: list[Server], tmp_path: Path
) -> None:
    clerks = [Clerk(title) for title in TITLES]
    over = threading.Event()
    ports = [server.port for server in replicas]
    with contextlib.ExitStack() as stack:
        front = stack.enter_context(proxy(tmp_path / "nginx", ports, **{"rate=20r/s": "rate=2000r/s"}))
        pool = stack.enter_context(ThreadPoolExecutor(len(clerks)))
        stack.callback(over.set)
        working = [pool.submit(clerk.work, front, over) for clerk in clerks]

        def all_have(number: int) -> bool:
            assert not any(item.done() for item in working), [
                item.result() for item in working if item.done()
            ]
            return all(len(clerk.made) >= number for clerk in clerks)

        wait_until(lambda: all_have(2), PATIENCE_S, "documents come")
        replicas[1].kill()
        reached = max(len(clerk.made) for clerk in clerks)
        wait_until(lambda: all_have(reached + 2), PATIENCE_S, "they go on coming")
        over.set()
        for item in working:
            item.result(PATIENCE_S)
        assert [clerk.wrong for clerk in clerks] == [[]] * len(clerks)
        # Whoever made them, each of those that are left knows them, and they are the same.
        for clerk in clerks:
            assert len({answer.headers["x-document-id"] for answer in clerk.made}) == 1
            for server in (replicas[0], replicas[2]):
                verdict = server.upload("/v1/verify", "a.pdf", clerk.made[-1].body).json["verdict"]
                assert verdict == "EXACT"
        log = (front.folder / "access.log").read_text("utf-8")
        assert f"127.0.0.1:{ports[1]}" in log
        assert "/V/-" in log
        assert clerks[0].made[0].headers["x-verify-url"].rpartition("/")[2] not in log


def test_too_many_posts_of_one_address_are_told_to_come_again(replicas: list[Server], tmp_path: Path) -> None:
    few = {"rate=20r/s": "rate=1r/m", "burst=60": "burst=1"}
    with proxy(tmp_path / "nginx", [replicas[0].port], **few) as front:
        asked = [front.post_json("/v1/verify", {"token": "1"}) for _ in range(3)]
        assert [answer.status for answer in asked[:2]] == [200, 200]
        assert (asked[2].status, asked[2].type) == (429, "application/problem+json")
        assert asked[2].json["status"] == 429
        assert int(asked[2].headers["retry-after"]) > 0
        assert [front.get("/v1/templates").status for _ in range(5)] == [200] * 5
        assert front.get("/metrics").status == 404


def test_configuration_as_shipped_is_accepted_by_nginx(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=v.example.gov.cn"
    subprocess.run([*made.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    tls = (CONFIGURATION / "wenyin-tls.conf").read_text("utf-8")
    tls = tls.replace("/etc/ssl/wenyin/fullchain.pem", str(certificate)).replace(
        "/etc/ssl/wenyin/key.pem", str(key)
    )
    (tmp_path / "tls.conf").write_text(tls, "utf-8")
    site = (CONFIGURATION / "wenyin.conf").read_text("utf-8")
    site = site.replace("/etc/nginx/wenyin-tls.conf", f"{tmp_path}/tls.conf")
    site = site.replace("/var/log/nginx", str(tmp_path))
    assert faults(tmp_path, site) == ""
