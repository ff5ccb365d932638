import errno
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from secdl.cli.main import main
from secdl.model.policy import load_waivers
from tests.cli.conftest import POLICY, configure, sarif

Verdict = Callable[[], dict[str, Any]]
GIT = shutil.which("git") or ""
CHECKOUT = Path(__file__).resolve().parents[2]


def test_the_run_is_the_last_line_of_output_and_judging_it_again_gives_the_same_bytes(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "echo.sarif").write_text(sarif("one", "two"))
    assert main(["secure"]) == 1
    run = Path(capsys.readouterr().out.splitlines()[-1])
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert main(["gate", run.name]) == 1
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_a_run_folder_is_judged_alike_where_it_was_copied_to(
    tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (tree / "echo.sarif").write_text(sarif("one"))
    main(["secure"])
    run = (tree / ".secdl/runs/latest").resolve()
    elsewhere = tmp_path_factory.mktemp("elsewhere") / run.name
    subprocess.run(["/bin/cp", "-r", str(run), str(elsewhere)], check=True)
    os.chdir(elsewhere.parent)
    assert main(["gate", str(elsewhere)]) == 1
    for name in ("verdict.json", "findings.jsonl", "SHA256SUMS"):
        assert (elsewhere / name).read_bytes() == (run / name).read_bytes()


@pytest.mark.skipif(not GIT, reason="git is not installed")
@pytest.mark.parametrize("where", [".", "product"])
def test_runs_and_evidence_that_came_with_the_checkout_are_refused(
    tree: Path, where: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["secure"]) == 0
    if where != ".":
        (tree / where).mkdir()
        for name in (".secdl", "secdl.toml", "gate.toml", "waivers.toml", "src", "echo.sarif"):
            (tree / name).rename(tree / where / name)
        monkeypatch.chdir(tree / where)
    own = tree / where / ".secdl"
    subprocess.run([GIT, "init", "-q", str(tree)], check=True)
    assert main(["secure"]) == 0, "what git does not track may be there"
    subprocess.run([GIT, "-C", str(tree), "add", "-f", str(own)], check=True)
    capsys.readouterr()
    before = sorted((own / "runs").iterdir())
    assert main(["secure"]) == 2
    said = capsys.readouterr().err
    assert f"{own}: git tracks this folder, which only secdl may fill" in said
    assert "git rm -r --cached .secdl" in said
    for argv in (["gate"], ["report"], ["import", "echo.sarif"], ["scan", "sast"]):
        assert main(argv) == 2
        assert "git tracks this folder" in capsys.readouterr().err
    assert sorted((own / "runs").iterdir()) == before


@pytest.mark.skipif(not GIT, reason="git is not installed")
def test_a_checkout_of_which_git_says_nothing_is_not_taken_for_one_that_tracks_nothing(
    tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run([GIT, "init", "-q", str(tree)], check=True)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", "/nowhere")
        assert main(["secure"]) == 0, "there is nothing yet that could have come with it"
        assert main(["secure"]) == 2
    assert "git cannot say whether it tracks this folder" in capsys.readouterr().err
    assert main(["secure"]) == 0


@pytest.mark.parametrize(
    "itself",
    [
        "latest",
        ".secdl/runs/latest",
        "copy",
        ".secdl/runs/latest/report/report.sarif",
        ".secdl/runs/latest/findings.jsonl",
        ".secdl/runs/latest/evidence/echo/out.sarif",
        "link.sarif",
        "copy.sarif",
    ],
)
def test_a_run_is_no_baseline_of_itself(tree: Path, capsys: pytest.CaptureFixture[str], itself: str) -> None:
    (tree / "echo.sarif").write_text(sarif("one"))
    assert main(["secure"]) == 1
    shutil.copy(tree / ".secdl/runs/latest/report/report.sarif", tree / "copy.sarif")
    (tree / "link.sarif").symlink_to(tree / ".secdl/runs/latest/report/report.sarif")
    subprocess.run(["/bin/cp", "-r", ".secdl/runs/latest/.", "copy"], cwd=tree, check=True)
    assert (tree / itself).exists() or itself == "latest"
    capsys.readouterr()
    assert main(["gate", "latest", "--baseline", itself]) == 2
    assert f"--baseline {itself}: the baseline is the run that is judged" in capsys.readouterr().err
    assert main(["gate", "latest"]) == 1


@pytest.mark.parametrize("nothing", ["none", "", " "])
def test_a_baseline_stays_in_the_run_until_none_is_asked_for(tree: Path, verdict: Verdict, nothing: str) -> None:
    (tree / "gate.toml").write_text(POLICY.replace("levels", 'block = "new"\nlevels'))
    (tree / "echo.sarif").write_text(sarif("one"))
    assert main(["secure"]) == 1
    shutil.copy(tree / ".secdl/runs/latest/report/report.sarif", tree / "old.sarif")
    assert main(["secure"]) == 1
    run = (tree / ".secdl/runs/latest").resolve()
    never = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert main(["gate", "--baseline", "old.sarif"]) == 0
    assert main(["gate"]) == 0
    assert verdict()["baseline"] == "old.sarif"
    assert main(["gate", "--baseline", nothing]) == 1
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == never
    assert main(["gate"]) == 1


def test_secure_without_a_baseline_leaves_out_the_debt(tree: Path, verdict: Verdict) -> None:
    (tree / "gate.toml").write_text(POLICY.replace("levels", 'block = "new"\nlevels'))
    (tree / "echo.sarif").write_text(sarif("one"))
    assert main(["secure"]) == 1
    shutil.copy(tree / ".secdl/runs/latest/findings.jsonl", tree / "debt.jsonl")
    with (tree / "secdl.toml").open("a") as file:
        file.write('debt = "debt.jsonl"\n')
    assert main(["secure"]) == 0
    assert main(["secure", "--baseline", "none"]) == 1
    assert verdict()["baseline"] == ""


def test_every_format_of_a_report_is_written(tree: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    (tree / "echo.sarif").write_text(sarif("one"))
    main(["secure"])
    capsysbinary.readouterr()
    shown = {}
    for kind in ("html", "sarif", "markdown", "junit", "json"):
        assert main(["report", "--format", kind]) == 0
        shown[kind] = capsysbinary.readouterr().out
    assert shown["html"].startswith(b"<!doctype html>")
    assert json.loads(shown["sarif"])["version"] == "2.1.0"
    assert b"FAIL" in shown["markdown"]
    assert ElementTree.fromstring(shown["junit"]).tag == "testsuites"  # noqa: S314 - our own bytes
    assert json.loads(shown["json"])["verdict"] == "FAIL"
    assert main(["report", "-o", "r.html"]) == 0
    assert (tree / "r.html").read_bytes() == shown["html"]


def test_a_run_that_was_altered_is_not_reported(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "echo.sarif").write_text(sarif("one"))
    main(["secure"])
    path = tree / ".secdl/runs/latest/verdict.json"
    path.write_text(path.read_text().replace("FAIL", "PASS"))
    assert main(["report"]) == 2
    assert "verdict.json does not match SHA256SUMS" in capsys.readouterr().err


def test_scan_leaves_evidence_and_no_verdict(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", "sast"]) == 0
    run = Path(capsys.readouterr().out.splitlines()[-1])
    assert not (run / "verdict.json").exists()
    assert main(["report", run.name]) == 2
    assert main(["gate", run.name]) == 0


def test_a_waiver_is_written_used_listed_and_due(
    tree: Path, verdict: Verdict, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "echo.sarif").write_text(sarif("one"))
    assert main(["secure"]) == 1
    common = ["--rule", "echo:one", "--path", "src/a.c", "--reason", "bounded by the caller", "--owner", "net team"]
    soon = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 5 * 86400))
    assert main(["waiver", "add", *common, "--approver", "net team", "--expires", soon]) == 2
    assert "two people" in capsys.readouterr().err
    assert main(["waiver", "add", *common, "--approver", "release manager", "--expires", "2099-01-01"]) == 2
    assert main(["waiver", "add", *common, "--approver", "release manager", "--expires", soon]) == 0
    assert main(["secure"]) == 0
    assert verdict()["counts"]["waived"] == 1
    capsys.readouterr()
    assert main(["waiver", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["owner"] == "net team"
    assert main(["waiver", "due"]) == 1
    assert main(["waiver", "due", "--days", "1"]) == 0


def test_waivers_that_are_added_at_once_are_all_written_under_ids_of_their_own(tree: Path) -> None:
    expires = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 5 * 86400))
    argv = [sys.executable, "-m", "secdl", "waiver", "add", "--rule", "echo:one", "--path", "src/a.c", "--reason", "r"]
    argv += ["--owner", "o", "--approver", "a", "--expires", expires]
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    children = [subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    said = sorted(child.communicate(timeout=300)[0].strip() for child in children)
    assert [child.returncode for child in children] == [0] * 6
    assert said == [f"W-{time.gmtime().tm_year}-{number}" for number in range(1, 7)]
    assert sorted(one.id for one in load_waivers(tree / "waivers.toml").waiver) == said
    assert (tree / ".secdl/.gitignore").read_text() == "*\n"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"--expires": "tomorrow"}, "waiver.expires: got 'tomorrow'; expected a date such as 2026-12-31"),
        ({"--cve": "nope"}, "waiver.cve: got 'nope'; expected an advisory id such as CVE-2024-1086"),
        ({"--purl": "nope"}, "waiver.purl: got 'nope'; expected a package URL such as pkg:pypi/example@1.2"),
        ({"--purl": "pkg:pypi"}, "waiver: purl 'pkg:pypi': purl is missing"),
        ({"--reason": "  "}, "waiver.reason: got '  '; expected 1 to 500 characters, not all of them blank"),
        ({"--fingerprint": "12"}, "waiver.fingerprint: got '12'; expected 64 hexadecimal digits"),
        ({"--rule": "one"}, "waiver: give exactly one of: `fingerprint`; `rule` and `path`; `cve` and `purl`"),
        ({"--cve": "", "--purl": "", "--rule": "one", "--path": "a"}, "waiver: rule 'one' is not `tool:rule`, such as"),
        ({"--cve": "", "--purl": "", "--rule": "a:b", "--path": "["}, "waiver: path '[' opens a `[` and never closes"),
    ],
)
def test_a_waiver_that_could_never_match_is_refused_in_plain_words(
    changed: dict[str, str], said: str, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"--cve": "CVE-2024-1", "--purl": "pkg:pypi/a", "--reason": "r", "--owner": "o", "--approver": "a"}
    given |= {"--expires": time.strftime("%Y-%m-%d", time.gmtime(time.time() + 5 * 86400))}
    assert main(["waiver", "add", *(word for pair in given.items() for word in pair)]) == 0
    before = (tree / "waivers.toml").read_bytes()
    capsys.readouterr()
    assert main(["waiver", "add", *(word for pair in (given | changed).items() for word in pair)]) == 2
    assert capsys.readouterr().err.startswith(f"secdl: {said}")
    assert (tree / "waivers.toml").read_bytes() == before


