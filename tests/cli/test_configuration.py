"""What is wrong in secdl.toml is answered before a run is made, with file, line, key and what was expected."""

from pathlib import Path

import pytest

from secdl.cli.main import main
from secdl.model.shipped import shipped

HEAD = '[product]\nname = "x"\nversion = "1"\n\n'
SOURCE = '[[source]]\nname = "a"\npath = "hw"\nlanguages = ["c"]\n'
SARIF = '[[sarif_tool]]\nname = "lint"\nstage = "sast"\ncommand = ["true", "{out}"]\n'
FAULTS = {
    "deadline of a tool": (
        '[tools.semgrep]\n# why\ntimeout_s = "x"\n',
        "secdl.toml:7: tools.semgrep.timeout_s: got 'x'; expected a number",
    ),
    "setting of a tool": (
        '[tools.bandit]\nignore_nosec = "x"\n',
        "secdl.toml:6: tools.bandit.ignore_nosec: got 'x'; expected true or false",
    ),
    "range of a setting": (
        "[tools.fuzz]\njobs = 0\n",
        "secdl.toml:6: tools.fuzz.jobs: got 0; expected a whole number of at least 1",
    ),
    "unknown tool": ("[tools.semgrp]\n", 'secdl.toml:5: tools.semgrp: unknown tool; did you mean "semgrep"?'),
    "unknown key of a tool": (
        "[tools.semgrep]\n\npaks = []\n",
        'secdl.toml:7: tools.semgrep.paks: unknown key; did you mean "packs"?',
    ),
    "no table": ("[tools]\nbandit = 3\n", "secdl.toml:6: tools.bandit: got 3; expected a table"),
    "empty program": (
        '[tools.bandit]\npath = ""\n',
        "secdl.toml:6: tools.bandit.path: got ''; expected path of an exec",
    ),
    "program at home": (
        '[tools.bandit]\npath = "~/b"\n',
        "secdl.toml:6: tools.bandit.path: got '~/b'; expected path of",
    ),
    "name twice": (SOURCE + SOURCE, "secdl.toml:10: source[2].name: 'a' is used twice"),
    "path out": (SOURCE.replace('"hw"', '"../hw"'), "secdl.toml:7: source[1].path: '../hw' leads out of"),
    "path that is not there": (SOURCE.replace('"hw"', '"x"'), "secdl.toml:7: source[1].path: 'x' does not exist"),
    "path that is nearly there": (
        SARIF + 'sources = [\n "hw",\n "hw/nett",\n]\n',
        "secdl.toml:9: sarif_tool[1].sources[2]: 'hw/nett' does not exist; did you mean \"hw/net\"?",
    ),
    "no language": (
        SOURCE.replace('"c"', ""),
        "secdl.toml:8: source[1].languages: got []; expected a list of at least 1 entry",
    ),
    "name of a built-in tool": (
        SARIF.replace("lint", "bandit"),
        "secdl.toml:6: sarif_tool[1].name: 'bandit' is the name of a built-in tool",
    ),
    "unknown placeholder": (
        SARIF.replace("{out}", "{outt}"),
        'secdl.toml:8: sarif_tool[1].command: unknown placeholder {outt}; did you mean "{out}"?',
    ),
    "absent policy": ('[gate]\npolicy = "p.toml"\n', "secdl.toml:6: gate.policy: 'p.toml' does not exist"),
    "policy that is a folder": ('[gate]\npolicy = "hw"\n', "secdl.toml:6: gate.policy: 'hw' is a folder"),
    "absent waivers": ('[gate]\n\nwaivers = "w.toml"\n', "secdl.toml:7: gate.waivers: 'w.toml' does not exist"),
    "absent debt": ('[gate]\ndebt = "d.jsonl"\n', "secdl.toml:6: gate.debt: 'd.jsonl' does not exist"),
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hw/net").mkdir(parents=True)
    (tmp_path / "secdl.toml").write_text(HEAD)
    return tmp_path


@pytest.mark.parametrize("name", FAULTS)
def test_fault_names_file_line_key_and_what_was_expected(
    name: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, said = FAULTS[name]
    (root / "secdl.toml").write_text(HEAD + text)
    assert main(["secure"]) == 2
    assert capsys.readouterr().err.startswith(f"secdl: {said}")
    assert not (root / ".secdl").exists()


@pytest.mark.parametrize("own", [True, False])
def test_profile_that_the_policy_lacks_is_named_with_the_policy_file_before_anything_runs(
    own: bool, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "p.toml").write_text('name = "small"\n[profiles.night]\n')
    gate = '[gate]\npolicy = "p.toml"\n' if own else ""
    (root / "secdl.toml").write_text(HEAD + "[profiles.mine]\n" + gate)
    assert main(["secure", "--profile", "mine"]) == 2
    file, known = (root / "p.toml", "night") if own else (shipped("policies/gate.toml"), "dev, merge, release")
    assert capsys.readouterr().err.startswith(
        f"secdl: {file}: no profile 'mine'; known: {known}; or add [profiles.mine] to your policy"
    )
    assert not (root / ".secdl").exists()


def test_line_is_named_in_a_file_that_begins_with_a_byte_order_mark(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "secdl.toml").write_text('tools.semgrp.path = "x"\n' + HEAD, "utf-8-sig")
    assert main(["secure"]) == 2
    assert capsys.readouterr().err.startswith("secdl: secdl.toml:1: tools.semgrp: unknown tool")


def test_wrong_policy_or_waivers_make_no_run(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "x.toml").write_text("x = 1\n")
    for option in ("--policy", "--waivers"):
        assert main(["secure", option, "x.toml"]) == 2
        assert capsys.readouterr().err.startswith(f"secdl: {root / 'x.toml'}:1: x: unknown key")
        assert main(["secure", option, "nope.toml"]) == 2
        assert capsys.readouterr().err.startswith(f"secdl: {option}: 'nope.toml' does not exist")
    assert not (root / ".secdl").exists()


def test_configuration_of_a_folder_above_is_named_where_there_is_none_here(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root / "hw/net")
    for command in (["secure"], ["waiver", "list"], ["threat", "check"]):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert said == (
            "secdl: secdl.toml: No such file; use `--config ../../secdl.toml`, or `secdl init` writes a fresh one\n"
        )
    assert main(["secure", "--config", "no-such.toml"]) == 2
    assert capsys.readouterr().err == "secdl: no-such.toml: No such file; `secdl init` writes a fresh one\n"
