"""Judges the exposed programs of an image by how they were built, and a few of its settings.

Beside the report it leaves `hardening.json`: how many ELF files have each protection, and each exposed program's state.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from secdl.image import settings
from secdl.image.elf import Hardening, inspect, is_program, quiet, unsafe_paths
from secdl.image.rootfs import Entry, ImageRefused, Rootfs, shown
from secdl.model.evidence import Work
from secdl.model.finding import Finding, Location
from secdl.model.rulebook import RuleEntry
from secdl.model.toml import load_toml

TOOL_NAME = "image-hardening"
_RAISED = 0o6000


class Scope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`policies/hardening/programs.toml`: which programs are judged, as globs over paths in an image."""

    setuid: bool = True
    capabilities: bool = True
    programs: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """One exposed program in `hardening.json`; `why` is `named`, `setuid`, `capabilities` or `policy`."""

    path: str
    why: str
    hardening: Hardening


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """`hardening.json`: `totals` counts the ELF files of the image with each protection, of `elf_files`."""

    schema: int = 1
    elf_files: int
    damaged: int
    totals: dict[str, int]
    programs: tuple[Program, ...]


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in one image."""

    findings: tuple[Finding, ...]
    work: Work
    summary: Summary


def load_scope(path: Path) -> Scope:
    """The scope in the TOML file at `path`. Raises `ConfigError`."""
    return load_toml(path, Scope)


def examine(
    rootfs: Rootfs, *, prefix: str, named: tuple[str, ...], scope: Scope, rules: dict[str, RuleEntry]
) -> Examined:
    """The findings in `rootfs`, located at `prefix` + path. `named` programs that are absent are unread.

    Raises `ImageRefused` where not one ELF file could be read.
    """
    quiet()
    exposed = _exposed(rootfs, named, scope)
    ignored = {entry.path for entry in rootfs.match(scope.ignore)}
    seen = Counter[str]()
    programs: list[Program] = []
    unread = [name for name in named if rootfs.file(name) is None]
    for entry in rootfs.files():
        why = exposed.get(entry.path, "")
        if (entry.path in ignored and not why) or not is_program(rootfs.fetch(entry, 20)):
            if why == "named":
                unread.append(entry.path)
            continue
        hardening = None if entry.size > rootfs.limits.file_bytes else inspect(rootfs.read(entry))
        if hardening is None:
            seen["damaged"] += 1
            if why:
                unread.append(entry.path)
            continue
        seen["elf"] += 1
        seen.update(_protections(hardening))
        if why:
            programs.append(Program(path=shown(entry.path), why=why, hardening=hardening))
    if not seen["elf"]:
        raise ImageRefused("no ELF file in it could be read", where=rootfs.where, hint="the image is not measured")
    if not programs:
        unread.append("exposed programs: none named and none found")
    findings = [
        _finding(rule, prefix, program, detail, rules) for program in programs for rule, detail in _broken(program)
    ]
    findings += [_setting(fault, prefix, rules) for fault in settings.faults(rootfs)]
    read = {"elf_files": seen["elf"], "exposed_programs": len(programs), "settings_files": settings.read_files(rootfs)}
    counted = {name: count for name, count in sorted(seen.items()) if name not in ("elf", "damaged")}
    summary = Summary(elf_files=seen["elf"], damaged=seen["damaged"], totals=counted, programs=tuple(programs))
    return Examined(
        findings=tuple(findings),
        work=Work(read=read, unread=tuple(sorted({shown(name) for name in unread}))),
        summary=summary,
    )


def _exposed(rootfs: Rootfs, named: tuple[str, ...], scope: Scope) -> dict[str, str]:
    """Why each exposed file is, by its path; the first reason that holds of named, raised rights, policy."""
    why: dict[str, str] = {entry.path: "policy" for entry in rootfs.match(scope.programs)}
    for entry in rootfs.files():
        if scope.setuid and _raised(entry):
            why[entry.path] = "setuid"
        elif scope.capabilities and entry.capable:
            why[entry.path] = "capabilities"
    for name in named:
        if (found := rootfs.file(name)) is not None:
            why[found.path] = "named"
    return why


def _raised(entry: Entry) -> bool:
    return bool(entry.mode & _RAISED) and bool(entry.mode & 0o111)


def _protections(hardening: Hardening) -> Iterator[str]:
    if hardening.pie:
        yield "position_independent"
    if hardening.relro != "none":
        yield f"relro_{hardening.relro}"
    if not hardening.stack_executable:
        yield "stack_not_executable"
    if hardening.canary:
        yield "stack_protector"
    if hardening.fortify:
        yield "fortified"


def _broken(program: Program) -> Iterator[tuple[str, str]]:
    """(rule, what was seen) for each rule that the program breaks."""
    state = program.hardening
    if not state.pie:
        yield "elf-no-pie", "linked to a fixed address (ET_EXEC)"
    if state.stack_executable:
        yield "elf-executable-stack", "executable stack"
    if state.writable_code:
        yield "elf-writable-code", "a segment is writable and executable"
    if state.relro == "none":
        yield "elf-no-relro", "no RELRO"
    if state.relro == "partial":
        yield "elf-partial-relro", "RELRO without BIND_NOW"
    if state.canary is False:
        yield "elf-no-canary", "no stack protector"
    if state.fortify is False:
        yield "elf-no-fortify", "unchecked printf family"
    if state.text_relocations:
        yield "elf-text-relocations", "text relocations"
    if unsafe := unsafe_paths(state.library_paths, raised=program.why in ("setuid", "capabilities")):
        yield "elf-unsafe-library-path", f"library path {':'.join(unsafe)!r}"


def _finding(rule: str, prefix: str, program: Program, detail: str, rules: dict[str, RuleEntry]) -> Finding:
    reach = {
        "named": "named as exposed",
        "setuid": "setuid or setgid",
        "capabilities": "file capabilities",
        "policy": "exposed by policy",
    }[program.why]
    return Finding(
        tool=TOOL_NAME,
        rule=rule,
        level=rules[rule].level,
        message=f"{program.path} ({reach}): {detail}",
        locations=(Location(path=prefix + program.path),),
        context=rule,
        cwe=rules[rule].cwe,
    )


def _setting(fault: settings.Fault, prefix: str, rules: dict[str, RuleEntry]) -> Finding:
    return Finding(
        tool=TOOL_NAME,
        rule=fault.rule,
        level=rules[fault.rule].level,
        message=fault.message,
        locations=(Location(path=prefix + shown(fault.path), line=fault.line),),
        context=fault.rule,
        cwe=rules[fault.rule].cwe,
    )
