"""``wenyin keys …`` and ``wenyin revoke``: the operator's hand on the key folder."""

import json
import sys
from dataclasses import asdict
from getpass import getpass

import click

from service.bootstrap import open_services
from service.cli.output import read_input, report_errors
from service.pipeline.keydesk import KeyDesk
from service.settings import Settings

_CERTIFICATE_BYTES = 1_000_000
_PASSWORD_BYTES = 4_096
_MARKS = ("/V/", "http://", "https://")
_STATUS = {"active": "在用", "retired": "停用（仍可核验）", "compromised": "已泄露（不再可信）"}
_USE = {"token": "二维码", "pdf": "PDF 签名"}


@click.group()
def keys() -> None:
    """管理签发单位和密钥；运行中的服务会自行采用改动，不用重启。"""


@keys.command("new")
@click.argument("issuer")
@click.option("--name", required=True, help="签发单位全称，核验页上显示的就是它")
@click.option("--uscc", help="统一社会信用代码")
@click.option("--type", "doc_types", type=int, multiple=True, help="可签发的文件种类编号，可重复；默认全部")
@report_errors
def new_issuer(issuer: str, name: str, uscc: str | None, doc_types: tuple[int, ...]) -> None:
    """登记签发单位 ISSUER（英文编号），生成它的二维码密钥和 PDF 签名证书。"""
    kid = _desk().new(issuer, name, uscc, doc_types)
    click.echo(f"已登记签发单位“{name}”，密钥编号 {kid}。请备份整个密钥文件夹。")


@keys.command()
@click.argument("issuer", required=False)
@click.option("--token", "which", flag_value="token", help="只换二维码密钥")
@click.option("--pdf", "which", flag_value="pdf", help="只换（或首次生成）PDF 签名证书")
@report_errors
def rotate(issuer: str | None, which: str | None) -> None:
    """更换密钥：旧的停用，只用于核验此前签发的文件。默认两种都换。"""
    for key_id in _desk().rotate(issuer, token=which != "pdf", pdf=which != "token"):
        click.echo(f"已启用新的密钥或证书，编号 {key_id}。")


@keys.command("import")
@click.argument("file", metavar="FILE.p12")
@click.argument("issuer", required=False)
@click.option("--password-file", help="写有密码的文件；不给出则当场询问，输入不是终端时视为没有密码")
@report_errors
def import_certificate(file: str, issuer: str | None, password_file: str | None) -> None:
    """改用 CA 签发的 PDF 签名证书：PKCS#12 文件（.p12、.pfx），RSA。旧证书停用，仍可核验。"""
    data = read_input(file, _CERTIFICATE_BYTES)
    if password_file:
        password = read_input(password_file, _PASSWORD_BYTES).decode("utf-8").rstrip("\r\n")
    else:
        password = getpass("证书文件的密码（没有则直接回车）：") if sys.stdin.isatty() else ""
    key_id = _desk().import_pdf(issuer, data, password)
    click.echo(f"已启用证书，编号 {key_id}；原件 {file} 请妥善保管或销毁。")


@keys.command("revoke")
@click.argument("key_id", metavar="KEY")
@click.argument("status", type=click.Choice(["retired", "compromised"]))
@report_errors
def revoke_key(key_id: str, status: str) -> None:
    """停用密钥（retired），或宣布已泄露（compromised：它签发的文件一律不再可信）。"""
    _desk().set_status(key_id, status)
    click.echo(f"密钥 {key_id} 的状态已改为：{_STATUS[status]}。")


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON；输出不是终端时也是 JSON")
@report_errors
def list_keys(as_json: bool) -> None:
    """列出全部密钥和证书。"""
    for line in _desk().lines():
        if as_json or not sys.stdout.isatty():
            click.echo(json.dumps(asdict(line), ensure_ascii=False))
            continue
        period = f"{line.not_before or '…'} 至 {line.not_after or '…'}"
        click.echo(
            f"{line.key_id:16}  {_USE[line.use]}  {_STATUS[line.status]}  {period}"
            f"  作废 {line.revoked} 份  {line.issuer_id} {line.issuer_name}"
        )


@click.command()
@click.argument("subject", metavar="TOKEN|FILE")
@report_errors
def revoke(subject: str) -> None:
    """作废一份文件：给出二维码中的网址或数字，或签发的文件（- 表示标准输入）。"""
    settings = Settings.from_env()
    is_token = subject.isdecimal() or any(mark in subject for mark in _MARKS)
    data = b"" if is_token else read_input(subject, settings.upload_limit_bytes)
    with open_services(settings, with_converter=False) as services:
        desk = services.desk
        verdict = desk.verify_token(subject) if is_token else desk.verify_file(data)
    document_id = KeyDesk(settings.keys_folder).withdraw(verdict)
    click.echo(f"已作废：{verdict.claims.get('title') or document_id}（文件编号 {document_id}）。")


def _desk() -> KeyDesk:
    return KeyDesk(Settings.from_env().keys_folder)
