"""Which faces stand in for the fonts that official documents name, and in what order.

GB/T 9704-2012 asks for 小标宋, 仿宋, 黑体 and 楷体; offices set them in the fonts below, none of them free.
The stand-ins were chosen by coverage and shape: a real FangSong and Kai (Fandol), never a sans in their
place; all hanzi one em wide, so that 28 characters fill a line whatever face draws them. Each chain ends with
the same tail, so that a character drawable in one style is drawable in all.
"""

from dataclasses import dataclass
from pathlib import Path

TAIL = ("Noto Serif CJK SC", "HanaMinA", "HanaMinB", "LXGW WenKai", "Liberation Serif")
"""Faces at the end of every chain: Song for all hanzi of GB 18030, rare ones, the newest URO, Latin."""


@dataclass(frozen=True, slots=True)
class Chain:
    """One official font and what may stand in for it.

    Attributes:
        name: The name that templates use.
        variants: Other names of the same design; an installed one is as good as the real font.
        stand_ins: Families to fall back on, best first; the tail follows.
        bold: Whether the stand-in must be set bold to resemble the real font.
    """

    name: str
    variants: tuple[str, ...]
    stand_ins: tuple[str, ...]
    bold: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The official name and its variants."""
        return (self.name, *self.variants)

    @property
    def free(self) -> tuple[str, ...]:
        """All families that may stand in, in order, each once."""
        return tuple(dict.fromkeys((*self.stand_ins, *TAIL)))


OFFICIAL: tuple[Chain, ...] = (
    Chain(
        "方正小标宋简体",
        (
            "FZXiaoBiaoSong-B05S",
            "方正小标宋_GBK",
            "FZXiaoBiaoSong-B05",
            "方正小标宋_GB18030",
            "FZXiaoBiaoSong-B05GB",
            "小标宋体",
            "小标宋",
            "华文中宋",
            "STZhongsong",
        ),
        ("Noto Serif CJK SC",),
        bold=True,
    ),
    Chain(
        "仿宋_GB2312",
        (
            "FangSong_GB2312",
            "仿宋",
            "FangSong",
            "方正仿宋_GB2312",
            "FZFangSong-Z02GB",
            "方正仿宋_GBK",
            "FZFangSong-Z02",
            "方正仿宋简体",
            "FZFangSong-Z02S",
            "华文仿宋",
            "STFangsong",
        ),
        ("Zhuque Fangsong", "FandolFang", "LXGW WenKai Light", "LXGW WenKai"),
    ),
    Chain(
        "黑体",
        (
            "SimHei",
            "方正黑体_GBK",
            "FZHei-B01",
            "方正黑体简体",
            "FZHei-B01S",
            "华文黑体",
            "STHeiti",
            "微软雅黑",
            "Microsoft YaHei",
            "等线",
            "DengXian",
        ),
        ("Noto Sans CJK SC",),
    ),
    Chain(
        "楷体_GB2312",
        (
            "KaiTi_GB2312",
            "楷体",
            "KaiTi",
            "方正楷体_GB2312",
            "方正楷体_GBK",
            "FZKai-Z03",
            "方正楷体简体",
            "FZKai-Z03S",
            "华文楷体",
            "STKaiti",
        ),
        ("FandolKai", "LXGW WenKai"),
    ),
    Chain(
        "宋体",
        (
            "SimSun",
            "新宋体",
            "NSimSun",
            "SimSun-ExtB",
            "方正书宋_GBK",
            "FZShuSong-Z01",
            "方正书宋简体",
            "FZShuSong-Z01S",
            "华文宋体",
            "STSong",
        ),
        ("Noto Serif CJK SC",),
    ),
    Chain("Times New Roman", (), ("Liberation Serif",)),
)
"""The six names that the shipped templates use, in the order of GB/T 9704's headings, then Latin."""

OTHERS: tuple[Chain, ...] = (
    Chain("Arial", ("Helvetica", "Calibri", "sans-serif"), ("Liberation Sans", "Noto Sans CJK SC")),
    Chain("Courier New", ("monospace",), ("Liberation Mono",)),
)
"""Further names that office software writes by itself."""

_DEBIAN_FOLDERS = (
    "/usr/local/share/wenyin/fonts/fandol",
    "/usr/share/fonts/opentype/noto",
    "/usr/share/fonts/truetype/lxgw-wenkai",
    "/usr/share/fonts/truetype/hanazono",
    "/usr/share/fonts/truetype/liberation2",
    "/usr/share/fonts/truetype/liberation",
)


def default_font_dirs() -> tuple[Path, ...]:
    """Return the folders of our fonts on Debian 12 and 13, those that exist.

    Fandol is taken out of texlive-lang-chinese by ``tools/install-system.sh``; the others come from
    fonts-noto-cjk, fonts-lxgw-wenkai, fonts-hanazono and fonts-liberation2 (a part of fonts-liberation
    since Debian 13).
    """
    return tuple(folder for folder in map(Path, _DEBIAN_FOLDERS) if folder.is_dir())


KNOWN_NAMES = frozenset(
    name for chain in (*OFFICIAL, *OTHERS) for name in (*chain.names, *chain.stand_ins, *TAIL)
)
"""Names that a template may use: each has a chain, or is a face that ends one."""