def test_an_import_is_judged_and_never_stands_in_for_a_required_tool(
    tree: Path, verdict: Verdict, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "bandit.sarif").write_text(sarif("one").replace("echo", "bandit"))
    assert main(["import", "bandit.sarif"]) == 0
    run = capsys.readouterr().out.splitlines()[-1]
    assert main(["gate", run]) == 1
    judged = json.loads((Path(run) / "verdict.json").read_text())
    assert judged["partial"] == ["import"]
    assert [one["tool"] for one in judged["evidence"]] == ["import:bandit"]
    assert main(["report", run, "--format", "html", "-o", "import.html"]) == 0
    assert main(["import", "bandit.sarif", "--run", run]) == 0
    assert main(["report", run]) == 2, "what was added has not been judged"


def test_findings_of_a_tool_that_says_it_failed_are_judged(tree: Path, verdict: Verdict) -> None:
    report = json.loads(sarif("one"))
    report["runs"][0]["invocations"] = [{"executionSuccessful": False}]
    (tree / "echo.sarif").write_text(json.dumps(report))
    assert main(["secure"]) == 1
    assert (verdict()["verdict"], verdict()["counts"]["blocking"]) == ("FAIL", 1)
    (echo,) = (one for one in verdict()["evidence"] if one["tool"] == "echo")
    assert (echo["outcome"], echo["valid"]) == ("failed", False)


