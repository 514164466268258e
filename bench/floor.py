"""The floor: LibreOffice in this very process, warm, nothing around it.

Reads ``path`` lines, converts, answers ``milliseconds bytes``. Started by `bench.peers`.
"""

import json
import os
import sys
import time
from pathlib import Path

from service.office.kit import Office


def main() -> None:
    settings = json.loads(sys.stdin.readline())
    office = Office(settings["program"], settings["profile_url"], settings["pdf_options"])
    target = Path(settings["folder"]) / "floor.pdf"

    def work() -> None:
        os.write(1, b"ready\n")
        for line in sys.stdin:
            begun = time.perf_counter()
            office.convert(Path(line.strip()), target)()
            size = len(target.read_bytes())
            os.write(1, f"{(time.perf_counter() - begun) * 1e3:.2f} {size}\n".encode())

    office.run(work)


if __name__ == "__main__":
    main()
