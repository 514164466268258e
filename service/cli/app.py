"""Entry point and the commands that make or judge documents."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from service.bootstrap import load_catalog, open_offline_desk, open_services
from service.cli.apikeys import apikeys
from service.cli.batch import batch
from service.cli.doctor import doctor
from service.cli.keys import keys, revoke
from service.cli.lint import lint, placeholder
from service.cli.logs import configure_logging
from service.cli.output import read_input, report_errors, write_output
from service.cli.serve import serve
from service.errors import ExitCode
from service.model import Deadline, OnMissingGlyph, OutputFormat, RenderOptions, Verdict, VerdictCode
from service.pipeline.rows import template_workbook
from service.pipeline.verify import VerificationDesk
from service.settings import Settings

_SUFFIXES = {".pdf": OutputFormat.PDF, ".docx": OutputFormat.DOCX, ".zip": OutputFormat.BUNDLE}
_GOOD = {VerdictCode.EXACT, VerdictCode.TEXT_MATCH, VerdictCode.CLAIMS_ONLY}
_MARKS = ("/V/", "http://", "https://")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wenyin", prog_name="wenyin")
def cli() -> None:
    """文印：从 JSON 生成公文，并嵌入可核验的二维码。

    退出码：0 成功；1 内部错误；2 用法错误；3 数据有误；4 核验未通过；5 模板有误；6 转换失败；7 服务不可用；8 配置有误。
    """
    configure_logging("warning", json_lines=False)


@cli.command()
@click.argument("template")
@click.argument("data", metavar="DATA.json")
@click.option("-o", "--output", required=True, help="输出文件；- 表示标准输出")
@click.option(
    "--format",
    "output_format",
    type=click.Choice([item.value for item in OutputFormat]),
    help="默认按输出文件的扩展名，其次为 pdf",
)
@click.option("--draft", is_flag=True, help="草稿：加水印，二维码标明草稿")
@click.option(
    "--seal", is_flag=True, help="在 PDF 的署名和日期上盖签发单位的印章图样（须配置 WENYIN_SEAL_DIR）"
)
@click.option(
    "--on-missing-glyph",
    type=click.Choice(["error", "geta"]),
    help="没有字体能印出的字：error 退回，geta 印成〓并提醒；默认由 WENYIN_ON_MISSING_GLYPH 决定",
)
@report_errors
def render(
    template: str,
    data: str,
    output: str,
    output_format: str | None,
    draft: bool,
    seal: bool,
    on_missing_glyph: OnMissingGlyph | None,
) -> None:
    """用 DATA.json（- 表示标准输入）生成一份文件。"""
    if output_format:
        chosen = OutputFormat(output_format)
    else:
        chosen = _SUFFIXES.get(Path(output).suffix.lower(), OutputFormat.PDF)
    settings = Settings.from_env()
    body = read_input(data, settings.body_limit_bytes)
    with open_services(settings, once=True) as services:
        deadline = Deadline.after(settings.timeout_s)
        options = RenderOptions(chosen, draft=draft, seal=seal, on_missing_glyph=on_missing_glyph)
        document = services.renderer.render(template, body, deadline, options)
        if chosen is OutputFormat.BUNDLE:
            content = services.renderer.bundle(document)
        else:
            content = document.pdf if chosen is OutputFormat.PDF else document.docx
    write_output(output, content)
    for warning in document.warnings:
        click.echo(f"提醒：{warning}", err=True)
    if output != "-":
        click.echo(f"{output}：{document.pages} 页，文件编号 {document.document_id}", err=True)


@cli.command()
@click.argument("subject", metavar="FILE|URL")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON；输出不是终端时也是 JSON")
@click.option("--offline", is_flag=True, help="不用密钥文件夹，只凭事先下载的公开文件核验")
@click.option(
    "--trust",
    "trust_dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="下载的 jwks.json、issuers.json、revoked/*.json 所在文件夹",
)
@report_errors
def verify(subject: str, as_json: bool, offline: bool, trust_dir: Path | None) -> None:
    """核验一个 PDF、docx、扫描图片，或二维码中的网址。"""
    if offline is not (trust_dir is not None):
        raise click.UsageError("--offline 与 --trust 应一起使用。")
    settings = Settings.from_env()
    is_token = subject.isdecimal() or any(mark in subject for mark in _MARKS)
    data = b"" if is_token else read_input(subject, settings.upload_limit_bytes)
    with _desk(settings, trust_dir) as desk:
        verdict = desk.verify_token(subject) if is_token else desk.verify_file(data)
    if as_json or not sys.stdout.isatty():
        click.echo(json.dumps(_verdict_fields(verdict), ensure_ascii=False))
    else:
        _print_verdict(verdict)
    if verdict.code not in _GOOD:
        sys.exit(ExitCode.VERDICT)


@contextmanager
def _desk(settings: Settings, trust_dir: Path | None) -> Iterator[VerificationDesk]:
    if trust_dir is not None:
        with open_offline_desk(settings, trust_dir) as desk:
            yield desk
        return
    with open_services(settings, with_converter=False) as services:
        yield services.desk


@cli.group()
def templates() -> None:
    """查看和检查模板。"""


@templates.command("list")
@report_errors
def list_templates() -> None:
    """列出全部模板。"""
    catalog = load_catalog(Settings.from_env())
    for spec in catalog:
        click.echo(f"{spec.template_id}\t{spec.title}\t版本 {spec.version}\t{spec.sha256[:12]}")
    for folder, reason in catalog.faults.items():
        click.echo(f"{folder}\t未载入：{reason}", err=True)


@templates.command()
@click.argument("template")
@report_errors
def sample(template: str) -> None:
    """输出一个模板的样例数据。"""
    catalog = load_catalog(Settings.from_env())
    write_output("-", catalog.get(template).sample)


@templates.command()
@click.argument("template")
@click.option("-o", "--output", required=True, help="输出文件（.xlsx）；- 表示标准输出")
@report_errors
def workbook(template: str, output: str) -> None:
    """输出一个模板批量填写用的工作簿。"""
    catalog = load_catalog(Settings.from_env())
    write_output(output, template_workbook(catalog.get(template)))


templates.add_command(lint)
templates.add_command(placeholder)
cli.add_command(batch)
cli.add_command(serve)
cli.add_command(doctor)
cli.add_command(keys)
cli.add_command(apikeys)
cli.add_command(revoke)


def _verdict_fields(verdict: Verdict) -> dict[str, Any]:
    return {
        "verdict": verdict.code.value,
        "claims": dict(verdict.claims),
        "checked": list(verdict.checked),
        "not_checked": list(verdict.not_checked),
        "message": verdict.message,
        "document_id": verdict.document_id,
        "development": verdict.development,
        **({"page": verdict.pages[0], "last_page": verdict.pages[1]} if verdict.pages else {}),
        **({"authenticated_text": verdict.authenticated_text} if verdict.authenticated_text else {}),
        **({"differences": list(map(asdict, verdict.differences))} if verdict.differences else {}),
        **({"documents": list(map(_verdict_fields, verdict.documents))} if verdict.documents else {}),
    }


def _print_verdict(verdict: Verdict) -> None:
    click.secho(f"{verdict.code.value}  {verdict.message}", bold=True)
    for key, value in verdict.claims.items():
        click.echo(f"  {key}: {json.dumps(value, ensure_ascii=False)}")
    for item in verdict.checked:
        click.echo(f"  已核验：{item}")
    for item in verdict.not_checked:
        click.echo(f"  未核验：{item}")
    for span in verdict.differences:
        if span.kind != "same":
            click.echo(
                f"  {'删去' if span.kind == 'removed' else '添加'}：{json.dumps(span.text, ensure_ascii=False)}"
            )
    for document in verdict.documents:
        where = f"第 {document.pages[0]} 页" if document.pages else "其中"
        name = document.claims.get("title") or document.claims.get("ref") or ""
        click.echo(f"  {where}：{document.code.value} {name}")


def main() -> None:
    """Run the command line."""
    cli()