@pytest.mark.parametrize("judge", ["secure", "gate"])
def test_files_named_on_the_command_line_count_from_the_current_directory(
    judge: str, tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / "echo.sarif").write_text(sarif("one"))
    config = ["--config", str(tree / "secdl.toml")]
    assert main(["secure"]) == 1
    before = (tree / ".secdl/runs/latest").readlink().name
    assert main(["secure", "--baseline", "latest"]) == 1
    (tree / "above").mkdir()
    monkeypatch.chdir(tree / "above")
    (tree / "x.sarif").write_text(sarif())
    Path("x.sarif").write_text(sarif("one"))
    Path("p.toml").write_text((tree / "gate.toml").read_text().replace("small", "from here"))
    Path("w.toml").write_text("")
    options = ["--baseline", "x.sarif", "--policy", "p.toml", "--waivers", "w.toml"]
    assert main([judge, *config, *options]) == 1
    run = (tree / ".secdl/runs/latest").resolve()
    assert (run / "inputs/baseline.sarif").read_bytes() == Path("x.sarif").read_bytes()
    assert (run / "inputs/gate.toml").read_bytes() == Path("p.toml").read_bytes()
    capsys.readouterr()
    assert main([judge, *config, "--baseline", before]) == 1
    run = (tree / ".secdl/runs/latest").resolve()
    assert json.loads((run / "inputs/baseline.json").read_text())["name"].startswith(before)
    Path("x.sarif").unlink()
    for name in ("x.sarif", "gate.toml"):
        assert main([judge, *config, "--baseline", name]) == 2, "what lies beside secdl.toml is not meant"


