import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secdl.model import sarif
from secdl.model.errors import MalformedOutput
from secdl.model.evidence import Work
from secdl.model.finding import Finding, Level, Location
from secdl.model.fingerprint import identify, pathless
from secdl.model.tool import Job, Rule, Stage

LINE = st.text("abc <&>\"'%ü😀/:#?", min_size=1, max_size=20).map(str.strip).filter(bool)
NAMES = st.text("abcXYZ019-_.+~", min_size=1, max_size=8).filter(lambda name: name.strip("."))
PATHS = st.lists(NAMES | st.just("a b") | st.just("%41") | st.just("ü#?"), min_size=1, max_size=4).map("/".join)
PLACES = st.builds(
    lambda path, line, column: Location(path=path, line=line, column=column if line else None),
    PATHS | st.just("image:host/usr/bin/x") | st.just("device:virtio-net"),
    st.none() | st.integers(1, 10**6),
    st.none() | st.integers(1, 500),
)
FINDINGS = st.builds(
    Finding,
    tool=st.just("t"),
    rule=LINE,
    level=st.sampled_from(Level),
    message=LINE,
    locations=st.lists(PLACES, max_size=3).map(tuple),
    word=LINE,
    context=st.just("") | LINE,
    cwe=st.sets(st.integers(1, 1999), max_size=50).map(lambda found: tuple(f"CWE-{n}" for n in sorted(found))),
    aliases=st.lists(LINE, max_size=3).map(tuple),
    purl=st.none() | st.just("pkg:pypi/a@1"),
    gain=st.just("") | LINE,
    fix=st.just("") | LINE,
)


def job(**more):
    return Job(**({"name": "t", "tool": "t", "stage": Stage.SAST, "root": "/r", "output": "o.sarif"} | more))


def read(document, **more):
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return list(sarif.parse(raw, job(**more)))


def document(*results, rules=(), **more):
    driver = {"name": "t", "rules": list(rules)}
    return {"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": list(results)} | more]}


