"""Writes docs/report.png: the first screen of a report at 1440 pixels. Usage: picture.py [RUN], else the latest.

Needs Chromium, Node.js and `npm ci` in tests/node.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from secdl.pipeline.judge import read_record
from secdl.report import FORMATS
from secdl.run.store import RunFolder

ROOT = Path(__file__).resolve().parent.parent
DRIVER = ROOT / "tests/node/drive.mjs"
PICTURE = ROOT / "docs/report.png"
MOST_BYTES = 400_000


def main(arguments: list[str]) -> int:
    """0 when the picture is written, 2 without a browser and its driver, or where it is too large."""
    chromium, node = shutil.which("chromium"), shutil.which("node")
    if chromium is None or node is None or not (DRIVER.parent / "node_modules").is_dir():
        print("picture: needs the packages chromium and nodejs, and `npm ci` in tests/node", file=sys.stderr)  # noqa: T201
        return 2
    record = read_record(RunFolder.find(ROOT / ".secdl/runs", arguments[0] if arguments else "latest"))
    with tempfile.TemporaryDirectory() as folder:
        page, pages = Path(folder) / "report.html", Path(folder) / "pages.json"
        page.write_bytes(FORMATS["html"](record))
        pages.write_text(json.dumps([{"name": "r", "path": str(page), "looks": [], "screenshot": str(PICTURE)}]))
        subprocess.run([node, DRIVER, chromium, pages], check=True, timeout=120, stdout=subprocess.DEVNULL)
    if PICTURE.stat().st_size > MOST_BYTES:
        print(f"picture: {PICTURE} is over {MOST_BYTES} bytes", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
