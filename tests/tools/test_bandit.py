"""bandit: what its report means, and that nothing in the scanned tree can make it look away."""

import shutil
from collections import Counter
from pathlib import Path

import pytest

from secdl.model.config import Config, Language, ProductTable, Source
from secdl.model.errors import ConfigError, MalformedOutput
from secdl.model.evidence import Work
from secdl.model.finding import Level
from secdl.model.tool import CANARY, Job, Stage
from secdl.tools.bandit import TOOL
from tests.goldens import assert_golden
from tests.tools.real import golden, planted, run

DATA = Path(__file__).parent.parent / "data"
REPORT = (DATA / "bandit/out.json").read_bytes()
SOURCE = Source(
    name="tools",
    path="tools",
    languages=(Language.PYTHON,),
)
CONFIG = Config(product=ProductTable(name="p", version="1"), source=(SOURCE,))
PLANNED = ["tools/appliance.py", "tools/broken.py", "tools/import_appliance.py"]


def job(**settings) -> Job:
    (subject,) = TOOL.subjects(CONFIG)
    return Job(
        name="bandit",
        tool="bandit",
        stage=Stage.SAST,
        root="/srv/checkout",
        folder="/srv/checkout/.secdl/runs/r/evidence/bandit",
        sources=subject.sources,
        settings={**subject.settings, "planned": PLANNED, **settings},
        has_canary=True,
    )


@pytest.fixture
def checkout(tmp_path):
    shutil.copytree(DATA / "sast/tools", tmp_path / "tools")
    (tmp_path / "tools/broken.py").unlink()
    return tmp_path


def whole(checkout: Path) -> Job:
    return job(planned=sorted(str(path.relative_to(checkout)) for path in checkout.glob("tools/**/*.py")))


def own(report: bytes, ran: Job) -> list[str]:
    return sorted(
        f"{f.rule} {f.path}:{f.locations[0].line}" for f in TOOL.parse(report, ran) if not f.path.startswith(CANARY)
    )


def test_the_captured_report_normalises_to_its_golden():
    assert_golden(golden(TOOL, REPORT, job()), DATA / "bandit/golden.json")


def test_a_file_that_does_not_parse_is_unread_and_not_counted():
    work = TOOL.work(REPORT, job())
    assert work.unread == ("tools/broken.py: syntax error while parsing AST from file",)
    assert work.read["files"] == 2


def test_comments_that_suppress_are_counted():
    assert TOOL.work(REPORT, job()).read["suppressed"] == 2


def test_a_planned_file_that_the_report_does_not_name_is_unread():
    work = TOOL.work(REPORT, job(planned=[*PLANNED, "tools/gone.py"]))
    assert "tools/gone.py: not read" in work.unread


def test_the_snippet_is_the_line_itself():
    found = {(f.rule, f.path): f.snippet for f in TOOL.parse(REPORT, job())}
    assert found["B602", "tools/import_appliance.py"] == ('    subprocess.run(f"virsh define {name}.xml", shell=True)')


def test_every_planted_test_says_what_is_gained_and_what_to_do():
    described = {rule.id: rule for rule in TOOL.rules()}
    assert set(planted("bandit")) <= set(described)
    assert all(rule.title and rule.gain and rule.fix for rule in described.values())
    assert all(finding.gain and finding.fix for finding in TOOL.parse(REPORT, job()))


def test_an_unknown_severity_is_unknown_and_not_harmless():
    raw = REPORT.replace(b'"issue_severity": "HIGH"', b'"issue_severity": "GRAVE"')
    assert Level.UNKNOWN in {finding.level for finding in TOOL.parse(raw, job())}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        REPORT[: len(REPORT) // 2],
        b'{"version": "1.185.0", "results": [], "errors": [], "paths": {"scanned": []}}',
        b'{"results": [], "errors": []}',
        b"\xff\xfe",
    ],
    ids=["empty", "no keys", "cut off", "another tool", "no metrics", "not text"],
)
def test_anything_but_a_whole_report_is_malformed(raw):
    with pytest.raises(MalformedOutput):
        list(TOOL.parse(raw, job()))
    with pytest.raises(MalformedOutput):
        TOOL.work(raw, job())