def result(uri="a.c", **more):
    place = {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": 2}}}
    return {"ruleId": "R", "message": {"text": "m"}, "locations": [place]} | more


@given(st.lists(FINDINGS, max_size=6))
def test_what_secdl_writes_reads_back_to_the_same_findings(findings):
    assert read(sarif.document([sarif.run_of("t", "1", findings)])) == findings


@given(st.lists(FINDINGS, max_size=6))
def test_fingerprint_in_one_step_is_the_one_that_findings_get(findings):
    raw = sarif.document([sarif.run_of("t", "1", findings * 2)])
    expected = list(identify(read(raw)))
    assert list(sarif.identified(raw, job())) == expected
    (run,) = sarif.read(raw, where="x").runs
    reader, seen = sarif.Reader(run, job()), {}
    prints = [found for _, found in reader.unmatched(sarif.results(run, raw, where="x"), seen)]
    assert prints == [one.fingerprint for one in expected]


@given(st.lists(FINDINGS, max_size=6), st.data())
def test_what_is_not_given_as_unmatched_is_among_what_was_to_match(findings, data):
    raw = sarif.document([sarif.run_of("t", "1", findings * 2)])
    expected = [one.fingerprint for one in identify(read(raw))]
    wanted = data.draw(st.sets(st.sampled_from(expected))) if expected else set()
    (run,) = sarif.read(raw, where="x").runs
    seen = dict.fromkeys(wanted, 0)
    given = [found for _, found in sarif.Reader(run, job()).unmatched(sarif.results(run, raw, where="x"), seen)]
    met = [found for found in wanted if seen[found] and found not in given]
    assert sorted(given + met) == sorted(expected)
    assert {found for found in given if found not in wanted} == set(expected) - wanted


@given(st.lists(FINDINGS, max_size=4))
def test_fingerprints_survive_writing_and_reading(findings):
    known = list(identify(findings))
    again = list(identify(read(sarif.document([sarif.run_of("t", "1", known)]))))
    assert [one.fingerprint for one in again] == [one.fingerprint for one in known]


def test_snippet_is_kept_where_the_line_is_known():
    place = (Location(path="a.c", line=3),)
    one = Finding(tool="t", rule="r", level=Level.LOW, message="m", word="", locations=place, snippet="x = 1\n  y")
    assert read(sarif.document([sarif.run_of("t", "1", [one])])) == [one]


def test_work_is_what_an_engine_claims_else_what_is_there():
    claimed = sarif.document([sarif.run_of("t", "1", [], work=Work(read={"devices": 6}, unread=("x",)))])
    assert sarif.work(claimed, job()) == Work(read={"devices": 6}, unread=("x",))
    there = json.dumps(document(result(), artifacts=[{"location": {"uri": "a.c"}}])).encode()
    assert sarif.work(there, job()) == Work(read={"artifacts": 1, "results": 1})


@pytest.mark.parametrize("claim", [7, {"read": 3}, {"read": {"files": "many"}}, {"unread": [1]}])
def test_claimed_work_that_is_none_is_malformed(claim):
    raw = json.dumps(document(properties={"secdl/work": claim})).encode()
    with pytest.raises(MalformedOutput, match="secdl/work"):
        sarif.work(raw, job())


@pytest.mark.parametrize(
    ("severity", "level"),
    [("9.0", "critical"), ("8.9", "high"), (7, "high"), ("4", "medium"), ("0.1", "low"), ("0.0", "medium")]
    + [(bad, "unknown") for bad in ("-1", "11", "high", "nan", "inf", [], {})],
)
def test_severity_scores_become_levels_and_nonsense_is_unknown(severity, level):
    (own,) = read(document(result(properties={"security-severity": severity})))
    (by_rule,) = read(document(result(), rules=[{"id": "R", "properties": {"security-severity": severity}}]))
    assert (own.level, by_rule.level) == (level, level)


@pytest.mark.parametrize(
    ("score", "stated", "level", "word"),
    [
        ("3.9", "error", "high", "error"),
        ("3.9", "warning", "medium", "warning"),
        ("3.9", "note", "low", "3.9"),
        ("3.9", "odd", "unknown", "odd"),
        ("9.8", "note", "critical", "9.8"),
        ("high", "error", "unknown", "high"),
    ],
)
def test_the_worse_of_a_score_and_of_what_the_result_states_is_judged(score, stated, level, word):
    severity = {"security-severity": score}
    (by_rule,) = read(document(result(level=stated), rules=[{"id": "R", "properties": severity}]))
    (own,) = read(document(result(level=stated, properties=severity)))
    assert [(one.level, one.word) for one in (by_rule, own)] == [(level, word)] * 2


def overriding(*levels, **descriptor):
    """Invocations of which each gives the rule one of `levels`; none where it is empty."""
    return [
        {
            "executionSuccessful": True,
            "ruleConfigurationOverrides": [
                {"descriptor": descriptor or {"id": "R"}, "configuration": {"enabled": True, "level": level}}
            ]
            if level
            else [],
        }
        for level in levels
    ]


@pytest.mark.parametrize(
    ("invocations", "level"),
    [
        (overriding("error"), "high"),
        (overriding("none"), "info"),
        (overriding("note", "error"), "high"),
        # One of the invocations left the rule as it is.
        (overriding("none", ""), "low"),
        (overriding("odd"), "unknown"),
        (overriding("error", index=1), "high"),
        (overriding("error", index=0, toolComponent={"index": 0}), "high"),
        (overriding("error", index=0), "low"),
        (overriding("error", id="other"), "low"),
        (overriding("error", guid="9fc05d4c-2ae3-4c8f-9d1b-0d4c8e6c5c2d"), "unknown"),
    ],
)
def test_an_override_gives_a_rule_its_level_for_results_that_state_none(invocations, level):
    rules = [{"id": "Z"}, {"id": "R", "defaultConfiguration": {"level": "note"}}]
    report = document(result(), result(level="note"), rules=rules, invocations=invocations)
    report["runs"][0]["tool"]["extensions"] = [{"name": "x", "rules": [rules[1]]}]
    assert [found.level for found in read(report)] == [level, "low"]


def test_an_override_weighs_beside_a_score():
    rules = [{"id": "R", "properties": {"security-severity": "3.9"}}]
    assert read(document(result(), rules=rules, invocations=overriding("error")))[0].level == "high"


@pytest.mark.parametrize("kind", ["review", "open"])
def test_what_is_open_or_to_be_reviewed_weighs_what_its_rule_does(kind):
    rules = [{"id": "R", "defaultConfiguration": {"level": "error"}}]
    results = (result(kind=kind, level="none"), result(kind=kind))
    assert [found.level for found in read(document(*results, rules=rules))] == ["high", "high"]


@pytest.mark.parametrize("member", ["toolExecutionNotifications", "toolConfigurationNotifications"])
@pytest.mark.parametrize(
    ("note", "unread"),
    [
        ({"level": "error", "message": {"text": "could not parse b.c: skipped"}}, ("could not parse b.c: skipped",)),
        ({"level": "error", "descriptor": {"id": "E1"}}, ("E1",)),
        ({"level": "error"}, ("an error without text",)),
        ({"level": "warning", "message": {"text": "slow"}}, ()),
        ({"level": "note", "message": {"text": "read a.c"}}, ()),
        ({"level": "none", "message": {"text": "read a.c"}}, ()),
        ({"message": {"text": "no level is a warning"}}, ()),
    ],
)
def test_what_a_tool_names_as_an_error_of_its_own_is_unread(member, note, unread):
    report = document(result(), invocations=[{"executionSuccessful": True, member: [note]}])
    assert sarif.work(json.dumps(report).encode(), job()).unread == unread


def test_a_report_of_which_parts_stand_elsewhere_is_refused():
    elsewhere = {"location": {"uri": "results.sarif-external-properties"}}
    outside = document(externalPropertyFileReferences={"results": [elsewhere]})
    inline = document() | {"inlineExternalProperties": [{"results": [result()]}]}
    for report in (outside, inline):
        with pytest.raises(MalformedOutput, match="external properties"):
            read(report)
    assert read(document(result(), externalPropertyFileReferences={}) | {"inlineExternalProperties": []})


@pytest.mark.parametrize(
    ("word", "level"), [("error", "high"), ("warning", "medium"), ("note", "low"), ("none", "info"), ("odd", "unknown")]
)
def test_levels_without_score(word, level):
    assert read(document(result(level=word)))[0].level == level
    default = [{"id": "R", "defaultConfiguration": {"level": word}}]
    assert read(document(result(), rules=default))[0].level == level


def test_what_one_result_says_of_itself_is_not_taken_for_the_next():
    own = {"security-severity": "9.5", "secdl/gain": "root", "secdl/fix": "mend", "secdl/purl": "p", "cwe": "CWE-1"}
    first, second = read(document(result(properties=own), result(), rules=[{"id": "R"}]))
    assert (first.level, first.gain, first.fix, first.purl, first.cwe) == ("critical", "root", "mend", "p", ("CWE-1",))
    assert (second.level, second.gain, second.fix, second.purl, second.cwe) == ("medium", "", "", None, ())


def test_level_that_nobody_states_is_warning_as_the_standard_says():
    assert read(document(result()))[0].level == "medium"


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ({"kind": "pass"}, False),
        ({"kind": "notApplicable"}, False),
        ({"kind": "informational"}, False),
        ({"kind": "review"}, True),
        ({"kind": "open"}, True),
        ({"kind": "odd"}, True),
        ({"baselineState": "absent"}, False),
        ({"baselineState": "unchanged"}, True),
        ({"suppressions": [{"kind": "inSource"}]}, False),
        ({"suppressions": [{"kind": "external", "status": "rejected"}]}, True),
        ({"suppressions": [{"kind": "external", "status": "underReview"}]}, True),
        ({"suppressions": [{"kind": "inSource"}, {"kind": "external", "status": "rejected"}]}, True),
        ({"suppressions": []}, True),
    ],
)
def test_what_is_no_finding_is_left_out(more, kept):
    assert bool(read(document(result(**more)))) is kept


