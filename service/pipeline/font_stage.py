"""The fonts that LibreOffice will see, looked at once."""

from dataclasses import dataclass
from pathlib import Path

from service.errors import ConfigError
from service.fonts import FontFace, FontReport, default_font_dirs, fontconfig_xml, inspect_fonts, scan_fonts
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class FontStage:
    """The fonts that LibreOffice will see.

    Attributes:
        folders: Absolute folders, the operator's own first.
        licensed: The operator's own folder, if there is one.
        faces: What is in them.
    """

    folders: tuple[Path, ...]
    licensed: Path | None
    faces: tuple[FontFace, ...]

    @classmethod
    def find(cls, settings: Settings) -> "FontStage":
        """Scan the folders once.

        Raises:
            ConfigError: The operator's folder does not exist.
        """
        licensed = settings.font_dir.resolve() if settings.font_dir else None
        if licensed and not licensed.is_dir():
            raise ConfigError(f"WENYIN_FONT_DIR={licensed}：文件夹不存在。")
        folders = (*([licensed] if licensed else []), *default_font_dirs())
        return cls(folders, licensed, scan_fonts(folders))

    @property
    def reports(self) -> tuple[FontReport, ...]:
        """What draws each official font's text."""
        return inspect_fonts(self.faces)

    def fontconfig(self, cache_dir: Path) -> str:
        """Return our own fontconfig file."""
        return fontconfig_xml(default_font_dirs(), self.licensed, cache_dir, self.faces)