@pytest.mark.parametrize("text", ["{", sarif("one").replace('"one"', "1", 1)], ids=["no JSON", "a wrong result"])
def test_a_bad_report_is_named_by_the_path_that_was_given(
    tree: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    for folder in ("old", "new"):
        (tree / folder).mkdir()
        (tree / folder / "x.sarif").write_text(text)
    assert main(["import", "new/x.sarif"]) == 2
    assert capsys.readouterr().err.startswith("secdl: new/x.sarif: ")
    assert main(["import", "echo.sarif"]) == 0
    run = capsys.readouterr().out.strip()
    assert main(["gate", run, "--baseline", "old/x.sarif"]) == 2
    assert capsys.readouterr().err.startswith("secdl: old/x.sarif: ")


def test_one_bad_file_makes_no_run(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "good.sarif").write_text(sarif("one"))
    (tree / "bad.sarif").write_text(sarif("one")[:-5])
    assert main(["import", "good.sarif", "bad.sarif"]) == 2
    assert "bad.sarif" in capsys.readouterr().err
    assert not (tree / ".secdl").exists()


@pytest.mark.parametrize(
    "arguments", [["explain", "secdl.device.guest-divisor"], ["explain", "fuzz.abort"], ["db", "status"]]
)
def test_it_tells_what_it_knows(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    assert capsys.readouterr().out


def test_an_unknown_rule_is_answered_by_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "fuzz.abortt"]) == 2
    assert 'did you mean "fuzz.abort"?' in capsys.readouterr().err