def test_without_python_sources_there_is_no_job():
    assert TOOL.subjects(Config(product=ProductTable(name="p", version="1"))) == ()


def test_an_unknown_setting_is_a_configuration_error():
    wrong = Config(product=CONFIG.product, source=CONFIG.source, tools={"bandit": {"skip": ["B602"], "timeout_s": 5}})
    with pytest.raises(ConfigError, match="skip"):
        TOOL.subjects(wrong)


def test_what_was_laid_out_and_the_canary_are_the_only_targets():
    assert TOOL.argv(job())[-3:] == ("--", job().laid, job().canary)


def test_scripts_without_a_suffix_are_read_under_their_own_names(checkout):
    (checkout / "tools/start").write_text("import subprocess\nsubprocess.call('ls ' + input(), shell=True)\n")
    (checkout / "tools/start.py").write_text("pass\n")
    _, ran, report = run(TOOL, job(planned=["tools/start", "tools/start.py"]), checkout)
    assert TOOL.work(report, ran).unread == ()
    assert "B602 tools/start:2" in own(report, ran)


def test_links_out_of_the_tree_and_dangling_ones_are_not_read(checkout, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.py"
    outside.write_text("import subprocess\nsubprocess.call('ls ' + input(), shell=True)\n")
    (checkout / "tools/link.py").symlink_to(outside)
    (checkout / "tools/dangling.py").symlink_to("missing.py")
    _, ran, report = run(TOOL, job(planned=["tools/appliance.py"]), checkout)
    assert TOOL.work(report, ran) == Work(read={"files": 1, "lines": 27, "suppressed": 0})
    assert not any("link.py" in line for line in own(report, ran))


def test_every_planted_defect_is_found_in_a_real_run(checkout):
    ended, ran, report = run(TOOL, whole(checkout), checkout)
    assert ended.status in TOOL.completed
    found = Counter(f.rule for f in TOOL.parse(report, ran) if f.path.startswith(CANARY))
    assert all(found[rule] >= count for rule, count in planted("bandit").items())
    assert TOOL.work(report, ran).read == {"files": 2, "lines": 36, "suppressed": 2}


def test_a_bandit_file_in_the_tree_switches_nothing_off(checkout):
    """Without `--ini` bandit obeys `skips` and `exclude` of any .bandit file below its targets."""
    clean = own(*run(TOOL, whole(checkout), checkout)[:0:-1])
    (checkout / "tools/.bandit").write_text("[bandit]\nskips: B602,B101\nexclude: tools\n")
    (checkout / ".bandit").write_text("[bandit]\nskips: B602\n")
    (checkout / "pyproject.toml").write_text('[tool.bandit]\nskips = ["B602"]\n')
    assert own(*run(TOOL, whole(checkout), checkout)[:0:-1]) == clean
    assert "B602 tools/import_appliance.py:7" in clean


def test_a_git_folder_in_the_path_hides_nothing(checkout):
    """bandit's default excludes are substrings of the path, ".git" among them."""
    nested = checkout / "clone.git/work"
    nested.mkdir(parents=True)
    shutil.move(checkout / "tools", nested / "tools")
    _, ran, report = run(TOOL, whole(nested), nested)
    assert TOOL.work(report, ran).read["files"] == 2
    assert any(finding.path.startswith(CANARY) for finding in TOOL.parse(report, ran))


def test_suppressing_comments_can_be_refused(checkout):
    _, ran, report = run(TOOL, job(planned=whole(checkout).settings["planned"], ignore_nosec=True), checkout)
    assert sum("B602 tools/import_appliance.py" in line for line in own(report, ran)) == 3
    assert TOOL.work(report, ran).read["suppressed"] == 0


def test_an_excluded_folder_is_not_even_opened(checkout):
    (checkout / "tools/old").mkdir()
    (checkout / "tools/old/x.py").write_text("def broken(:\n")
    listed = [name for name in whole(checkout).settings["planned"] if "/old/" not in name]
    _, ran, report = run(TOOL, job(planned=listed), checkout)
    assert TOOL.work(report, ran).unread == ()
    assert b"tools/old" not in report
