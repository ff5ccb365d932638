"""Writes docs/report.png: the first screen of a report at 1440 pixels. Usage: picture.py [RUN], else the latest."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from secdl.pipeline import read_record
from secdl.report import FORMATS
from secdl.run.store import RunFolder

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs/report.png"
MOST_BYTES = 400_000
# Root has no sandbox to start, and a browser that asks for nothing by itself needs no network.
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


def main(arguments: list[str]) -> int:
    """0 when the picture is written, 2 without Chromium or where it is too large."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("picture: install the Debian package chromium", file=sys.stderr)  # noqa: T201
        return 2
    record = read_record(RunFolder.find(ROOT / ".secdl/runs", arguments[0] if arguments else "latest"))
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        page.write_bytes(FORMATS["html"](record))
        size = ("--window-size=1440,900", "--hide-scrollbars", f"--user-data-dir={folder}/profile")
        subprocess.run([chromium, *OPTIONS, *size, f"--screenshot={PICTURE}", page.as_uri()], check=True, timeout=120)
    if PICTURE.stat().st_size > MOST_BYTES:
        print(f"picture: {PICTURE} is over {MOST_BYTES} bytes", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
