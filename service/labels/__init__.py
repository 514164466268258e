"""Sheets of labels: stock sizes, positions, text that fits, and the docx template of a whole sheet."""

from service.labels.compose import compose_sheet
from service.labels.fit import FittedLabel, LabelLine
from service.labels.plan import LabelSheet, arrangement, check_start, overflow_of, plan_sheet
from service.labels.stock import DEFAULT_SHEET, STOCK, Geometry, geometry_of

__all__ = [
    "DEFAULT_SHEET",
    "STOCK",
    "FittedLabel",
    "Geometry",
    "LabelLine",
    "LabelSheet",
    "arrangement",
    "check_start",
    "compose_sheet",
    "geometry_of",
    "overflow_of",
    "plan_sheet",
]
