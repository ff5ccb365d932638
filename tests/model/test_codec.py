import gzip
import mmap
from contextlib import suppress
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secdl.model import codec
from secdl.model.errors import MalformedOutput
from secdl.model.evidence import CanaryResult, Evidence, Origin, Outcome, Program, Work
from secdl.model.finding import AbsentCause, Finding, Level, Location, Status

TEXT = st.text(max_size=20)
FINDINGS = st.builds(
    Finding,
    tool=TEXT,
    rule=TEXT,
    level=st.sampled_from(Level),
    message=TEXT,
    locations=st.lists(
        st.builds(Location, path=TEXT, line=st.none() | st.integers(1, 9), column=st.none() | st.integers(1, 9))
    ).map(tuple),
    purl=st.none() | TEXT,
    cwe=st.lists(TEXT, max_size=3).map(tuple),
    status=st.sampled_from(Status),
    absent_cause=st.none() | st.sampled_from(AbsentCause),
    first_seen=st.none() | st.dates(),
)


@given(FINDINGS)
def test_finding_reads_back_as_itself(finding):
    assert codec.decode(codec.encode_line(finding), Finding, where="x") == finding
    assert codec.decode(codec.encode(finding), Finding, where="x") == finding


def test_evidence_reads_back_as_itself():
    evidence = Evidence(
        job="a@b",
        tool="a",
        stage="sast",
        outcome=Outcome.OK,
        origin=Origin.PYPI,
        programs={"dot": Program(argv=("/dot",), version="1", digest="sha256:0", origin=Origin.DEBIAN)},
        started=datetime(2026, 11, 24, tzinfo=UTC),
        work=Work(read={"files": 2}, unread=("x",)),
        canary=CanaryResult(expected={"r": 1}, found={}),
        advisories={"PyPI": date(2026, 11, 1), "Debian": None},
    )
    assert codec.decode(codec.encode(evidence), Evidence, where="x") == evidence


@given(st.dictionaries(TEXT, st.integers(0, 9), max_size=5))
def test_same_value_gives_the_same_bytes_whatever_its_order(value):
    turned = dict(reversed(value.items()))
    assert codec.encode(value) == codec.encode(turned)
    assert codec.encode_line(value) == codec.encode_line(turned)


def test_line_is_one_line():
    assert codec.encode_line({"a": "x\ny"}) == b'{"a":"x\\ny"}\n'


def test_unknown_fields_are_ignored_so_that_a_newer_tool_still_reads():
    assert codec.decode(b'{"path": "a", "new": [1]}', Location, where="x").path == "a"


BAD = {
    "empty": (b"", "the file is empty"),
    "cut off": (b'{"path": "a', "truncated"),
    "wrong type": (b'{"path": 3}', r"\$\.path"),
    "missing field": (b"{}", "path"),
    "not JSON": (b"<x>", "malformed"),
    "invalid UTF-8": (b'{"path": "\xff"}', "utf-8"),
    "too deep": (b'{"x":' + b"[" * 200_000, "recursion|deep"),
    "huge number": (b'{"path": "a", "line": 1e999}', "number|range|int"),
}


@pytest.mark.parametrize("wrapped", [bytes, memoryview, bytearray])
def test_byte_order_mark_of_utf_8_is_skipped(wrapped):
    assert codec.decode(wrapped(b'\xef\xbb\xbf{"path": "a"}'), Location, where="x").path == "a"
    with pytest.raises(MalformedOutput, match="x: the file is empty"):
        codec.decode(wrapped(b"\xef\xbb\xbf"), Location, where="x")
    with pytest.raises(MalformedOutput, match="malformed"):
        codec.decode(wrapped(b'\xef\xbb\xbf\xef\xbb\xbf{"path": "a"}'), Location, where="x")


FOREIGN = {
    "UTF-16": ('{"path": "a"}'.encode("utf-16"), "is UTF-16; save it as UTF-8"),
    "UTF-16, big end first": (b"\xfe\xff" + '{"path": "a"}'.encode("utf-16-be"), "is UTF-16; save it as UTF-8"),
    "UTF-16 without a mark": ('{"path": "a"}'.encode("utf-16-le"), "is UTF-16; save it as UTF-8"),
    "UTF-32": ('{"path": "a"}'.encode("utf-32"), "is UTF-32; save it as UTF-8"),
    "gzip": (gzip.compress(b"{}"), "is gzip; unpack it first"),
    "zip": (b"PK\3\4\0\0", "is a zip archive; unpack it first"),
}


@pytest.mark.parametrize("kind", sorted(FOREIGN))
def test_what_is_no_utf_8_text_is_named_with_what_to_do(kind):
    raw, said = FOREIGN[kind]
    with pytest.raises(MalformedOutput, match=f"^x: {said}$"):
        codec.decode(raw, Location, where="x", hint="never said")


def test_hint_is_what_the_reader_gives_and_speaks_of_no_tool_otherwise(tmp_path):
    with pytest.raises(MalformedOutput, match=r"; do this$"):
        codec.decode(b"{", Location, where="x", hint="do this")
    (tmp_path / "plan.json").write_bytes(b"{")
    with pytest.raises(MalformedOutput, match="secdl wrote it whole") as caught:
        codec.load(tmp_path / "plan.json", Location)
    assert "tool" not in str(caught.value)


@pytest.mark.parametrize("fault", sorted(BAD))
def test_bad_bytes_give_one_line_that_says_where(fault):
    raw, why = BAD[fault]
    with pytest.raises(MalformedOutput, match=f"(?i)the place: .*({why})") as caught:
        codec.decode(raw, Location, where="the place")
    assert "\n" not in str(caught.value)


def test_absent_file_is_one_line(tmp_path):
    with pytest.raises(MalformedOutput, match="No such file"):
        codec.load(tmp_path / "none.json", Location)
    with pytest.raises(MalformedOutput, match="directory"):
        codec.load(tmp_path, Location)


def test_convert_names_the_key():
    with pytest.raises(MalformedOutput, match=r"w: .*\$\.path"):
        codec.convert({"path": 1}, Location, where="w")
    assert codec.convert({"path": "a"}, Location, where="w") == Location(path="a")


@given(st.binary(max_size=60))
def test_no_bytes_give_another_error(raw):
    with suppress(MalformedOutput):
        codec.decode(raw, Location, where="x")


def test_mapped_file_reads_as_its_bytes_do(tmp_path):
    content = b"".join(codec.encode_line({"n": n}) for n in range(10_000)) + b'{"n":0}'
    (tmp_path / "f").write_bytes(content)
    with (tmp_path / "f").open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    assert list(codec.lines(mapped)) == list(codec.lines(content)) == content.splitlines(keepends=True)
    assert list(codec.lines(mapped)) == list(codec.lines(content))
    codec.forget(mapped)
    assert mapped[:] == content
