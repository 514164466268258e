"""``wenyin doctor``: what works on this machine, and what stands in for what."""

import sys
from collections.abc import Sequence

import click
from rich.console import Console
from rich.markup import escape

from service.access import Health, WayReport
from service.bootstrap import Services, look_at_access, open_services
from service.cli.output import report_errors
from service.errors import ExitCode
from service.settings import Settings

_COLOURS = {Health.GOOD: "default", Health.DOUBTFUL: "yellow", Health.BROKEN: "red"}


@click.command()
@report_errors
def doctor() -> None:
    """检查 LibreOffice、字体、隔离层、访问控制、密钥和模板，并试转换一份文件。"""
    settings = Settings.from_env()
    console = Console()
    ways = look_at_access(settings)
    _show_access(console, ways)
    is_broken = any(way.health is Health.BROKEN for way in ways)
    # With these the service does not start; the rest is looked at all the same.
    closed = {"api_keys": None, "oidc_issuer": None} if is_broken else {}
    with open_services(settings.model_copy(update=closed)) as services:
        _show_converter(console, services)
        _show_fonts(console, services)
        _show_keys(console, services)
        for spec in services.catalog:
            console.print(f"模板：{spec.template_id} {spec.title}（版本 {spec.version}）")
        for folder, reason in services.catalog.faults.items():
            console.print(f"[red]模板未载入：{folder}：{reason}[/red]")
        state = services.readiness.check()
        signing_fault = services.keyring.signing_fault(settings.issuer)
    console.print(f"试转换：{'正常' if state.ready else '失败'}。{'' if state.ready else state.reason}")
    if signing_fault:
        console.print(f"[red]不能生成文件，核验照常：{escape(signing_fault)}[/red]", soft_wrap=True)
    if not state.ready:
        sys.exit(ExitCode.UNAVAILABLE)
    if signing_fault:
        sys.exit(ExitCode.CONFIG)
    if is_broken:
        sys.exit(ExitCode.CONFIG)


def _show_access(console: Console, ways: Sequence[WayReport]) -> None:
    for way in ways:
        colour = _COLOURS[way.health]
        console.print(f"[{colour}]访问控制　{escape(way.message)}[/{colour}]", soft_wrap=True)


def _show_converter(console: Console, services: Services) -> None:
    state = services.converter.state()
    console.print(f"LibreOffice：{state.version or '未找到'}（引擎 {state.engine}）")
    console.print("隔离层：" + "、".join(state.layers))
    for missing in state.missing_layers:
        console.print(f"[yellow]缺少的隔离层：{missing}[/yellow]")


def _show_fonts(console: Console, services: Services) -> None:
    for row in services.fonts.reports:
        colour = "red" if row.family is None else "yellow" if row.degraded else "default"
        console.print(f"[{colour}]字体 {escape(row.message)}[/{colour}]", soft_wrap=True)


def _show_keys(console: Console, services: Services) -> None:
    for issuer in services.keyring.issuers_public()["issuers"]:
        mark = "（开发试用）" if issuer.get("development") else ""
        console.print(f"签发单位：{issuer['name']}{mark}")
        side_px = services.pictures.sides_px().get(issuer["id"])
        picture = f"{side_px}×{side_px} 像素，仅作版式用途" if side_px else "未配置，不能加盖"
        console.print(f"印章图样：{picture}", soft_wrap=True)
