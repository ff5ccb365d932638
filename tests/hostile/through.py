"""One tool's report through examination, gate and every report, and what must hold of all that comes out."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from markdown_it import MarkdownIt

from secdl.cli.progress import line_of
from secdl.cli.verdict import print_verdict
from secdl.model import codec
from secdl.model.evidence import Evidence, Origin, Outcome
from secdl.model.plan import Plan, Product
from secdl.model.shipped import shipped
from secdl.model.tool import Job, Tool
from secdl.model.verdict import Verdict
from secdl.pipeline.examine import examine
from secdl.pipeline.inputs import CONFIG, POLICY, WAIVERS
from secdl.pipeline.judge import read_record
from secdl.pipeline.steps import judge_run
from secdl.report import FORMATS
from secdl.run.process import Exit
from secdl.run.store import RunFolder, sha256_of
from tests.hostile import reports
from tests.report.test_html import TAGS, Structure

AS_OF = datetime(2026, 11, 24, tzinfo=UTC)
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f\ud800-\udfff\ufeff]")
MARKDOWN = """
heading_open heading_close paragraph_open paragraph_close inline text text_special softbreak strong_open strong_close
code_inline bullet_list_open bullet_list_close list_item_open list_item_close blockquote_open blockquote_close
table_open table_close thead_open thead_close tbody_open tbody_close tr_open tr_close th_open th_close td_open td_close
"""


@dataclass(frozen=True, kw_only=True)
class Through:
    """What became of one report."""

    evidence: Evidence
    verdict: Verdict
    written: Mapping[str, bytes]


def run_folder(base: Path, job: Job) -> RunFolder:
    """A run that planned `job` and nothing else."""
    run = RunFolder.create(base, now=AS_OF, token="h")
    plan = Plan(
        secdl="0",
        run=run.id,
        as_of=AS_OF,
        profile="dev",
        root=job.root,
        product=Product(name="hostile", version="1"),
        stages=(job.stage.value,),
        jobs=(job,),
    )
    run.write(CONFIG, reports.CONFIG.encode())
    run.write(POLICY, shipped("policies/gate.toml").read_bytes())
    run.write(WAIVERS, b"")
    run.write("plan.json", codec.encode(plan))
    return run


def through(tool: Tool, raw: bytes, base: Path, *, job: Job | None = None, files: Mapping[str, bytes] = {}) -> Through:
    """`raw` as `tool`'s report, examined as after its run, judged and written in every format."""
    job = job or reports.job_of(tool)
    run = run_folder(base, job)
    folder = run.evidence_folder(job.name)
    for name, content in {**files, job.output: raw}.items():
        run.write(f"evidence/{job.name}/{name}", content)
    expects = dict(tool.canary.expects) if tool.canary else {}
    judged = examine(tool, job, Exit(status=0), folder, expects)
    evidence = Evidence(
        job=job.name,
        tool=job.tool,
        stage=job.stage.value,
        outcome=judged.outcome,
        reason=judged.reason,
        version="1",
        origin=Origin.PYPI,
        work=judged.work,
        canary=judged.canary,
        files={name: sha256_of(folder / name) for name in (*files, job.output)},
        root=job.root,
        folder=job.folder,
    )
    run.commit(evidence)
    verdict = judge_run(run)
    record = read_record(run)
    return Through(
        evidence=evidence, verdict=verdict, written={kind: render(record) for kind, render in FORMATS.items()}
    )


def assert_safe(done: Through, capfd) -> None:  # type: ignore[no-untyped-def]
    """Nothing of the report is more than text in anything that came out."""
    capfd.readouterr()
    print_verdict(done.verdict, report=None)
    printed = capfd.readouterr().err
    assert_line(line_of(done.evidence))
    for line in printed.removeprefix("\n").splitlines():
        assert_line(line)
    assert len(printed.split("\n")) <= len(done.verdict.reasons) + 5
    assert_page(done.written["html"])
    assert_markdown(done.written["markdown"])
    assert_junit(done.written["junit"], done.verdict)
    for kind in ("sarif", "json"):
        assert_json(done.written[kind])


def assert_line(line: str) -> None:
    """`line` is one, and short enough to be read."""
    assert line.isprintable()
    assert len(line) < 2100


def assert_page(raw: bytes) -> None:
    """No element or attribute but those of the page itself."""
    text = raw.decode()
    seen = Structure(text)
    assert seen.tags <= set(TAGS.split())
    assert not any(name.startswith("on") or name in ("style", "src", "srcdoc", "action") for name in seen.names)
    assert text.count("<script") == 1
    assert all(target.startswith("#") for target in seen.targets)
    assert not CONTROL.search(text)


def assert_markdown(raw: bytes) -> None:
    """No markup, link or mention but that of the summary itself."""
    text = raw.decode()
    assert len(raw) <= 60_000
    assert not CONTROL.search(text)
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    kinds = {token.type for token in tokens} | {child.type for token in tokens for child in token.children or ()}
    assert kinds <= set(MARKDOWN.split())
    assert [token.type for token in tokens].count("table_open") == 1
    words = [child.content for token in tokens for child in token.children or () if child.type.startswith("text")]
    assert not re.search(r"@\w|://\w|www\.\w|(?<!\w)#\d", " ".join(words))


def assert_junit(raw: bytes, verdict: Verdict) -> None:
    """Well-formed, and as many failures as the verdict counts."""
    root = ElementTree.fromstring(raw)  # noqa: S314 - our own output
    assert not CONTROL.search(raw.decode())
    assert {element.tag for element in root.iter()} <= {
        "testsuites", "testsuite", "properties", "property", "testcase", "failure", "error", "skipped"
    }  # fmt: skip
    findings = next(suite for suite in root if suite.get("name") == "secdl.findings")
    assert len(findings) == min(verdict.counts.blocking, 2001)


def assert_json(raw: bytes) -> None:
    """JSON in UTF-8 whose every text can be shown."""
    value = json.loads(raw.decode())
    for _, one in reports.places(value):
        if isinstance(one, dict):
            assert not any(CONTROL.search(key) for key in one)
        if isinstance(one, str):
            assert not CONTROL.search(one)


def findings(done: Through) -> int:
    """How many findings there are."""
    return done.verdict.counts.total


__all__ = ["Outcome", "Through", "assert_line", "assert_safe", "through"]
