"""The service where little is granted: no writable root, no home, any uid, a small disk, a clock that jumps."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from service.verification import add_issuer
from tests.conftest import FIXTURES, ROOT
from tests.engines import children, kill
from tests.serving import Server, serving, wait_until

pytestmark = pytest.mark.libreoffice

MINIMAL = (FIXTURES / "notice" / "minimal.json").read_bytes()
DOCUMENT = "/v1/documents/notice"
PATIENCE_S = 120.0
UID = "43210"
TMP_MB = 160
# The checkout is bound where anybody may read it; then nothing but /tmp and /dev/shm can be written.
HOME = Path.home()
SCENE = f"""
set -eu
mount --make-rprivate /
mount -t tmpfs -o mode=0755 none /mnt
mkdir /mnt/app /mnt/python /mnt/keys
mount --bind "$KEYS" /mnt/keys
mount --rbind {ROOT} /mnt/app
case {sys.base_prefix} in /usr*) ;; *)
    mount --rbind {sys.base_prefix} /mnt/python
    mount -t tmpfs -o mode=0755 none {HOME}
    mkdir -p {sys.base_prefix}
    mount --rbind /mnt/python {sys.base_prefix} ;;
esac
mount -t tmpfs -o size={TMP_MB}m,mode=1777 none /tmp
mount -t tmpfs -o size=64m,mode=1777 none /dev/shm
for point in /mnt/app /mnt/keys /mnt /; do mount -o remount,bind,ro $point; done
cd /mnt/app
program=$1; shift
if [ "$AS_UID" ]; then
    exec env -u HOME setpriv --reuid $AS_UID --regid $AS_UID --clear-groups \\
        --inh-caps=-all --bounding-set=-all --no-new-privs /mnt/app/${{program#{ROOT}}} "$@"
fi
exec env -u HOME "/mnt/app/${{program#{ROOT}}}" "$@"
"""


def narrow(keys: Path) -> list[str]:
    """Return the command that sets the scene around a key folder; an ordinary user keeps his own uid."""
    root = os.geteuid() == 0
    if root:
        for path in (keys, *keys.rglob("*")):
            os.chown(path, int(UID), int(UID))
    own_namespace = ["unshare", "--mount", *([] if root else ["--map-root-user"])]
    return [
        "env",
        f"KEYS={keys}",
        f"AS_UID={UID if root else ''}",
        *own_namespace,
        "sh",
        "-c",
        SCENE,
        "scene",
    ]


@pytest.fixture(scope="module", params=["auto", "off"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With a sandbox inside, and without, as in most containers."""
    assert Path(sys.executable).is_relative_to(ROOT)
    folder = tmp_path_factory.mktemp("narrow")
    add_issuer(folder / "keys", "office", "示例市科学技术协会")
    with serving(
        folder,
        within=narrow(folder / "keys"),
        sandbox=request.param,
        state_dir="/nowhere",
        keys_dir="/mnt/keys",
        work_dir="/tmp/work",
        workers="1",
        converters="1",
        engine="lok",
    ) as running:
        yield running


def inside(server: Server, path: str) -> Path:
    """Return a path as the service sees it."""
    return Path(f"/proc/{server.process.pid}/root{path}")


@pytest.mark.fault("P5")
def test_read_only_root_any_uid_no_home_and_one_temp_mount_are_enough(server: Server) -> None:
    status = Path(f"/proc/{server.process.pid}/status").read_text("ascii")
    if os.geteuid() == 0:
        assert f"Uid:\t{UID}\t{UID}\t" in status
        assert "CapEff:\t0000000000000000" in status
    assert b"HOME=" not in Path(f"/proc/{server.process.pid}/environ").read_bytes()
    with pytest.raises(OSError, match="Read-only file system"):
        (inside(server, "/") / "written").touch()
    assert server.get("/readyz").status == 200
    # Its keys, too, it can only read, as replicas do.
    with pytest.raises(OSError, match="Read-only file system"):
        (inside(server, "/mnt/keys") / "written").touch()
    made = server.post_json(DOCUMENT, MINIMAL)
    assert (made.status, made.headers["x-warnings"]) == (200, "0")
    assert server.upload("/v1/verify", "a.pdf", made.body).json["verdict"] == "EXACT"


def fill_the_disk(filler: Path) -> None:
    with filler.open("wb", buffering=0) as stream:
        while True:
            stream.write(b"\0" * 65_536)


@pytest.mark.fault("C8")
def test_full_disk_is_503_and_over_when_there_is_room_again(server: Server) -> None:
    first = server.post_json(DOCUMENT, MINIMAL)
    assert first.status == 200
    filler = inside(server, "/tmp") / "filler"
    with pytest.raises(OSError, match="No space"):
        fill_the_disk(filler)
    meanwhile = server.post_json(DOCUMENT, MINIMAL)
    if '"layers": ["bubblewrap' in server.log:
        # In the sandbox LibreOffice writes to memory of its own; the disk is not missed.
        assert meanwhile.status == 200
        assert meanwhile.body.endswith(b"%%EOF\n")
    else:
        assert (meanwhile.status, meanwhile.json["type"]) == (503, "urn:wenyin:problem:no-space")
        assert int(meanwhile.headers["retry-after"]) > 0
        assert "空间不足" in meanwhile.json["detail"]
    assert server.get("/livez").status == 200
    filler.unlink()
    # Without room no child came up either; the next try at one is at most as far away as Retry-After says.
    wait_until(
        lambda: server.post_json(DOCUMENT, MINIMAL).status == 200, PATIENCE_S, "documents are made again"
    )
    again = server.post_json(DOCUMENT, MINIMAL)
    assert again.headers["x-document-id"] == first.headers["x-document-id"]
    wait_until(lambda: server.get("/readyz").status == 200, PATIENCE_S, "it is ready again")


@pytest.mark.fault("P9")
def test_wall_clock_may_jump_while_documents_are_under_way(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")
    turned = [sys.executable, str(Path(__file__).with_name("turned_clock.py")), str(clock)]
    with serving(tmp_path, within=turned, workers="1", converters="1", engine="lok") as server:
        before = server.post_json(DOCUMENT, MINIMAL)
        for hours in ("1", "-1"):
            held = children(server.process.pid)
            for pid in held:
                kill(pid, signal.SIGSTOP)
            with ThreadPoolExecutor(2) as pool:
                # One runs, one waits; an hour goes by, or is taken back.
                asked = [pool.submit(server.post_json, DOCUMENT, MINIMAL) for _ in range(2)]
                wait_until(
                    lambda: "wenyin_conversions_queued 1.0" in server.get("/metrics").body.decode(),
                    PATIENCE_S,
                    "one waits",
                )
                clock.write_text(hours)
                assert server.get("/livez").status == 200
                for pid in held:
                    kill(pid, signal.SIGCONT)
                made = [item.result(PATIENCE_S) for item in asked]
            assert [answer.status for answer in made] == [200, 200]
            # gunicorn believed it.
            said_s = parsedate_to_datetime(made[0].headers["date"]).timestamp()
            assert abs(said_s - time.time()) > 1_800
            assert {answer.headers["x-document-id"] for answer in made} == {before.headers["x-document-id"]}
            assert server.upload("/v1/verify", "a.pdf", made[0].body).json["verdict"] == "EXACT"
            assert server.get("/readyz").status == 200
        assert "WORKER TIMEOUT" not in server.log
