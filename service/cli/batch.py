"""``wenyin batch``: from rows to files, on all cores, on a cluster, or as one of many runners."""

import contextlib
import json
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service.batch import (
    BatchOptions,
    BatchPlan,
    Content,
    DaskPool,
    ItemResult,
    Pool,
    ProcessPool,
    RowSource,
    SheetLimits,
    error_workbook,
    plan_batch,
    read_rows,
)
from service.batch.hold import held
from service.batch.job import BatchJob, Target
from service.bootstrap import open_services, open_worker, start_host
from service.cli.output import report_errors
from service.errors import ExitCode
from service.model import OnMissingGlyph, OutputFormat, TemplateSpec
from service.pipeline.press import SheetSettings
from service.settings import Settings

_SHARD = re.compile(r"(\d+)/(\d+)")
_DASK = "dask://"
_EVERY_S = 1.0
_SHOWN_FAILURES = 20
_INTERRUPTED = 130


def _shard(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[int, int]:
    match = _SHARD.fullmatch(text)
    shard, shards = (int(match[1]), int(match[2])) if match else (1, 0)
    if shard >= shards:
        raise click.BadParameter("应为 i/n，i 从 0 起且小于 n，例如 0/3。")
    return shard, shards


def _executor(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
    if text != "local" and not re.fullmatch(r"dask://[^/\s]+:\d+", text):
        raise click.BadParameter("应为 local 或 dask://主机:端口。")
    return text


@click.command()
@click.argument("template")
@click.argument("rows", metavar="ROWS")
@click.option("-o", "--output", required=True, help="文件夹、memory:// 等存储地址，或 .pdf、.zip 文件")
@click.option(
    "--format",
    "output_format",
    type=click.Choice([item.value for item in OutputFormat]),
    default="pdf",
    help="每份文件的格式，默认 pdf",
)
@click.option("--draft", is_flag=True, help="草稿：加水印，二维码标明草稿，不加数字签名")
@click.option(
    "--seal", is_flag=True, help="在每份 PDF 的署名和日期上盖签发单位的印章图样（须配置 WENYIN_SEAL_DIR）"
)
@click.option(
    "--on-missing-glyph",
    type=click.Choice(["error", "geta"]),
    help="没有字体能印出的字：error 视为出错，geta 印成〓并提醒；默认由 WENYIN_ON_MISSING_GLYPH 决定",
)
@click.option(
    "--on-error", type=click.Choice(["abort", "skip"]), default="abort", help="有错的行：全部不做，或跳过"
)
@click.option("--resume", is_flag=True, help="接着上一次做，只做缺少的")
@click.option(
    "--shard", callback=_shard, default="0/1", help="i/n：共 n 个进程分担，本进程是第 i 个（从 0 起）"
)
@click.option("--executor", callback=_executor, default="local", help="local 或 dask://主机:端口")
@click.option("--sheet", default="L7163", help="标签纸的型号，默认 L7163")
@click.option("--start-at", type=click.IntRange(min=1), default=1, help="从第几枚标签开始")
@click.option("--offset-x-mm", type=float, default=0.0, help="标签整体右移（毫米）")
@click.option("--offset-y-mm", type=float, default=0.0, help="标签整体下移（毫米）")
@click.option("--order", type=click.Choice(["row", "column"]), default="row", help="标签逐行或逐列排")
@click.option("--sort", type=click.Choice(["given", "postcode"]), default="given", help="标签的顺序")
@click.option("--copies", type=click.IntRange(1, 100), default=1, help="每枚标签几份")
@report_errors
def batch(
    template: str,
    rows: str,
    output: str,
    output_format: str,
    draft: bool,
    seal: bool,
    on_missing_glyph: OnMissingGlyph | None,
    on_error: str,
    resume: bool,
    shard: tuple[int, int],
    executor: str,
    **sheet: Any,
) -> None:
    """由 ROWS（JSON、NDJSON、xlsx、csv；- 表示标准输入）的每一行各生成一份文件或一枚标签。

    退出码：0 全部成功；2 用法错误；3 数据有误，或有几项失败；7 集群断开或工作进程反复终止；
    130 被中断。7 和 130 可用 --resume 接着做。
    """
    target = Target(output)
    if target.merges and output_format != "pdf":
        raise click.UsageError("合并成一个 .pdf 时，--format 只能是 pdf。")
    if target.whole and shard[1] > 1:
        raise click.UsageError("--shard 的输出应是大家共用的文件夹或存储地址，不能是单个文件。")
    options = BatchOptions(
        OutputFormat(output_format),
        draft,
        on_error == "skip",
        target.merges,
        _sheet_settings(**sheet),
        *shard,
        seal=seal,
        on_missing_glyph=on_missing_glyph,
    )
    sys.exit(_work(template, rows, target, options, executor, resume=resume))


def _work(
    template: str, rows: str, target: Target, options: BatchOptions, executor: str, *, resume: bool
) -> int:
    settings = Settings.from_env()
    with contextlib.ExitStack() as stack:
        host = start_host(settings) if executor == "local" else None
        if host:
            stack.callback(host.close)
        services = stack.enter_context(open_services(settings, with_converter=host is not None, host=host))
        spec = services.catalog.get(template)
        content, name = stack.enter_context(_content(rows))
        source = _source(content, name, spec, settings)
        plan = plan_batch(services.renderer, template, source, options)
        stack.callback(plan.close)
        stack.enter_context(held(target.store, options.shard))
        pool: Pool
        if host:
            arguments = (settings, host.path)
            pool = ProcessPool(
                settings.converters, open_worker, arguments, target.store.url, settings.timeout_s
            )
        else:
            address = executor.removeprefix(_DASK)
            pool = DaskPool(address, open_worker, target.store.url, settings.timeout_s)
        stack.callback(pool.close)
        job = BatchJob(plan, target, resume=resume, shard=options.shard)
        code = _run(job, plan, pool)
        # What was not looked at because of an interruption is not faulty.
        if not job.stopped and (kept := target.keep_faulty(error_workbook, source, job)):
            _tell_of_faulty(kept)
        return code


def _tell_of_faulty(place: str) -> None:
    if sys.stdout.isatty():
        click.echo(f"有问题的行和原因在 {place}，改正后可直接再提交。")
    else:
        _say("faulty_rows", file=place)


def _sheet_settings(
    sheet: str,
    start_at: int,
    offset_x_mm: float,
    offset_y_mm: float,
    order: Literal["row", "column"],
    sort: Literal["given", "postcode"],
    copies: int,
) -> SheetSettings:
    return SheetSettings(sheet, start_at, offset_x_mm, offset_y_mm, order, sort, copies)


def _source(content: Content, name: str, spec: TemplateSpec, settings: Settings) -> RowSource:
    return read_rows(content, spec, name=name, limits=SheetLimits.of_rows(settings.batch_rows_limit))


@contextlib.contextmanager
def _content(rows: str) -> Iterator[tuple[Content, str]]:
    """Give the rows as a file: what comes by a pipe is kept in one, since it is read more than once."""
    if rows != "-":
        yield Path(rows), Path(rows).name
        return
    with tempfile.NamedTemporaryFile(prefix="wenyin-rows-") as file:
        while piece := sys.stdin.buffer.read(1 << 20):
            file.write(piece)
        file.flush()
        yield Path(file.name), ""


def _run(job: BatchJob, plan: BatchPlan, pool: Pool) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: job.stop())
    show = _Bar(job) if sys.stdout.isatty() else _Lines(job)
    with show:
        for warning in plan.warnings:
            show.warn(warning)
        job.run(pool, show.add)
        show.end()
    if job.stopped:
        return _INTERRUPTED
    return ExitCode.REQUEST if job.tally.failed else ExitCode.OK


class _Lines:
    """Progress as JSON lines, at most one a second, and one for each failure."""

    def __init__(self, job: BatchJob) -> None:
        self._job = job
        self._said_s = 0.0

    def __enter__(self) -> "_Lines":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to clear."""

    def warn(self, text: str) -> None:
        _say("warning", message=text)

    def add(self, result: ItemResult) -> None:
        if result.status == "failed":
            _say("failed", row=result.row, line=result.line, code=result.code, message=result.message)
        if time.monotonic() - self._said_s >= _EVERY_S:
            self._said_s = time.monotonic()
            self._tell("progress")

    def end(self) -> None:
        self._tell("stopped" if self._job.stopped else "result")

    def _tell(self, event: str) -> None:
        tally = self._job.tally
        left = tally.seconds_left
        _say(
            event,
            done=tally.done,
            kept=tally.kept,
            failed=tally.failed,
            total=tally.total,
            pages=tally.pages,
            per_second=round(tally.rate, 2),
            seconds_left=None if left is None else round(left, 1),
        )


def _say(event: str, **values: object) -> None:
    click.echo(json.dumps({"event": event, **values}, ensure_ascii=False))


class _Bar:
    """Progress for a person: a bar, the rate, the time left; failures above it."""

    def __init__(self, job: BatchJob) -> None:
        self._job = job
        self._failures = 0
        self._console = Console()
        self._progress = Progress(
            TextColumn("生成"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:.1f} 份/秒　剩余"),
            TimeRemainingColumn(),
            TextColumn("失败 {task.fields[failed]}"),
            console=self._console,
        )
        self._task = self._progress.add_task("", total=job.tally.total, rate=0.0, failed=0)

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def warn(self, text: str) -> None:
        self._progress.console.print(f"提醒：{text}", markup=False)

    def add(self, result: ItemResult) -> None:
        if result.status == "failed":
            self._failures += 1
            if self._failures <= _SHOWN_FAILURES:
                where = f"第 {result.line} 行" if result.line else f"第 {result.row + 1} 项"
                self._progress.console.print(f"失败：{where}：{result.message}", markup=False)
        tally = self._job.tally
        completed = tally.done + tally.failed
        self._progress.update(self._task, completed=completed, rate=tally.rate, failed=tally.failed)

    def end(self) -> None:
        tally = self._job.tally
        state = "已停止，可用 --resume 接着做" if self._job.stopped else "完成"
        self._progress.console.print(
            f"{state}：成功 {tally.done}（其中先前已有 {tally.kept}），失败 {tally.failed}，共 {tally.total}。"
        )
