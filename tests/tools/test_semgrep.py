"""semgrep: what its report means, that our packs hit what is planted and nothing else, and that nothing hides code."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from secdl.model.config import Config, Language, ProductTable, Source
from secdl.model.errors import MalformedOutput
from secdl.model.finding import Level
from secdl.model.shipped import canary_folder, shipped
from secdl.model.tool import CANARY, Job, Stage
from secdl.tools.semgrep import PACKS, TOOL, pack_files
from tests.goldens import assert_golden
from tests.tools.real import golden, planted, run

HERE = Path(__file__).parent
DATA = HERE.parent / "data"
REPORT = (DATA / "semgrep/out.json").read_bytes()
CONFIG = Config(
    product=ProductTable(name="p", version="1"),
    source=(
        Source(name="tools", path="tools", languages=(Language.PYTHON,)),
        Source(name="devices", path="devices", languages=(Language.C,), guest_facing=True),
        Source(name="host", path="host", languages=(Language.C,)),
    ),
)
LAID = "/srv/checkout/.secdl/runs/r/evidence/semgrep/src/devices/port.c"
PLANNED = ["devices/port.c", "tools/appliance.py", "tools/broken.py", "tools/import_appliance.py"]


def job(config: Config = CONFIG, **settings) -> Job:
    (subject,) = TOOL.subjects(config)
    return Job(
        name="semgrep",
        tool="semgrep",
        stage=Stage.SAST,
        root="/srv/checkout",
        folder="/srv/checkout/.secdl/runs/r/evidence/semgrep",
        sources=subject.sources,
        settings={**subject.settings, "planned": PLANNED, **settings},
        has_canary=True,
    )


def altered(**change) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(REPORT), **change})


def own(report: bytes, ran: Job) -> list[str]:
    return sorted(f"{f.rule} {f.path}:{f.locations[0].line}" for f in TOOL.parse(report, ran) if f.path[:7] != CANARY)


@pytest.fixture
def checkout(tmp_path):
    for name in ("tools", "devices"):
        shutil.copytree(DATA / "sast" / name, tmp_path / name)
    return tmp_path


def test_the_captured_report_normalises_to_its_golden():
    assert_golden(golden(TOOL, REPORT, job()), DATA / "semgrep/golden.json")


def test_a_rule_that_does_not_parse_fails_the_run():
    """semgrep drops it, says so in `errors`, and exits 0."""
    fault = {"level": "error", "type": "Rule parse error", "rule_id": "x", "message": "Rule parse error in rule x"}
    with pytest.raises(MalformedOutput, match="Rule parse error in rule x"):
        TOOL.work(altered(errors=[fault]), job())


def test_a_rule_that_was_left_out_fails_the_run():
    with pytest.raises(MalformedOutput, match=r"secdl\.device\.x"):
        list(TOOL.parse(altered(skipped_rules=[{"rule_id": "secdl.device.x"}]), job()))


@pytest.mark.parametrize("kind", ["Timeout", "OutOfMemory", ["StackOverflow", []], "Syntax error"])
def test_a_file_that_some_rule_did_not_finish_is_unread(kind):
    fault = {"level": "warn", "type": kind, "rule_id": "secdl.device.x", "message": "m", "path": LAID}
    work = TOOL.work(altered(errors=[fault]), job())
    assert len(work.unread) == 1
    assert work.unread[0].startswith("devices/port.c: ")
    assert work.read["files"] == 3


def test_lines_that_the_parser_stepped_over_are_counted_and_no_failure():
    position = {"line": 5}
    span = {"start": position, "end": {"line": 6}}
    fault = {"level": "warn", "type": ["PartialParsing", []], "message": "m", "path": LAID, "spans": [span]}
    work = TOOL.work(altered(errors=[fault]), job())
    assert work.unread == ()
    assert work.read == {"files": 4, "files_read_in_part": 1, "lines_not_parsed": 2}


def test_a_planned_file_that_was_not_scanned_is_unread():
    assert TOOL.work(REPORT, job(planned=[*PLANNED, "devices/gone.c"])).unread == ("devices/gone.c: not read",)


def test_a_laid_copy_is_reported_under_the_name_of_its_source():
    assert LAID in msgspec.json.decode(REPORT)["paths"]["scanned"]
    assert {f.path for f in TOOL.parse(REPORT, job()) if "port.c" in f.path} == {"devices/port.c"}


def test_a_name_that_leads_out_of_the_laid_folder_is_no_source_of_ours():
    raw = REPORT.replace(b"/src/devices/port.c", b"/src/../../../../../../etc/passwd")
    assert not any("passwd" in line for line in own(raw, job()))
    assert TOOL.work(raw, job()).unread == ("devices/port.c: not read",)


def test_planned_files_of_another_language_are_not_missed():
    assert TOOL.work(REPORT, job(planned=[*PLANNED, "devices/build.py", "tools/rom.c"])).unread == ()


def test_a_pack_reports_only_where_its_language_is_declared():
    here = job(python=["tools"], device=[])
    assert not any("secdl.device" in line for line in own(REPORT, here))
    assert any(f.rule.startswith("secdl.device") and f.path.startswith(CANARY) for f in TOOL.parse(REPORT, here))


def test_identity_is_the_code_in_the_message_and_not_its_prose():
    before = {f.locations: f.context for f in TOOL.parse(REPORT, job())}
    after = {f.locations: f.context for f in TOOL.parse(REPORT.replace(b"A number that", b"The number which"), job())}
    assert before == after
    assert "value" in before.values()


def test_an_unknown_severity_is_unknown_and_not_harmless():
    raw = REPORT.replace(b'"severity":"HIGH"', b'"severity":"GRAVE"')
    assert Level.UNKNOWN in {finding.level for finding in TOOL.parse(raw, job())}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        REPORT[: len(REPORT) // 2],
        (DATA / "bandit/out.json").read_bytes(),
        b'{"version": "2.1.0", "runs": []}',
    ],
    ids=["empty", "no keys", "cut off", "another tool", "SARIF"],
)
def test_anything_but_a_whole_report_is_malformed(raw):
    with pytest.raises(MalformedOutput):
        list(TOOL.parse(raw, job()))
    with pytest.raises(MalformedOutput):
        TOOL.work(raw, job())


def test_only_guest_facing_c_is_read():
    assert job().sources == ("tools", "devices")


def test_packs_of_the_repository_run_beside_ours_and_are_inputs():
    config = msgspec.structs.replace(CONFIG, tools={"semgrep": {"packs": ["rules/own.yaml"]}})
    mine = job(config)
    assert "rules/own.yaml" in mine.sources
    words = TOOL.argv(mine)
    assert f"--config={mine.folder}/packs/rules/own.yaml" in words
    assert f"--config={shipped(PACKS)}" in words
    assert words[words.index("--") + 1 :] == (f"{mine.folder}/src", f"{mine.folder}/arms", mine.canary)


def test_only_planned_files_are_read_whatever_lies_beside_them(checkout):
    """Given folders, semgrep parses every language in them that it has a rule for: also ROMs that it cannot parse."""
    (checkout / "tools/rom.c").write_text("int broken( {{{ \n")
    (checkout / "tools/left_out.py").write_text((checkout / "tools/appliance.py").read_text())
    _, ran, report = run(TOOL, job(), checkout)
    assert TOOL.work(report, ran).unread == ()
    assert TOOL.work(report, ran).read["files"] == len(PLANNED)
    assert not any("left_out" in line or "rom.c" in line for line in own(report, ran))


def test_a_defect_in_any_arm_of_an_if_is_found_at_its_place(checkout):
    before, line, after = (checkout / "devices/port.c").read_text().partition("    s->rate =")
    assert line
    (checkout / "devices/port.c").write_text(
        f"{before}#ifdef A\n    if (s->ready) {{\n#elif B > 0\n    if (s->late) {{ s->rate = PORT_CLOCK / value;\n"
        f"#else\n    if (size) {{ s->rate = PORT_CLOCK / value;\n#endif\n    }}\n{line}{after}"
    )
    _, ran, report = run(TOOL, job(), checkout)
    start = before.count("\n") + 1
    found = set(own(report, ran))
    assert TOOL.work(report, ran).read["files"] == len(PLANNED)
    assert {f"secdl.device.guest-divisor devices/port.c:{start + n}" for n in (3, 5)} <= found


def test_an_xml_parser_is_reported_where_it_asks_for_what_the_document_declares_and_not_as_it_is_by_default(checkout):
    """Python's own parser reads no external entity since 3.7.1 unless it is asked to."""
    (checkout / "tools/import_appliance.py").write_text(
        "import xml.sax\nfrom lxml import etree\nfrom xml.sax.handler import feature_external_ges\n"
        "reader = xml.sax.make_parser()\n"
        "reader.setFeature(feature_external_ges, True)  # hit\n"
        "reader.setFeature(xml.sax.handler.feature_external_ges, 1)  # hit\n"
        "reader.setFeature(feature_external_ges, False)\n"
        "etree.XMLParser(resolve_entities=True)  # hit\n"
        "etree.XMLParser(no_network=False)  # hit\n"
        "etree.XMLParser(huge_tree=True)  # hit\n"
        "etree.XMLParser(huge_tree=True, resolve_entities=False)\n"
        "etree.XMLParser(remove_blank_text=True, resolve_entities=False)\n"
    )
    _, ran, report = run(TOOL, job(), checkout)
    found = [line for line in own(report, ran) if "xml-entities" in line]
    assert found == sorted(f"secdl.python.xml-entities tools/import_appliance.py:{n}" for n in (5, 6, 8, 9, 10))


