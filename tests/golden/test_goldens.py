"""Every template and fixture looks as it did when somebody last looked at it; `README.md` tells how to renew."""

import json
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageDraw

from service.bootstrap import Services
from service.errors import RequestError
from service.model import Deadline
from tests.conftest import REFUSED, REQUESTS, ROOT, Rendered
from tests.golden.pages import (
    PICTURES,
    TEXTS,
    TILE_TOLERANCE,
    kept_pages,
    lines,
    moved,
    name_of,
    pictures,
    refusal,
    worst_tile,
)

pytestmark = pytest.mark.libreoffice

ARTIFACTS = ROOT / "artifacts/golden"
SAMPLE = Image.open(PICTURES / "notice.sample-1.png").convert("L")


@pytest.mark.parametrize("request_file", REQUESTS, ids=name_of)
def test_pages_look_as_they_did(rendered: Rendered, request_file: Path) -> None:
    name, pdf = name_of(request_file), rendered(request_file).pdf
    changed = []
    for number, actual in pictures(pdf):
        file = f"{name}-{number}.png"
        golden = Image.open(PICTURES / file)
        assert golden.size == actual.size
        worst, difference = worst_tile(golden, actual)
        if worst > TILE_TOLERANCE:
            ARTIFACTS.mkdir(parents=True, exist_ok=True)
            actual.save(ARTIFACTS / f"actual-{file}")
            difference.point(lambda value: min(255, value * 3)).save(ARTIFACTS / f"diff-{file}")
            changed.append((file, worst))
    assert not changed, f"see {ARTIFACTS}; if it is right: python -m tests.golden.renew {name}"


@pytest.mark.parametrize("request_file", REQUESTS, ids=name_of)
def test_lines_stand_where_they_did(rendered: Rendered, request_file: Path) -> None:
    name = name_of(request_file)
    golden = json.loads((TEXTS / f"{name}.json").read_text("utf-8"))
    found = moved(golden, lines(rendered(request_file).pdf))
    assert not found, "\n".join(found[:20])


def test_refused_request_is_told_the_same(services: Services) -> None:
    with pytest.raises(RequestError) as caught:
        services.renderer.render(REFUSED.parent.name, REFUSED.read_bytes(), Deadline.after(120))
    told = json.loads(json.dumps(refusal(caught.value)))
    assert told == json.loads((TEXTS / f"{name_of(REFUSED)}.json").read_text("utf-8"))


def test_no_golden_is_left_over() -> None:
    names = {name_of(request) for request in REQUESTS}
    assert {path.stem for path in TEXTS.glob("*.json")} == {*names, name_of(REFUSED)}
    wanted = set()
    for name in names:
        pages = json.loads((TEXTS / f"{name}.json").read_text("utf-8"))
        wanted |= {f"{name}-{number}" for number in kept_pages(len(pages))}
    assert {path.stem for path in PICTURES.glob("*.png")} == wanted
    assert sum(path.stat().st_size for path in PICTURES.glob("*.png")) < 3_000_000


@pytest.mark.parametrize(("dx", "dy"), [(1, 0), (0, 1)])
def test_pixel_aside_is_no_change(dx: int, dy: int) -> None:
    assert worst_tile(SAMPLE, ImageChops.offset(SAMPLE, dx, dy))[0] <= TILE_TOLERANCE


def test_lost_character_and_moved_line_are_changes() -> None:
    lost = SAMPLE.copy()
    left, top, side = (round(mm * 60 / 25.4) for mm in (80, 205, 5.6))
    ImageDraw.Draw(lost).rectangle((left, top, left + side, top + side), fill=255)
    assert worst_tile(SAMPLE, lost)[0] > TILE_TOLERANCE
    assert worst_tile(SAMPLE, ImageChops.offset(SAMPLE, 0, 6))[0] > TILE_TOLERANCE


def test_line_that_moved_or_changed_is_told() -> None:
    golden = [[[28.0, 40.0, 90.0, 45.6, "一、活动目标"]]]
    assert moved(golden, [[[28.4, 40.3, 90.0, 45.6, "一、活动目标"]]]) == []
    assert len(moved(golden, [[[28.0, 41.0, 90.0, 46.6, "一、活动目标"]]])) == 2
    assert len(moved(golden, [[[28.0, 40.0, 90.0, 45.6, "一、活动目际"]]])) == 2
    assert moved(golden, [*golden, []]) == ["2 pages instead of 1"]
