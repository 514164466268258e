"""The bubblewrap layer: no network, a read-only system, one writable folder."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from service.errors import ConfigError
from service.isolation.process import run
from service.isolation.workspace import Workspace
from service.model import Deadline

SandboxMode = Literal["auto", "require", "off"]

_TRIAL_S = 20.0
_TMP_BYTES = 1_000_000_000
_SYSTEM = ("/usr",)
_SYSTEM_IF_THERE = ("/etc/libreoffice", "/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf")
_LINKS = ("bin", "lib", "lib64", "sbin")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Wraps commands in bubblewrap.

    Attributes:
        program: Path of ``bwrap``.
        readable: Folders visible read-only, at their own paths.
    """

    program: str
    readable: tuple[Path, ...] = ()

    @classmethod
    def open(
        cls, mode: SandboxMode, workspace: Workspace, readable: Sequence[Path]
    ) -> tuple["Sandbox | None", str]:
        """Try whether this machine lets bubblewrap do its work.

        Args:
            mode: ``auto`` uses it if it works, ``require`` insists, ``off`` leaves it out.
            workspace: Where the trial runs.
            readable: Folders outside ``/usr`` that must be visible.

        Returns:
            The sandbox and an empty reason, or ``None`` and the Chinese reason.

        Raises:
            ConfigError: It is demanded and does not work.
        """
        sandbox, reason = cls._try(workspace, readable) if mode != "off" else (None, "已在配置中关闭")
        if sandbox is None and mode == "require":
            raise ConfigError(f"WENYIN_SANDBOX=require，但 bubblewrap 不可用：{reason}。")
        return sandbox, reason

    @classmethod
    def _try(cls, workspace: Workspace, readable: Sequence[Path]) -> tuple["Sandbox | None", str]:
        program = shutil.which("bwrap")
        if program is None:
            return None, "未安装"
        outside = sorted({path.resolve() for path in readable if not path.resolve().is_relative_to("/usr")})
        sandbox = cls(program, tuple(outside))
        environment = {"PATH": "/usr/bin:/bin"}
        with workspace.job() as job:
            ended = run(
                sandbox.wrap(["/usr/bin/true"], job, environment),
                environment=environment,
                directory=job,
                output_file=job / "output.log",
                deadline=Deadline.after(_TRIAL_S),
            )
        if ended.returncode != 0:
            return None, f"本机不允许（{ended.output.strip()[:200]}）"
        return sandbox, ""

    def wrap(
        self, command: Sequence[str], writable: Path | None, environment: Mapping[str, str]
    ) -> list[str]:
        """Return the command that runs ``command`` with only ``writable`` to write to.

        Args:
            command: Program and arguments; all paths stay as they are outside.
            writable: The one folder that is bound read-write; ``None`` leaves only the sandbox's
                own ``/tmp``, which is memory and bounded.
            environment: The child's whole environment.
        """
        line = [
            self.program,
            "--unshare-all",
            "--die-with-parent",
            "--new-session",
            "--clearenv",
            *("--cap-drop", "ALL"),
            *("--proc", "/proc"),
            *("--dev", "/dev"),
            *(("--size", str(_TMP_BYTES)) if writable is None else ()),
            *("--tmpfs", "/tmp"),  # noqa: S108 - the sandbox's own
        ]
        for path in _SYSTEM:
            line += ["--ro-bind", path, path]
        for path in _SYSTEM_IF_THERE:
            line += ["--ro-bind-try", path, path]
        for name in _LINKS:
            if Path("/", name).is_symlink():
                line += ["--symlink", f"usr/{name}", f"/{name}"]
        for folder in self.readable:
            line += ["--ro-bind", str(folder), str(folder)]
        if writable is None:
            line += ["--chdir", "/tmp"]  # noqa: S108 - the sandbox's own
        else:
            line += ["--bind", str(writable), str(writable), "--chdir", str(writable)]
        for key, value in environment.items():
            line += ["--setenv", key, value]
        return [*line, "--", *command]