@pytest.mark.parametrize("name", ["CVE-2024-1086", "ghsa-jfhc-cjpm-vqrx", "GO-2024-2687", "pip-audit:CVE-2024-1086"])
def test_an_advisory_that_is_to_be_explained_is_told_from_a_rule(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", name]) == 2
    assert capsys.readouterr().err.startswith(f"secdl: '{name}' is an advisory, not a rule; the report says")


def test_a_rule_like_no_other_is_answered_by_who_has_rules(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "qqq"]) == 2
    said = capsys.readouterr().err
    assert "semgrep" in said
    assert "B101" not in said


@pytest.mark.parametrize("command", [["doctor"], ["explain", "fuzz.abort"]])
def test_a_configuration_that_is_named_must_be_there(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*command, "--config", "nope.toml"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("secdl: nope.toml: No such file")
    assert main(["explain", "fuzz.abort"]) == 0


@pytest.mark.parametrize("kind", ["config", "policy", "waivers", "verdict", "finding"])
def test_schemas_are_json_schema(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    import jsonschema

    assert main(["schema", kind]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)


def test_a_verdict_and_its_findings_match_their_schemas(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import jsonschema

    (tree / "echo.sarif").write_text(sarif("one"))
    main(["secure"])
    capsys.readouterr()
    for kind, name in (("verdict", "verdict.json"), ("finding", "findings.jsonl")):
        main(["schema", kind])
        schema = json.loads(capsys.readouterr().out)
        jsonschema.validate(json.loads((tree / ".secdl/runs/latest" / name).read_text()), schema)


def test_a_wrong_key_is_answered_with_file_line_and_the_right_word(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (tree / "secdl.toml").read_text() + "\n[tools.echo]\ntimeout = 3\n"
    (tree / "secdl.toml").write_text(text)
    assert main(["secure"]) == 2
    said = capsys.readouterr().err
    assert "secdl.toml" in said
    assert 'did you mean "timeout_s"?' in said
    assert not (tree / ".secdl").exists()


def test_a_bug_is_one_line_and_exit_four(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("x\x1b[31m")

    monkeypatch.setattr("secdl.cli.explain.tools_of", broken)
    assert main(["explain", "x"]) == 4
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "Traceback" not in said
    assert "\x1b" not in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_incomplete_and_leaves_nothing_running(
    tree: Path, verdict: Verdict, number: signal.Signals
) -> None:
    configure(tree, "import os, pathlib, time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(600)")
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    child = subprocess.Popen([sys.executable, "-m", "secdl", "secure"], env=env, stderr=subprocess.DEVNULL)
    while not (tree / "pid").exists() or not (tree / "pid").read_text():
        time.sleep(0.02)
    child.send_signal(number)
    assert child.wait(300) == 3
    judged = verdict()
    assert judged["verdict"] == "INCOMPLETE"
    assert "interrupted" in [reason["kind"] for reason in judged["reasons"]]
    assert not Path(f"/proc/{(tree / 'pid').read_text()}").exists()


def test_live_progress_is_shown_on_a_terminal(tree: Path) -> None:
    leader, follower = pty.openpty()
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT), "TERM": "xterm"}
    argv = [sys.executable, "-m", "secdl", "secure"]
    child = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=follower)
    os.close(follower)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(leader)
    assert child.wait(300) == 0
    assert b"done" in shown
    assert b"echo" in shown


def test_gate_judges_the_run_that_began_last_and_makes_it_the_latest(tree: Path, verdict: Verdict) -> None:
    assert main(["secure"]) == 0
    (tree / "echo.sarif").write_text(sarif("one"))
    (tree / "src/a.c").write_text("changed\n")
    assert main(["scan", "sast"]) == 0
    assert main(["gate"]) == 1
    assert verdict()["verdict"] == "FAIL"


def test_judging_a_run_again_keeps_the_reports_of_the_same_verdict_and_no_others(tree: Path) -> None:
    (tree / "echo.sarif").write_text(sarif("one"))
    assert main(["secure"]) == 1
    report = tree / ".secdl/runs/latest/report/report.html"
    assert main(["gate"]) == 1
    assert report.exists()
    (tree / "lax.toml").write_text('name = "lax"\n[profiles.dev]\nlevels = []\ntolerates_missing = true\n')
    assert main(["gate", "--policy", "lax.toml"]) == 0
    assert not report.exists()


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("plan.json", 2, "plan.json was altered since the run was sealed"),
        ("inputs/secdl.toml", 2, "inputs/secdl.toml was altered since the run was sealed"),
        ("inputs/gate.toml", 2, "inputs/gate.toml was altered since the run was sealed; name what to judge by"),
        ("inputs/waivers.toml", 2, "inputs/waivers.toml was altered since the run was sealed"),
        ("inputs/baseline.json", 2, "inputs/baseline.json was altered since the run was sealed"),
        ("evidence/echo/out.sarif", 3, "evidence/echo/out.sarif was altered since the run was sealed"),
        ("evidence/echo/evidence.json", 3, "evidence/echo/evidence.json was altered since the run was sealed"),
        ("evidence/other/evidence.json", 3, "evidence/other/evidence.json was altered since the run was sealed"),
    ],
)
def test_what_was_altered_in_a_sealed_run_is_no_evidence(
    tree: Path, capsys: pytest.CaptureFixture[str], name: str, status: int, said: str
) -> None:
    assert main(["secure"]) == 0
    path = tree / ".secdl/runs/latest" / name
    path.parent.mkdir(exist_ok=True)
    raw = (path if path.exists() else tree / ".secdl/runs/latest/evidence/echo/evidence.json").read_text()
    path.write_text(raw.replace('"echo"', '"other"') if "other" in name else raw + "\n")
    assert main(["report"]) == 2
    assert f"{name} does not match SHA256SUMS" in capsys.readouterr().err
    assert main(["import", "echo.sarif", "--run", "latest"]) == 2
    for _ in range(2):
        assert main(["gate"]) == status
        assert said in capsys.readouterr().err


