"""The command that judges templates before they serve."""

import sys
from contextlib import closing
from pathlib import Path

import click

from service.bootstrap import load_catalog, work_dir
from service.catalog import load_template
from service.cli.output import report_errors, write_output
from service.errors import ExitCode
from service.model import TemplateSpec
from service.pipeline.annotate import annotated
from service.pipeline.lint import lint_template, placeholder_picture
from service.pipeline.trial import PARTS, TrialRoom
from service.settings import Settings

_WORDS = {"error": "错误", "warning": "提醒"}


@click.command("lint")
@click.argument("template", required=False, metavar="[ID|FOLDER]")
@click.option(
    "--annotate",
    "target",
    metavar="OUT.docx",
    type=click.Path(dir_okay=False, path_type=Path),
    help="另存一份副本，每处问题在原处加一条 Word 批注",
)
@report_errors
def lint(template: str | None, target: Path | None) -> None:
    """检查模板：标记、字段、字体、字符网格、语言、二维码占位图、配置和样例。

    TEMPLATE 是模板编号或文件夹；不写则检查全部。有错误时退出码为 5，只有提醒时为 0。
    """
    settings = Settings.from_env()
    specs = _chosen(template, settings)
    with closing(TrialRoom(work_dir(settings), settings.sandbox)) as room:
        errors = _report(specs, room)
    if target is not None:
        _annotate(specs, target)
    if errors:
        click.echo(f"共 {errors} 处错误。", err=True)
        sys.exit(ExitCode.TEMPLATE)


def _report(specs: list[TemplateSpec], room: TrialRoom) -> int:
    """Say what is wrong with each template, looked into by a process that can be killed; return how many errors."""
    errors = 0
    for spec in specs:
        files = {part: (spec.directory / name).read_bytes() for part, name in PARTS.items()}
        findings = room.lint(files).findings
        for said in findings:
            errors += said["severity"] == "error"
            click.echo(f"{_WORDS[said['severity']]}\t{spec.template_id}\t{said['place']}\t{said['message']}")
        if not findings:
            click.echo(f"通过\t{spec.template_id}")
    return errors


@click.command("placeholder")
@click.option("-o", "--output", required=True, help="输出文件（PNG）；- 表示标准输出")
@click.option("--px", "side_px", default=311, show_default=True, help="边长，与 placeholder_px 一致")
@report_errors
def placeholder(output: str, side_px: int) -> None:
    """生成二维码占位图，供插入模板。"""
    write_output(output, placeholder_picture(side_px))


def _annotate(specs: list[TemplateSpec], target: Path) -> None:
    if len(specs) != 1:
        raise click.UsageError("--annotate 一次只能检查一个模板，请写明模板编号或文件夹。")
    spec = specs[0]
    if target.resolve() == (spec.directory / "template.docx").resolve():
        raise click.UsageError("--annotate 不能写到模板自己，请换一个文件名。")
    write_output(str(target), annotated(spec.docx, lint_template(spec)))


def _chosen(template: str | None, settings: Settings) -> list[TemplateSpec]:
    if template and Path(template).is_dir():
        return [load_template(Path(template).resolve())]
    if template and (settings.templates_dir / template / "template.toml").is_file():
        # Also one that could not be served: that is when its owner asks.
        return [load_template(settings.templates_dir / template)]
    catalog = load_catalog(settings)
    if template:
        return [catalog.get(template)]
    folders = sorted(path.parent for path in settings.templates_dir.glob("*/template.toml"))
    return [load_template(folder) for folder in folders]
