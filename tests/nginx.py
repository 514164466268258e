"""nginx as tests run it: its program alone, a whole configuration around one site, nothing outside a folder."""

import os
import subprocess
from pathlib import Path

NGINX = Path("/usr/local/libexec/wenyin/nginx")


def framed(folder: Path, site: str) -> str:
    """Return a whole configuration for one site that writes to a folder alone."""
    temporary = "\n".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""
    return (
        f"{user} daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;\n"
        f"events {{ worker_connections 512; }}\nhttp {{\naccess_log off;\n{temporary}\n{site}\n}}\n"
    )


def faults(folder: Path, site: str) -> str:
    """Return what nginx says against a site; nothing when it accepts it."""
    (folder / "nginx.conf").write_text(framed(folder, site), "utf-8")
    checked = subprocess.run(
        [NGINX, "-t", "-q", "-c", folder / "nginx.conf", "-e", folder / "error.log"],
        capture_output=True,
        text=True,
        check=False,
    )
    return checked.stderr or ("" if checked.returncode == 0 else f"exit code {checked.returncode}")