def test_what_to_judge_by_is_named_anew_where_it_was_altered(tree: Path) -> None:
    assert main(["secure"]) == 0
    run = tree / ".secdl/runs/latest"
    (run / "inputs/waivers.toml").write_text("# altered\n")
    (tree / "waivers.toml").write_text("# mine\n")
    assert main(["gate"]) == 2
    assert main(["gate", "--waivers", "waivers.toml"]) == 0
    assert main(["gate"]) == 0


def test_an_interrupted_judgement_leaves_the_run_what_it_was_judged_by(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["secure"]) == 0
    (tree / "other.toml").write_text((tree / "gate.toml").read_text() + "# another\n")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("secdl.pipeline.steps.judge_folder", interrupt)
        assert main(["gate", "--policy", "other.toml"]) != 0
    assert main(["gate"]) == 0


@pytest.mark.parametrize("target", ["mine", "nowhere"])
def test_owners_behind_a_link_in_a_run_are_not_read(tree: Path, target: str) -> None:
    (tree / "echo.sarif").write_text(sarif("one"))
    assert main(["secure"]) == 1
    before = (tree / ".secdl/runs/latest/findings.jsonl").read_bytes()
    (tree / "mine").write_text("* @mallory\n")
    owners = tree / ".secdl/runs/latest/inputs/owners"
    owners.mkdir(exist_ok=True)
    (owners / "CODEOWNERS").symlink_to(tree / target)
    assert main(["gate"]) == 1
    assert (tree / ".secdl/runs/latest/findings.jsonl").read_bytes() == before


@pytest.mark.parametrize("gone", ["evidence.json", "out.sarif", ""])
def test_an_import_that_is_taken_out_of_a_judged_run_is_missed(tree: Path, verdict: Verdict, gone: str) -> None:
    (tree / "bad.sarif").write_text(sarif("one"))
    assert main(["secure"]) == 0
    assert main(["import", "bad.sarif", "--run", "latest"]) == 0
    assert main(["gate"]) == 1
    folder = tree / ".secdl/runs/latest/evidence/import-echo"
    (folder / gone).unlink() if gone else shutil.rmtree(folder)
    for _ in range(2):
        assert main(["gate"]) == 3
        assert [r["message"] for r in verdict()["reasons"] if r["message"].startswith("import-echo: ")]


