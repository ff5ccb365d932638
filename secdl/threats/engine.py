"""One model evaluated: run in the sandbox, threats matched, answers looked up, findings written."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from secdl.model import sarif
from secdl.model.codec import encode
from secdl.model.evidence import Work
from secdl.model.finding import Finding
from secdl.model.shipped import shipped
from secdl.model.threat import (
    CROSSING,
    FORMAT,
    LIBRARY,
    RULES,
    TOOL_NAME,
    Element,
    Flow,
    Threat,
    ThreatReport,
    Uncovered,
)
from secdl.threats import dfd, dump, faults, sequence
from secdl.threats.controls import load_controls
from secdl.threats.dump import Model
from secdl.threats.library import Library, generic_threats, hypervisor_threats, load_library
from secdl.threats.sandbox import Interpreter, ModelBroken, interpreter, run_model
from secdl.threats.subject import Subject


class Programs(msgspec.Struct, frozen=True, kw_only=True):
    """The programs an evaluation starts, absolute."""

    python: str
    bwrap: str
    dot: str
    model_timeout_s: float = 60.0
    dot_timeout_s: float = 60.0


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
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
        return Evaluation(report=empty, findings=(faults.broken(subject, error),), model=None)
    met = _met(library, model)
    instances = tuple(controls.answer(threat.id, at.name, at.kind, at.line) for threat, at in met)
    crossings = tuple(
        controls.answer(CROSSING, flow.name, flow.kind, flow.line) for flow in model.flows if flow.crosses
    )
    findings = (
        *faults.ambiguous(subject, model, library),
        *faults.undisposed(subject, met, instances),
        *faults.uncontrolled(subject, model, crossings),
        *faults.without_flows(subject, model),
        *faults.unused(subject, controls),
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
        files["dfd.svg"] = dfd.draw(real.model, dot=programs.dot, timeout_s=programs.dot_timeout_s)
        files["sequence.svg"] = sequence.draw(real.model)
    return files


def _met(library: Library, model: Model) -> list[tuple[Threat, Element | Flow]]:
    """Threats with what they apply to: most specific knowledge first, each pair once."""
    pairs: dict[tuple[str, str, bool], tuple[Threat, Element | Flow]] = {}
    for threat, target in (*hypervisor_threats(library, model), *generic_threats(library, model)):
        pairs.setdefault((threat.id, target.name, isinstance(target, Flow)), (threat, target))
    return sorted(pairs.values(), key=lambda pair: (pair[0].source, pair[0].id, pair[1].name))


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
