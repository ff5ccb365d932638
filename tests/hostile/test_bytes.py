"""Bytes that are no text, or text without end, as every tool's report: refused in one line, never evidence."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from secdl.model.evidence import Outcome
from secdl.model.tool import Tool
from secdl.model.verdict import Word
from tests.hostile import reports
from tests.hostile.through import assert_line, assert_safe, through

TOOLS = reports.tools()
# The engines' reports are read by one adapter, those of syft by another: one of each stands for the rest.
ADAPTERS = list({tool.parse: tool for tool in TOOLS}.values())
every = pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
Break = Callable[[bytes], bytes]
MANY = b'{"many":{' + b",".join(b'"k%d":%d' % (n, n) for n in range(1_000_000)) + b"},"
BROKEN: dict[str, Break] = {
    "nothing": lambda raw: b"",
    "blanks": lambda raw: b" \n" * 1000,
    "NULs": lambda raw: b"\0" * 4096,
    "NUL at the end": lambda raw: raw + b"\0",
    "NUL in a string": lambda raw: raw.replace(b'"', b'"\0'),
    "invalid UTF-8 in strings": lambda raw: raw.replace(b'"', b'"\xff\xfe', 40),
    "truncated UTF-8": lambda raw: raw.rpartition(b'"')[0] + b"\xf0\x9f",
    "lone surrogate": lambda raw: raw.replace(b': "', b': "\\ud800'),
    "surrogates in the wrong order": lambda raw: raw.replace(b': "', b': "\\udc00\\ud800'),
    "two byte order marks": lambda raw: b"\xef\xbb\xbf" * 2 + raw,
    "UTF-16": lambda raw: raw.decode().encode("utf-16"),
    "cut off": lambda raw: raw[: len(raw) * 2 // 3],
    "twice": lambda raw: raw + raw,
    "a word": lambda raw: b"Segmentation fault\x1b[0m\n",
    "deep lists": lambda raw: b"[" * 100_000,
    "deep objects": lambda raw: b'{"results":' * 100_000,
    "deep in an unknown member": lambda raw: b'{"deep":' + b"[" * 100_000 + b"]" * 100_000 + b"," + raw.strip()[1:],
}
LARGE: dict[str, Break] = {
    "a line of 50 MB": lambda raw: b"A" * 50_000_000,
    "a string of 50 MB, cut off": lambda raw: raw.strip()[:-1] + b',"long":"' + b"A" * 50_000_000,
    "a million keys, cut off": lambda raw: MANY + raw.strip()[1:-1],
}
FINE: dict[str, Break] = {
    "byte order mark": lambda raw: b"\xef\xbb\xbf" + raw,
    "a million keys": lambda raw: MANY + raw.strip()[1:],
    "a string of 50 MB": lambda raw: raw.strip()[:-1] + b',"long":"' + b"A" * 50_000_000 + b'"}',
}


@every
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_the_whole_report_is_never_evidence(
    tool: Tool, name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    raw = BROKEN[name](json.dumps(json.loads(reports.whole(tool))).encode())
    done = through(tool, raw, tmp_path)
    assert done.evidence.outcome is Outcome.FAILED
    assert_line(done.evidence.reason)
    assert done.verdict.verdict not in (Word.PASS, Word.FAIL)
    assert not any(one.valid for one in done.verdict.evidence)
    assert_safe(done, capfd)


@pytest.mark.parametrize("tool", ADAPTERS, ids=lambda tool: tool.name)
@pytest.mark.parametrize("name", LARGE)
def test_what_is_large_and_not_whole_is_never_evidence(
    tool: Tool, name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    done = through(tool, LARGE[name](reports.whole(tool)), tmp_path)
    assert done.evidence.outcome is Outcome.FAILED
    assert done.verdict.verdict not in (Word.PASS, Word.FAIL)
    assert_safe(done, capfd)


@pytest.mark.parametrize("tool", ADAPTERS, ids=lambda tool: tool.name)
@pytest.mark.parametrize("name", FINE)
def test_what_is_whole_is_evidence_however_large(
    tool: Tool, name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    raw = FINE[name](reports.whole(tool))
    done = through(tool, raw, tmp_path, job=reports.unnamed(reports.job_of(tool)))
    assert done.evidence.outcome is Outcome.OK, done.evidence.reason
    assert_safe(done, capfd)
