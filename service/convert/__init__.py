"""docx → PDF by LibreOffice, isolated, bounded and judged by the file it leaves."""

from service.convert.canary import CANARY_IMAGE_PX, CANARY_TEXT, canary_docx
from service.convert.engine import Converter, ConverterState, EngineOptions
from service.convert.soffice import SofficeEngine

__all__ = [
    "CANARY_IMAGE_PX",
    "CANARY_TEXT",
    "Converter",
    "ConverterState",
    "EngineOptions",
    "SofficeEngine",
    "canary_docx",
]
