"""The engine as a process: the reference model has every answer, the planted ones none, a broken one is no evidence."""

import contextlib
import json
import os
import re
import select
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from secdl.model import codec, sarif
from secdl.model.shipped import canary_folder, shipped
from secdl.model.threat import Disposition, ThreatReport
from secdl.model.tool import Job
from secdl.pipeline.plan import tools_of
from secdl.tools.threatmodel import TOOL

ROOT = Path(__file__).resolve().parents[2]
SMALL = """
from pytm import TM, Boundary, Dataflow, ExternalEntity, Process
tm = TM("Small", description="d")
host = Boundary("Host")
guest = ExternalEntity("Guest", kind="guest")
device = Process("Device", kind="pci-device", inBoundary=host)
Dataflow(source=guest, sink=device, name="Guest programs the device", kind="trap")
"""
ANSWERS = """
[[disposition]]
threats = ["HV-01", "HV-02", "HV-04", "HV-05", "INP02"]
status = "out-of-scope"
reason = "a test"
[[crossing]]
kinds = ["trap"]
status = "transferred"
to = "a test"
"""


class Result:
    def __init__(self, status: int, said: str, out: Path, root: Path) -> None:
        self.status, self.said, self.out, self.root = status, said, out, root

    @property
    def job(self) -> Job:
        return Job(
            name="threatmodel@m",
            tool="threatmodel",
            stage=TOOL.stage,
            root=str(self.root),
            folder=str(self.out.parent),
            engine=True,
            has_canary=True,
        )

    @property
    def findings(self):
        return tuple(sarif.parse(self.out.read_bytes(), self.job))

    @property
    def work(self):
        return sarif.work(self.out.read_bytes(), self.job)

    @property
    def report(self) -> ThreatReport:
        return codec.load(self.out.parent / "threats.json", ThreatReport)


@pytest.fixture(scope="session")
def engine(programs, tmp_path_factory):
    def engine(root: Path, model: str, controls: str, *more: str, **replaced: str) -> Result:
        out = tmp_path_factory.mktemp("run") / "out.sarif"
        paths = {"python": programs.python, "bwrap": programs.bwrap, "dot": programs.dot, **replaced}
        argv = [sys.executable, "-m", "secdl.threats", "--name", "m", "--root", str(root), "--model", model]
        argv += ["--controls", controls, "--out", str(out), "--model-timeout", "20", *more]
        for name, path in paths.items():
            argv += [f"--{name}", path]
        done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
        return Result(done.returncode, done.stderr, out, root)

    return engine


@pytest.fixture(scope="session")
def reference(engine) -> Result:
    return engine(
        ROOT,
        "threatmodels/reference/model.py",
        "threatmodels/reference/controls.toml",
        *("--canary", str(canary_folder("threatmodel"))),
    )


@pytest.fixture
def small(engine, tmp_path):
    def small(model: str = SMALL, controls: str = ANSWERS, *more: str, **replaced: str) -> Result:
        (tmp_path / "m").mkdir(exist_ok=True)
        (tmp_path / "m" / "model.py").write_text(model)
        (tmp_path / "m" / "controls.toml").write_text(controls)
        return engine(tmp_path, "m/model.py", "m/controls.toml", *more, **replaced)

    return small


def test_the_reference_model_has_an_answer_to_every_threat(reference):
    assert reference.status == 0, reference.said
    assert [finding.message for finding in reference.findings if not finding.path.startswith("canary:")] == []
    assert all(instance.disposition is not Disposition.NONE for instance in reference.report.instances)


def test_the_planted_models_are_found_wrong_in_the_same_run(reference):
    hits = Counter(finding.rule for finding in reference.findings if finding.path.startswith("canary:"))
    assert hits == TOOL.canary.expects


def test_the_work_counts_the_model_and_not_the_canary(reference):
    report = reference.report
    assert reference.work.read == {
        "models": 1,
        "elements": len(report.elements),
        "flows": len(report.flows),
        "threats": len(report.instances),
    }
    assert reference.work.unread == ()
    assert len(report.elements) >= 25
    assert len(report.flows) >= 45
    assert len(report.instances) >= 150


def test_no_web_threat_lands_on_a_device(reference):
    report = reference.report
    assert report.generic_kept < report.generic_raised
    on_devices = {
        i.threat for i in report.instances if i.kind in ("virtio", "pci-device", "usb-device", "vhost", "queue")
    }
    generic = {threat.id for threat in report.threats if threat.source == "pytm"}
    assert on_devices & generic == {"INP02"}


def test_what_no_check_covers_is_named(reference):
    named = " ".join(item.what for item in reference.report.uncovered)
    assert "KVM" in named
    assert "vhost" in named


def test_evidence_that_controls_name_is_a_tool_of_this_product_and_a_rule_of_that_tool(reference):
    known = {tool.name: {"", *(rule.id for rule in tool.rules())} for tool in tools_of(None)}
    named = [ref for control in reference.report.controls for ref in control.evidence]
    assert [str(ref) for ref in named if ref.rule not in known.get(ref.tool, ())] == []
    assert all(control.not_covered for control in reference.report.controls)


