"""Hostile text in every place of every tool's report: it is refused in one line, or it comes out as text."""

import json
from pathlib import Path
from typing import Any

import pytest

from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Outcome
from secdl.model.tool import Tool
from tests.hostile import reports
from tests.hostile.through import assert_line, assert_safe, through
from tests.report import records

TOOLS = reports.tools()
TEXTS = {
    "control": "\x1b]0;owned\x07\x1b[31mred\x00\x08\r\x7f\x85\x9b2J\u2028\u202egnp.exe\u2066\u200b\ufeff",
    "html": "</script></style></title><script>alert(1)</script><img src=x onerror=alert(1)><!-- ]]> \"' onload='x"
    "%00%0a%1b%ff%2e%2e%2fetc&#60;script&#62;&lt;b>{{7*7}}{% include 'x' %}${x}",
    "markdown": "`` @octocat #12 | a |\n\n| a | b |\n|---|---|\n# h\n```\n<details> [l](javascript:x) ![i](http://e.x)",
    "path": "../../../../etc/passwd\n::error::owned\r\n/etc/shadow",
    "long": "A" * 50_000,
    "wide": "\U0001f4a3&" * 3_000,
    "canary": "canary:planted",
    "digits": "9" * 5_000 + " x",
    "empty": "",
}
ALL = "".join(TEXTS.values())
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    1 << 64,
    10**400,
    int("9" * 4300),
    1e308,
    [],
    {"\x1b": "\x1b"},
    "9" * 5000,
)
every = pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)


def read(tool: Tool, raw: bytes) -> bool:
    """Whether `raw` is taken for a report of `tool`; what is not is refused in one line."""
    job = reports.job_of(tool)
    try:
        list(tool.parse(raw, job))
        tool.work(raw, job)
    except MalformedOutput as error:
        assert_line(str(error))
        return False
    return True


@every
def test_the_whole_report_is_evidence(tool: Tool, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    done = through(tool, reports.whole(tool), tmp_path, job=reports.unnamed(reports.job_of(tool)))
    assert done.evidence.outcome is Outcome.OK, done.evidence.reason
    assert_safe(done, capfd)


@every
@pytest.mark.parametrize("name", TEXTS)
def test_hostile_text_in_every_string_at_once_comes_out_as_text(
    tool: Tool, name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    report = reports.small(reports.whole(tool))
    where = {at for at, value in reports.places(report) if isinstance(value, str)}
    for keep in (False, True):
        # What the format itself is known by would refuse the whole: everything else is hostile.
        taken = {
            at
            for at in where
            if read(tool, json.dumps(reports.with_strings(report, TEXTS[name], frozenset([at]), keep=keep)).encode())
        }
        raw = json.dumps(reports.with_strings(report, TEXTS[name], frozenset(taken), keep=keep)).encode()
        done = through(tool, raw, tmp_path / str(keep), job=reports.unnamed(reports.job_of(tool)))
        assert_safe(done, capfd)


@every
def test_hostile_keys_come_out_as_text(tool: Tool, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    report = reports.small(reports.whole(tool))
    for where in sorted({at for at, value in reports.places(report) if isinstance(value, dict)}):
        more = reports.with_key(report, ALL, where)
        if read(tool, json.dumps(more).encode()):
            report = more
    assert_safe(through(tool, json.dumps(report).encode(), tmp_path, job=reports.unnamed(reports.job_of(tool))), capfd)


@every
def test_any_value_in_any_place_is_read_or_refused(
    tool: Tool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    report = reports.small(reports.whole(tool))
    every_place = sorted({at for at, _ in reports.places(report)})
    for number, other in enumerate(VALUES):
        together = report
        for where in every_place:
            if read(tool, json.dumps(reports.with_value(report, other, where)).encode()):
                more = reports.with_value(together, other, where)
                together = more if read(tool, json.dumps(more).encode()) else together
        raw = json.dumps(together).encode()
        assert_safe(through(tool, raw, tmp_path / str(number), job=reports.unnamed(reports.job_of(tool))), capfd)


@every
def test_values_nested_to_any_depth_are_read_or_refused(tool: Tool) -> None:
    report = reports.small(reports.whole(tool))
    for where in sorted({at for at, _ in reports.places(report)}):
        marked = json.dumps(reports.with_value(report, "MARK", where)).encode()
        for depth in (50, 200, 400, 600, 800, 100_000):
            for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
                nested = opening * depth + b"1" + closing * depth
                read(tool, marked.replace(b'"MARK"', nested, 1))


EXTRAS = sorted({name for _, name in records.EXTRAS if name.endswith(".json") and "/" not in name})


@pytest.mark.parametrize("name", EXTRAS)
def test_what_an_engine_leaves_beside_its_report_comes_out_as_text(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (job, content) = next((job, raw) for (job, other), raw in records.EXTRAS.items() if other == name)
    tool = next(tool for tool in TOOLS if tool.name == job.partition("@")[0])
    kept = json.loads(content)
    for number, text in enumerate((ALL, *(TEXTS[key] for key in ("control", "html", "markdown", "wide")))):
        hostile = reports.altered(kept, lambda at, value, text=text: value + text if isinstance(value, str) else value)
        one = reports.with_key(hostile, text, ())
        done = through(tool, reports.whole(tool), tmp_path / f"{number}", files={name: json.dumps(one).encode()})
        assert_safe(done, capfd)
    for number, other in enumerate(VALUES):
        alike = reports.altered(
            kept, lambda at, value, other=other: other if at and type(value) is type(other) else value
        )
        files = {name: json.dumps(alike).encode()}
        assert_safe(through(tool, reports.whole(tool), tmp_path / f"v{number}", files=files), capfd)
