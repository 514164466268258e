"""Fonts: free faces stand in for the official ones, and no character is ever dropped in silence.

Use: ``faces = scan_fonts([licensed, *default_font_dirs()])`` once at start, then `fontconfig_xml` for the
converter, `inspect_fonts` for the operator, `FaceTable` for the question what draws a character.
"""

from service.fonts.chains import KNOWN_NAMES, OFFICIAL, TAIL, Chain, default_font_dirs
from service.fonts.config import fontconfig_xml
from service.fonts.report import FontReport, inspect_fonts
from service.fonts.scan import FontFace, scan_fonts
from service.fonts.table import FaceTable, StandIn

__all__ = [
    "KNOWN_NAMES",
    "OFFICIAL",
    "TAIL",
    "Chain",
    "FaceTable",
    "FontFace",
    "FontReport",
    "StandIn",
    "default_font_dirs",
    "fontconfig_xml",
    "inspect_fonts",
    "scan_fonts",
]