def test_an_empty_address_is_reported_where_something_listens_on_it_and_not_where_it_is_mere_text(checkout):
    (checkout / "tools/import_appliance.py").write_text(
        "control.bind(('', 16509))  # hit\n"
        "asyncio.start_server(answer, host='0.0.0.0')  # hit\n"
        "http.server.ThreadingHTTPServer(('', 80), Handler)  # hit\n"
        "socket.create_server(('::', 80))  # hit\n"
        "lines = iter(('', 'first'))\n"
        "name.endswith(('', '.xml'))\n"
    )
    _, ran, report = run(TOOL, job(), checkout)
    found = [line for line in own(report, ran) if "listens-everywhere" in line]
    assert found == [f"secdl.python.listens-everywhere tools/import_appliance.py:{n}" for n in (1, 2, 3, 4)]


def test_every_planted_defect_is_found_in_a_real_run_with_an_empty_home(checkout):
    ended, ran, report = run(TOOL, job(), checkout)
    assert ended.status in TOOL.completed
    found = Counter(f.rule for f in TOOL.parse(report, ran) if f.path.startswith(CANARY))
    assert {rule: found[rule] for rule, count in planted("semgrep").items() if found[rule] < count} == {}
    assert TOOL.work(report, ran).read["files"] == 4


def test_nothing_in_the_tree_hides_code(checkout):
    clean = own(*run(TOOL, job(), checkout)[:0:-1])
    (checkout / ".semgrepignore").write_text("*.c\n.secdl/\n")
    (checkout / ".gitignore").write_text("tools/\n.secdl/\n")
    with (checkout / "devices/port.c").open("a") as file:
        file.write(f"/* {'long ' * 250_000} */\n")
    assert own(*run(TOOL, job(), checkout)[:0:-1]) == clean
    assert "secdl.device.bottom-half-unguarded devices/port.c:14" in clean  # its line says nosemgrep


