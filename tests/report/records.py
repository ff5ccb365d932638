"""Judged runs to render: one for each verdict, one full of hostile text, one as large as needed."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime

import msgspec
from msgspec.structs import replace

from secdl.model import codec
from secdl.model.evidence import CanaryResult, Evidence, Origin, Outcome, Program, Work
from secdl.model.finding import LEVELS, AbsentCause, Finding, Level, Location, Status
from secdl.model.fingerprint import identify
from secdl.model.plan import Plan, Product
from secdl.model.record import Excerpt, Record
from secdl.model.threat import (
    Control,
    CoverageRow,
    Disposition,
    Element,
    EvidenceLine,
    EvidenceRef,
    EvidenceState,
    Flow,
    Instance,
    Threat,
    ThreatCoverage,
    ThreatReport,
    Uncovered,
)
from secdl.model.tool import Job, Rule, Stage
from secdl.model.verdict import (
    AcceptedWaiver,
    Change,
    Counts,
    EvidenceSummary,
    Reason,
    ReasonKind,
    Verdict,
    Word,
)

AS_OF = datetime(2026, 11, 24, 21, 5, tzinfo=UTC)
EARLIER = "20261120T080000Z-7c1d"
SHA = "sha256:" + "5e" * 32

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)> @octocat #12 http://evil.example/ "
    "| `x` **b** [l](javascript:alert(3)) \x1b[31mred\x07 \x00 \u202eevil\u2066 \ud800 {{7*7}} {% raw %} "
    "&amp; ]]> ' \" \\ " + "A" * 3000 + "\n# heading\r\n| a | b |\n- item\n```"
)


def evidence(job: str, stage: str, **more: object) -> Evidence:
    """Evidence of `job` that counts, but for what `more` says."""
    base: dict[str, object] = {
        "job": job,
        "tool": job.partition("@")[0],
        "stage": stage,
        "outcome": Outcome.OK,
        "version": "1.9.4",
        "origin": Origin.PYPI,
        "digest": SHA,
        "argv": ("/cache/tools/bin/" + job.partition("@")[0], "--format", "json"),
        "exit_status": 0,
        "started": AS_OF,
        "duration_s": 3.21,
        "cpu_s": 2.9,
        "peak_rss_bytes": 96_000_000,
        "work": Work(read={"files": 412, "lines": 61_380}),
    }
    return Evidence(**(base | more))  # type: ignore[arg-type]


def devices() -> tuple[Finding, ...]:
    """Findings as the tools of a real run report them, before the gate."""
    found = [
        Finding(
            tool="semgrep",
            rule="secdl.c.guest-length-unchecked",
            level=Level.CRITICAL,
            message="Guest-controlled length reaches memcpy() without a bound: `len` comes from the descriptor ring.",
            locations=(Location(path="hw/net/nic.c", line=212, column=5),),
            snippet="memcpy(s->buf, desc->data, desc->len);",
            cwe=("CWE-787",),
            gain="A guest writes past the device's buffer in the QEMU process: code execution on the host.",
            fix="Bound desc->len by sizeof(s->buf) before the copy.",
        ),
        Finding(
            tool="semgrep",
            rule="secdl.c.dma-reentrancy",
            level=Level.HIGH,
            message="DMA write from an MMIO handler without a re-entrancy guard.",
            locations=(Location(path="hw/scsi/hba.c", line=88), Location(path="hw/scsi/hba.c", line=140)),
            cwe=("CWE-662",),
            gain="A guest makes the device write to its own registers and frees memory in use: VM escape.",
            fix="Set mem_reentrancy_guard on the bottom half.",
        ),
        Finding(
            tool="pip-audit",
            rule="PYSEC-2026-311",
            level=Level.HIGH,
            message="jinja2 3.1.2: sandbox escape through str.format_map",
            locations=(Location(path="requirements.lock", line=41),),
            aliases=("CVE-2026-27516", "GHSA-cpwx-vrp4-4pq7"),
            purl="pkg:pypi/jinja2@3.1.2",
            gain="Whoever may edit a report template runs code in the management plane.",
            fix="Upgrade jinja2 to 3.1.6.",
        ),
        Finding(
            tool="image-hardening",
            rule="no-full-relro",
            level=Level.MEDIUM,
            message="/usr/sbin/sshd is linked without full RELRO",
            locations=(Location(path="image:reference/usr/sbin/sshd"),),
            gain="A write primitive in sshd becomes control of its flow.",
            fix="Link with -z relro -z now.",
        ),
        Finding(
            tool="image-advisories",
            rule="CVE-2026-1234",
            level=Level.UNKNOWN,
            message="libvirt-daemon 9.0.0-4: severity not given by the advisory",
            purl="pkg:deb/debian/libvirt@9.0.0-4?arch=amd64",
            aliases=("CVE-2026-1234",),
        ),
        Finding(
            tool="fuzz",
            rule="crash-abort",
            level=Level.HIGH,
            message="sdhci-pci: assertion in sdhci_read_dataport; reproduces 3 of 3 times",
            locations=(Location(path="device:sdhci-pci"),),
            gain="A guest stops its own QEMU process.",
            fix="secdl fuzz reproduce latest sdhci-pci",
        ),
        Finding(
            tool="threatmodel",
            rule="undisposed-threat",
            level=Level.MEDIUM,
            message="Snapshot rollback on the image store has no disposition",
            locations=(Location(path="model:reference/model.py", line=133),),
        ),
    ]
    for number in range(9):
        found.append(
            Finding(
                tool="bandit",
                rule="B603",
                level=Level.LOW,
                word="LOW",
                message="subprocess call: check for execution of untrusted input.",
                locations=(Location(path=f"mgmt/agent_{number}.py", line=20 + number),),
                snippet=f"subprocess.run([helper, 'vm-{number}'])",
                cwe=("CWE-78",),
            )
        )
    return tuple(found)


def judged(findings: Iterable[Finding], *, absent: Iterable[tuple[Finding, AbsentCause]] = ()) -> tuple[Finding, ...]:
    """`findings` with fingerprints, absent ones last."""
    return tuple(identify(findings)) + tuple(
        msgspec.structs.replace(f, status=Status.ABSENT, absent_cause=cause, blocking=False)
        for f, cause in zip(
            identify(f for f, _ in absent),
            [cause for _, cause in absent],
            strict=True,
        )
    )


def count(findings: Iterable[Finding], *, suppressed: int = 0) -> Counts:
    """The counts of `findings` as the gate makes them."""
    every = tuple(findings)
    present = [f for f in every if f.status is not Status.ABSENT]
    blocking = sum(f.blocking for f in present)
    waived = sum(f.waiver is not None and not f.blocking for f in present)
    levels = Counter(f.level.value for f in present)
    return Counts(
        total=len(present),
        new=sum(f.status is Status.NEW for f in present),
        unchanged=sum(f.status is Status.UNCHANGED for f in present),
        absent=len(every) - len(present),
        blocking=blocking,
        waived=waived,
        advising=len(present) - blocking - waived,
        by_level={level.value: levels[level.value] for level in LEVELS},
        by_tool=dict(sorted(Counter(f.tool for f in present).items())),
        absent_by_cause=dict(sorted(Counter(f.absent_cause.value for f in every if f.absent_cause).items())),
        suppressed=suppressed,
    )


def record(
    word: Word,
    *,
    ran: Iterable[Evidence],
    findings: Iterable[Finding],
    reasons: Iterable[Reason],
    profile: str = "release",
    extras: Mapping[tuple[str, str], bytes] | None = None,
    excerpts: tuple[Excerpt, ...] = (),
    suppressed: int = 0,
    left_out: tuple[str, ...] = (),
    **more: object,
) -> Record:
    """A record of these parts, with a plan and counts that agree."""
    ran, findings = tuple(ran), tuple(findings)
    stages = tuple(dict.fromkeys(e.stage for e in ran))
    plan = Plan(
        secdl="0.1.0",
        run="20261124T210500Z-4f2a",
        as_of=AS_OF,
        profile=profile,
        root="/src/hypervisor",
        product=Product(name="Acropolis Reference Hypervisor", version="11.0.2", commit="9f3c2e81d7aa5b60"),
        stages=stages,
        left_out=left_out,
        jobs=tuple(Job(name=e.job, tool=e.tool, stage=Stage(e.stage), root="/src/hypervisor") for e in ran),
    )
    verdict = Verdict(
        verdict=word,
        profile=profile,
        as_of=AS_OF,
        reasons=tuple(reasons),
        counts=count(findings, suppressed=suppressed),
        evidence=tuple(EvidenceSummary.of(e, valid=e.outcome is Outcome.OK, reason=e.reason) for e in ran),
        policy="policies/gate.toml",
        policy_digest="sha256:" + "9a" * 32,
        **more,  # type: ignore[arg-type]
    )
    files = dict(extras or {})
    return Record(
        plan=plan,
        evidence=ran,
        findings=findings,
        verdict=verdict,
        excerpts=excerpts,
        digest="sha256:" + "c4" * 32,
        file=lambda job, name: files.get((job, name)),
        rules={"semgrep": (Rule(id="secdl.c.dma-reentrancy", title="DMA re-entrancy", help="See CWE-662."),)},
        threats={"threatmodel@reference": answers()} if files else {},
    )


def answers(text: str = "") -> ThreatCoverage:
    """How the answers of the threat model fared, where `text` stands for what others wrote."""
    fuzzed = EvidenceLine(control="fuzzed", evidence="fuzz on sdhci-pci", state=EvidenceState.LIVE, open_findings=1)
    escape = CoverageRow(
        threat=text or "HV01",
        title=text or "VM escape by device emulation",
        level=Level.CRITICAL,
        target=text or "virtio-blk",
        disposition=Disposition.MITIGATED,
        controls=("fuzzed",),
        state=EvidenceState.LIVE,
        open_findings=1,
        residual=text or "what the fuzzer does not reach",
    )
    open_ = replace_row(escape, threat="HV02", disposition=Disposition.NONE, state=EvidenceState.NOT_COVERED)
    crossing = replace_row(escape, threat="crossing", disposition=Disposition.ACCEPTED, state=EvidenceState.MISSING)
    return ThreatCoverage(rows=(escape, open_, crossing), lines=(fuzzed,))


def replace_row(row: CoverageRow, **more: object) -> CoverageRow:
    """`row` with `more`, and no controls."""
    return msgspec.structs.replace(row, controls=(), residual="", **more)


def jobs() -> tuple[Evidence, ...]:
    """The evidence of a whole run in which each tool did its work."""
    sbom = {"files": {"out.cdx.json": SHA}}
    return (
        evidence("bandit", "sast", canary=CanaryResult(expected={"B602": 1, "B301": 1}, found={"B602": 1, "B301": 2})),
        evidence(
            "semgrep",
            "sast",
            version="1.185.0",
            duration_s=21.4,
            cpu_s=30.2,
            peak_rss_bytes=410_000_000,
            canary=CanaryResult(expected={"secdl.c.dma-reentrancy": 1}, found={"secdl.c.dma-reentrancy": 1}),
            programs={"git": Program(argv=("/usr/bin/git",), version="2.39.5", digest=SHA, origin=Origin.PATH)},
        ),
        evidence("syft@requirements", "deps", version="1.18.1", work=Work(read={"packages": 61}), **sbom),
        evidence(
            "pip-audit",
            "deps",
            version="2.10.1",
            work=Work(read={"packages": 61}),
            advisories={"PyPI": date(2026, 11, 20)},
            canary=CanaryResult(expected={"PYSEC-2020-1": 1}, found={"PYSEC-2020-1": 1}),
        ),
        evidence(
            "image-build@reference",
            "images",
            origin=Origin.SECDL,
            version="0.1.0",
            duration_s=58.3,
            work=Work(read={"files": 18_204, "packages": 228}),
            reused_from=EARLIER,
        ),
        evidence(
            "image-hardening@reference",
            "images",
            files={"canary/sbom.json": SHA},
            origin=Origin.SECDL,
            version="0.1.0",
            work=Work(read={"programs": 311}),
        ),
        evidence(
            "image-advisories",
            "images",
            origin=Origin.SECDL,
            version="0.1.0",
            work=Work(read={"packages": 228}),
            advisories={"Debian": date(2026, 11, 20)},
        ),
        evidence(
            "threatmodel@reference",
            "threatmodel",
            origin=Origin.SECDL,
            version="0.1.0",
            work=Work(read={"elements": 23, "flows": 31}),
        ),
        evidence(
            "fuzz@reference",
            "fuzz",
            origin=Origin.SECDL,
            version="0.1.0",
            duration_s=61.0,
            work=Work(read={"devices": 6, "operations": 600_000}),
            canary=CanaryResult(expected={"crash-abort": 1}, found={"crash-abort": 1}),
        ),
    )


def passing() -> Record:
    """A release run in which everything counted and nothing blocks."""
    return record(Word.PASS, ran=jobs(), findings=judged(devices()[7:]), reasons=(_advice(9),), extras=EXTRAS)


def partial() -> Record:
    """A dev run that tolerates a tool that is not there."""
    ran = (
        *jobs(),
        evidence(
            "trivy",
            "deps",
            outcome=Outcome.MISSING,
            reason="not installed: no release download here",
            duration_s=0.0,
            cpu_s=0.0,
            peak_rss_bytes=0,
            work=Work(),
            started=None,
            exit_status=None,
        ),
    )
    return record(
        Word.PARTIAL,
        ran=ran,
        findings=judged(devices()[3:]),
        profile="dev",
        reasons=(
            Reason(
                kind=ReasonKind.NOT_MEASURED, tool="trivy", message="trivy: not installed: no release download here"
            ),
            _advice(13),
        ),
        partial=("deps",),
        extras=EXTRAS,
    )


def incomplete() -> Record:
    """A merge run that lost a required tool, missed a canary and left a stage out."""
    ran = list(jobs()[:7])
    ran[0] = replace(
        ran[0], outcome=Outcome.FAILED, reason="exit status 139: killed by signal 11", exit_status=139, work=Work()
    )
    ran[1] = replace(
        ran[1],
        outcome=Outcome.FAILED,
        reason="canary missed: secdl.c.dma-reentrancy",
        canary=CanaryResult(expected={"secdl.c.dma-reentrancy": 1}, found={}),
    )
    ran[3] = replace(ran[3], outcome=Outcome.TIMED_OUT, reason="no end after 300 s", advisories={"PyPI": None})
    ran[4] = replace(ran[4], outcome=Outcome.SKIPPED, reason="configuration names no image")
    return record(
        Word.INCOMPLETE,
        ran=ran,
        findings=judged(devices()[3:5]),
        profile="merge",
        left_out=("threatmodel", "fuzz"),
        reasons=(
            Reason(
                kind=ReasonKind.REQUIRED_MISSING, tool="bandit", message="bandit: exit status 139: killed by signal 11"
            ),
            Reason(
                kind=ReasonKind.CANARY_MISSED,
                tool="semgrep",
                message="semgrep missed 1 planted defect: secdl.c.dma-reentrancy",
            ),
            Reason(kind=ReasonKind.REQUIRED_MISSING, tool="pip-audit", message="pip-audit: no end after 300 s"),
            Reason(
                kind=ReasonKind.REQUIRED_SUBJECT, message="profile merge requires a fuzz target; secdl.toml has none"
            ),
            Reason(kind=ReasonKind.INTERRUPTED, message="the run was interrupted before its last job ended"),
            Reason(kind=ReasonKind.NOT_PLANNED, message="stages threatmodel, fuzz were not asked for"),
            _advice(2),
        ),
        scope="files that differ from origin/main: 3",
    )


def failing() -> Record:
    """A release run against a baseline, with blockers, waivers, an override and a changed tool."""
    first = list(devices())
    for position in range(6):
        first[position] = msgspec.structs.replace(
            first[position],
            blocking=position != 3,
            status=Status.NEW if position < 3 else Status.UNCHANGED,
            owner=("@hv/net", "@hv/storage", None, "@hv/image", "@hv/image", "@hv/devices")[position],
            first_seen=date(2026, 11, 24 - position * 3),
            waiver="sshd-relro" if position == 3 else None,
        )
    for position in range(7, 16):
        first[position] = msgspec.structs.replace(
            first[position],
            status=Status.UNCHANGED,
            waiver="agent-subprocess" if position < 12 else None,
            owner="@hv/mgmt",
            first_seen=date(2026, 5, 1),
        )
    for number in range(5):
        first.append(
            Finding(
                tool="semgrep",
                rule="secdl.c.integer-overflow",
                level=Level.HIGH,
                message=f"Multiplication of two guest values in descriptor {number} may wrap before the allocation.",
                locations=(Location(path=f"hw/block/queue_{number}.c", line=300 + number),),
                gain="A guest gets a buffer that is smaller than what is written to it.",
                fix="Use g_malloc_n() or check with umul_overflow().",
                blocking=True,
                owner="@hv/storage",
                first_seen=date(2026, 11, 20),
            )
        )
    gone = (
        (
            Finding(
                tool="bandit",
                rule="B301",
                level=Level.MEDIUM,
                message="pickle",
                locations=(Location(path="mgmt/old.py", line=3),),
            ),
            AbsentCause.FIXED,
        ),
        (
            Finding(
                tool="semgrep",
                rule="secdl.c.old",
                level=Level.HIGH,
                message="old rule",
                locations=(Location(path="hw/a.c", line=9),),
            ),
            AbsentCause.RULE_CHANGED,
        ),
        (
            Finding(
                tool="trivy", rule="CVE-2025-1", level=Level.HIGH, message="openssl", purl="pkg:deb/debian/openssl@3"
            ),
            AbsentCause.NOT_SCANNED,
        ),
    )
    findings = judged(first, absent=gone)
    ran = list(jobs())
    ran[0] = replace(ran[0], origin=Origin.OVERRIDE, argv=("/opt/vendor/bandit",))
    ran.append(
        evidence(
            "trivy", "deps", outcome=Outcome.MISSING, reason="not installed", duration_s=0.0, work=Work(), started=None
        )
    )
    blocking = tuple(f.fingerprint for f in findings if f.blocking)
    return record(
        Word.FAIL,
        ran=ran,
        findings=findings,
        reasons=(
            Reason(
                kind=ReasonKind.BLOCKING_FINDING,
                tool="semgrep",
                message="7 findings of semgrep block",
                fingerprints=blocking[:7],
            ),
            Reason(kind=ReasonKind.BLOCKING_FINDING, message="3 further findings block", fingerprints=blocking[7:]),
            Reason(kind=ReasonKind.WAIVER_INVALID, message="waiver old-dma expired on 2026-11-01"),
            Reason(
                kind=ReasonKind.OVERRIDE_REFUSED,
                tool="bandit",
                message="bandit runs /opt/vendor/bandit; profile release refuses overrides",
            ),
            Reason(kind=ReasonKind.NOT_MEASURED, tool="trivy", message="trivy: not installed"),
            Reason(kind=ReasonKind.WAIVER_DUE, message="waiver sshd-relro expires in 9 days"),
            Reason(kind=ReasonKind.WAIVER_UNUSED, message="waiver legacy-b101 covers nothing"),
            _advice(5),
        ),
        waivers=(
            AcceptedWaiver(
                id="sshd-relro",
                reason="Rebuilt with full RELRO in 11.0.3",
                owner="@hv/image",
                approver="M. Okafor",
                expires=date(2026, 12, 3),
                findings=1,
            ),
            AcceptedWaiver(
                id="agent-subprocess",
                reason="Arguments come from a fixed table",
                owner="@hv/mgmt",
                approver="L. Brandt",
                expires=date(2027, 2, 1),
                findings=5,
            ),
        ),
        baseline=EARLIER,
        changes=(
            Change(what="tool", name="fuzz", before="1.184.0", after="1.185.0"),
            Change(what="tool", name="semgrep", before="1.184.0", after="1.185.0"),
            Change(what="policy", name="policy", before="77" * 32, after="9a" * 32),
        ),
        suppressed=4,
        extras=EXTRAS,
        excerpts=(
            Excerpt(
                path="hw/net/nic.c",
                line=212,
                first=210,
                text="static void nic_rx(NicState *s, Desc *desc)\n{\n"
                "    memcpy(s->buf, desc->data, desc->len);\n    s->len = desc->len;\n}\n",
            ),
        ),
    )


def hostile(text: str = HOSTILE) -> Record:
    """A failing run in which every string that others control is `text`."""
    base = failing()
    findings = tuple(
        msgspec.structs.replace(
            f,
            tool=f.tool if n else text,
            rule=text,
            message=text,
            gain=text,
            fix=text,
            snippet=text,
            context=text,
            word=text,
            owner=text,
            purl=text,
            cwe=(text,),
            aliases=(text,),
            locations=(Location(path="../../" + text, line=1), Location(path=text)),
            fingerprint=f.fingerprint,
        )
        for n, f in enumerate(base.findings)
    )
    ran = tuple(
        replace(
            e,
            reason=text,
            version=text,
            argv=(text,),
            digest=text,
            reused_from=text if e.reused_from else "",
            work=Work(read={text: 1}, unread=(text,)),
            canary=CanaryResult(expected={text: 1}, found={text: 1}),
            advisories={text: date(2026, 11, 1)},
        )
        for e in base.evidence
    )
    plan = replace(base.plan, product=Product(name=text, version=text, commit=text), scope=text, profile="dev")
    verdict = replace(
        base.verdict,
        reasons=tuple(replace(r, message=text, tool=text if r.tool else "") for r in base.verdict.reasons),
        counts=replace(count(findings), suppressed=4),
        evidence=tuple(EvidenceSummary.of(e, valid=e.outcome is Outcome.OK, reason=text) for e in ran),
        waivers=tuple(replace(w, reason=text, owner=text, approver=text) for w in base.verdict.waivers),
        policy=text,
        policy_digest=text,
        baseline=text,
        scope=text,
        changes=(Change(what="tool", name=text, before=text, after=text),),
    )
    excerpts = tuple(Excerpt(path="../../" + text, line=1, first=1, text=text) for _ in range(2))
    files = {key: raw.replace(b"Guest", json.dumps(text[:300])[1:-1].encode()) for key, raw in EXTRAS.items()}
    return replace(
        base,
        plan=plan,
        verdict=verdict,
        evidence=ran,
        findings=findings,
        excerpts=excerpts,
        file=lambda job, name: files.get((job, name)),
        threats={"threatmodel@reference": answers(text)},
        rules={"semgrep": (Rule(id=text, title=text, help=text, gain=text, fix=text, cwe=(text,)),)},
    )


def large(total: int) -> Record:
    """A failing run of `total` findings, every tenth blocking."""
    levels = tuple(Level)
    found = [
        Finding(
            tool="semgrep",
            rule=f"secdl.c.rule-{number % 40}",
            level=levels[number % 6],
            message=f"Finding number {number} of a very large run.",
            locations=(Location(path=f"hw/dir{number % 90}/file{number % 700}.c", line=number % 4000 + 1),),
            blocking=number % 10 == 0,
            fingerprint=f"{number:064x}",
        )
        for number in range(total)
    ]
    return record(
        Word.FAIL,
        ran=jobs(),
        findings=found,
        reasons=(Reason(kind=ReasonKind.BLOCKING_FINDING, tool="semgrep", message="many findings block"),),
    )


def _advice(number: int) -> Reason:
    return Reason(kind=ReasonKind.ADVISORY, message=f"{number} findings only advise")


SBOM = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "version": 1,
    "components": [
        {"type": "library", "name": "jinja2", "version": "3.1.2", "purl": "pkg:pypi/jinja2@3.1.2"},
        {"type": "library", "name": "click", "version": "8.1.7", "purl": "pkg:pypi/click@8.1.7"},
        {"type": "library", "name": "msgspec", "version": "0.19.0", "purl": "pkg:pypi/msgspec@0.19.0"},
    ],
}
IMAGE = {
    "schema": 1,
    "name": "reference",
    "kind": "tar",
    "path": "/cache/reference.tar",
    "digest": "sha256:" + "b1" * 32,
    "size_bytes": 612_000_000,
    "files": 18_204,
    "packages": 228,
    "distribution": "debian",
    "release": "12",
    "recipe": "reference",
    "reused": True,
}
DFD = b"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg width="420pt" height="150pt" viewBox="0 0 420 150" xmlns="http://www.w3.org/2000/svg"
 xmlns:xlink="http://www.w3.org/1999/xlink"><g id="graph0" class="graph">
<rect x="10" y="40" width="110" height="50" fill="none" stroke="black"/>
<text x="65" y="70" text-anchor="middle" font-family="Arial" font-size="13">Guest</text>
<path fill="none" stroke="black" d="M120,65C180,65 200,65 290,65"/>
<text x="205" y="58" text-anchor="middle" font-size="11">virtio queue</text>
<rect x="300" y="40" width="110" height="50" rx="8" fill="none" stroke="black"/>
<text x="355" y="70" text-anchor="middle" font-size="13">QEMU process</text></g></svg>
"""
THREATS = ThreatReport(
    format="secdl-threats/1",
    name="reference",
    title="Reference hypervisor",
    description="KVM and QEMU",
    path="threatmodels/reference/model.py",
    pytm="1.4.0",
    elements=(
        Element(name="Guest", cls="Actor", kind="guest"),
        Element(name="virtio-blk", cls="Process", kind="virtio", boundary="QEMU process"),
    ),
    flows=(Flow(number=1, name="request", kind="queue", source="Guest", sink="virtio-blk", crosses=True),),
    threats=(
        Threat(id="HV01", title="VM escape by device emulation", description="", gain="The host", level=Level.CRITICAL),
        Threat(id="HV02", title="Snapshot rollback", description="", gain="Old secrets", level=Level.MEDIUM),
    ),
    controls=(
        Control(
            id="fuzzed",
            title="Devices are fuzzed",
            covers="register and DMA paths",
            not_covered="the block layer",
            evidence=(EvidenceRef(tool="fuzz", target="sdhci-pci"),),
        ),
    ),
    instances=(
        Instance(
            threat="HV01",
            target="virtio-blk",
            kind="virtio",
            disposition=Disposition.MITIGATED,
            controls=("fuzzed",),
            residual="what the fuzzer does not reach",
        ),
        Instance(threat="HV02", target="virtio-blk", kind="virtio"),
        Instance(threat="crossing", target="request", kind="queue", disposition=Disposition.ACCEPTED, note="w1"),
    ),
    uncovered=(
        Uncovered(what="KVM", why="no check of secdl reads the kernel's KVM code"),
        Uncovered(what="vhost", why="it runs in the host's kernel"),
    ),
)
COVERAGE = {
    "schema": 1,
    "name": "reference",
    "binary": {"path": "/usr/bin/qemu-system-x86_64", "sha256": "ab" * 32, "version": "QEMU 7.2.19"},
    "machine": "q35",
    "seed": 1,
    "reachable": {"pci": 120, "usb": 24, "isa": 9, "scsi": 8},
    "devices": [
        {
            "device": "sdhci-pci",
            "about": "SD host controller",
            "planned": 100_000,
            "operations": 99_871,
            "sessions": 4,
            "seconds": 9.7,
            "registers_live": 118,
            "registers_touched": 97,
            "crashes": [{"title": "aborts: sdhci_read_dataport", "count": 3, "reproduced": 3, "attempts": 3}],
        },
        {"device": "e1000", "planned": 100_000, "operations": 0, "fault": "did not start: Guest asked for no bus"},
    ],
    "canaries": [{"device": "canary-abort", "planned": 60_000, "operations": 2_300, "seconds": 0.4}],
}
HARDENING = {
    "schema": 1,
    "elf_files": 1393,
    "damaged": 0,
    "totals": {"position_independent": 1354, "relro_full": 777},
    "programs": [
        {"path": "usr/sbin/sshd", "why": "named", "hardening": {"pie": True, "relro": "partial", "canary": None}},
        {"path": "usr/bin/su", "why": "setuid", "hardening": {"pie": True, "relro": "full", "canary": True}},
    ],
}
EXTRAS: Mapping[tuple[str, str], bytes] = {
    ("image-hardening@reference", "hardening.json"): json.dumps(HARDENING).encode(),
    ("image-hardening@reference", "canary/sbom.json"): json.dumps(SBOM | {"components": []}).encode(),
    ("threatmodel@reference", "threats.json"): codec.encode(THREATS),
    ("fuzz@reference", "coverage.json"): json.dumps(COVERAGE).encode(),
    ("syft@requirements", "out.cdx.json"): json.dumps(SBOM).encode(),
    ("image-build@reference", "image.json"): json.dumps(IMAGE).encode(),
    ("threatmodel@reference", "dfd.svg"): DFD,
    ("threatmodel@reference", "sequence.svg"): DFD,
}
