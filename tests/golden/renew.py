"""Write the goldens anew: ``python -m tests.golden.renew [NAME …]``, then look at each picture that changed."""

import sys
import tempfile
from pathlib import Path

from service.bootstrap import open_services
from service.errors import RequestError
from service.model import Deadline
from service.settings import Settings
from tests.conftest import PUBLIC_URL, REFUSED, REQUESTS
from tests.golden.pages import PICTURES, TEXTS, dumped, lines, name_of, pictures, png, refusal


def main(wanted: list[str]) -> None:
    for folder in (PICTURES, TEXTS):
        folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as state:
        folders = {"state_dir": Path(state) / "var", "work_dir": Path(state) / "work"}
        settings = Settings.from_mapping({**folders, "public_url": PUBLIC_URL})
        with open_services(settings) as services:
            for request in (*REQUESTS, REFUSED):
                name = name_of(request)
                if wanted and name not in wanted:
                    continue
                for old in PICTURES.glob(f"{name}-*.png"):
                    old.unlink()
                body = request.read_bytes()
                try:
                    pdf = services.renderer.render(request.parent.name, body, Deadline.after(120)).pdf
                except RequestError as error:
                    (TEXTS / f"{name}.json").write_text(dumped(refusal(error)), "utf-8")
                    continue
                (TEXTS / f"{name}.json").write_text(dumped(lines(pdf)), "utf-8")
                for number, image in pictures(pdf):
                    (PICTURES / f"{name}-{number}.png").write_bytes(png(image))
                print(name)


if __name__ == "__main__":
    main(sys.argv[1:])
