"""A finding is called fixed only where a job of this run would have found it again."""

import pytest
from msgspec.structs import replace

from secdl.gate import baseline as base
from secdl.model import codec
from secdl.model.finding import AbsentCause
from secdl.model.fingerprint import identify
from secdl.model.plan import Exclusion
from secdl.model.tool import Job, Stage
from tests.gate.runs import NOW, STAGE, evidence, finding, job, plan

ALL = tuple(evidence(tool) for tool in STAGE)
READS = {
    "planned": ["hw/a.c", "src/a.py"],
    "reads": {"hw": [".c", ".h"], "src": [".py"]},
    "scopes": {"secdl.device.": ["hw"], "secdl.python.": ["src"]},
}


def gone(*findings):
    lines = b"".join(codec.encode_line(old) for old in identify(findings))
    return base.of_run("then", lines, evidence=ALL, day=NOW.date())


def causes(judgement):
    return [old.absent_cause for old in judgement.findings if old.absent_cause is not None]


def semgrep(**settings):
    one = replace(job("semgrep"), sources=("hw", "src"), settings=READS | settings)
    return plan(one, *(job(tool) for tool in STAGE if tool != "semgrep"))


@pytest.mark.parametrize(
    ("settings", "rule", "path", "cause"),
    [
        ({}, "secdl.device.x", "hw/a.c", AbsentCause.FIXED),
        ({}, "own.x", "src/a.py", AbsentCause.FIXED),
        # Such a file would have been planned, were it there.
        ({}, "secdl.device.x", "hw/removed.c", AbsentCause.FIXED),
        ({}, "own.x", "lib/a.py", AbsentCause.NOT_SCANNED),
        # The source is no longer faced by guests, or no longer holds the language.
        (
            {"scopes": {"secdl.device.": [], "secdl.python.": ["src"]}},
            "secdl.device.x",
            "hw/a.c",
            AbsentCause.NOT_SCANNED,
        ),
        ({"reads": {"src": [".py"]}, "planned": ["src/a.py"]}, "own.x", "hw/a.c", AbsentCause.NOT_SCANNED),
        ({}, "own.x", "hw/build.py", AbsentCause.NOT_SCANNED),
        ({}, "secdl.python.x", "hw/a.c", AbsentCause.NOT_SCANNED),
    ],
)
def test_a_job_answers_for_the_files_that_its_rules_are_for(run, settings, rule, path, cause):
    judgement = run(baseline=gone(finding("semgrep", rule, path=path)), plan=semgrep(**settings))
    assert causes(judgement) == [cause]


def test_a_file_that_is_excluded_now_was_not_looked_for(run):
    hidden = replace(semgrep(), excluded=(Exclusion(source="hw", patterns=("hw/old",), files=1, of=2),))
    old = gone(finding("semgrep", path="hw/old/a.c"), finding("semgrep", path="hw/new/a.c"))
    assert causes(run(baseline=old, plan=hidden)) == [AbsentCause.FIXED, AbsentCause.NOT_SCANNED]


def test_a_narrowed_job_answers_for_what_it_read_and_for_what_was_removed(run):
    made = semgrep(planned=["src/a.py"], removed=["src/b.py"])
    jobs = tuple(replace(one, narrowed=one.tool == "semgrep") for one in made.jobs)
    old = gone(*(finding("semgrep", path=f"src/{name}.py", snippet=name) for name in "abc"))
    found = run(baseline=old, plan=replace(made, jobs=jobs, scope="2 files changed since main"))
    assert causes(found) == [AbsentCause.FIXED, AbsentCause.FIXED, AbsentCause.NOT_SCANNED]


@pytest.mark.parametrize(
    ("tool", "path", "context", "cause"),
    [
        ("image-hardening", "image:host/usr/bin/x", "", AbsentCause.FIXED),
        ("image-hardening", "image:other/usr/bin/x", "", AbsentCause.NOT_SCANNED),
        ("image-hardening", "image:hos", "", AbsentCause.NOT_SCANNED),
        ("image-hardening", "package:pkg:deb/debian/a", "host|pkg:deb/debian/a|CVE-1", AbsentCause.FIXED),
        ("image-hardening", "package:pkg:deb/debian/a", "other|pkg:deb/debian/a|CVE-1", AbsentCause.NOT_SCANNED),
        ("fuzz", "device:e1000", "", AbsentCause.FIXED),
        ("fuzz", "device:nvme", "", AbsentCause.FIXED),
        ("fuzz", "device:e1000e", "", AbsentCause.NOT_SCANNED),
        ("fuzz", "device:", "", AbsentCause.NOT_SCANNED),
    ],
)
def test_a_named_place_is_answered_for_by_the_job_that_is_about_it(run, tool, path, context, cause):
    image = Job(name="image-hardening@host", tool="image-hardening", stage=Stage.IMAGES, subject="host")
    fuzz = replace(job("fuzz"), settings={"devices": ["e1000", "nvme,serial=x"]})
    left = evidence("image-hardening", job=image.name, stage="images")
    judgement = run(
        baseline=gone(finding(tool, path=path, context=context)),
        plan=plan(image, fuzz, *(job(name) for name in STAGE if name != "fuzz")),
        evidence=(left, *ALL),
    )
    assert causes(judgement) == [cause]