def test_code_that_python_reads_in_another_encoding_is_found(checkout):
    """semgrep takes every file for UTF-8 and a carriage return for a part of the comment before it."""
    call = b"import subprocess\ndef f(cmd):\n    subprocess.call(cmd, shell=True)\n"
    (checkout / "tools/returns.py").write_bytes(b"# x\r" + call.replace(b"\n", b"\r"))
    (checkout / "tools/utf7.py").write_bytes(b"# coding: utf-7\n#+AAo-" + call)
    found = own(*run(TOOL, job(planned=["tools/returns.py", "tools/utf7.py"]), checkout)[:0:-1])
    for place in ("tools/returns.py:4", "tools/utf7.py:5"):
        assert f"secdl.python.shell-command {place}" in found


def test_a_broken_pack_of_the_repository_fails_the_run(checkout):
    """semgrep exits 0 with a rule less."""
    (checkout / "own.yaml").write_text(
        "rules: [{id: own.x, languages: [c], severity: HIGH, message: m, pattern: 'if (c) $S ('}]\n"
    )
    _, ran, report = run(TOOL, job(packs=["own.yaml"]), checkout)
    with pytest.raises(MalformedOutput, match=r"own\.x"):
        TOOL.work(report, ran)


@pytest.mark.parametrize("where", ["tools/*.py", "tools/", "*.py", "/tools"])
def test_a_folder_of_rules_of_the_repository_is_run_and_its_rules_may_name_paths(checkout, where):
    (checkout / "rules/deep").mkdir(parents=True)
    (checkout / "rules/deep/own.yaml").write_text(
        "rules: [{id: own.import, languages: [python], severity: LOW, message: m, pattern: import $X,"
        f" paths: {{include: ['{where}']}}}}]\n"
    )
    _, ran, report = run(TOOL, job(packs=["rules"]), checkout)
    assert {f.path for f in TOOL.parse(report, ran) if f.rule == "own.import"} >= {"tools/appliance.py"}