RULES = [
    {"id": "A", "shortDescription": {"text": "about A"}},
    {"id": "B", "messageStrings": {"x": {"text": "{0} of {1}"}}},
]


@pytest.mark.parametrize(
    ("more", "rule", "message"),
    [
        ({"ruleId": "A", "message": {}}, "A", "about A"),
        ({"ruleId": "", "ruleIndex": 0}, "A", "m"),
        ({"ruleId": "", "rule": {"id": "A"}}, "A", "m"),
        ({"ruleId": "", "rule": {"index": 1}, "message": {"id": "x", "arguments": ["1", "2"]}}, "B", "1 of 2"),
        ({"ruleId": "A/sub", "message": {}}, "A/sub", "about A"),
        ({"ruleId": "", "ruleIndex": 99}, "unnamed", "m"),
        ({"ruleId": "Z", "message": {"markdown": "*m*"}}, "Z", "*m*"),
    ],
)
def test_rules_are_found_by_id_or_index(more, rule, message):
    (one,) = read(document(result(**more), rules=RULES))
    assert (one.rule, one.message) == (rule, message)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("a%20b.c", "a b.c"),
        ("file:///r/src/a.c", "src/a.c"),
        ("/r/src/a.c", "src/a.c"),
        ("file:///etc/passwd", "outside:/etc/passwd"),
        ("../x.c", "outside:../x.c"),
        ("FILE:///r/src/a.c", "src/a.c"),
        ("file:/r/src/a.c", "src/a.c"),
        ("https://e.com/x", "outside:https://e.com/x"),
        ("https%3A//e.com/../r/x", "outside:https://e.com/../r/x"),
        ("git+ssh://e.com/x", "outside:git+ssh://e.com/x"),
        ("c:/x.c", "c:/x.c"),
        ("c://x.c", "c:/x.c"),
        ("a:b.c", "a:b.c"),
        ("https:b.c", "https:b.c"),
        ("src/https://x", "src/https:/x"),
        ("image%3Ahost/bin/x", "image:host/bin/x"),
        ("src/%0aa.c", "src/ a.c"),
        ("%2e%2e/%2e%2e/x", "outside:../../x"),
    ],
)
def test_places_are_named_from_the_checkout(uri, path):
    assert read(document(result(uri)))[0].path == path