def test_the_same_model_gives_the_same_bytes(small):
    first, second = small(), small()
    for name in ("out.sarif", "threats.json", "dfd.svg", "sequence.svg"):
        assert (first.out.parent / name).read_bytes() == (second.out.parent / name).read_bytes()


def test_a_model_with_every_answer_is_clean(small):
    assert small().findings == ()


@pytest.mark.parametrize(
    ("model", "controls", "rule", "said"),
    [
        (SMALL, ANSWERS.replace('"HV-01", ', ""), "undisposed-threat", "HV-01 “VM escape"),
        (SMALL, ANSWERS.partition("[[crossing]]")[0], "uncontrolled-flow", "“Guest” (outside) to “Device” (Host)"),
        (SMALL + "Process('Idle', kind='guest')\n", ANSWERS, "element-without-flows", "“Idle” has no data flow"),
        (SMALL + "Process('Device', kind='guest')\n", ANSWERS, "model-ambiguous", "2 elements are called “Device”"),
        (SMALL.replace('kind="guest"', 'kind="gest"'), ANSWERS, "model-ambiguous", "kind “gest”"),
        (SMALL, ANSWERS.replace('"HV-01"', '"HV-01", "HV-99"'), "unused-disposition", "HV-99"),
        ("1/0\n", ANSWERS, "model-broken", "ZeroDivisionError"),
    ],
)
def test_each_rule_speaks_of_its_fault(small, model, controls, rule, said):
    found = [finding for finding in small(model, controls).findings if finding.rule == rule]
    assert found
    assert said in found[0].message
    assert found[0].path.startswith("m/")
    assert found[0].gain
    assert found[0].fix


def test_an_undisposed_threat_names_the_line_of_its_element(small):
    found = small(SMALL, ANSWERS.replace('"HV-01", ', "")).findings
    assert [(place.path, place.line) for place in found[0].locations] == [("m/model.py", 6), ("model:m/Device", None)]
    assert found[0].level == "critical"
    assert "CWE-787" in found[0].cwe


def test_a_model_that_does_not_build_is_a_finding_and_no_evidence(small):
    result = small("raise RuntimeError('x')\n")
    assert result.status == 0
    assert [(finding.rule, finding.level) for finding in result.findings] == [("model-broken", "critical")]
    assert result.work.unread == ("m/model.py",)
    assert not (result.out.parent / "dfd.svg").exists()


@pytest.mark.parametrize(
    ("controls", "said"),
    [
        ("[[disposition]]\nthreats = ['HV-01']\nstatus = 'mitigatd'\n", 'did you mean "mitigated"'),
        ("[[disposition]]\nthreats = ['HV-01']\nstatus = 'mitigated'\n", 'status "mitigated" needs `controls`'),
        ("[[disposition]]\nthreats = ['HV-01']\nstatus = 'accepted'\nreason = 'x'\n", "needs `waiver`"),
        ("[[disposition]]\nthreats = ['HV-01']\nstatus = 'mitigated'\ncontrols = ['none']\n", "unknown control 'none'"),
        (ANSWERS + ANSWERS.partition("[[crossing]]")[0], "is answered twice: lines 2 and 11"),
        ("x = [", "not TOML"),
    ],
)
def test_a_wrong_controls_table_is_one_line_and_exit_2(small, controls, said):
    result = small(SMALL, controls)
    assert result.status == 2
    assert said in result.said
    assert "Traceback" not in result.said
    assert result.said.count("\n") == 1
    assert not result.out.exists()


@pytest.mark.parametrize("missing", ["bwrap", "python", "dot"])
def test_without_its_programs_nothing_is_measured(small, missing):
    result = small(**{missing: "/no/such/program"})
    assert result.status == 3
    assert "/no/such/program" in result.said or "graphviz" in result.said
    assert result.said.count("\n") == 1
    assert not result.out.exists()


