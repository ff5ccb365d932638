import re
from datetime import date, timedelta, timezone
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from secdl.model.finding import Finding, Level
from secdl.model.record import Record
from secdl.model.verdict import Reason, ReasonKind, Word
from secdl.report import detail, html
from secdl.report.view import view

from . import records

VOID = frozenset(["meta", "input", "br"])
TAGS = (
    "a b body br button caption circle dd details div dl dt figcaption figure footer form g h1 h2 h3 head header html "
    "input label li line main meta nav ol option output p path pre rect script section select span strong style "
    "summary svg table tbody td text tfoot th thead title tr ul polygon ellipse polyline"
)


class Structure(HTMLParser):
    """Tags as they open and close; raises where they do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.feed(text)
        self.close()
        assert self.opened == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}
        given = dict(attrs)
        self.ids.extend(value for name, value in attrs if name == "id" and value)
        if (target := given.get("href")) is not None:
            self.targets.append(target)
        if tag not in VOID:
            self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag


def page(record: Record) -> str:
    return html.render(record).decode("utf-8")


def part(text: str, name: str) -> str:
    """The text of one part of the first screen, tags removed, blanks folded."""
    found = re.search(rf'<(\w+)[^>]*data-part="{name}".*?</\1>', text, re.DOTALL)
    assert found is not None
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


@pytest.mark.parametrize(
    "make", [records.passing, records.partial, records.incomplete, records.failing, records.hostile]
)
def test_page_nests_and_its_links_lead_somewhere(make: object) -> None:
    assert callable(make)
    seen = Structure(page(make()))
    assert len(seen.ids) == len(set(seen.ids))
    assert {target[1:] for target in seen.targets} <= set(seen.ids)
    assert all(target.startswith("#") for target in seen.targets)


@settings(max_examples=30)
@given(st.text(alphabet=st.characters(codec=None), max_size=60))
def test_any_text_leaves_the_page_with_the_same_elements(text: str) -> None:
    seen = Structure(page(records.hostile(text)))
    assert seen.tags <= set(TAGS.split())
    assert not any(name.startswith("on") or name in ("style", "src", "srcdoc", "action") for name in seen.names)


def test_control_and_direction_characters_do_not_reach_the_page() -> None:
    text = page(records.hostile())
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b-\u200f]", text)


def test_template_syntax_in_tool_text_is_text() -> None:
    text = page(records.hostile("{{7*7}}{% include 'x' %}"))
    assert "{{7*7}}" in text
    assert "49" not in part(text, "blockers")


def test_policy_lets_nothing_in_but_our_own_style_and_script() -> None:
    text = page(records.failing())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    assert "default-src &#39;none&#39;" in policy[1]
    assert "unsafe" not in policy[1]
    assert "http" not in policy[1]


def test_facts_name_product_commit_image_policy_base_time_and_run() -> None:
    said = part(page(records.failing()), "what")
    for words in (
        "Acropolis Reference Hypervisor",
        "11.0.2",
        "9f3c2e81d7aa5b60",
        "reference sha256:b1b1b1b1b1b1",
        "release",
        "policies/gate.toml sha256:9a9a9a9a9a9a",
        records.EARLIER,
        "2026-11-24 21:05 UTC",
        "20261124T210500Z-4f2a sha256:c4c4c4c4c4c4",
    ):
        assert words in said


def test_a_product_without_a_version_is_said_to_have_none() -> None:
    record = records.passing()
    product = replace(record.plan.product, version="")
    assert "Version not stated" in part(page(replace(record, plan=replace(record.plan, product=product))), "what")


def test_blockers_are_seven_with_gain_place_owner_age_and_next_action() -> None:
    said = part(page(records.failing()), "blockers")
    assert said.count("Gain ") == said.count("Next ") == 7
    assert "code execution on the host" in said
    assert "hw/net/nic.c:212 @hv/net today" in said
    assert said.endswith("and 3 more")


def test_not_measured_has_denominators_ages_and_reuse() -> None:
    said = part(page(records.failing()), "not-measured")
    assert "9 of 10 planned jobs left valid evidence" in said
    assert "trivy missing not installed" in said
    assert "4 days old data of 2026-11-20" in said
    assert f"1 of 9 measured by run {records.EARLIER}" in said


def test_evidence_reused_from_many_runs_is_one_line_that_names_the_newest() -> None:
    record = records.passing()
    runs = [f"2026110{n}T000000Z-00000000" for n in range(1, 6)]
    reused = tuple(replace(one, reused_from=run) for one, run in zip(record.evidence, runs + runs, strict=False))
    said = part(page(replace(record, evidence=reused)), "not-measured")
    assert f"measured by runs {runs[4]}, {runs[3]}, {runs[2]} and 2 earlier ones, inputs unchanged" in said
    assert said.count("reused evidence") == 1


def test_evidence_that_the_gate_knows_and_the_folder_lost_is_shown_as_missing() -> None:
    record = records.failing()
    said = part(page(replace(record, evidence=record.evidence[1:])), "not-measured")
    assert "8 of 10 planned jobs" in said or "9 of 10 planned jobs" in said


def test_since_the_baseline_says_fixed_only_of_changed_code() -> None:
    said = part(page(records.failing()), "since")
    assert "Fixed 1 code changed" in said
    assert "Absent, not fixed 2 not scanned (1) and rule or tool changed (1)" in said
    assert "tools fuzz and semgrep 1.184.0 → 1.185.0" in said
    assert "policy 777777777777… → 9a9a9a9a9a9a…" in said
    assert "No baseline was given" in part(page(records.passing()), "since")


def test_signing_accepts_names_approver_and_expiry_or_says_there_is_none() -> None:
    said = part(page(records.failing()), "accepts")
    assert "approved by M. Okafor owner @hv/image expires 2026-12-03 (9 days left)" in said
    assert "override bandit : runs /opt/vendor/bandit" in said
    assert "no approver no owner no expiry" in said
    assert "waiver invalid old-dma expired" in said
    assert "Signing also accepts 5 advising findings (1 medium, 4 low) and all that is not measured." in said
    assert "5 advising findings" in said


@pytest.mark.parametrize(
    ("scanned", "judged", "named"),
    [("dev", "release", "scanned under profile dev"), ("release", "merge", "profile merge")],
)
def test_scan_and_judgement_must_both_be_of_profile_release(scanned: str, judged: str, named: str) -> None:
    record = records.failing()
    record = replace(
        record, plan=replace(record.plan, profile=scanned), verdict=replace(record.verdict, profile=judged)
    )
    assert f"Not for release</strong> <span>{named}:" in page(record)


def test_no_score_grade_or_gauge_stands_anywhere() -> None:
    for make in (records.passing, records.failing, records.partial):
        assert not re.search(r"\b(score|grade|gauge|rating|health)\b", page(make()), re.IGNORECASE)


def test_no_green_is_in_the_style() -> None:
    style = html._part("report.css")
    assert "green" not in style
    for red, green, blue in re.findall(r"#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})\b", style):
        assert int(green, 16) <= max(int(red, 16), int(blue, 16)) + 8


def test_hundred_thousand_findings_list_the_worst_and_say_how_many_are_not_listed() -> None:
    record = records.large(12_000)
    text = page(record)
    assert f"{detail.LISTED:,} of 12,000 findings are listed, worst first; 10,000 are not listed" in text
    assert text.count("<tr id=") == detail.LISTED
    assert 'data-total="12000"' in text


def test_unknown_level_and_missing_owner_are_said() -> None:
    finding = Finding(tool="bandit", rule="R", level=Level.UNKNOWN, message="m", blocking=True)
    record = records.record(
        Word.FAIL,
        ran=records.jobs(),
        findings=(finding,),
        reasons=(Reason(kind=ReasonKind.BLOCKING_FINDING, message="1 finding blocks"),),
    )
    said = part(page(record), "blockers")
    assert "unknown m" in said
    assert "no location given no owner new in this run" in said


def test_not_measured_counts_devices_threats_and_what_no_check_covers() -> None:
    said = part(page(records.failing()), "not-measured")
    assert "devices fuzzed 1 of 161 device types that a guest reaches in QEMU 7.2.19" in said
    assert "threats mitigated 1 of 3 by controls whose evidence counts in this run" in said
    assert "no check covers 2 areas KVM; vhost" in said


def test_threats_show_answer_evidence_and_what_stays_open() -> None:
    text = page(records.failing()).partition('id="threats"')[2].partition('id="fuzzing"')[0]
    said = " ".join(re.sub(r"<[^>]+>", " ", text).split())
    assert said.index("HV02") < said.index("HV01")
    assert "mitigated by fuzzed Stays open: what the fuzzer does not reach live 1" in said
    assert "Does not cover" in said
    assert "the block layer" in said


def test_answers_that_nobody_judged_are_not_called_live() -> None:
    record = replace(records.failing(), threats={})
    assert "threats mitigated 0 of 3" in part(page(record), "not-measured")


def test_what_stands_beside_evidence_that_does_not_count_is_not_shown() -> None:
    record = records.failing()
    lost = tuple(replace(summary, valid=False, reason="canary missed") for summary in record.verdict.evidence)
    text = page(replace(record, verdict=replace(record.verdict, evidence=lost)))
    assert "devices fuzzed" not in text
    assert "threats mitigated" not in text
    assert "none measured" in part(text, "what")
    for what in ("a threat model", "fuzzing", "an image"):
        assert f"no valid evidence of {what}" in text


def test_times_are_utc_whatever_the_plan_was_written_in() -> None:
    there = timezone(timedelta(hours=5, minutes=30))
    record = records.failing()
    moved = replace(record, plan=replace(record.plan, as_of=record.plan.as_of.astimezone(there)))
    assert "2026-11-24 21:05 UTC" in part(page(moved), "what")


def test_a_device_that_was_not_fuzzed_says_why() -> None:
    assert "not done</b> did not start: Guest asked for no bus" in page(records.failing())


def test_image_shows_its_protections_with_denominators_and_what_cannot_be_told() -> None:
    text = page(records.failing()).partition('id="image"')[2].partition('id="gaps"')[0]
    said = " ".join(re.sub(r"<[^>]+>", " ", text).split())
    assert "relro full 777 of 1,393 files" in said
    assert "usr/sbin/sshd named yes partial cannot be told" in said


def test_planted_bills_of_materials_are_not_the_products() -> None:
    assert [one.job for one in detail.packages(view(records.failing()))] == ["syft@requirements"]


def test_an_excerpt_shows_its_lines_and_marks_the_reported_one() -> None:
    text = page(records.failing())
    assert '<span class="hit"><span class="ln">212</span>     memcpy(s-&gt;buf, desc-&gt;data, desc-&gt;len);' in text


def test_a_first_seen_day_in_the_future_is_said_to_be_so() -> None:
    record = records.failing()
    later = tuple(msgspec.structs.replace(f, first_seen=date(2027, 1, 1)) for f in record.findings)
    assert "in the future" in page(replace(record, findings=later))


def test_an_sbom_that_cannot_be_read_is_not_measured() -> None:
    record = replace(records.failing(), file=lambda job, name: b'{"bomFormat": "CycloneDX"')
    assert "no valid evidence holds a bill of materials" in page(record)