@pytest.mark.parametrize(
    ("properties", "run"),
    [({"secdl/run": {"id": "r", "x": 1}}, "r"), ({"secdl/run": 3}, ""), ({}, ""), (None, ""), ([], ""), ("x", "")],
)
def test_run_that_a_report_is_of_is_named_and_what_is_none_is_no_error(properties, run):
    raw = json.dumps(document() | {"properties": properties}).encode()
    assert sarif.run_id(sarif.scan(raw, where="x")) == run
    assert sarif.run_id(sarif.scan(json.dumps(document()).encode(), where="x")) == ""


def test_place_below_a_base_elsewhere_is_outside():
    based = result("a.c")
    based["locations"][0]["physicalLocation"]["artifactLocation"]["uriBaseId"] = "SRC"
    (found,) = read(document(based, originalUriBaseIds={"SRC": {"uri": "https://e.com/r/"}}))
    assert found.path == "outside:https://e.com/r/a.c"


def test_places_by_base_index_and_logic():
    based = result("a.c")
    based["locations"][0]["physicalLocation"]["artifactLocation"]["uriBaseId"] = "SRC"
    indexed = result()
    indexed["locations"][0]["physicalLocation"]["artifactLocation"] = {"index": 0}
    logical = result(locations=[{"logicalLocations": [{"fullyQualifiedName": "pkg.f"}]}])
    bases = {"SRC": {"uri": "file:///r/deep/"}}
    found = read(document(based, indexed, logical, originalUriBaseIds=bases, artifacts=[{"location": {"uri": "i.c"}}]))
    assert [one.path for one in found] == ["deep/a.c", "i.c", "pkg.f"]


