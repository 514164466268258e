"""Fonts: free faces stand in for the official ones, and no character is ever dropped in silence.

Use: ``faces = scan_fonts([licensed, *default_font_dirs()])`` once at start, then `fontconfig_xml` for the
converter, `inspect_fonts` for the operator, `coverage` for the schema stage.
"""

from service.fonts.chains import KNOWN_NAMES, OFFICIAL, TAIL, Chain, default_font_dirs
from service.fonts.config import fontconfig_xml
from service.fonts.report import FontReport, coverage, inspect_fonts
from service.fonts.scan import FontFace, scan_fonts

__all__ = [
    "KNOWN_NAMES",
    "OFFICIAL",
    "TAIL",
    "Chain",
    "FontFace",
    "FontReport",
    "coverage",
    "default_font_dirs",
    "fontconfig_xml",
    "inspect_fonts",
    "scan_fonts",
]
