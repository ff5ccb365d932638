import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from secdl.cli.main import main
from secdl.model.config import load_config

CONFIG = """
[product]
name = "adopted"
version = "1"
[[sarif_tool]]
name = "echo"
stage = "sast"
command = [{python}, "-SEc", "import shutil, sys; shutil.copyfile('echo.sarif', sys.argv[1])", "{{out}}"]
sources = ["src"]
[gate]
policy = "gate.toml"
# debt = "policies/debt.jsonl"
"""
POLICY = """
name = "adopted"
[profiles.dev]
tolerates_missing = true
levels = ["high"]
[profiles.merge]
tolerates_missing = true
block = "new"
levels = ["high"]
"""


def report(*rules: str) -> None:
    results = [
        {"ruleId": rule, "level": "error", "message": {"text": rule}, "locations": [place(rule)]} for rule in rules
    ]
    run = {
        "tool": {"driver": {"name": "echo"}},
        "artifacts": [{"location": {"uri": "src/a.c"}}],
        "results": results,
    }
    Path("echo.sarif").write_text(json.dumps({"version": "2.1.0", "runs": [run]}))
    Path("src/a.c").write_text("\n".join(rules))


def place(rule: str) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": {"uri": "src/a.c"}, "region": {"snippet": {"text": rule}}}}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "gate.toml").write_text(POLICY)
    (tmp_path / "secdl.toml").write_text(CONFIG.format(python=json.dumps(sys.executable)))
    report("old-1", "old-2")
    return tmp_path


def debt(tree: Path) -> list[str]:
    lines = (tree / "policies/debt.jsonl").read_text().splitlines()
    return sorted(json.loads(line)["rule"] for line in lines)


def test_what_was_adopted_does_not_block_a_merge_and_what_is_new_does(tree: Path) -> None:
    assert main(["secure", "--profile", "merge"]) == 1
    assert main(["init", "--adopt"]) == 0
    assert debt(tree) == ["old-1", "old-2"]
    assert main(["secure", "--profile", "merge"]) == 0
    report("old-1", "old-2", "new")
    assert main(["secure", "--profile", "merge"]) == 1


def test_debt_may_only_shrink(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--adopt"]) == 0
    report("old-2", "new")
    assert main(["init", "--adopt"]) == 0
    assert debt(tree) == ["old-2"]
    assert "1 fewer than before: it can only shrink; 1 finding since then left out" in capsys.readouterr().err


def test_nothing_is_adopted_where_a_tool_left_no_evidence(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("echo.sarif").write_text("{")
    assert main(["init", "--adopt"]) == 3
    assert not (tree / "policies/debt.jsonl").exists()
    assert "nothing adopted: no valid evidence of echo" in capsys.readouterr().err


def test_what_is_there_is_left_alone_and_what_is_written_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("hw/net/a.c", "scripts/b.py", "python/requirements.txt", "build/.hidden/c.c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "noxfile.py").write_text("mine")
    (tmp_path / "python/requirements.txt").write_text("six==1.16.0 \\\n    --hash=sha256:00\n# a comment\n")
    (tmp_path / "requirements.txt").write_text("sphinx\n")
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/dev.txt").write_text("six==1.16.0\n")
    (tmp_path / "requirements/notes.txt").write_text("see dev.txt\n")
    (tmp_path / "requirements-dev.txt").write_text("six==1.16.0\n")
    (tmp_path / "requirements-test.txt").write_text("-r requirements-dev.txt\nsix==1.16.0\n")
    (tmp_path / "docs/requirements").mkdir(parents=True)
    (tmp_path / "docs/requirements/safety.txt").write_text("REQ-001 No guest reaches the host.\n")
    (tmp_path / "python/uv.lock").write_text('[[package]]\nname = "six"\nversion = "1.16.0"\n')
    (tmp_path / "poetry.lock").write_text("package = []\n")
    (tmp_path / "uv.lock").symlink_to("/etc/passwd")
    assert main(["init"]) == 0
    assert (tmp_path / "noxfile.py").read_text() == "mine"
    out = capsys.readouterr().out
    assert "kept     noxfile.py" in out
    assert "wrote    .github/workflows/secdl.yml" in out
    config = load_config(tmp_path / "secdl.toml")
    assert [(source.path, source.guest_facing) for source in config.source] == [(".", False), ("hw", True)]
    assert [(entry.name, entry.path) for entry in config.dependencies] == [
        ("requirements-dev-txt", "requirements-dev.txt"),
        ("python-requirements-txt", "python/requirements.txt"),
        ("python-uv-lock", "python/uv.lock"),
        ("requirements-dev-txt-2", "requirements/dev.txt"),
    ]
    refused = [line for line in (tmp_path / "secdl.toml").read_text().splitlines() if line.startswith("# Not taken: ")]
    assert [line.removeprefix("# Not taken: ") for line in refused] == [
        "poetry.lock: locks nothing",
        "requirements-test.txt:1: may include other packages: -r requirements-dev.txt; name an included file as a"
        " [[dependencies]] of its own",
        "requirements.txt:1: sphinx is not pinned; lock it to one version with ==",
    ]
    assert main(["init"]) == 0
    assert "wrote" not in capsys.readouterr().out


def test_names_that_no_configuration_can_hold_and_many_refused_locks_still_make_one_that_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (b"\xff/a.c", b"\xff/requirements.txt", "é/requirements.txt".encode()):
        path = tmp_path / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text("six==1.16.0\n")
    for number in range(25):
        (tmp_path / f"requirements-{number}.txt").write_text("sphinx\n")
    assert main(["init"]) == 0
    config = load_config(tmp_path / "secdl.toml")
    assert [(one.name, one.path) for one in config.source] == [("c", ".")]
    assert [(one.name, one.path) for one in config.dependencies] == [("requirements-txt", "é/requirements.txt")]
    refused = [line for line in (tmp_path / "secdl.toml").read_text().splitlines() if line.startswith("# Not taken: ")]
    assert len(refused) == 21
    assert refused[-1] == "# Not taken: 6 other files named as locks are"


def test_jobs_with_nothing_to_read_are_not_counted_as_planned(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["secure"])
    said = capsys.readouterr().err
    assert "bandit                       skipped" in said
    assert "1 of 1 planned jobs left valid evidence" in said


@pytest.mark.parametrize(("said", "version"), [("7.2.22\n", "7.2.22"), ("see git\n", "0.0.0"), ("\x1b[2J", "0.0.0")])
def test_version_of_the_product_is_the_tree_s_own_where_it_says_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, version: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "VERSION").write_text(said)
    assert main(["init"]) == 0
    assert load_config(tmp_path / "secdl.toml").product.version == version
