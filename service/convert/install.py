"""Where LibreOffice is on this machine, and what it reads besides documents."""

import os
import shutil
from pathlib import Path

from service.convert import hardening
from service.convert.engine import EngineOptions
from service.errors import ConverterUnavailable


def find_soffice(configured: Path | None) -> Path:
    """Return the path of the ``soffice`` program.

    Args:
        configured: The operator's choice; ``None`` looks in the usual places.

    Raises:
        ConverterUnavailable: There is none.
    """
    if configured is not None:
        candidates: list[str | None] = [str(configured)]
    else:
        candidates = [shutil.which("soffice"), "/usr/lib/libreoffice/program/soffice"]
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            return Path(candidate).resolve()
    raise ConverterUnavailable(
        "没有找到 LibreOffice，请运行 tools/install-system.sh 安装，或设置 WENYIN_SOFFICE。"
    )


def write_shared(folder: Path, cache: Path, options: EngineOptions) -> None:
    """Make the folder that all LibreOffice processes read.

    Args:
        folder: To be made; gets ``fonts.conf`` and the finalized configuration layer.
        cache: Folder for fontconfig's caches; made when missing.
        options: Has the fontconfig file.
    """
    folder.mkdir()
    cache.mkdir(mode=0o700, exist_ok=True)
    (folder / "fonts.conf").write_text(options.fontconfig(cache), encoding="utf-8")
    (folder / hardening.LAYER_FILE).write_text(hardening.LAYER, encoding="utf-8")
