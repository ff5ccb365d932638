"""What the threat-model engine found: the model, each threat on each element, and what answers it (`threats.json`)."""

from enum import StrEnum

import msgspec

from secdl.model.finding import Level
from secdl.model.tool import Rule

FORMAT = "secdl-threats/1"
"""First field of `threats.json`; another value is another file."""
TOOL_NAME = "threatmodel"
LIBRARY = "threatmodels/library/hypervisor.toml"
"""The threat library that ships with secdl."""
CROSSING = "crossing"
"""Threat id of the instance that each flow across a boundary gets: it needs an answer like any other threat."""


class Disposition(StrEnum):
    """What the owner decided about a threat on an element; `NONE` is a finding."""

    MITIGATED = "mitigated"
    ACCEPTED = "accepted"
    TRANSFERRED = "transferred"
    OUT_OF_SCOPE = "out-of-scope"
    NONE = "undisposed"


class _Struct(msgspec.Struct, frozen=True, kw_only=True):
    pass


class Element(_Struct, frozen=True):
    """One thing in the model. `cls` is its pytm class, `kind` its class in the threat library (`virtio`)."""

    name: str
    cls: str
    kind: str
    boundary: str = ""
    description: str = ""
    line: int | None = None
    in_scope: bool = True


class Flow(_Struct, frozen=True):
    """One data flow; `number` is its label in the diagram, `crosses` whether its ends lie in different boundaries."""

    number: int
    name: str
    kind: str
    source: str
    sink: str
    protocol: str = ""
    data: tuple[str, ...] = ()
    classification: str = ""
    encrypted: bool = False
    crosses: bool = False
    description: str = ""
    line: int | None = None


class Boundary(_Struct, frozen=True):
    """A trust boundary; `parent` is the one around it."""

    name: str
    parent: str = ""
    description: str = ""


class DataClass(_Struct, frozen=True):
    """A kind of data that flows, and how it is classified (PUBLIC, RESTRICTED, SENSITIVE, SECRET, TOP_SECRET)."""

    name: str
    classification: str
    description: str = ""
    credentials: bool = False
    personal: bool = False


class EvidenceRef(_Struct, frozen=True, forbid_unknown_fields=True):
    """What proves a control in this run: a tool, or its run on one `subject`, or one of its rules, or one `target`
    that it must have worked on (a fuzzed device)."""

    tool: str
    subject: str = ""
    rule: str = ""
    target: str = ""

    def __str__(self) -> str:
        name = f"{self.tool}@{self.subject}" if self.subject else self.tool
        return name + (f" rule {self.rule}" if self.rule else "") + (f" on {self.target}" if self.target else "")


class Control(_Struct, frozen=True):
    """A measure against threats: what it covers, what it does not, and the evidence that it is alive."""

    id: str
    title: str
    covers: str
    not_covered: str
    evidence: tuple[EvidenceRef, ...]


class Threat(_Struct, frozen=True):
    """A threat of secdl's library (`source` "library") or of pytm's own ("pytm")."""

    id: str
    title: str
    description: str
    gain: str
    level: Level
    cwe: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    source: str = "library"


class Instance(_Struct, frozen=True):
    """A threat on one element or flow (`target`, of `kind`), and what answers it.

    `note` is the reason of what is out of scope, the recipient of what is transferred, the waiver of what is accepted;
    `residual` says what stays open although it is mitigated.
    """

    threat: str
    target: str
    kind: str
    line: int | None = None
    disposition: Disposition = Disposition.NONE
    controls: tuple[str, ...] = ()
    note: str = ""
    residual: str = ""


class Uncovered(_Struct, frozen=True):
    """An area that no check of secdl covers, named so that nobody takes silence for safety."""

    what: str
    why: str


class ThreatReport(_Struct, frozen=True):
    """`threats.json`: one model evaluated. `path` is the model's file; `generic_raised` and `generic_kept` count pytm's
    own findings before and after the mapping by element kind. All tuples are sorted, flows by number."""

    format: str
    name: str
    title: str
    description: str
    path: str
    pytm: str
    elements: tuple[Element, ...] = ()
    flows: tuple[Flow, ...] = ()
    boundaries: tuple[Boundary, ...] = ()
    data: tuple[DataClass, ...] = ()
    threats: tuple[Threat, ...] = ()
    controls: tuple[Control, ...] = ()
    instances: tuple[Instance, ...] = ()
    uncovered: tuple[Uncovered, ...] = ()
    generic_raised: int = 0
    generic_kept: int = 0


class EvidenceState(StrEnum):
    """Whether a control's evidence counts in this run, worst first."""

    FAILED = "failed"
    MISSING = "missing"
    STALE = "stale"
    NOT_COVERED = "not covered"
    LIVE = "live"