def test_planted_defects_are_no_findings_where_a_run_ended_before_it_recorded_the_tool(
    tree: Path, verdict: Verdict
) -> None:
    (tree / "tool.py").write_text("import subprocess\n")
    text = (tree / "secdl.toml").read_text().partition("[[sarif_tool]]")
    source = '[[source]]\nname = "own"\npath = "tool.py"\nlanguages = ["python"]\n'
    (tree / "secdl.toml").write_text(text[0] + source + '[gate]\npolicy = "gate.toml"\n')
    if main(["scan", "sast"]) != 0:
        pytest.skip("bandit and semgrep are not installed: `secdl tools install` puts them in place")
    (run,) = (tree / ".secdl/runs").glob("2*")
    (run / "evidence/bandit/evidence.json").unlink()
    main(["gate"])
    found = [json.loads(line)["locations"][0]["path"] for line in (run / "findings.jsonl").read_text().splitlines()]
    assert set(found) <= {"tool.py"}


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EFBIG])
def test_a_fault_of_the_machine_is_no_bug_of_secdl(
    tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number), "policies/gate.toml")

    monkeypatch.setattr("secdl.cli.init.write_atomic", refuse)
    assert main(["init"]) == 2
    assert f"secdl: policies/gate.toml: {os.strerror(number)}; " in capsys.readouterr().err


def test_of_a_copy_that_fails_the_file_that_could_not_be_written_is_named(
    tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "secdl/canaries/a.c", None, "run/canary/a.c")

    monkeypatch.setattr("secdl.cli.init.write_atomic", refuse)
    assert main(["init"]) == 2
    assert capsys.readouterr().err.startswith("secdl: run/canary/a.c: No space left on device; make room")


def test_a_result_for_a_dash_goes_to_standard_output(tree: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    main(["secure"])
    capsysbinary.readouterr()
    assert main(["report", "--format", "markdown", "-o", "-"]) == 0
    assert capsysbinary.readouterr().out.startswith(b"## secdl: ")
    assert not (tree / "-").exists()


def test_an_empty_run_is_not_taken_for_the_newest(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["secure"])
    capsys.readouterr()
    assert main(["gate", ""]) == 2
    assert "no such run" in capsys.readouterr().err


def test_judging_says_how_to_have_the_report_that_it_made_stale(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["secure"])
    assert main(["gate", "latest"]) == 0
    assert "Report: `secdl report latest -o report.html` writes it\n" in capsys.readouterr().err
    assert main(["report", "latest", "-o", "report.html"]) == 0


def test_judging_loads_no_library_of_the_reports() -> None:
    code = "import sys, secdl.cli.gate; sys.exit(bool({'jinja2', 'leather'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=False).returncode == 0


@pytest.mark.parametrize("group", [[], ["tools"], ["db"], ["threat"], ["fuzz"], ["waiver"]])
def test_no_line_of_a_list_of_commands_is_cut_off(
    group: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    main([*group, "--help"])
    listed = capsys.readouterr().out.partition("Commands:\n")[2].splitlines()
    assert listed
    assert all(line.endswith(".") and not line.endswith("...") for line in listed)


def test_a_cache_that_cannot_be_used_is_what_the_verdict_names_not_that_a_tool_is_not_installed(
    tree: Path, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tree / "secdl.toml").open("a") as file:
        file.write('[[source]]\nname = "src"\npath = "src"\nlanguages = ["python"]\n')
    (tree / "src/a.py").write_text("x = 1\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tree / "secdl.toml"))
    assert main(["secure"]) == 0
    (why,) = [one["reason"] for one in verdict()["evidence"] if one["job"] == "bandit"]
    assert "Not a directory" in why
    assert "XDG_CACHE_HOME" in why


def test_a_checkout_that_cannot_be_written_is_one_line_with_what_to_do(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tree / ".secdl").write_text("")
    assert main(["secure"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "Not a directory; make room, give access, or work on a copy" in line