def test_an_engine_that_is_killed_leaves_no_model_running(programs, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model.py").write_text("while True: pass\n")
    (tmp_path / "m" / "controls.toml").write_text("")
    argv = [sys.executable, "-m", "secdl.threats", "--name", "m", "--root", str(tmp_path), "--model", "m/model.py"]
    argv += ["--controls", "m/controls.toml", "--out", str(tmp_path / "out"), "--python", programs.python]
    with subprocess.Popen([*argv, "--bwrap", programs.bwrap, "--dot", programs.dot], cwd=ROOT) as process:
        model = first_model_below(process.pid)
        watched = os.pidfd_open(model)
        process.kill()
        ended = select.select([watched], [], [], 120)[0]
        os.close(watched)
    assert ended, "the model outlived the engine"


def first_model_below(pid: int) -> int:
    """Process id of the program in the sandbox, once it is there: a grandchild of the engine `pid`."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for child in (child for parent in children(pid) for child in children(parent)):
            with contextlib.suppress(OSError):
                # Before that it is still bubblewrap setting itself up.
                if Path(f"/proc/{child}/comm").read_text().strip() != "bwrap":
                    return child
    raise AssertionError("the model never started")


def children(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def test_a_model_outside_the_checkout_is_refused(engine, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "model.py").write_text(SMALL)
    (tmp_path / "c.toml").write_text("")
    result = engine(tmp_path / "in", "../model.py", "../c.toml")
    assert (result.status, "leads out of the checkout" in result.said) == (2, True)


def test_a_model_named_like_a_canary_is_refused(engine, tmp_path):
    (tmp_path / "canary:x.py").write_text(SMALL)
    (tmp_path / "c.toml").write_text("")
    result = engine(tmp_path, "canary:x.py", "c.toml")
    assert (result.status, "begins like a place" in result.said) == (2, True)


def test_a_library_of_ones_own_is_laid_over_ours(small, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(
        '[[kind]]\nname = "gpu"\ntitle = "A GPU"\n[[threat]]\nid = "OWN-1"\ntitle = "t"\n'
        'description = "d"\ngain = "g"\nlevel = "low"\napplies = [{ kind = ["gpu"] }]\n'
    )
    model = SMALL + "gpu = Process('GPU', kind='gpu')\nDataflow(source=guest, sink=gpu, name='f', kind='trap')\n"
    found = small(model, ANSWERS, "--library", str(own)).findings
    assert [finding.message.partition(" has")[0] for finding in found] == ["OWN-1 “t” on “GPU”"]


def test_a_threat_file_of_the_model_s_own_is_not_mapped_away(small, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "own.json").write_text(
        json.dumps([{"SID": "MINE", "target": ["Process"], "description": "t", "details": "d",
                     "Likelihood Of Attack": "", "severity": "Low", "condition": "True", "prerequisites": "",
                     "mitigations": "", "example": "", "references": ""}])
    )  # fmt: skip
    result = small(SMALL.replace('"d")', '"d", threatsFile="/model/own.json")'), ANSWERS)
    assert [f.message.partition(" has")[0] for f in result.findings if f.rule == "undisposed-threat"] == [
        "MINE “t” on “Device”"
    ]


HOSTILE = r"</title><script>alert(1)</script>\" onload=alert(2) \x1b[0m <image href='http://evil/x'>&\u202e" + "A" * 300


def test_hostile_names_are_escaped_in_every_diagram(small):
    model = SMALL.replace('"Device"', f'"{HOSTILE}"').replace('"Host"', f'"{HOSTILE}"')
    result = small(model.replace('"Guest programs the device"', f'"{HOSTILE}"'), ANSWERS)
    assert result.status == 0, result.said
    for name in ("dfd.svg", "sequence.svg"):
        drawn = (result.out.parent / name).read_text("utf-8")
        tags = set(re.findall(r"<\s*/?\s*([a-zA-Z!?][^\s/>]*)", drawn))
        assert tags <= {"svg", "title", "style", "g", "rect", "path", "polygon", "line", "text"}
        attributes = set(re.findall(r'\s([a-zA-Z:-]+)="', re.sub(r">[^<]*<", "><", drawn)))
        assert not {name for name in attributes if name.startswith("on") or "href" in name}
        assert "\x1b" not in drawn
        assert "&lt;script&gt;" in drawn


def test_diagrams_stand_alone_and_follow_the_reader_s_colours(reference):
    for name in ("dfd.svg", "sequence.svg"):
        drawn = (reference.out.parent / name).read_text("utf-8")
        assert drawn.startswith("<svg ")
        assert drawn.endswith("</svg>\n")
        assert "prefers-color-scheme:dark" in drawn
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|url\(|@import|href|<script|<foreignObject", drawn)
        assert 'role="img"' in drawn


def test_the_shipped_files_are_where_the_wheel_takes_them_from():
    assert shipped("threatmodels/library/hypervisor.toml").is_file()


def test_what_the_model_takes_out_of_judgement_is_named(small):
    model = SMALL.replace('kind="pci-device"', 'kind="pci-device", inScope=False').replace(
        'description="d"', 'description="d", assumptions=[Assumption("safe", exclude={"DE01"})]'
    )
    named = [item.what for item in small(model.replace("TM,", "TM, Assumption,"), "").report.uncovered]
    assert named[0] == "Elements out of scope: Device"
    assert named[1].endswith("of pytm's findings")


def test_a_diagram_that_cannot_be_laid_out_in_time_says_so_and_the_rest_counts(small, tmp_path):
    slow = tmp_path / "dot"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    result = small(SMALL, ANSWERS, "--dot-timeout", "0.2", dot=str(slow))
    assert result.status == 0, result.said
    assert "too many to draw" in (result.out.parent / "dfd.svg").read_text()


def test_a_file_beside_the_model_does_not_stand_in_for_pytm(small, tmp_path):
    (tmp_path / "m").mkdir()
    for name in ("pytm.py", "json.py", "enum.py", "pydantic.py"):
        (tmp_path / "m" / name).write_text("raise RuntimeError('shadow')\n")
    assert small().findings == ()
