"""HTTP: parse, call the pipeline, map errors; nothing else."""

from service.web.app import create_app

__all__ = ["create_app"]
