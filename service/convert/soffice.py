"""The portable engine: one ``soffice --convert-to`` per document, each with its own profile."""

import re
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from service.convert import hardening
from service.convert.checks import check_docx, check_pdf
from service.convert.engine import Cancelled, ConverterState, EngineOptions
from service.convert.gate import Gate, Priority
from service.convert.install import find_soffice, write_shared
from service.convert.tally import Tally
from service.errors import (
    ConversionCancelled,
    ConversionFailed,
    ConversionTimeout,
    ConverterUnavailable,
)
from service.isolation.process import Ended, Limits, run
from service.isolation.sandbox import Sandbox
from service.isolation.workspace import Workspace, no_space
from service.model import Deadline

_ARGUMENTS = (
    "--headless",
    "--norestore",
    "--nolockcheck",
    "--nodefault",
    "--nologo",
    "--nofirststartwizard",
)
_LAUNCHER_PATH = "/usr/bin:/bin"
_WARM_UP_S = 60.0
_PROBE_S = 20.0
_PROFILE_FULL = 77
_RESTART_WANTED = 81
_SIGNALLED = 128
_CPU_PER_CORE = 2


class SofficeEngine:
    """LibreOffice as a subprocess, one per document.

    Args:
        options: What to run and within which bounds.
        warm_up_docx: Converted once at start, so that every job begins from a ready profile.
        check: Refuses what must not reach LibreOffice.
    """

    def __init__(
        self,
        options: EngineOptions,
        warm_up_docx: bytes,
        check: Callable[[bytes], None] = check_docx,
    ) -> None:
        self._options = options
        self._check = check
        self._tally = Tally()
        self._warm_up_docx = warm_up_docx
        self._gate = Gate(options.slots, options.queue_limit)
        self._lock = threading.Lock()
        self._workspace: Workspace | None = None
        self._sandbox: Sandbox | None = None
        self._no_sandbox_reason = "未启动"
        self._program = Path()
        self._version = ""

    def start(self) -> None:
        """Find LibreOffice, make the work folder, try the sandbox, warm a profile."""
        with self._lock:
            if self._workspace is not None:
                return
            self._program = find_soffice(self._options.soffice)
            workspace = Workspace(self._options.work_dir)
            try:
                self._prepare(workspace)
            except BaseException:
                workspace.close()
                raise
            self._workspace = workspace

    def convert(
        self,
        docx: bytes,
        deadline: Deadline,
        *,
        priority: Priority = Priority.SINGLE,
        cancelled: Cancelled | None = None,
        label: str = "",
    ) -> bytes:
        """Convert one document; see `Converter.convert`."""
        workspace = self._workspace
        if workspace is None:
            raise ConverterUnavailable("转换器尚未启动，请稍后重试。", retry_after_s=5)
        self._check(docx)
        with self._gate.slot(deadline, priority, cancelled), self._tally.conversion(label):
            try:
                return self._attempt(workspace, docx, deadline, cancelled)
            except _Crashed:
                self._tally.crash()
                # A crash may have been the machine's fault; a bad document fails without one.
                try:
                    return self._attempt(workspace, docx, deadline, cancelled)
                except _Crashed as crash:
                    self._tally.crash()
                    raise ConversionFailed(
                        "LibreOffice 转换时意外退出，未生成 PDF。", detail=crash.output
                    ) from crash

    def state(self) -> ConverterState:
        """Look at the engine without touching it."""
        layers = ["独立进程组", "资源上限", "环境变量白名单", "锁定的 LibreOffice 安全配置"]
        missing = []
        if self._sandbox:
            layers.insert(0, "bubblewrap（无网络、只读系统）")
        else:
            missing.append(f"bubblewrap：{self._no_sandbox_reason}")
        return ConverterState(
            engine="soffice",
            version=self._version,
            layers=tuple(layers),
            missing_layers=tuple(missing),
            active=self._gate.active,
            queued=self._gate.queued,
            waited_s=self._gate.waited_s,
            **self._tally.counts(self._gate.given_up),
        )

    def recycle(self) -> None:
        """Nothing to do: each document gets a LibreOffice of its own."""

    def close(self) -> None:
        """Remove the work folder; jobs end with the requests that wait for them."""
        with self._lock:
            if self._workspace is not None:
                self._workspace.close()
                self._workspace = None

    def _prepare(self, workspace: Workspace) -> None:
        shared = workspace.path / "shared"
        write_shared(shared, shared / "cache", self._options)
        readable = (shared, self._program.parent.parent, *self._options.readable_dirs)
        self._sandbox, self._no_sandbox_reason = Sandbox.open(self._options.sandbox, workspace, readable)
        with workspace.job() as job:
            # Outside the sandbox, in which the cache is read-only; it reads only our own fonts.
            run(
                ["/usr/bin/fc-cache"],
                environment=_environment(workspace, job),
                directory=job,
                output_file=job / "output.log",
                deadline=Deadline.after(_WARM_UP_S),
            )
            ended = self._execute(workspace, job, [str(self._program), "--version"], Deadline.after(_PROBE_S))
            self._version = ended.output.strip().split("\n")[-1].strip()
        if not re.match(r"LibreOffice \d+\.\d+", self._version):
            raise ConverterUnavailable(
                f"{self._program} 无法运行，请用 wenyin doctor 检查。", detail=ended.output
            )
        self._warm_profile(workspace)

    def _warm_profile(self, workspace: Workspace) -> None:
        # The first start on a new profile costs about a second and wants the launcher; all jobs
        # copy this one and go straight to the program behind it.
        with workspace.job() as job:
            self._run_soffice(workspace, job, self._warm_up_docx, Deadline.after(_WARM_UP_S))
            _read_result(workspace, job)
            shutil.copytree(job / "profile", workspace.path / "shared" / "profile")
        direct = self._program.with_name("soffice.bin")
        if self._program.name == "soffice" and direct.exists():
            self._program = direct

    def _attempt(
        self, workspace: Workspace, docx: bytes, deadline: Deadline, cancelled: Cancelled | None
    ) -> bytes:
        with workspace.job() as job:
            self._run_soffice(workspace, job, docx, deadline, cancelled)
            return _read_result(workspace, job)

    def _run_soffice(
        self,
        workspace: Workspace,
        job: Path,
        docx: bytes,
        deadline: Deadline,
        cancelled: Cancelled | None = None,
    ) -> None:
        (job / "in.docx").write_bytes(docx)
        ready = workspace.path / "shared" / "profile"
        if ready.exists():
            shutil.copytree(ready, job / "profile")
        registry = self._program.parent.parent / "share" / "registry"
        layers = hardening.configuration_layers(registry, workspace.path / "shared", job / "profile")
        command = [
            str(self._program),
            *_ARGUMENTS,
            f"-env:CONFIGURATION_LAYERS={layers}",
            f"-env:UserInstallation={(job / 'profile').as_uri()}",
            f"--infilter={hardening.INPUT_FILTER}",
            "--convert-to",
            hardening.pdf_filter(),
            "--outdir",
            str(job / "out"),
            str(job / "in.docx"),
        ]
        ended = self._execute(workspace, job, command, deadline, cancelled)
        _judge(workspace, job, ended)

    def _execute(
        self,
        workspace: Workspace,
        job: Path,
        command: list[str],
        deadline: Deadline,
        cancelled: Cancelled | None = None,
    ) -> Ended:
        environment = _environment(workspace, job, launcher=self._program.name != "soffice.bin")
        cpu_s = int(deadline.remaining_s() * _CPU_PER_CORE) + 10
        limits = Limits(self._options.address_space_bytes, cpu_s, self._options.file_bytes)
        line = limits.wrap(command)
        if self._sandbox:
            line = self._sandbox.wrap(line, job, environment)
        else:
            line = ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--", *line]
        try:
            return run(
                line,
                environment=environment,
                directory=job,
                output_file=job / "output.log",
                deadline=deadline,
                cancelled=cancelled,
            )
        except FileNotFoundError as error:
            raise ConverterUnavailable("缺少系统工具，请重新运行安装脚本。", detail=repr(error)) from error


