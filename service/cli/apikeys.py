"""``wenyin apikeys …``: who may call the interface."""

import json
import sys
from datetime import datetime
from pathlib import Path

import click

from service.access import ApiKey, new_key, read_keys, revoke_key
from service.cli.output import report_errors
from service.errors import ConfigError
from service.scopes import ALL, PLAIN_SCOPES
from service.settings import Settings


@click.group()
def apikeys() -> None:
    """管理接口密钥（文件由 WENYIN_API_KEYS 指定）；运行中的服务会自行采用改动，不用重启。"""


@apikeys.command("new")
@click.argument("name")
@click.option("--template", "templates", multiple=True, help="可用的模板编号，可重复；默认全部")
@click.option("--issuer", "issuers", multiple=True, help="可用其名义的签发单位编号，可重复；默认全部")
@click.option("--batch", is_flag=True, help="可成批生成")
@click.option("--seal", is_flag=True, help="可加盖印章图样")
@click.option("--metrics", is_flag=True, help="可读取 /metrics")
@click.option(
    "--expires", type=click.DateTime(["%Y-%m-%d"]), help="最后一天（YYYY-MM-DD，北京时间）；默认不过期"
)
@report_errors
def new(
    name: str,
    templates: tuple[str, ...],
    issuers: tuple[str, ...],
    batch: bool,
    seal: bool,
    metrics: bool,
    expires: datetime | None,
) -> None:
    """为 NAME（系统或人的名称）生成一把密钥。密钥只显示这一次，写在标准输出；文件里只有它的哈希值。"""
    words = [f"template:{item}" for item in templates or [ALL]]
    words += [f"issuer:{item}" for item in issuers or [ALL]]
    words += [word for word, given in zip(PLAIN_SCOPES, (batch, seal, metrics), strict=True) if given]
    last_day = expires.date() if expires else None
    made, text = new_key(_file(), name, words, datetime.now().astimezone().date(), last_day)
    click.echo(text)
    click.echo(
        f"已为“{name}”生成密钥 {made.key_id}（{_scopes(made)}）。请立即交给使用者，以后无法再次查看。",
        err=True,
    )


@apikeys.command("list")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON；输出不是终端时也是 JSON")
@report_errors
def list_keys(as_json: bool) -> None:
    """列出全部密钥，包括停用的；没有密钥本身。"""
    for key in read_keys(_file()).values():
        if as_json or not sys.stdout.isatty():
            record = key.record()
            del record["sha256"]
            click.echo(json.dumps(record, ensure_ascii=False))
            continue
        state = f"停用于 {key.revoked}" if key.revoked else f"到期 {key.expires or '不限'}"
        click.echo(f"{key.key_id}  {state}  {_scopes(key)}  {key.name}")


@apikeys.command("revoke")
@click.argument("key_id", metavar="KEY_ID")
@report_errors
def revoke(key_id: str) -> None:
    """停用一把密钥：凭它的请求和网页登录立即失效。"""
    key = revoke_key(_file(), key_id.partition(".")[0], datetime.now().astimezone().date())
    click.echo(f"密钥 {key.key_id}（{key.name}）已停用。")


def _file() -> Path:
    path = Settings.from_env().api_keys
    if path is None:
        raise ConfigError("请先设 WENYIN_API_KEYS：接口密钥文件放在哪里，如 var/apikeys.json。")
    return path


def _scopes(key: ApiKey) -> str:
    return " ".join(sorted(key.grant.words))
