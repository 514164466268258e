"""A fresh Python process for one question: limits, no secret, no network, and one line of JSON for an answer."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service import __file__ as _package_file
from service.isolation.process import Limits, run
from service.isolation.sandbox import Sandbox, SandboxMode
from service.isolation.workspace import Workspace
from service.model import Deadline

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
"""All that such a process knows of the machine's environment."""

_PACKAGE_ROOT = str(Path(_package_file).resolve().parent.parent)
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    " from service.pipeline.{module} import main; main(sys.argv[2:])"
)


class ChildFailed(Exception):
    """The process did not end well within its limits; ``str()`` is what it wrote last."""


def open_sandbox(mode: SandboxMode, workspace: Workspace, readable: Sequence[Path] = ()) -> Sandbox | None:
    """Return a sandbox in which Python and this package can be read, where there is to be one.

    Args:
        mode: As in `Sandbox.open`.
        workspace: Where it is tried.
        readable: What else must be visible.

    Raises:
        ConfigError: It is demanded and does not work.
    """
    return Sandbox.open(
        mode, workspace, (Path(_PACKAGE_ROOT), Path(sys.prefix), Path(sys.base_prefix), *readable)
    )[0]


def python_command(module: str) -> list[str]:
    """Return the command that runs ``main`` of a module of this package with the arguments that follow."""
    return [sys.executable, "-I", "-c", _BOOT.format(module=module), _PACKAGE_ROOT]


@dataclass(frozen=True, slots=True)
class LimitedChild:
    """One kind of question, and who answers it.

    Attributes:
        module: Of this package; its ``main`` writes the answer as its last line.
        limits: On each process.
        limit_s: Time for an answer, seconds.
        answer_bytes: Most of what it may write.
    """

    module: str
    limits: Limits
    limit_s: float
    answer_bytes: int

    def ask(
        self,
        workspace: Workspace,
        sandbox: Sandbox | None,
        files: Mapping[str, bytes],
        arguments: Callable[[Path], Sequence[str]],
    ) -> dict[str, Any]:
        """Return the answer.

        Args:
            workspace: Holds the process's folder for as long as it runs.
            sandbox: Where it lives; ``None`` is outside any.
            files: Name and content of what lies in its folder.
            arguments: Made of that folder.

        Raises:
            ChildFailed: It ended badly, took too long or said too much.
        """
        with workspace.job() as job:
            box = job / "box"
            box.mkdir()
            for name, content in files.items():
                (box / name).write_bytes(content)
            line = self.limits.wrap([*python_command(self.module), *arguments(box)])
            environment = {**ENVIRONMENT, "HOME": str(box), "TMPDIR": str(box)}
            if sandbox:
                line = sandbox.wrap(line, box, environment)
            # Outside the box: the child cannot put another file in its place.
            answer = job / "answer"
            deadline = Deadline.after(self.limit_s)
            ended = run(line, environment=environment, directory=box, output_file=answer, deadline=deadline)
            if ended.timed_out or ended.returncode != 0 or answer.stat().st_size > self.answer_bytes:
                raise ChildFailed(ended.output)
            # A library may have complained first; the answer is the last line.
            found: dict[str, Any] = json.loads(answer.read_bytes().splitlines()[-1])
        return found
