"""Write what the code knows into the docs: settings, metrics, errors, the fault matrix, licences, the picture of a page.

usage: python -m tools.update_docs [--picture]
"""

import argparse
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from service.bootstrap import open_services
from service.errors import ServiceError
from service.model import Deadline
from service.pdf import render_pages
from service.settings import Settings
from service.web.metrics import described
from tools.fault_matrix import TESTS, marked_tests, matrix_tables, sections
from tools.licences import licences_table

ROOT = Path(__file__).resolve().parent.parent
_PICTURE_DPI = 100
_RENDER_S = 60
_METRIC_KINDS = {"counter": "计数器", "gauge": "当前值", "histogram": "直方图", "info": "说明信息"}


def settings_table() -> str:
    """Return the table of all settings as Markdown."""
    lines = ["| 变量 | 默认值 | 说明 |", "|---|---|---|"]
    lines += [
        f"| `{name}` | {f'`{value}`' if value else '—'} | {text} |" for name, value, text in Settings.table()
    ]
    return "\n".join(lines)


def errors_table() -> str:
    """Return the table of all error types as Markdown."""
    lines = ["| 代号 | 含义 | HTTP | 退出码 |", "|---|---|---|---|"]
    lines += [
        f"| `{leaf.code}` | {leaf.title} | {leaf.http_status} | {int(leaf.exit_code)} |" for leaf in leaves()
    ]
    return "\n".join(lines)


def metrics_table() -> str:
    """Return the table of all metrics as Markdown."""
    lines = ["| 指标 | 种类 | 标签 | 说明 |", "|---|---|---|---|"]
    lines += [
        f"| `{item.name}` | {_METRIC_KINDS[item.kind]} | {'、'.join(f'`{name}`' for name in item.labels) or '—'}"
        f" | {item.text} |"
        for item in described()
    ]
    return "\n".join(lines)


def fault_matrix() -> str:
    """Return the tables of the fault matrix as Markdown."""
    return matrix_tables(sections((TESTS / "faults.toml").read_text("utf-8")), marked_tests(TESTS))


def leaves(kind: type[ServiceError] = ServiceError) -> Iterator[type[ServiceError]]:
    """Yield every error class, base classes included, in the order of the source."""
    if not kind.__name__.startswith("_"):
        yield kind
    for child in kind.__subclasses__():
        if child.__module__ == "service.errors":
            yield from leaves(child)


def replaced(text: str, name: str, content: str) -> str:
    """Return the text with what stands between two markers replaced."""
    pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
    return pattern.sub(lambda match: f"{match[1]}{content}\n{match[2]}", text)


def main() -> None:
    """Update the docs in place."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--picture", action="store_true", help="render the README's picture anew")
    arguments = parser.parse_args()
    for name, marker, content in (
        ("operations.md", "settings", settings_table()),
        ("operations.md", "metrics", metrics_table()),
        ("errors.md", "errors", errors_table()),
        ("fault-matrix.md", "matrix", fault_matrix()),
        ("licences.md", "licences", licences_table()),
    ):
        path = ROOT / "docs" / name
        path.write_text(replaced(path.read_text("utf-8"), marker, content), "utf-8")
    if arguments.picture:
        _draw_picture()


def _draw_picture() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.from_mapping({"state_dir": folder, "public_url": "https://v.example.gov.cn"})
        with open_services(settings) as services:
            sample = services.catalog.get("notice").sample
            document = services.renderer.render("notice", sample, Deadline.after(_RENDER_S))
    page = next(iter(render_pages(document.pdf, _PICTURE_DPI, grey=False)))
    page.quantize(32).save(ROOT / "docs" / "images" / "notice-page-1.png", optimize=True)


if __name__ == "__main__":
    main()
