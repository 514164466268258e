"""LibreOfficeKit in a process of our own: a warm zygote, and children that convert."""

from service.convert.lok.engine import LokEngine

__all__ = ["LokEngine"]
