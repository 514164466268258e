"""The licences of everything that is installed with the service, from the lock and the packages themselves.

`tools.update_docs` writes the page.
"""

import re
import tomllib
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
_INDIRECT = "由其他软件包带来"
_LOCK = ROOT / "requirements" / "runtime.txt"

PURPOSES = {
    "cbor2": "二维码里的签发信息",
    "click": "命令行",
    "cryptography": "签名、证书、摘要",
    "docxtpl": "模板的语法（公文模板的填写由本项目自己完成）",
    "docxtpl-lint": "模板检查",
    "flask": "HTTP",
    "flask-swagger-ui": "接口说明网页",
    "fonttools": "读字体里有哪些字",
    "fsspec": "批次的输出位置",
    "gunicorn": "HTTP 进程",
    "itsdangerous": "网页登录的凭据",
    "jinja2": "模板的表达式，网页",
    "jsonschema": "按模板的数据格式检查请求",
    "lxml": "Word 文件的 XML",
    "pikepdf": "写成品 PDF",
    "pillow": "图片",
    "prometheus-client": "指标",
    "pydantic": "配置与模板清单",
    "pyhanko": "PDF 签名（PAdES）",
    "pypdf": "读写 PDF",
    "pypdfium2": "读 PDF 文字、画 PDF 页面",
    "python-calamine": "读 Excel",
    "python-docx": "检查结果的批注",
    "qrcode": "二维码",
    "rich": "命令行的进度",
    "structlog": "日志",
    "xlsxwriter": "写 Excel",
    "zxing-cpp": "识读二维码，批量画码",
    "hatchling": "安装本项目",
    "editables": "安装本项目",
}
"""What each package that the project names itself is for."""

ALLOWED = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0",
        "LGPL-2.1-only", "MPL-2.0",
    }
)  # fmt: skip
"""Licences under which a package may be used as it is, unchanged, beside code under Apache-2.0."""

# What older packages say in words of their own.
_SPELT = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "BSD-3-Clause, Apache-2.0, dependency licenses": "BSD-3-Clause AND Apache-2.0",
}


@dataclass(frozen=True, slots=True)
class Package:
    """One locked package.

    Attributes:
        name: As it is written in the lock.
        version: As it is locked.
        licence: SPDX expression, or the packagers' own words where there is none.
        purpose: What it is for; of those that others bring along, just that.
    """

    name: str
    version: str
    licence: str
    purpose: str

    @property
    def licences(self) -> frozenset[str]:
        """The names in the expression."""
        return frozenset(re.split(r" (?:AND|OR) ", self.licence))


def direct_names() -> frozenset[str]:
    """Return what pyproject.toml names: to run and to build."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    named = [*project["project"]["dependencies"], *project["dependency-groups"]["build"]]
    return frozenset(canonicalize_name(Requirement(item).name) for item in named)


def locked() -> dict[str, str]:
    """Return name and version of every package that is locked for this platform."""
    found = {}
    for line in _LOCK.read_text("utf-8").replace("\\\n", " ").splitlines():
        text = line.partition("--hash")[0].partition("#")[0].strip()
        if text:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate():
                found[canonicalize_name(requirement.name)] = str(requirement.specifier).removeprefix("==")
    return found


def packages() -> list[Package]:
    """Return every locked package of this platform, by name."""
    return [
        Package(name, version, _licence(name), PURPOSES.get(name, _INDIRECT))
        for name, version in sorted(locked().items())
    ]


def _licence(name: str) -> str:
    said = distribution(name).metadata
    classifiers = [
        item.rpartition(" :: ")[2]
        for item in said.get_all("Classifier") or ()
        if item.startswith("License :: OSI Approved")
    ]
    text = said.get("License-Expression") or said.get("License") or next(iter(classifiers), "")
    return _SPELT.get(text, text)


def licences_table() -> str:
    """Return the table of all packages as Markdown."""
    lines = ["| 软件包 | 版本 | 许可 | 用途 |", "|---|---|---|---|"]
    lines += [f"| {item.name} | {item.version} | {item.licence} | {item.purpose} |" for item in packages()]
    return "\n".join(lines)
