"""The plan says what it leaves out: what `exclude` hides is counted, by source."""

import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from secdl.model.config import Language, load_config
from secdl.model.errors import ConfigError
from secdl.model.plan import Exclusion, PassedOver, Plan
from secdl.model.tool import Stage
from secdl.pipeline.plan import Options, make_plan
from secdl.pipeline.sources import SUFFIXES

CONFIG = """
[product]
name = "p"
version = "1"
[[source]]
name = "tools"
path = "tools"
languages = ["python"]
exclude = ["tools/old", "*.gen.py", "docs"]
[[source]]
name = "devices"
path = "hw"
languages = ["c"]
guest_facing = true
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("tools/a.py", "tools/b.gen.py", "tools/old/c.py", "tools/old/d.py", "tools/old/e.txt", "hw/f.c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "secdl.toml").write_text(CONFIG)
    return tmp_path


def plan(root: Path, **options: tuple[Stage, ...]) -> Plan:
    config = root / "secdl.toml"
    return make_plan(load_config(config), Options(config=config, **options), run="r", now=datetime.now(UTC))


def test_files_that_configuration_excludes_are_counted_of_all_of_their_source(root: Path) -> None:
    patterns = ("tools/old", "*.gen.py", "docs")
    assert plan(root).excluded == (Exclusion(source="tools", patterns=patterns, files=3, of=4),)


def test_excluded_files_are_planned_for_no_scanner(root: Path) -> None:
    planned = {job.tool: job.settings["planned"] for job in plan(root).jobs if "planned" in job.settings}
    assert planned == {"bandit": ["tools/a.py"], "semgrep": ["hw/f.c", "tools/a.py"]}


def test_only_regular_files_are_planned(root: Path) -> None:
    os.mkfifo(root / "tools/pipe.py")
    (root / "tools/dangling.py").symlink_to("nowhere.py")
    (root / "tools/link.py").symlink_to("/etc/hostname")
    (root / "tools/folder.py").mkdir()
    assert [job.settings["planned"] for job in plan(root).jobs if job.tool == "bandit"] == [["tools/a.py"]]


def test_folder_that_cannot_be_listed_is_an_error(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(ConfigError, match="tools/: cannot be read: Permission denied; give access"):
        plan(root)


@pytest.mark.parametrize("path", ["./tools/", "tools//", "hw/../tools"])
def test_source_is_planned_however_its_path_is_written(root: Path, path: str) -> None:
    config = root / "secdl.toml"
    config.write_text(CONFIG.replace('path = "tools"', f'path = "{path}"'))
    planned = {job.tool: job.settings["planned"] for job in plan(root).jobs if "planned" in job.settings}
    assert planned == {"bandit": ["tools/a.py"], "semgrep": ["hw/f.c", "tools/a.py"]}


def test_scripts_are_python_where_their_first_line_says_so(root: Path) -> None:
    (root / "tools/start").write_text("#!/usr/bin/env python3\n")
    (root / "tools/shell").write_text("#!/bin/sh\n")
    (root / "tools/gui.pyw").touch()
    (root / "hw/gen").write_text("#!/usr/bin/python\n")
    for name, mode in (("migrate-1.2", 0o755), ("data.txt", 0o644), ("page.h", 0o755)):
        (root / "tools" / name).write_text("#!/usr/bin/python3\n")
        (root / "tools" / name).chmod(mode)
    planned = ["tools/a.py", "tools/gui.pyw", "tools/migrate-1.2", "tools/start"]
    assert [job.settings["planned"] for job in plan(root).jobs if job.tool == "bandit"] == [planned]


def test_source_of_which_nothing_is_read_is_named(root: Path) -> None:
    config = root / "secdl.toml"
    for name, more in (("host", 'languages = ["c"]'), ("hw", 'languages = ["python"]')):
        (root / name).mkdir(exist_ok=True)
        config.write_text(config.read_text() + f'[[source]]\nname = "{name}-2"\npath = "{name}"\n{more}\n')
    config.write_text(config.read_text().replace("guest_facing = true", ""))
    assert [(one.source, one.reason) for one in plan(root).unread] == [
        ("hw", "no scanner reads C that is not guest_facing"),
        ("host", "no scanner reads C that is not guest_facing"),
        ("hw", "no file of python in it"),
    ]


def test_c_that_nobody_reads_is_named_though_there_is_python_beside_it(root: Path) -> None:
    (root / "tools/x.c").touch()
    config = root / "secdl.toml"
    config.write_text(config.read_text().replace('["python"]', '["python", "c"]'))
    assert [(one.source, one.reason) for one in plan(root).unread] == [
        ("tools", "as to C: no scanner reads C that is not guest_facing")
    ]


def test_links_to_code_that_is_not_read_are_named(root: Path) -> None:
    for name in ("other/x.py", "other/y.txt", "hw/g.py", "tools/in/z.py", "tools/plain.txt"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    links = {
        "tools/away.py": "../other/x.py",
        "tools/plugin.py": "plain.txt",
        "tools/more": "../other",
        "tools/old/hidden.py": "../../other/x.py",
        "tools/here.py": "a.py",
        "tools/device.py": "../hw/g.py",
        "tools/devices": "../hw",
        "tools/again": "in",
        "tools/text.txt": "../other/y.txt",
        "tools/nowhere.py": "nowhere",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    away = ("tools/away.py", "tools/device.py", "tools/devices", "tools/more", "tools/plugin.py")
    assert plan(root).passed_over == (PassedOver(source="tools", links=away),)


def test_links_out_of_a_checkout_that_is_read_whole_are_named(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "x.py").touch()
    for name in (".venv/lib/x.py", "third/y.py", "tools/in/z.py"):
        (root / name).parent.mkdir(parents=True)
        (root / name).touch()
    config = root / "secdl.toml"
    config.write_text(config.read_text().replace('path = "tools"', 'path = "."').replace('"tools/old"', '"third"'))
    links = {
        "tools/away.py": str(elsewhere / "x.py"),
        "tools/folder": str(elsewhere),
        "tools/environment": "../.venv/lib",
        "tools/left-out.py": "../third/y.py",
        "tools/here": "in",
        "tools/impossible.py": "x" * 300,
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    away = ("tools/away.py", "tools/environment", "tools/folder", "tools/left-out.py")
    (found,) = plan(root).passed_over
    assert (found.folders, found.links) == ((".venv",), away)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look everywhere")
def test_a_link_to_where_nobody_may_look_is_named(root: Path) -> None:
    (root / "shut").mkdir()
    (root / "shut/x.py").touch()
    (root / "tools/x.py").symlink_to("../shut/x.py")
    (root / "shut").chmod(0)
    try:
        assert plan(root).passed_over == (PassedOver(source="tools", links=("tools/x.py",)),)
    finally:
        (root / "shut").chmod(0o700)


def test_environments_below_a_source_are_named_and_a_source_file_in_a_cache_is_read(root: Path) -> None:
    for name in ("tools/.venv/x.py", "tools/web/node_modules/m/a.py", "tools/__pycache__/b.py", "tools/old/.tox/y.py"):
        (root / name).parent.mkdir(parents=True)
        (root / name).touch()
    made = plan(root)
    assert made.passed_over == (PassedOver(source="tools", folders=("tools/.venv", "tools/web/node_modules")),)
    assert [job.settings["planned"] for job in made.jobs if job.tool == "bandit"] == [
        ["tools/__pycache__/b.py", "tools/a.py"]
    ]
    assert plan(root, only=(Stage.DEPS,)).passed_over == ()


def test_run_that_reads_no_source_leaves_none_of_it_out(root: Path) -> None:
    assert plan(root, only=(Stage.DEPS,)).excluded == ()


def test_changed_file_is_planned_by_the_name_that_configuration_reaches_it_by(root: Path) -> None:
    (root / "hw").rename(root / "real")
    (root / "hw").symlink_to("real")
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@x", "commit", "-qm", "x"]):
        subprocess.run([shutil.which("git") or "git", *words], cwd=root, check=True)
    (root / "real" / "f.c").write_text("int f;\n")
    config = root / "secdl.toml"
    made = make_plan(load_config(config), Options(config=config, changed_since="HEAD"), run="r", now=datetime.now(UTC))
    assert {job.tool: job.settings["planned"] for job in made.jobs if "planned" in job.settings} == {
        "bandit": [],
        "semgrep": ["hw/f.c"],
    }
    assert made.scope == "1 file changed since HEAD"


def test_narrowed_jobs_know_what_was_removed_below_their_sources(root: Path) -> None:
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@x", "commit", "-qm", "x"]):
        subprocess.run([shutil.which("git") or "git", *words], cwd=root, check=True)
    (root / "tools/a.py").rename(root / "tools/b.py")
    config = root / "secdl.toml"
    made = make_plan(load_config(config), Options(config=config, changed_since="HEAD"), run="r", now=datetime.now(UTC))
    (bandit,) = (job for job in made.jobs if job.tool == "bandit")
    assert (bandit.settings["planned"], bandit.settings["removed"]) == (["tools/b.py"], ["tools/a.py"])
    assert all("removed" not in job.settings for job in plan(root).jobs)


def test_jobs_know_which_files_configuration_means_below_their_sources(root: Path) -> None:
    reads = {job.tool: job.settings["reads"] for job in plan(root).jobs if "reads" in job.settings}
    python, c = (list(SUFFIXES[language]) for language in (Language.PYTHON, Language.C))
    assert reads == {"bandit": {"tools": python}, "semgrep": {"tools": python, "hw": c}}
