"""What `secdl threat` asks: which threats there are, what is wrong with a model, how it looks."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from secdl.model.config import Config, ThreatModel
from secdl.model.errors import ConfigError
from secdl.model.finding import Finding
from secdl.model.shipped import shipped
from secdl.model.threat import LIBRARY, Disposition, Instance, Threat, ThreatReport
from secdl.model.toml import nearest
from secdl.threats import diagram
from secdl.threats.engine import Evaluation, Programs, Subject, evaluate
from secdl.threats.library import Kind, Library, load_library
from secdl.threats.sandbox import interpreter

__all__ = ["Checked", "Programs", "check", "diagram_of", "kinds", "library_threats", "models"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One model evaluated: its report (threats with their dispositions) and what is wrong with it."""

    name: str
    report: ThreatReport
    findings: tuple[Finding, ...]

    def rows(self) -> Iterator[tuple[Instance, Threat | None]]:
        """Each threat instance with its threat (None for a boundary crossing), undisposed ones first."""
        known = {threat.id: threat for threat in self.report.threats}
        ordered = sorted(self.report.instances, key=lambda item: item.disposition is not Disposition.NONE)
        return ((instance, known.get(instance.threat)) for instance in ordered)


def models(config: Config, name: str = "") -> tuple[ThreatModel, ...]:
    """The models of `config`, or the one called `name`. Raises `ConfigError`."""
    found = tuple(entry for entry in config.threatmodel if name in ("", entry.name))
    if not found and name:
        known = tuple(entry.name for entry in config.threatmodel)
        raise ConfigError(f"no threat model {name!r}", where="secdl.toml", hint=nearest(name, known))
    if not found:
        raise ConfigError("no [[threatmodel]]", where="secdl.toml", hint="`secdl init` writes a starter")
    return found


def library_threats(library: Path | None = None) -> tuple[Threat, ...]:
    """The threats of the shipped library, with those of `library` laid over it."""
    return tuple(entry.threat for entry in _library(library).threat)


def kinds(library: Path | None = None) -> tuple[Kind, ...]:
    """The kinds of elements and flows that a model may name."""
    return _library(library).kind


def check(config: Config, root: Path, programs: Programs, *, name: str = "") -> tuple[Checked, ...]:
    """Evaluates the models of `config`, a checkout at `root`. Raises `ConfigError` and `ToolFailed`."""
    checked = []
    for entry, evaluation in _evaluate(config, root, programs, name):
        checked.append(Checked(name=entry.name, report=evaluation.report, findings=evaluation.findings))
    return tuple(checked)


def diagram_of(
    config: Config, root: Path, programs: Programs, *, name: str = "", kind: Literal["dfd", "sequence"] = "dfd"
) -> bytes:
    """The SVG of one model. Raises `ConfigError` where it does not build, or where `name` leaves a choice."""
    chosen = models(config, name)
    if len(chosen) > 1:
        raise ConfigError(
            f"{len(chosen)} threat models", where="secdl.toml", hint="name one: " + ", ".join(m.name for m in chosen)
        )
    _, evaluation = next(_evaluate(config, root, programs, chosen[0].name))
    if evaluation.model is None:
        broken = evaluation.findings[0]
        place = broken.locations[0]
        raise ConfigError(broken.message, where=f"{place.path}:{place.line}" if place.line else place.path)
    return diagram.dfd(evaluation.model, dot=programs.dot) if kind == "dfd" else diagram.sequence(evaluation.model)


def _evaluate(config: Config, root: Path, programs: Programs, name: str) -> Iterator[tuple[ThreatModel, Evaluation]]:
    python = interpreter(programs.python)
    for entry in models(config, name):
        subject = Subject.of(entry, root)
        library = _library(root / entry.library if entry.library else None)
        yield entry, evaluate(subject, library, programs, python)


def _library(own: Path | None) -> Library:
    base = load_library(shipped(LIBRARY))
    return load_library(own, base=base) if own is not None else base
