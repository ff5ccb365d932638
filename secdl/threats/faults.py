"""What is wrong with a model and its answers, as findings."""

from collections import Counter
from collections.abc import Iterator

from secdl.model.finding import Finding, Level, Location
from secdl.model.threat import (
    AMBIGUOUS,
    BROKEN,
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
)
from secdl.threats.controls import Controls
from secdl.threats.dump import BrokenAt, Model
from secdl.threats.library import Library
from secdl.threats.sandbox import ModelBroken
from secdl.threats.subject import Subject

_RULES = {rule.id: rule for rule in RULES}


def broken(subject: Subject, error: ModelBroken) -> Finding:
    """The finding that the model does not build."""
    line = error.line if isinstance(error, BrokenAt) else None
    what = f"The model raised: {error}" if isinstance(error, BrokenAt) else f"The model {error}"
    return _finding(subject, BROKEN, Level.CRITICAL, what, line=line, context=BROKEN)


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
    known = _RULES[rule]
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


def undisposed(
    subject: Subject, met: list[tuple[Threat, Element | Flow]], instances: tuple[Instance, ...]
) -> Iterator[Finding]:
    """One for each threat on an element that has no answer."""
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


def uncontrolled(subject: Subject, model: Model, crossings: tuple[Instance, ...]) -> Iterator[Finding]:
    """One for each flow across a boundary that has no answer."""
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


def without_flows(subject: Subject, model: Model) -> Iterator[Finding]:
    """One for each element that nothing reaches or leaves."""
    linked = {end for ends in model.ends for end in ends}
    for n, element in enumerate(model.elements):
        if n not in linked:
            message = f"“{element.name}” has no data flow: nothing says how it is reached."
            yield _finding(
                subject, NO_FLOWS, Level.MEDIUM, message, line=element.line, at=element.name, context=element.name
            )


def ambiguous(subject: Subject, model: Model, library: Library) -> Iterator[Finding]:
    """One for each name that two things bear, and each kind that the library does not know."""
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


def unused(subject: Subject, controls: Controls) -> Iterator[Finding]:
    """One for each entry of the controls table that met nothing; asked after all answers were looked up."""
    for entry in controls.unused():
        message = f"{entry.what} matches nothing in the model, or is used by no answer."
        yield _finding(
            subject, UNUSED, Level.LOW, message, line=entry.line, path=subject.controls_path, context=entry.what
        )
