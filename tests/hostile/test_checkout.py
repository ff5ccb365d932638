"""A checkout whose names are hostile: a verdict every time, and no file that nobody read and nobody missed."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from secdl.cli.main import main
from secdl.model.shipped import canary_folder
from secdl.pipeline.examine import expected_hits
from secdl.tools.bandit import TOOL
from tests.hostile.through import assert_json, assert_markdown, assert_page

NAMES = {
    "line break": b"a\nb",
    "digest line": b"x\n" + b"0" * 64 + b"  verdict.json\n",
    "escape": b"\x1b[31mred\x07",
    "bidi": "\u202egnp".encode(),
    "html": b"<img src=x onerror=alert(1)>",
    "canary": b"canary:planted",
    "image": b"image:reference",
    "dash": b"--config=x",
    "blanks": b" a b ",
    "backslash": b"a\\nb",
    "percent": b"%0a%2e%2e",
    "quote": b"\"'`|",
    "invalid UTF-8": b"caf\xe9",
    "longest": b"a" * 250,
}
FAKE = """#!{python}
# bandit as far as this test needs it: it reads every Python file that its arguments name.
import json, os, sys
out = next(word[9:] for word in sys.argv if word.startswith("--output="))
names = sys.argv[sys.argv.index("--") + 1:]
files = [n for n in names if os.path.isfile(n)]
for top in names:
    files += [os.path.join(folder, one) for folder, _, found in os.walk(top) for one in found
              if one.endswith(".py") and not os.path.islink(os.path.join(folder, one))]
skipped = {skipped!r}
files = [one for one in files if not (skipped and skipped in one)]
result = dict(test_id="B105", test_name="t", issue_severity="LOW", issue_confidence="LOW", issue_text="a password",
              line_number=1, code="1 x")
planted = {planted!r}
results = [dict(result, filename=one) for one in files]
canary = next(one for one in files if "/canary/" in one)
results += [dict(result, filename=canary, test_id=rule) for rule, n in planted.items() for _ in range(n)]
json.dump(dict(errors=[], generated_at="now", metrics={{one: dict(loc=1) for one in files}}, results=results),
          open(out, "w"))
"""


def checkout(root: Path, folder: bytes, name: bytes, *, skipped: str = "") -> None:
    """A repository of two Python files, one of that name in a folder of that name, and a program in bandit's place."""
    odd = os.path.join(os.fsencode(root / "src"), folder)  # noqa: PTH118 - bytes
    os.makedirs(odd)  # noqa: PTH103
    with open(os.path.join(odd, name + b".py"), "wb") as file:  # noqa: PTH118, PTH123
        file.write(b"password = 'x'\n")
    (root / "src/plain.py").write_text("x = 1\n")
    (root / "src/loop.py").symlink_to("loop.py")
    (root / "src/around").symlink_to("..")
    planted = expected_hits(TOOL, canary_folder("bandit"))
    (root / "fake").write_text(FAKE.format(python=sys.executable, skipped=skipped, planted=planted))
    (root / "fake").chmod(0o755)
    (root / "secdl.toml").write_text(
        '[product]\nname = "x"\nversion = "1"\n[[source]]\nname = "s"\npath = "src"\nlanguages = ["python"]\n'
        '[tools.bandit]\npath = "fake"\n[tools.semgrep]\npath = "none"\n'
    )


def judged(root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The summary of bandit's evidence after a run whose every output is safe."""
    monkeypatch.chdir(root)
    assert main(["secure", "--only", "sast"]) in (0, 1, 3)
    said = capfd.readouterr()
    assert all(line.isprintable() for line in said.err.splitlines())
    run = Path(said.out.strip().splitlines()[-1])
    assert_page((run / "report/report.html").read_bytes())
    assert_markdown((run / "report/report.md").read_bytes())
    assert_json((run / "report/report.sarif").read_bytes())
    assert main(["report", str(run), "--format", "json", "-o", str(root / "v.json")]) == 0
    sums = (run / "SHA256SUMS").read_bytes().split(b"\n")
    assert sum(line.endswith(b"  verdict.json") for line in sums) == 1
    verdict = json.loads((root / "v.json").read_text())
    assert verdict["verdict"] != "PASS"
    found: dict[str, Any] = next(one for one in verdict["evidence"] if one["tool"] == "bandit")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_a_hostile_name_is_read_or_missed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    checkout(tmp_path, NAMES[name], NAMES[name])
    found = judged(tmp_path, monkeypatch, capfd)
    if name == "invalid UTF-8":
        assert not found["valid"]
    else:
        assert found["valid"], found["reason"]
        assert found["work"]["files"] == 2


@pytest.mark.parametrize("name", ["line break", "escape", "html", "canary", "dash", "longest"])
def test_a_file_of_a_hostile_name_that_the_tool_leaves_out_voids_its_evidence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    checkout(tmp_path, NAMES[name], NAMES[name], skipped=NAMES[name].decode())
    found = judged(tmp_path, monkeypatch, capfd)
    assert not found["valid"]
    assert "did not read 1 planned" in found["reason"]
