"""The command that judges templates before they serve."""

import sys
from pathlib import Path

import click

from service.bootstrap import load_catalog
from service.catalog import load_template
from service.cli.output import report_errors
from service.errors import ExitCode
from service.model import TemplateSpec
from service.pipeline.lint import lint_template
from service.settings import Settings

_WORDS = {"error": "错误", "warning": "提醒"}


@click.command("lint")
@click.argument("template", required=False, metavar="[ID|FOLDER]")
@report_errors
def lint(template: str | None) -> None:
    """检查模板：标记、字段、字体、字符网格、语言和二维码占位图。

    TEMPLATE 是模板编号或文件夹；不写则检查全部。有错误时退出码为 5，只有提醒时为 0。
    """
    specs = _chosen(template)
    errors = 0
    for spec in specs:
        findings = lint_template(spec)
        for finding in findings:
            errors += finding.severity == "error"
            click.echo(f"{_WORDS[finding.severity]}\t{spec.template_id}\t{finding.place}\t{finding.message}")
        if not findings:
            click.echo(f"通过\t{spec.template_id}")
    if errors:
        click.echo(f"共 {errors} 处错误。", err=True)
        sys.exit(ExitCode.TEMPLATE)


def _chosen(template: str | None) -> list[TemplateSpec]:
    settings = Settings.from_env()
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
