"""The contestants: each starts, converts a docx it is given by path, and says how long that took."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from service.convert import CACHE_MARK, ConverterPlan, make_engine
from service.convert.hardening import pdf_filter, pdf_options
from service.model import Deadline
from tests.engines import CANARY
from tests.serving import free_port, wait_until

PROGRAM = Path("/usr/lib/libreoffice/program")
CACHE = Path(__file__).parent / ".cache"
CARBONE = "3.8.2"
UNOSERVER = "3.7"
_TIMEOUT_S = 120


class Missing(Exception):
    """A contestant cannot be had on this machine; says why."""


class Contestant(Protocol):
    name: str

    def convert(self, path: Path) -> float:
        """Convert; return milliseconds."""

    def close(self) -> None: ...


class Engine:
    """One of ours, in process."""

    def __init__(self, name: str, plan: ConverterPlan) -> None:
        self.name = name
        self.engine = make_engine(plan, CANARY, lambda: (CANARY,), print)
        self.engine.start()

    def convert(self, path: Path) -> float:
        document = path.read_bytes()
        begun = time.perf_counter()
        pdf = self.engine.convert(document, Deadline.after(_TIMEOUT_S))
        assert pdf
        return (time.perf_counter() - begun) * 1e3

    def close(self) -> None:
        self.engine.close()


class Pipe:
    """A program that takes paths on its stdin and answers a line each."""

    def __init__(
        self, name: str, command: list[str], environment: Mapping[str, str], first: str = ""
    ) -> None:
        self.name = name
        self._process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        if first:
            self._say(first)
            assert self._hear() == "ready"

    def convert(self, path: Path) -> float:
        begun = time.perf_counter()
        self.send(path)
        self.receive()
        return (time.perf_counter() - begun) * 1e3

    def send(self, path: Path) -> None:
        self._say(str(path))

    def receive(self) -> float:
        answer = self._hear()
        if not answer or answer.startswith("error"):
            raise RuntimeError(f"{self.name}: {answer}")
        took, size = answer.split()
        assert int(size) > 1_000
        return float(took)

    def _say(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line + "\n")

    def _hear(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Soffice:
    """What a shell script does: one program start per document."""

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str], *, cold: bool) -> None:
        self.name = name
        self._folder = folder
        self._environment = environment
        self._cold = cold
        self._numbers = iter(range(1_000_000))

    def convert(self, path: Path) -> float:
        profile = self._folder / (f"cold{next(self._numbers)}" if self._cold else "warm")
        command = ["soffice", "--headless", f"-env:UserInstallation={profile.as_uri()}", "--convert-to"]
        begun = time.perf_counter()
        subprocess.run(
            [*command, pdf_filter(), "--outdir", str(self._folder), str(path)],
            check=True,
            capture_output=True,
            env=dict(self._environment),
            timeout=_TIMEOUT_S,
        )
        took = (time.perf_counter() - begun) * 1e3
        assert (self._folder / f"{path.stem}.pdf").stat().st_size
        if self._cold:
            shutil.rmtree(profile)
        return took

    def close(self) -> None:
        """Nothing stays."""


class Unoserver:
    """unoserver, asked over its RPC by a live client."""

    name = f"unoserver {UNOSERVER}，活客户端"

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        target = CACHE / "unoserver"
        if not target.exists():
            quiet(
                [
                    sys.executable,
                    "-m",
                    "pip",
                    "install",
                    "-q",
                    "--no-deps",
                    "-t",
                    str(target),
                    f"unoserver=={UNOSERVER}",
                ]
            )
        port, inner = free_port(), free_port()
        values = {**uno_environment(environment)}
        values["PYTHONPATH"] = f"{target}:{values['PYTHONPATH']}"
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "unoserver.server", "--port", str(port), "--uno-port", str(inner)),
                *("--executable", "soffice", "--user-installation", str(folder / "uno-profile")),
            ],
            env=values,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._client = xmlrpc.client.ServerProxy(f"http://127.0.0.1:{port}", allow_none=True)
        wait_until(self._answers, 30, "unoserver answers")

    def _answers(self) -> bool:
        try:
            return bool(self._client.info())
        except OSError:
            return False

    def convert(self, path: Path) -> float:
        options = [f"{name}={value['value']}" for name, value in json.loads(pdf_options()).items()]
        document = xmlrpc.client.Binary(path.read_bytes())
        begun = time.perf_counter()
        result = self._client.convert(None, document, None, "pdf", "writer_pdf_Export", options, True, None)
        assert isinstance(result, xmlrpc.client.Binary)
        assert result.data.startswith(b"%PDF-")
        return (time.perf_counter() - begun) * 1e3

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def floor(folder: Path, environment: Mapping[str, str]) -> Pipe:
    first = {
        "program": str(PROGRAM),
        "profile_url": (folder / "floor-profile").as_uri(),
        "pdf_options": pdf_options(),
        "folder": str(folder),
    }
    values = {**environment, "SAL_LOK_OPTIONS": "unipoll", "LC_ALL": "C.UTF-8"}
    return Pipe(
        "下限：进程内 LibreOfficeKit", [sys.executable, "-m", "bench.floor"], values, json.dumps(first)
    )


def carbone(factories: int, environment: Mapping[str, str]) -> Pipe:
    """Return a live Carbone, installed into an ignored folder.

    Raises:
        Missing: There is no node or npm, or the package cannot be had.
    """
    if not (shutil.which("npm") and shutil.which("node")):
        raise Missing("没有 npm，跳过 Carbone")
    CACHE.mkdir(exist_ok=True)
    if not (CACHE / "node_modules" / "carbone").exists():
        quiet(["npm", "install", "--prefix", str(CACHE), "--no-audit", "--no-fund", f"carbone@{CARBONE}"])
    script = Path(__file__).with_name("peer_carbone.js")
    values = {**uno_environment(environment), "NODE_PATH": str(CACHE / "node_modules")}
    # Carbone looks for soffice.bin by name.
    values["PATH"] = f"{values['PATH']}:{PROGRAM}"
    return Pipe(f"Carbone {CARBONE}，{factories} 个实例", ["node", str(script), str(factories)], values)


def uno_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which Python finds LibreOffice's bridge, which peers need and we do not.

    Raises:
        Missing: The Debian package python3-uno cannot be had.
    """
    root = CACHE / "python3-uno"
    if not root.exists():
        version = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", "libreoffice-core-nogui"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        with tempfile.TemporaryDirectory() as folder:
            quiet(["apt-get", "download", f"python3-uno={version}"], folder)
            (package,) = Path(folder).glob("*.deb")
            quiet(["dpkg-deb", "-x", str(package), str(root)])
    return {
        **environment,
        "PYTHONPATH": f"{root}/usr/lib/python3/dist-packages:{root}/usr/lib/libreoffice/program",
        "LD_LIBRARY_PATH": str(PROGRAM),
        "URE_BOOTSTRAP": f"vnd.sun.star.pathname:{PROGRAM}/fundamentalrc",
    }


def quiet(command: list[str], folder: str | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"{' '.join(command[:2])} 失败：{done.stderr.strip()[-200:]}")


def shared_environment(folder: Path, plan: ConverterPlan) -> dict[str, str]:
    """Return the environment of every contestant: the same fonts, the same empty home."""
    config = folder / "fonts.conf"
    (folder / "font-cache").mkdir(exist_ok=True)
    config.write_text(plan.fontconfig.replace(CACHE_MARK, str(folder / "font-cache")), encoding="utf-8")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "FONTCONFIG_FILE": str(config),
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
