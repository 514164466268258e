"""Preloaded into Dask workers: says when work begins, and lets one row end the process that fills it."""

import os
from pathlib import Path
from typing import Any

from service.pipeline import render
from service.pipeline.filling import fill as fill_well


def fill(spec: Any, data: Any, extras: Any) -> Any:
    (Path(os.environ["POISON_BEGUN"]) / str(os.getpid())).touch()
    if "毒物" in data["title"]:
        os._exit(9)
    return fill_well(spec, data, extras)


setattr(render, "fill", fill)  # noqa: B010 - not a name that the module offers
