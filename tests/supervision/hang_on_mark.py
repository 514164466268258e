#!/usr/bin/python3
"""The real soffice, but a document that speaks of waiting a long time never ends."""

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

REAL = "/usr/lib/libreoffice"
MARK = "长时间等待"


def main() -> None:
    if sys.argv[-1].endswith(".docx"):
        with zipfile.ZipFile(sys.argv[-1]) as archive:
            if MARK in archive.read("word/document.xml").decode():
                subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)", str(Path.cwd())])
                time.sleep(300)
    stand_in = str(Path(__file__).resolve().parent.parent)
    arguments = [
        item.replace(f"{stand_in}/share/registry", f"{REAL}/share/registry") for item in sys.argv[1:]
    ]
    os.execv(f"{REAL}/program/soffice", [f"{REAL}/program/soffice", *arguments])


if __name__ == "__main__":
    main()