def test_text_of_a_foreign_report_is_made_safe():
    hostile = "a\x1b[31m\u202eb\x00" + "x" * 10_000
    properties = dict.fromkeys(("secdl/gain", "secdl/fix", "secdl/purl", "secdl/context"), hostile)
    properties |= {
        "secdl/aliases": [hostile] * 100,
        "tags": [hostile, "CWE-79"],
        "secdl/level": "low",
        "secdl/word": hostile,
    }
    one = result(ruleId=hostile, message={"text": hostile}, properties=properties, locations=result()["locations"] * 99)
    one["locations"][0]["physicalLocation"]["region"]["snippet"] = {"text": hostile}
    (found,) = read(document(one))
    texts = [found.rule, found.message, found.word, found.snippet, found.context, found.gain, found.fix, found.purl]
    for text in [*texts, *found.aliases]:
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert len(text) <= 4000
    assert (len(found.aliases), len(found.locations), found.cwe) == (50, 50, ("CWE-79",))


def test_places_that_are_left_out_are_counted_in_the_message():
    place = result()["locations"]
    assert read(document(result(locations=place * 50)))[0].message == "m"
    raw = json.dumps(document(result(locations=place * 1251))).encode()
    (found,) = read(raw)
    assert (len(found.locations), found.message) == (50, "m (and 1,201 more places in the report)")
    assert list(sarif.identified(raw, job())) == list(identify([found]))


def test_one_more_place_makes_no_other_finding():
    place = result()["locations"]
    seen = set()
    for count in (1, 50, 51, 1049, 1050, 1051):
        raw = json.dumps(document(result(locations=place * count))).encode()
        (found,) = sarif.identified(raw, job())
        assert [found] == list(identify([found]))
        seen.add((found.fingerprint, pathless(found)))
    assert len(seen) == 1


@pytest.mark.parametrize("line", [0, -4, 2**40])
def test_line_that_cannot_be_is_none(line):
    one = result()
    one["locations"][0]["physicalLocation"]["region"] = {"startLine": line}
    assert read(document(one))[0].locations[0].line is None


def test_tool_that_failed_or_did_not_look_proves_no_work_and_its_findings_are_kept():
    boom = {"executionSuccessful": False, "toolExecutionNotifications": [{"message": {"text": "boom"}}]}
    failed = document(result(), invocations=[boom])
    with pytest.raises(MalformedOutput, match=r"executionSuccessful: false: boom"):
        sarif.work(json.dumps(failed).encode(), job())
    assert [found.rule for found in read(failed)] == ["R"]
    silent = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "t"}}}]}
    with pytest.raises(MalformedOutput, match="without results"):
        sarif.work(json.dumps(silent).encode(), job())
    assert read(silent) == []


def test_rules_carry_their_words_to_every_result():
    rules = [Rule(id="r", title="t", gain="root", fix="mend", cwe=("CWE-787",))]
    raw = json.loads(sarif.document([sarif.run_of("t", "1", [], rules=rules)]))
    raw["runs"][0]["results"] = [{"ruleId": "r", "message": {"text": "m"}}]
    (found,) = read(raw)
    assert (found.gain, found.fix, found.cwe) == ("root", "mend", ("CWE-787",))


def test_a_location_without_uri_is_its_base_or_what_its_index_names_and_never_another_ones():
    base = {"originalUriBaseIds": {"SUB": {"uri": "file:///r/hw/net/"}}}
    artifacts = [{"location": {"uri": "a.c", "uriBaseId": "SUB"}}, {"location": {"uriBaseId": "SUB"}}]
    places = [{"uriBaseId": "SUB"}, {"uriBaseId": "SUB", "index": 0}, {"index": 1}, {"index": 9, "uriBaseId": "SUB"}]
    located = [{"physicalLocation": {"artifactLocation": place}} for place in places]
    raw = document(*(result(locations=[place]) for place in located), artifacts=artifacts, **base)
    assert [found.path for found in read(raw)] == ["hw/net", "hw/net/a.c", "hw/net", "hw/net"]
    (found,) = read(document(result(locations=located), artifacts=artifacts, **base))
    assert [place.path for place in found.locations] == ["hw/net", "hw/net/a.c", "hw/net", "hw/net"]
