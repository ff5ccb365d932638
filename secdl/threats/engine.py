"""One model evaluated: run in the sandbox, threats matched, answers looked up, findings written."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from secdl.model import sarif
from secdl.model.codec import encode
from secdl.model.config import ThreatModel
from secdl.model.errors import ConfigError
from secdl.model.evidence import Work
from secdl.model.finding import Finding, Level, Location
from secdl.model.shipped import shipped
from secdl.model.threat import (
    AMBIGUOUS,
    BROKEN,
    CROSSING,
    FORMAT,
    LIBRARY,
    NO_FLOWS,
    RULES,
    TOOL_NAME,
    UNCONTROLLED,
    UNDISPOSED,
    UNUSED,
    Disposition,
    Element,
    Flow,
    Instance,
    Threat,
    ThreatReport,
    Uncovered,
)
from secdl.model.tool import CANARY
from secdl.threats import diagram, dump
from secdl.threats.controls import Controls, load_controls
from secdl.threats.dump import Model
from secdl.threats.library import Library, generic_threats, hypervisor_threats, load_library
from secdl.threats.sandbox import Interpreter, ModelBroken, interpreter, run_model

_GAINS = {rule.id: rule for rule in RULES}
_RESERVED = ("image:", "device:", "package:", "model:", "canary:", "outside:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model to evaluate: its file, the `folder` that it may import from (None: it stands alone), its controls, and
    the names (`path`, `controls_path`) that findings show."""

    name: str
    model: Path
    folder: Path | None
    controls: Path
    path: str
    controls_path: str

    @classmethod
    def of(cls, entry: ThreatModel, root: Path) -> "Subject":
        """The model that `entry` names in the checkout `root`. Raises `ConfigError` where it leads elsewhere."""
        top = root.resolve()
        for name in (entry.path, entry.controls):
            if name.startswith(_RESERVED):
                raise ConfigError(f"{name!r} begins like a place that is no file", hint="rename it")
            if not (top / name).resolve().is_relative_to(top):
                raise ConfigError(f"{name!r} leads out of the checkout", hint="name a path below secdl.toml's folder")
        model = (top / entry.path).resolve()
        if not model.is_file():
            raise ConfigError("no such model", where=entry.path, hint="mend `path` in [[threatmodel]]")
        return cls(
            name=entry.name,
            model=model,
            folder=model.parent if model.parent != top else None,
            controls=(top / entry.controls).resolve(),
            path=entry.path,
            controls_path=entry.controls,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The programs an evaluation starts, absolute."""

    python: str
    bwrap: str
    dot: str
    model_timeout_s: float = 60.0
    dot_timeout_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What came of one model; `model` is None where it did not build."""

    report: ThreatReport
    findings: tuple[Finding, ...]
    model: Model | None


def evaluate(subject: Subject, library: Library, programs: Programs, python: Interpreter) -> Evaluation:
    """`subject` judged. Raises `ConfigError` for a wrong controls table, `ToolFailed` where nothing could be run."""
    controls = load_controls(subject.controls)
    empty = ThreatReport(
        format=FORMAT, name=subject.name, title="", description="", path=subject.path, pytm=python.version
    )
    try:
        raw = run_model(subject.model, subject.folder, python, bwrap=programs.bwrap, timeout_s=programs.model_timeout_s)
        model = dump.read(raw)
    except ModelBroken as error:
        line = error.line if isinstance(error, dump.BrokenAt) else None
        finding = _finding(subject, BROKEN, Level.CRITICAL, f"The model {error}", line=line, context=BROKEN)
        if line is not None:
            finding = _finding(subject, BROKEN, Level.CRITICAL, f"The model raised: {error}", line=line, context=BROKEN)
        return Evaluation(report=empty, findings=(finding,), model=None)
    met = _met(library, model)
    instances = tuple(controls.answer(threat.id, at.name, at.kind, at.line) for threat, at in met)
    crossings = tuple(
        controls.answer(CROSSING, flow.name, flow.kind, flow.line) for flow in model.flows if flow.crosses
    )
    findings = (
        *_ambiguous(subject, model, library),
        *_undisposed(subject, met, instances),
        *_uncontrolled(subject, model, crossings),
        *_without_flows(subject, model),
        *_unused(subject, controls),
    )
    report = ThreatReport(
        format=FORMAT,
        name=subject.name,
        title=model.title,
        description=model.description,
        path=subject.path,
        pytm=python.version,
        elements=tuple(sorted(model.elements, key=lambda item: item.name)),
        flows=model.flows,
        boundaries=tuple(sorted(model.boundaries, key=lambda item: item.name)),
        data=tuple(sorted(model.data, key=lambda item: item.name)),
        threats=tuple({threat.id: threat for threat, _ in met}.values()),
        controls=controls.controls,
        instances=(*instances, *crossings),
        uncovered=(*controls.uncovered, *_left_out(model)),
        generic_raised=len(model.raised),
        generic_kept=sum(1 for threat, _ in met if threat.source == "pytm"),
    )
    return Evaluation(report=report, findings=findings, model=model)


def run(
    subject: Subject, programs: Programs, *, library: Path | None, canaries: tuple[Subject, ...], version: str
) -> dict[str, bytes]:
    """The engine's files by name: `out.sarif`, `threats.json`, and where the model built `dfd.svg`, `sequence.svg`.

    `library` is laid over the one that ships with secdl; the planted models are judged by that one alone.
    """
    shipped_one, python = load_library(shipped(LIBRARY)), interpreter(programs.python)
    planted = [evaluate(canary, shipped_one, programs, python) for canary in canaries]
    real = evaluate(subject, load_library(library, base=shipped_one) if library else shipped_one, programs, python)
    report = real.report
    work = Work(
        # A model that does not build was not measured, whatever its finding says.
        unread=() if real.model is not None else (subject.path,),
        read={
            "models": 1,
            "elements": len(report.elements),
            "flows": len(report.flows),
            "threats": len(report.instances),
        },
    )
    findings = [finding for result in (*planted, real) for finding in result.findings]
    files = {
        "out.sarif": sarif.document([sarif.run_of(TOOL_NAME, version, findings, rules=RULES, work=work)]),
        "threats.json": encode(report),
    }
    if real.model is not None:
        files["dfd.svg"] = diagram.dfd(real.model, dot=programs.dot, timeout_s=programs.dot_timeout_s)
        files["sequence.svg"] = diagram.sequence(real.model)
    return files


def canary_subjects(folder: Path) -> tuple[Subject, ...]:
    """The planted models in `folder`: each `NAME.py` with its `NAME.toml`."""
    return tuple(
        Subject(
            name="canary",
            model=model,
            folder=None,
            controls=model.with_suffix(".toml"),
            path=CANARY + model.name,
            controls_path=CANARY + model.with_suffix(".toml").name,
        )
        for model in sorted(folder.glob("*.py"))
    )


def _met(library: Library, model: Model) -> list[tuple[Threat, Element | Flow]]:
    """Threats with what they apply to: most specific knowledge first, each pair once."""
    pairs: dict[tuple[str, str, bool], tuple[Threat, Element | Flow]] = {}
    for threat, target in (*hypervisor_threats(library, model), *generic_threats(library, model)):
        pairs.setdefault((threat.id, target.name, isinstance(target, Flow)), (threat, target))
    return sorted(pairs.values(), key=lambda pair: (pair[0].source, pair[0].id, pair[1].name))


def _finding(
    subject: Subject,
    rule: str,
    level: Level,
    message: str,
    *,
    line: int | None = None,
    at: str = "",
    context: str,
    threat: Threat | None = None,
    path: str = "",
) -> Finding:
    where = [Location(path=path or subject.path, line=line)]
    if at:
        where.append(Location(path=f"model:{subject.name}/{at}"))
    known = _GAINS[rule]
    return Finding(
        tool=TOOL_NAME,
        rule=rule,
        level=level,
        message=message,
        locations=tuple(where),
        context=context,
        cwe=threat.cwe if threat else known.cwe,
        gain=threat.gain if threat else known.gain,
        fix=known.fix,
    )


def _undisposed(
    subject: Subject, met: list[tuple[Threat, Element | Flow]], instances: tuple[Instance, ...]
) -> Iterator[Finding]:
    for (threat, target), instance in zip(met, instances, strict=True):
        if instance.disposition is Disposition.NONE:
            message = f"{threat.id} “{threat.title}” on “{target.name}” has no disposition. {threat.description}"
            yield _finding(
                subject,
                UNDISPOSED,
                threat.level,
                message[:1500],
                line=target.line,
                at=target.name,
                context=f"{threat.id} {target.name}",
                threat=threat,
            )


def _uncontrolled(subject: Subject, model: Model, crossings: tuple[Instance, ...]) -> Iterator[Finding]:
    boundary = {element.name: element.boundary or "outside" for element in model.elements}
    open_ones = {item.target for item in crossings if item.disposition is Disposition.NONE}
    for flow in model.flows:
        if flow.crosses and flow.name in open_ones:
            message = (
                f"“{flow.name}” leads from “{flow.source}” ({boundary[flow.source]}) to “{flow.sink}” "
                f"({boundary[flow.sink]}) and no control guards it."
            )
            yield _finding(
                subject, UNCONTROLLED, Level.HIGH, message, line=flow.line, at=flow.name, context=f"flow {flow.name}"
            )


def _without_flows(subject: Subject, model: Model) -> Iterator[Finding]:
    linked = {end for ends in model.ends for end in ends}
    for n, element in enumerate(model.elements):
        if n not in linked:
            message = f"“{element.name}” has no data flow: nothing says how it is reached."
            yield _finding(
                subject, NO_FLOWS, Level.MEDIUM, message, line=element.line, at=element.name, context=element.name
            )


def _left_out(model: Model) -> Iterator[Uncovered]:
    """What the model itself takes out of judgement: nobody shall take that for safety."""
    outside = sorted(element.name for element in model.elements if not element.in_scope)
    if outside:
        names = ", ".join(outside[:20]) + (f" and {len(outside) - 20} more" if len(outside) > 20 else "")
        yield Uncovered(what=f"Elements out of scope: {names}", why="The model says so (inScope=False).")
    if model.excluded:
        yield Uncovered(
            what=f"{model.excluded} of pytm's findings",
            why="Assumptions in the model exclude them; no one answers them.",
        )


def _ambiguous(subject: Subject, model: Model, library: Library) -> Iterator[Finding]:
    for what, items in (("elements", model.elements), ("flows", model.flows), ("boundaries", model.boundaries)):
        for name, count in sorted(Counter(item.name for item in items).items()):
            if count > 1:
                line = next((getattr(item, "line", None) for item in items if item.name == name), None)
                message = f"{count} {what} are called “{name}”: an answer to one would answer them all."
                yield _finding(subject, AMBIGUOUS, Level.HIGH, message, line=line, context=f"twice {what} {name}")
    for on, things in (("element", model.elements), ("flow", model.flows)):
        known = library.kinds(on)
        for thing in things:
            if thing.kind not in known:
                kind = f"kind “{thing.kind}”, which the library does not know" if thing.kind else "no kind"
                message = f"The {on} “{thing.name}” has {kind}: it meets all of pytm's threats and none of its own."
                yield _finding(
                    subject,
                    AMBIGUOUS,
                    Level.MEDIUM,
                    message,
                    line=thing.line,
                    at=thing.name,
                    context=f"kind {on} {thing.name}",
                )


def _unused(subject: Subject, controls: Controls) -> Iterator[Finding]:
    for entry in controls.unused():
        message = f"{entry.what} matches nothing in the model, or is used by no answer."
        yield _finding(
            subject, UNUSED, Level.LOW, message, line=entry.line, path=subject.controls_path, context=entry.what
        )


__all__ = ["Evaluation", "Programs", "Subject", "canary_subjects", "evaluate", "run"]