class EvidenceLine(_Struct, frozen=True):
    """One piece of evidence of a control as this run left it; `open_findings` are those it still reports.

    `planned` is false where no job of this configuration is the check that the control names.
    """

    control: str
    evidence: str
    state: EvidenceState
    reason: str = ""
    planned: bool = True
    open_findings: int = 0


class CoverageRow(_Struct, frozen=True):
    """One line of the report's threat table: an instance and the state of all its evidence.

    `state` is the worst of its controls' evidence; NOT_COVERED where the disposition rests on no check at all.
    """

    threat: str
    title: str
    level: Level
    target: str
    disposition: Disposition
    controls: tuple[str, ...]
    state: EvidenceState
    open_findings: int = 0
    note: str = ""
    residual: str = ""


class ThreatCoverage(_Struct, frozen=True):
    """What a run says of one threat model: `rows` one per threat instance, `lines` one per piece of evidence."""

    rows: tuple[CoverageRow, ...] = ()
    lines: tuple[EvidenceLine, ...] = ()


BROKEN = "model-broken"
AMBIGUOUS = "model-ambiguous"
UNDISPOSED = "undisposed-threat"
UNUSED = "unused-disposition"
NO_FLOWS = "element-without-flows"
UNCONTROLLED = "uncontrolled-flow"
EVIDENCE = "control-evidence"
NO_CHECK = "control-without-check"
WAIVER = "accepted-without-waiver"

RULES = (
    Rule(
        id=BROKEN,
        title="The threat model does not build",
        help="The model is a Python program that must end in time and leave exactly one pytm TM. It raised, hung, "
        "was stopped by its sandbox (no network, no processes, no files but its own folder) or left no model. "
        "Nothing of it was judged.",
        gain="Every threat of the system is unexamined; a change can bring a new one and nobody is told.",
        fix="Run `secdl threat check` and mend the line it names.",
    ),
    Rule(
        id=AMBIGUOUS,
        title="The threat model is ambiguous",
        help="Names are how dispositions find elements, so two elements or two flows must not share one; and each "
        "needs a `kind` that the library knows, or it is met with every generic threat and with none of its own.",
        gain="A threat may be answered for one element and look answered for another.",
        fix="Give each element and flow its own name and a `kind` from the library.",
    ),
    Rule(
        id=UNDISPOSED,
        title="A threat has no disposition",
        help="The library or pytm says that this threat applies to this element, and the controls table is silent: "
        "neither mitigated, accepted, transferred nor out of scope.",
        fix="Add a [[disposition]] to the controls table: a control with evidence, a waiver, a recipient or a reason.",
    ),
    Rule(
        id=UNUSED,
        title="An entry of the controls table matches nothing",
        help="The entry names a threat, element, flow, kind or control that the model, library or table does not have: "
        "the model has moved on, or the name is misspelled.",
        gain="A misspelled entry reads like an answer and is none.",
        fix="Mend the name or delete the entry.",
    ),
    Rule(
        id=NO_FLOWS,
        title="An element has no data flow",
        help="Nothing reaches or leaves this element in the model, so most threats cannot be judged on it.",
        gain="The way an attacker takes to or from this element is not in the model.",
        fix="Add its flows, or delete the element.",
    ),
    Rule(
        id=UNCONTROLLED,
        title="A data flow crosses a trust boundary without a control",
        help="The two ends of the flow lie in different boundaries and no [[crossing]] names what guards it.",
        gain="Data of the less trusted side arrives on the more trusted side unguarded.",
        fix="Add a [[crossing]] to the controls table: controls with evidence, a waiver, a recipient or a reason.",
    ),
    Rule(
        id=EVIDENCE,
        title="A control's evidence is missing, failed or stale",
        help="A threat is called mitigated by this control, but the check that proves it did not run in this run, did "
        "not end well, or used advisories that are too old. The verdict names that check, too.",
        gain="The threats that this control answers are open until the check runs again.",
        fix="Run the stage that the evidence names, or give the threats another answer.",
    ),
    Rule(
        id=NO_CHECK,
        title="A control names a check that this configuration does not have",
        help="A threat is called mitigated by this control, but secdl.toml declares nothing that the named tool would "
        "read, no fuzz target of that name, or no planted defect proves that the named rule ran.",
        gain="The threats that this control answers are mitigated on paper only.",
        fix="Declare in secdl.toml what the check needs, mend the name, or give the threats another answer.",
    ),
    Rule(
        id=WAIVER,
        title="A threat is accepted, and no waiver covers that",
        help="The disposition names a waiver; like any other finding this one is open until a waiver selects it, by "
        "its fingerprint or by rule and path, and is open again when that expires.",
        gain="A risk is taken that nobody has signed for.",
        fix="Add or renew the waiver, or give the threat another answer.",
    ),
)
"""The rules of the tool `threatmodel`."""
