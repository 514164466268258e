"""Prove the Dockerfile where there is no Docker: run its steps in a debootstrap root, then run what it makes.

usage: python tools/prove_dockerfile.py FOLDER

Each stage becomes a folder under FOLDER: a bare Debian of the suite that ``FROM debian:SUITE`` names, or a copy of
another stage. RUN steps run chrooted. The result is started as the image's user, without capabilities, with the root
read-only, one tmpfs at ``/tmp`` and the volumes writable. The health check must pass, a document must be made and
verified, and SIGTERM must end it with 0. Needs root, debootstrap and util-linux; takes the Debian mirror and pip's
certificate from this machine. FOLDER may be given again: stages are built anew, the bare Debian is kept.
"""

import fnmatch
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_START_S = 180
_STOP_S = 100
_KNOWN = frozenset(
    {"FROM", "COPY", "RUN", "USER", "ENV", "WORKDIR", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
)
# As the image's user, next to the service: make a document of the sample and have it verified.
_CLIENT = """
import json, urllib.request as u
base = "http://127.0.0.1:8000"
def ask(path, body=None, kind="application/json"):
    with u.urlopen(u.Request(base + path, body, {"Content-Type": kind}), timeout=100) as answer:
        return answer.read()
pdf = ask("/v1/documents/notice", ask("/v1/templates/notice/sample"))
form = (b'--b\\r\\nContent-Disposition: form-data; name="file"; filename="a.pdf"\\r\\n'
        b'Content-Type: application/pdf\\r\\n\\r\\n' + pdf + b'\\r\\n--b--\\r\\n')
verdict = json.loads(ask("/v1/verify", form, "multipart/form-data; boundary=b"))["verdict"]
print(json.loads(ask("/readyz"))["status"], len(pdf), verdict)
assert verdict == "EXACT"
"""
_LO_UP = (
    "import fcntl, socket, struct; "
    "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sH14s', b'lo', 0x1 | 0x40, b''))"
)
_CONTAINER = """
set -eu
mount --make-rprivate /
mount --bind "$IMAGE" "$IMAGE"
mount -t proc proc "$IMAGE/proc"
mount -t tmpfs -o size=1g,mode=1777 none "$IMAGE/tmp"
mount --rbind /dev "$IMAGE/dev"
for pair in $VOLUMES; do mount --bind "${pair%%=*}" "$IMAGE/${pair#*=}"; done
mount -o remount,bind,ro "$IMAGE"
chroot "$IMAGE" /usr/bin/python3 -c "$LO_UP"
exec chroot "$IMAGE" env -i "$@"
"""


@dataclass(frozen=True)
class Step:
    """One instruction: its name, its flags (``--from=build``) and the rest of the line."""

    name: str
    flags: dict[str, str]
    rest: str

    @property
    def words(self) -> list[str]:
        """The rest as a list, whether it was written as JSON or as a shell line."""
        return list(json.loads(self.rest)) if self.rest.startswith("[") else shlex.split(self.rest)


@dataclass
class Stage:
    """What a FROM begins; ``name`` is its number when it has none."""

    name: str
    base: str
    steps: list[Step] = field(default_factory=list)


@dataclass
class Image:
    """What the steps have said of how to run it."""

    env: dict[str, str] = field(default_factory=lambda: {"PATH": _PATH})
    user: str = "root"
    workdir: str = "/"
    volumes: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)