def test_the_right_twins_give_no_finding_and_the_wrong_ones_theirs_at_the_marked_lines(tmp_path):
    """Also through the preparation that the sources of a checkout take and the canary does not."""
    shutil.copytree(HERE.parent.parent / "examples/devices", tmp_path / "devices")
    shutil.copytree(canary_folder("semgrep/device"), tmp_path / "devices/wrong")
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("devices/**/*.c"))
    _, ran, report = run(TOOL, job(planned=names), tmp_path)
    found = own(report, ran)
    assert [line for line in found if "devices/wrong/" not in line] == []
    assert TOOL.work(report, ran).read["files"] == len(names) >= 8
    hits = set(found)
    for name in (name for name in names if "/wrong/" in name):
        for number, line in enumerate((tmp_path / name).read_text().splitlines(), start=1):
            if "canary: " in line:
                rule = line.partition("canary: ")[2].split()[0]
                assert {f"{rule} {name}:{number + below}" for below in (1, 2)} & hits, f"{name}:{number}: {rule}"


def _rules() -> list[dict[str, object]]:
    return [rule for path in pack_files() for rule in msgspec.yaml.decode(path.read_bytes())["rules"]]


def test_every_rule_has_a_planted_defect_and_no_comment_names_an_unknown_rule():
    assert set(planted("semgrep")) == {rule["id"] for rule in _rules()}


def test_every_wrong_device_has_a_right_twin():
    wrong = {path.name for path in canary_folder("semgrep/device").glob("*.c")}
    assert wrong == {path.name for path in (HERE.parent.parent / "examples/devices").glob("*.c")}


@pytest.mark.parametrize("rule", _rules(), ids=lambda rule: rule["id"])
def test_every_rule_says_what_is_gained_and_what_to_do(rule):
    assert re.fullmatch(r"secdl\.(device|python)\.[a-z][a-z0-9-]+", rule["id"])
    assert rule["severity"] in {"CRITICAL", "HIGH", "MEDIUM", "LOW"}
    metadata = rule["metadata"]
    assert set(metadata) == {"title", "cwe", "gain", "fix", "confidence", "references"}
    assert all(re.fullmatch(r"CWE-\d+: .+", cwe) for cwe in metadata["cwe"])
    assert metadata["confidence"] in {"HIGH", "MEDIUM", "LOW"}
    assert all(url.startswith("https://") for url in metadata["references"])
    assert min(len(metadata[key]) for key in ("title", "gain", "fix")) > 15
    quoted = rule["message"].split("`")[1::2]
    assert all("$" in code for code in quoted), "backticks hold code of the scanned tree only"


def test_rules_can_be_explained():
    described = {rule.id: rule for rule in TOOL.rules()}
    assert described["secdl.device.guest-divisor"].cwe == ("CWE-369",)
    assert all(rule.gain and rule.fix and "$" not in rule.help for rule in described.values())


def test_the_pages_of_the_rules_are_what_the_packs_say():
    script = HERE.parent.parent / "scripts/rule_docs.py"
    assert subprocess.run([sys.executable, script, "--check"], check=False).returncode == 0