class _Crashed(Exception):
    """LibreOffice died without saying that the document is at fault."""

    def __init__(self, output: str) -> None:
        super().__init__(output)
        self.output = output


def _environment(workspace: Workspace, job: Path, *, launcher: bool = False) -> Mapping[str, str]:
    return {
        # Without a PATH it cannot go looking for gpg at each start, nor for anything else.
        "PATH": _LAUNCHER_PATH if launcher else "/nonexistent",
        "HOME": str(job),
        "TMPDIR": str(job),
        "LANG": "C.UTF-8",
        "FONTCONFIG_FILE": str(workspace.path / "shared" / "fonts.conf"),
        "XDG_CACHE_HOME": str(job),
    }


def _judge(workspace: Workspace, job: Path, ended: Ended) -> None:
    """Raise what went wrong, unless there is a result to read."""
    if ended.cancelled:
        raise ConversionCancelled("请求已被取消。")
    if ended.timed_out:
        raise ConversionTimeout(
            "转换没有在时限内完成，已终止。文件可能过于复杂，请减少内容后重试。", detail=ended.output
        )
    if _result(job).exists():
        return
    if ended.returncode == _PROFILE_FULL or workspace.nearly_full():
        raise no_space(ended.output)
    crashed = ended.returncode < 0 or ended.returncode >= _SIGNALLED or ended.returncode == _RESTART_WANTED
    reason = _last_line(ended.output)
    if crashed:
        raise _Crashed(f"rc {ended.returncode}: {reason}")
    raise ConversionFailed(
        "LibreOffice 未能生成 PDF，文件可能已损坏。", detail=f"rc {ended.returncode}: {reason}"
    )


def _read_result(workspace: Workspace, job: Path) -> bytes:
    # The exit code says nothing: LibreOffice ends with 0 after most failures.
    try:
        return check_pdf(_result(job).read_bytes())
    except ConversionFailed as error:
        if workspace.nearly_full():
            raise no_space("truncated PDF") from error
        raise


def _result(job: Path) -> Path:
    return job / "out" / "in.pdf"


def _last_line(output: str) -> str:
    # LibreOffice always complains about the Java that it does not need.
    lines = [line for line in output.splitlines() if line.strip() and "javaldx" not in line]
    return lines[-1] if lines else "no output"
