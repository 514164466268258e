"""Input, output and error mapping shared by the commands."""

import contextlib
import functools
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from service.errors import ExitCode, RequestError, ServiceError, TooLarge

_P = ParamSpec("_P")
_R = TypeVar("_R")
_STDIO = "-"


def report_errors(command: Callable[_P, _R]) -> Callable[_P, _R]:
    """Turn a `ServiceError` into a Chinese message on stderr and its exit code."""

    @functools.wraps(command)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return command(*args, **kwargs)
        except ServiceError as error:
            click.echo(f"错误：{error}", err=True)
            for fault in error.faults:
                click.echo(f"  {fault.pointer or '（整体）'}：{fault.message}", err=True)
            sys.exit(error.exit_code)

    return wrapped


def read_input(name: str, limit_bytes: int) -> bytes:
    """Return a file's bytes; ``-`` is stdin.

    Raises:
        RequestError: It cannot be read.
        TooLarge: It is over the limit.
    """
    try:
        if name == _STDIO:
            data = sys.stdin.buffer.read(limit_bytes + 1)
        else:
            with Path(name).open("rb") as stream:
                data = stream.read(limit_bytes + 1)
    except OSError as error:
        raise RequestError(f"无法读取 {name}：{error.strerror}。") from error
    if len(data) > limit_bytes:
        raise TooLarge(f"{name} 超过 {limit_bytes} 字节的上限。")
    return data


def write_output(name: str, content: bytes) -> None:
    """Write a file whole or not at all; ``-`` is stdout.

    Raises:
        ServiceError: It cannot be written.
    """
    if name == _STDIO:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    target = Path(name)
    try:
        with tempfile.NamedTemporaryFile(
            dir=target.parent, prefix=f".{target.name}.", delete=False
        ) as scratch:
            scratch.write(content)
        path = Path(scratch.name)
        try:
            path.chmod(0o644)
            path.replace(target)
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink()
            raise
    except OSError as error:
        raise _CannotWrite(f"无法写入 {name}：{error.strerror}。") from error


class _CannotWrite(ServiceError):
    code = "cannot-write"
    exit_code = ExitCode.INTERNAL
