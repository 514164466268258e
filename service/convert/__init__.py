"""docx → PDF by LibreOffice, isolated, bounded and judged by the file it leaves."""

from service.convert.canary import CANARY_IMAGE_PX, CANARY_TEXT, canary_docx
from service.convert.engine import Cancelled, Converter, ConverterState, EngineOptions
from service.convert.gate import Gate, Priority
from service.convert.host import ConverterHost
from service.convert.lok import LokEngine
from service.convert.plan import CACHE_MARK, ConverterPlan, make_engine
from service.convert.remote import RemoteConverter
from service.convert.soffice import SofficeEngine

__all__ = [
    "CACHE_MARK",
    "CANARY_IMAGE_PX",
    "CANARY_TEXT",
    "Cancelled",
    "Converter",
    "ConverterHost",
    "ConverterPlan",
    "ConverterState",
    "EngineOptions",
    "Gate",
    "LokEngine",
    "Priority",
    "RemoteConverter",
    "SofficeEngine",
    "canary_docx",
    "make_engine",
]