def parse(text: str) -> list[Stage]:
    """Read a Dockerfile.

    Raises:
        ValueError: It has an instruction that this script cannot prove.
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    stages: list[Stage] = []
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        name, _, rest = line.strip().partition(" ")
        flags = {}
        while found := re.match(r"--([a-z-]+)=(\S+)\s+", rest := rest.strip()):
            flags[found[1]] = found[2]
            rest = rest[found.end() :]
        if name not in _KNOWN:
            raise ValueError(f"{name} is not known here")
        if name == "FROM":
            base, _, alias = rest.partition(" AS ")
            stages.append(Stage(alias or str(len(stages)), base))
        else:
            stages[-1].steps.append(Step(name, flags, rest))
    return stages


def sent(files: list[str], ignore: str) -> list[str]:
    """Return those files of the checkout that ``.dockerignore`` lets into the build; its last match wins."""
    patterns = [line.strip() for line in ignore.splitlines() if line.strip() and not line.startswith("#")]

    def is_kept(name: str) -> bool:
        parts = name.split("/")
        above = ["/".join(parts[: end + 1]) for end in range(len(parts))]
        kept = True
        for pattern in patterns:
            bare = pattern.removeprefix("!")
            loose = bare.removeprefix("**/")
            if any(fnmatch.fnmatch(path, bare) for path in above) or (
                loose != bare and any(fnmatch.fnmatch(part, loose) for part in parts)
            ):
                kept = pattern.startswith("!")
        return kept

    return [name for name in files if is_kept(name)]


class Builder:
    """Builds the stages under a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._context = folder / "context"
        self._images: dict[str, Image] = {}

    def build(self, stages: list[Stage]) -> tuple[Path, Image]:
        """Run every step; return the last stage's root and what it says of how to run it."""
        self._make_context()
        for stage in stages:
            root = self._root(stage.name)
            if root.exists():
                shutil.rmtree(root)
            source, image = self._base(stage.base)
            subprocess.run(["cp", "-a", "--reflink=auto", source, root], check=True)
            self._images[stage.name] = image
            for step in stage.steps:
                begun = time.monotonic()
                self._do(step, root, image)
                print(
                    f"[prove] {stage.name}: {step.name} {step.rest[:70]} ({time.monotonic() - begun:.0f} s)"
                )
        return root, image

    def _root(self, name: str) -> Path:
        return self._folder / f"stage-{name}"

    def _base(self, base: str) -> tuple[Path, Image]:
        if base in self._images:
            known = self._images[base]
            return self._root(base), Image(dict(known.env), known.user, known.workdir)
        found = re.fullmatch(r"debian:([a-z]+)-slim(@sha256:[0-9a-f]{64})?", base)
        if found is None:
            raise ValueError(f"cannot make {base} here")
        bare = self._folder / f"debian-{found[1]}"
        if not (bare / "etc/debian_version").exists():
            subprocess.run(
                ["debootstrap", "--variant=minbase", found[1], bare, _mirror()],
                check=True,
                stdout=subprocess.DEVNULL,
            )
        shutil.copy("/etc/resolv.conf", bare / "etc/resolv.conf")
        return bare, Image()

    def _make_context(self) -> None:
        if self._context.exists():
            shutil.rmtree(self._context)
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
        for name in sent(listed.stdout.splitlines(), (ROOT / ".dockerignore").read_text("utf-8")):
            target = self._context / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)

    def _do(self, step: Step, root: Path, image: Image) -> None:
        match step.name:
            case "COPY":
                self._copy(step, root, image)
            case "RUN":
                self._run(step.rest, root, image)
            case "ENV":
                image.env |= dict(word.split("=", 1) for word in step.words)
            case "USER":
                image.user = step.rest
            case "WORKDIR":
                image.workdir = step.rest
                (root / step.rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "VOLUME":
                image.volumes += step.words
            case "HEALTHCHECK":
                image.health = list(json.loads(step.rest.partition("CMD ")[2]))
            case "ENTRYPOINT":
                image.entrypoint = step.words
            case "CMD":
                image.command = step.words

    def _copy(self, step: Step, root: Path, image: Image) -> None:
        *sources, target = step.words
        origin = self._root(step.flags["from"]) if "from" in step.flags else self._context
        place = root / os.path.join(image.workdir, target).lstrip("/")  # noqa: PTH118 - an absolute one wins
        for source in sources:
            found = origin / source.lstrip("/")
            into = place / found.name if target.endswith("/") and found.is_file() else place
            into.parent.mkdir(parents=True, exist_ok=True)
            if found.is_dir():
                shutil.copytree(found, into, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy2(found, into)

    def _run(self, line: str, root: Path, image: Image) -> None:
        if image.user != "root":
            raise ValueError("RUN after USER is not known here")
        env = dict(image.env)
        if certificate := os.environ.get("PIP_CERT"):
            shutil.copy(certificate, root / "root/pip-ca.crt")
            env["PIP_CERT"] = "/root/pip-ca.crt"
        words = [f"{key}={value}" for key, value in env.items()]
        with _mounted(root):
            inner = f"cd {shlex.quote(image.workdir)} && {line}"
            subprocess.run(
                ["chroot", root, "/usr/bin/env", "-i", *words, "/bin/sh", "-ec", inner], check=True
            )


def _mirror() -> str:
    form = "$(LABEL) $(REPO_URI)"
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", form, "Created-By: Packages"],
        check=True,
        capture_output=True,
        text=True,
    )
    return next(line.split()[1] for line in listed.stdout.splitlines() if line.startswith("Debian "))


@contextmanager
def _mounted(root: Path) -> Iterator[None]:
    with ExitStack() as stack:
        for name in ("proc", "sys", "dev"):
            point = root / name
            subprocess.run(["mount", "--rbind", f"/{name}", point], check=True)
            stack.callback(subprocess.run, ["umount", "-l", point], check=False)
            subprocess.run(["mount", "--make-rslave", point], check=True)
        yield


class Container:
    """The image, running: read-only root, the image's user, no capability, networks and processes of its own."""

    def __init__(self, root: Path, image: Image, folder: Path) -> None:
        self._image = image
        self._ids = self._find_ids(root)
        volumes = []
        for volume in image.volumes:
            outside = folder / "volumes" / volume.strip("/").replace("/", "-")
            shutil.rmtree(outside, ignore_errors=True)
            shutil.copytree(root / volume.lstrip("/"), outside)
            os.chown(outside, *self._ids)
            outside.chmod(0o700)
            volumes.append(f"{outside}={volume.lstrip('/')}")
        uid, gid = map(str, self._ids)
        drop = ["--reuid", uid, "--regid", gid, "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]
        words = [f"{key}={value}" for key, value in image.env.items()]
        words += [
            "setpriv",
            *drop,
            "--no-new-privs",
            "--",
            "/bin/sh",
            "-c",
            f'cd {image.workdir}; exec "$@"',
            "sh",
        ]
        words += [*image.entrypoint, *image.command]
        self._process = subprocess.Popen(
            ["unshare", "--mount", "--net", "--pid", "--fork", "sh", "-c", _CONTAINER, "container", *words],
            env={**os.environ, "IMAGE": str(root), "VOLUMES": " ".join(volumes), "LO_UP": _LO_UP},
        )

    @property
    def _first(self) -> int:
        """Process id, out here, of the first process inside."""
        listing = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return int(listing.read_text("ascii").split()[0])

    def run(self, command: list[str]) -> "subprocess.CompletedProcess[bytes]":
        """Run a command beside the service, as its user."""
        uid, gid = map(str, self._ids)
        enter = ["nsenter", "-t", str(self._first), "-m", "-n", "-p", "-r", "-S", uid, "-G", gid, "--"]
        env = {"PATH": _PATH}
        return subprocess.run([*enter, *command], check=False, capture_output=True, timeout=_START_S, env=env)

    def wait_until_healthy(self) -> None:
        """Run the image's health check until it passes."""
        until = time.monotonic() + _START_S
        while True:
            if self._process.poll() is not None:
                raise SystemExit(f"[prove] it ended by itself: {self._process.returncode}")
            checked = self.run(self._image.health) if self._is_inside() else None
            if checked and checked.returncode == 0:
                return
            if time.monotonic() > until:
                raise SystemExit(f"[prove] not healthy: {checked.stderr.decode() if checked else ''}")
            time.sleep(0.5)

    def stop(self) -> int:
        """Send SIGTERM to the first process inside; return how all ended."""
        os.kill(self._first, signal.SIGTERM)
        return self._process.wait(_STOP_S)

    def end(self) -> None:
        """End it whatever state it is in."""
        if self._process.poll() is None:
            os.kill(self._first, signal.SIGKILL)
            self._process.wait()

    def _is_inside(self) -> bool:
        try:
            return Path(f"/proc/{self._first}/cmdline").read_bytes().split(b"\0")[0].endswith(b"tini")
        except (OSError, IndexError):
            return False

    def _find_ids(self, root: Path) -> tuple[int, int]:
        for line in (root / "etc/passwd").read_text("utf-8").splitlines():
            name, _, uid, gid, *_ = line.split(":")
            if name == self._image.user:
                return int(uid), int(gid)
        raise ValueError(f"no user {self._image.user}")


def main() -> None:
    """Build and prove."""
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    root, image = Builder(folder).build(parse((ROOT / "Dockerfile").read_text("utf-8")))
    if image.user in ("root", "0"):
        raise SystemExit("[prove] it runs as root")
    size = subprocess.run(["du", "-sm", root], check=True, capture_output=True, text=True).stdout.split()[0]
    print(f"[prove] built in {(time.monotonic() - begun) / 60:.1f} min, {size} MB")
    container = Container(root, image, folder)
    try:
        container.wait_until_healthy()
        refused = container.run(["touch", "/opt/written"])
        client = container.run(["/opt/wenyin/.venv/bin/python", "-c", _CLIENT])
        print(f"[prove] {client.stdout.decode().strip()} {client.stderr.decode().strip()}")
        if client.returncode or b"Read-only" not in refused.stderr:
            raise SystemExit(f"[prove] failed: {refused.stderr.decode()}")
        code = container.stop()
    finally:
        container.end()
    if code:
        raise SystemExit(f"[prove] SIGTERM ended it with {code}")
    print(
        f"[prove] healthy, rendered, verified, stopped with 0; {(time.monotonic() - begun) / 60:.1f} min in all"
    )


if __name__ == "__main__":
    main()
