"""Three services with one key folder behind nginx, by the configuration in `deploy/nginx`; one of them is killed."""

import contextlib
import http.client
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
# Takes far longer to make than its first document to arrive.
ROWS = 500
# More than are made at a time, and far less than the buffers of nginx hold.
EVENTS = 30
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


def served_by(front: Server, port: int) -> int:
    """Return how many requests one service has answered well, by the log of nginx."""
    log = (front.folder / "access.log").read_text("utf-8")
    return len(re.findall(rf"127\.0\.0\.1:{port} 200 ", log))


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
        before = served_by(front, ports[1])
        again = stack.enter_context(serving(replicas[1].folder, **replicas[1].environment))
        wait_until(lambda: served_by(front, ports[1]) > before + 2, PATIENCE_S, "it has its share again")
        over.set()
        for item in working:
            item.result(PATIENCE_S)
        assert [clerk.wrong for clerk in clerks] == [[]] * len(clerks)
        # Whoever made them, each of those that are left knows them, and they are the same.
        for clerk in clerks:
            assert len({answer.headers["x-document-id"] for answer in clerk.made}) == 1
            for server in (replicas[0], again, replicas[2]):
                verdict = server.upload("/v1/verify", "a.pdf", clerk.made[-1].body).json["verdict"]
                assert verdict == "EXACT"
        log = (front.folder / "access.log").read_text("utf-8")
        assert f"127.0.0.1:{ports[1]}" in log
        assert "/V/-" in log
        assert clerks[0].made[0].headers["x-verify-url"].rpartition("/")[2] not in log


@pytest.mark.parametrize("accept", ["application/x-ndjson", "application/zip"])
def test_a_batch_arrives_while_it_is_made_and_ends_when_nobody_waits(
    replicas: list[Server], tmp_path: Path, accept: str
) -> None:
    rows = [
        MINIMAL.replace("关于调整值班电话的通知", f"关于第{number}项工作的通知") for number in range(ROWS)
    ]
    body = "\n".join(json.dumps(json.loads(row), ensure_ascii=False) for row in rows).encode()
    headers = {"Content-Type": "application/x-ndjson", "Accept": accept}
    server = replicas[0]
    with proxy(tmp_path / "nginx", [server.port]) as front:
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", front.port, timeout=PATIENCE_S)
        ) as line:
            line.request("POST", "/v1/batches/notice", body, headers)
            with contextlib.closing(line.getresponse()) as response:
                assert response.status == 200
                request_id = response.headers["x-request-id"]
                if accept.endswith("zip"):
                    assert response.read(4) == b"PK\x03\x04"
                else:
                    events = [json.loads(response.readline()) for _ in range(EVENTS)]
                    assert {event["event"] for event in events} == {"progress"}
                # This much has come, and we go.
        wait_until(lambda: ended(server, request_id), PATIENCE_S, "the service knows that nobody waits")
    (told,) = ended(server, request_id)
    assert (told["client_gone"], told["total"]) == (True, ROWS)
    assert told["done"] < ROWS, "it came when all was made, or was made for nobody"


def ended(server: Server, request_id: str) -> list[dict[str, Any]]:
    """Return what a service wrote down when a batch ended."""
    lines = [json.loads(line) for line in server.log.splitlines() if '"batch ended"' in line]
    return [line for line in lines if line["request_id"] == request_id]


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
