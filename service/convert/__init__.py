"""docx → PDF by LibreOffice, isolated, bounded and judged by the file it leaves."""

from service.convert.canary import CANARY_IMAGE_PX, CANARY_TEXT, canary_docx
from service.convert.engine import Cancelled, Converter, ConverterState, EngineOptions
from service.convert.gate import Priority
from service.convert.lok import LokEngine
from service.convert.soffice import SofficeEngine

__all__ = [
    "CANARY_IMAGE_PX",
    "CANARY_TEXT",
    "Cancelled",
    "Converter",
    "ConverterState",
    "EngineOptions",
    "LokEngine",
    "Priority",
    "SofficeEngine",
    "canary_docx",
]
