"""The two parts that Word expects in every file although no page of ours shows them: font table and theme."""

from collections.abc import Iterable

_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_A = "http://schemas.openxmlformats.org/drawingml/2006/main"
_COLOURS = {
    "dk1": "000000",
    "lt1": "FFFFFF",
    "dk2": "333333",
    "lt2": "EEEEEE",
    "accent1": "C00000",
    "accent2": "1F4E79",
    "accent3": "548235",
    "accent4": "BF8F00",
    "accent5": "7F6000",
    "accent6": "5B3A8C",
    "hlink": "0563C1",
    "folHlink": "954F72",
}
_PLACEHOLDER_COLOUR = '<a:solidFill><a:schemeClr val="phClr"/></a:solidFill>'


def font_table(names: Iterable[str]) -> str:
    """Return ``w:fonts``: each font with its character set, GBK for those with a Chinese name.

    Args:
        names: Names of the fonts that the styles use.
    """
    listed = "".join(
        f'<w:font w:name="{name}"><w:charset w:val="{"00" if name.isascii() else "86"}"/>'
        '<w:family w:val="auto"/><w:pitch w:val="variable"/></w:font>'
        for name in sorted(names)
    )
    return f'<w:fonts xmlns:w="{_W}">{listed}</w:fonts>'


def theme() -> str:
    """Return ``a:theme``: black on white, Times New Roman and 宋体, for what people add to the file in Word."""
    colours = "".join(f'<a:{name}><a:srgbClr val="{value}"/></a:{name}>' for name, value in _COLOURS.items())
    face = '<a:latin typeface="Times New Roman"/><a:ea typeface="宋体"/><a:cs typeface=""/>'
    line = f'<a:ln w="6350" cap="flat" cmpd="sng" algn="ctr">{_PLACEHOLDER_COLOUR}<a:prstDash val="solid"/></a:ln>'
    effect = "<a:effectStyle><a:effectLst/></a:effectStyle>"
    formats = (
        f"<a:fillStyleLst>{_PLACEHOLDER_COLOUR * 3}</a:fillStyleLst><a:lnStyleLst>{line * 3}</a:lnStyleLst>"
        f"<a:effectStyleLst>{effect * 3}</a:effectStyleLst><a:bgFillStyleLst>{_PLACEHOLDER_COLOUR * 3}</a:bgFillStyleLst>"
    )
    return (
        f'<a:theme xmlns:a="{_A}" name="wenyin"><a:themeElements><a:clrScheme name="wenyin">{colours}'
        f'</a:clrScheme><a:fontScheme name="wenyin"><a:majorFont>{face}</a:majorFont><a:minorFont>{face}'
        f'</a:minorFont></a:fontScheme><a:fmtScheme name="wenyin">{formats}</a:fmtScheme></a:themeElements>'
        "</a:theme>"
    )
