"""The fast engine: LibreOffice in a warm process of our own, forked for every few documents."""

import json
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from service.convert.checks import check_docx, check_pdf
from service.convert.engine import Cancelled, ConverterState, EngineOptions
from service.convert.gate import Gate, Priority
from service.convert.install import find_soffice, write_shared
from service.convert.lok.supply import Supply, SupplyPlan
from service.convert.lok.zygote import Child, ChildDied, Zygote, ZygotePlan
from service.convert.tally import Tally
from service.errors import ConversionFailed, ConverterUnavailable
from service.isolation.process import descendants, pss_bytes, run
from service.isolation.sandbox import Sandbox
from service.isolation.workspace import Workspace
from service.model import Deadline
from service.office import __file__ as _office_file

_LIBRARY = "libmergedlo.so"
_START_S = 60.0
_FONT_CACHE_S = 60.0
_FONT_CACHE = "font-cache"
_CRASHES_LIMIT = 2
_LOSSES_LIMIT = 3


class LokEngine:
    """LibreOfficeKit behind the `Converter` protocol.

    Args:
        options: What to run and within which bounds.
        warm_docs: Documents that warm LibreOffice up; asked for when it is ready to take them.
    """

    def __init__(self, options: EngineOptions, warm_docs: Callable[[], Sequence[bytes]]) -> None:
        self._options = options
        self._warm_docs = warm_docs
        self._gate = Gate(options.slots, options.queue_limit)
        self._tally = Tally()
        self._lock = threading.Lock()
        self._workspace: Workspace | None = None
        self._supply: Supply | None = None
        self._sandbox: Sandbox | None = None
        self._no_sandbox_reason = "未启动"
        self._program = Path()
        self._zygotes = 0

    def start(self) -> None:
        """Find LibreOffice, try the sandbox, start a zygote, wait for a warm child."""
        with self._lock:
            if self._supply is not None:
                return
            self._program = find_soffice(self._options.soffice).parent
            if not (self._program / _LIBRARY).exists():
                raise ConverterUnavailable(f"{self._program} 中没有 {_LIBRARY}，不能使用 lok 引擎。")
            workspace = Workspace(self._options.work_dir)
            supply = Supply(self._plan(workspace))
            try:
                self._prepare(workspace)
                supply.start(Deadline.after(_START_S))
            except BaseException:
                supply.close()
                workspace.close()
                raise
            self._workspace, self._supply = workspace, supply

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
        supply = self._supply
        if supply is None:
            raise ConverterUnavailable("转换器尚未启动，请稍后重试。", retry_after_s=5)
        check_docx(docx)
        with self._gate.slot(deadline, priority, cancelled), self._tally.conversion(label):
            return check_pdf(self._convert(supply, docx, deadline, cancelled))

    def state(self) -> ConverterState:
        """Look at the engine without touching it."""
        supply = self._supply
        layers = [
            "独立会话与进程组",
            "随父进程终止",
            "资源上限",
            "环境变量白名单",
            "锁定的 LibreOffice 安全配置",
        ]
        missing = []
        if self._sandbox:
            layers.insert(0, "bubblewrap（无网络、只读系统、内存临时区）")
        else:
            missing.append(f"bubblewrap：{self._no_sandbox_reason}")
        pids = [pid for root in supply.roots for pid in descendants(root)] if supply else []
        return ConverterState(
            engine="lok",
            version=_version(supply.version) if supply else "",
            layers=tuple(layers),
            missing_layers=tuple(missing),
            active=self._gate.active,
            queued=self._gate.queued,
            waited_s=self._gate.waited_s,
            processes=len(pids),
            pss_bytes=pss_bytes(pids),
            **self._tally.counts(self._gate.given_up),
        )

    def recycle(self) -> None:
        """Start a new zygote behind the present one."""
        supply = self._supply
        if supply is not None:
            supply.recycle()

    def close(self) -> None:
        """End every process and remove every file."""
        with self._lock:
            if self._supply is not None:
                self._supply.close()
                self._supply = None
            if self._workspace is not None:
                self._workspace.close()
                self._workspace = None

    def _convert(self, supply: Supply, docx: bytes, deadline: Deadline, cancelled: Cancelled | None) -> bytes:
        crashes = losses = 0
        while True:
            child = supply.take(deadline, cancelled)
            try:
                return _run(supply, child, docx, deadline, cancelled)
            except ChildDied as death:
                self._tally.crash()
                # When the zygote ends, its children do: that says nothing about the document.
                if child.zygote.gone:
                    losses += 1
                else:
                    crashes += 1
                if crashes >= _CRASHES_LIMIT or losses >= _LOSSES_LIMIT:
                    raise ConversionFailed(
                        "LibreOffice 转换时意外退出，未生成 PDF。", detail=str(death)
                    ) from death

    def _prepare(self, workspace: Workspace) -> None:
        shared = workspace.path / "shared"
        # Outlives this instance: to scan large fonts takes longer than to start LibreOffice.
        cache = self._options.work_dir.resolve() / _FONT_CACHE
        write_shared(shared, cache, self._options)
        readable = (
            shared,
            cache,
            self._program.parent,
            Path(sys.base_prefix),
            Path(_office_file).resolve().parent,
            *self._options.readable_dirs,
        )
        self._sandbox, self._no_sandbox_reason = Sandbox.open(self._options.sandbox, workspace, readable)
        with workspace.job() as job:
            # Outside the sandbox, in which the cache is read-only; it reads only our own fonts.
            run(
                ["/usr/bin/fc-cache"],
                environment={"PATH": "/nonexistent", "FONTCONFIG_FILE": str(shared / "fonts.conf")},
                directory=job,
                output_file=job / "output.log",
                deadline=Deadline.after(_FONT_CACHE_S),
            )

    def _plan(self, workspace: Workspace) -> SupplyPlan:
        options = self._options

        def make_zygote() -> Zygote:
            self._zygotes += 1
            return Zygote(
                ZygotePlan(
                    program=self._program,
                    shared=workspace.path / "shared",
                    folder=workspace.path / f"zygote-{self._zygotes}",
                    sandbox=self._sandbox,
                    address_space_bytes=options.address_space_bytes,
                    file_bytes=options.file_bytes,
                    warm_children=options.warm_children,
                )
            )

        return SupplyPlan(
            make_zygote=make_zygote,
            warm_docs=self._warm_docs,
            slots=options.slots,
            documents_per_child=options.documents_per_child,
            recycle_after_s=options.recycle_after_s,
            report=options.report,
            recycled=self._tally.recycle,
        )


def _run(supply: Supply, child: Child, docx: bytes, deadline: Deadline, cancelled: Cancelled | None) -> bytes:
    last = supply.is_last(child)
    fit = False
    try:
        pdf = child.convert(docx, deadline, last=last, cancelled=cancelled)
        fit = not last
        return pdf
    finally:
        supply.give_back(child, fit=fit)


def _version(text: str) -> str:
    if not text:
        return ""
    known = json.loads(text)
    return f"{known['ProductName']} {known['ProductVersion']}{known.get('ProductExtension', '')}"
