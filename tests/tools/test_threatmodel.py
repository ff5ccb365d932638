"""The threat-model tool: one job per model, engine arguments, hostile or foreign output refused."""

import pytest

from secdl.model.config import Config, ProductTable, ThreatModel
from secdl.model.errors import MalformedOutput
from secdl.model.threat import RULES
from secdl.model.tool import Job
from secdl.tools.threatmodel import TOOL

CONFIG = Config(
    product=ProductTable(name="p", version="1"),
    threatmodel=(
        ThreatModel(name="a", path="models/a/model.py", controls="models/a/controls.toml"),
        ThreatModel(name="b", path="b.py", controls="b.toml", library="own.toml"),
    ),
    tools={"threatmodel": {"model_timeout_s": 7.0}},
)


def job(number: int) -> Job:
    subject = TOOL.subjects(CONFIG)[number]
    return Job(
        name=f"threatmodel@{subject.name}",
        tool="threatmodel",
        stage=TOOL.stage,
        subject=subject.name,
        root="/src",
        folder="/run/evidence/x",
        output=TOOL.output,
        settings=subject.settings,
        programs={"pytm": "/env/bin/python", "bubblewrap": "/usr/bin/bwrap", "graphviz": "/usr/bin/dot"},
        has_canary=True,
        engine=True,
    )


def test_each_model_is_a_job_with_all_that_it_can_read():
    first, second = TOOL.subjects(CONFIG)
    assert (first.name, first.sources) == ("a", ("models/a", "models/a/controls.toml"))
    assert (second.name, second.sources) == ("b", ("b.py", "b.toml", "own.toml"))


def test_without_a_model_there_is_nothing_to_do():
    assert TOOL.subjects(Config(product=ProductTable(name="p", version="1"))) == ()


def test_the_engine_gets_absolute_programs_and_the_deadline():
    arguments = TOOL.argv(job(1))
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert given == {
        "--name": "b",
        "--root": "/src",
        "--model": "b.py",
        "--controls": "b.toml",
        "--library": "/src/own.toml",
        "--python": "/env/bin/python",
        "--bwrap": "/usr/bin/bwrap",
        "--dot": "/usr/bin/dot",
        "--model-timeout": "7",
        "--canary": "/run/evidence/x/canary",
        "--out": "/run/evidence/x/out.sarif",
    }


def test_a_changed_library_makes_another_job():
    assert len(TOOL.subjects(CONFIG)[0].settings["rules"]) == 64


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"version": "2.1.0", "runs": []}', b'{"version": "2.1', b"[]"])
def test_what_is_no_report_is_refused(raw):
    with pytest.raises(MalformedOutput):
        list(TOOL.parse(raw, job(0)))
    with pytest.raises(MalformedOutput):
        TOOL.work(raw, job(0))


def test_every_rule_can_be_explained():
    assert {rule.id for rule in TOOL.rules()} == {rule.id for rule in RULES}
    assert all(rule.title and rule.help and rule.fix for rule in RULES)
    assert set(TOOL.canary.expects) <= {rule.id for rule in RULES}
