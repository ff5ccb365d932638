"""The page as a reader meets it, driven in headless Chromium: light and dark, wide and narrow, hostile and large."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from secdl.report import html

from . import records

NODE = Path(__file__).parents[1] / "node"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
LOOKS = [{"width": width, "scheme": scheme} for width in (1440, 400) for scheme in ("light", "dark")]
ORDER = ["what", "verdict", "blockers", "not-measured", "since", "accepts"]

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed (Debian package chromium)"),
    pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed"),
    pytest.mark.skipif(
        not (NODE / "node_modules/playwright-core").is_dir(),
        reason="tests/node is not installed (npm ci in tests/node)",
    ),
]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the driver met on each page."""
    folder = tmp_path_factory.mktemp("pages")
    short = "</script><img src=x onerror=alert(1)><svg onload=alert(2)>\u202e\ud800\"'><b>" + "A" * 300
    pages = {
        "fail": (records.failing(), LOOKS, {"axe": True, "search": "jinja2 escape"}),
        "partial": (records.partial(), LOOKS, {"axe": True}),
        "incomplete": (records.incomplete(), LOOKS[:1], {"axe": True}),
        "pass": (records.passing(), LOOKS[1:2], {"axe": True}),
        "hostile": (records.hostile(short), [LOOKS[0], LOOKS[3]], {}),
        "large": (records.large(3000), LOOKS[:1], {}),
    }
    listed = []
    for name, (record, looks, more) in pages.items():
        path = folder / f"{name}.html"
        path.write_bytes(html.render(record))
        listed.append({"name": name, "path": str(path), "looks": looks} | more)
    (folder / "pages.json").write_text(json.dumps(listed))
    done = subprocess.run(
        [str(shutil.which("node")), str(NODE / "drive.mjs"), CHROMIUM, str(folder / "pages.json")],
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def looks(seen: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(name, look) for name, page in seen.items() for look in page["looks"]]


def test_nothing_is_fetched_and_nothing_hostile_runs(seen: dict[str, Any]) -> None:
    for name, look in looks(seen):
        assert (look["dialogs"], look["requests"], look["errors"]) == ([], [], []), name
        assert (look["scripts"], look["handlers"]) == (1, 0), name


def test_no_page_scrolls_sideways(seen: dict[str, Any]) -> None:
    assert [(name, look["width"]) for name, look in looks(seen) if look["overflow"] > 0] == []


def test_pages_are_accessible_in_both_schemes_and_widths(seen: dict[str, Any]) -> None:
    found = {
        (name, look["scheme"], look["width"]): look["violations"] for name, look in looks(seen) if look["violations"]
    }
    assert found == {}


def test_first_screen_says_all_six_things_in_their_order(seen: dict[str, Any]) -> None:
    for name, look in looks(seen):
        parts = look["parts"]
        assert [part["name"] for part in parts] == ORDER, name
        if look["width"] == 1440 and name not in ("hostile",):
            assert all(part["heading"] <= 900 for part in parts), (name, parts)
        if look["width"] == 400:
            assert [part["top"] for part in parts] == sorted(part["top"] for part in parts), name


def test_a_run_that_is_not_for_release_says_so_across_the_page(seen: dict[str, Any]) -> None:
    for name, look in looks(seen):
        if name in ("pass", "fail", "large"):
            assert look["band"] is None, name
            assert not look["printedBand"]
        else:
            assert look["band"]["width"] == look["width"], name
            assert "Not for release" in look["band"]["text"], name
            assert look["printedBand"], name


def test_findings_are_found_by_keyboard(seen: dict[str, Any]) -> None:
    steps = seen["fail"]["use"]
    counts = records.failing().verdict.counts
    assert steps["errors"] == []
    assert steps["firstStop"] == "Skip to the verdict"
    assert steps["all"] == counts.total
    assert (steps["found"], steps["said"]) == (1, f"1 of {counts.total} listed findings shown")
    assert steps["reset"] == counts.total
    assert (steps["waived"], steps["blocking"]) == (counts.waived, counts.blocking)
    assert "memcpy(s->buf" in steps["source"]


def test_print_leaves_out_what_only_a_screen_can_do(seen: dict[str, Any]) -> None:
    steps = seen["fail"]["use"]
    assert not steps["printedForm"]
    assert steps["pdf"] > 20_000
