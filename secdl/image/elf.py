"""What the linker and compiler did to harden one ELF file."""

import re
import warnings
from collections.abc import Iterator

import lief
import msgspec

# Always replaced by a checked version under _FORTIFY_SOURCE=2, whatever the compiler knows of the buffer.
_FORTIFIED = frozenset(
    ("printf", "fprintf", "vprintf", "vfprintf", "dprintf", "vdprintf", "asprintf", "vasprintf", "syslog", "vsyslog")
)
_UNSAFE_PATH = re.compile(r"^(?!/)|^/(?:tmp|var/tmp|dev/shm|home|root|build|run/user)(?:/|$)|/\.\.(?:/|$)")
_MAGIC = b"\x7fELF"
_EXECUTABLE, _SHARED = 2, 3
_BIND_NOW, _TEXTREL, _NOW = 0x8, 0x4, 0x1


class Hardening(msgspec.Struct, frozen=True, kw_only=True):
    """The state of each protection; None where the file cannot tell. `relro` is `full`, `partial` or `none`."""

    pie: bool
    relro: str
    stack_executable: bool
    writable_code: bool
    canary: bool | None
    fortify: bool | None
    text_relocations: bool
    library_paths: tuple[str, ...]


def is_program(head: bytes) -> bool:
    """Whether the first 20 bytes are of an ELF executable or shared object (not of a `.o` or core file)."""
    if len(head) < 20 or head[:4] != _MAGIC or head[5] not in (1, 2):
        return False
    return int.from_bytes(head[16:18], "little" if head[5] == 1 else "big") in (_EXECUTABLE, _SHARED)


def inspect(raw: bytes) -> Hardening | None:
    """The hardening of the ELF file `raw`; None where it is damaged."""
    config = lief.ELF.ParserConfig()
    # Relocations are most of the time and tell nothing here.
    config.parse_relocations = False
    config.parse_notes = False
    config.parse_overlay = False
    config.parse_symbol_versions = False
    with warnings.catch_warnings():
        # lief warns of every number that it has no name for.
        warnings.simplefilter("ignore", RuntimeWarning)
        binary = lief.ELF.parse(raw, config)
        return None if binary is None or not len(binary.segments) else _hardening(binary)


def _hardening(binary: lief.ELF.Binary) -> Hardening:
    imported = {str(symbol.name) for symbol in binary.imported_symbols}
    symbols = imported | {str(symbol.name) for symbol in binary.symtab_symbols}
    go = any(section.name in (".gopclntab", ".note.go.buildid") for section in binary.sections)
    flags = lief.ELF.Segment.FLAGS
    loads = [segment for segment in binary.segments if segment.type == lief.ELF.Segment.TYPE.LOAD]
    return Hardening(
        pie=binary.header.file_type == lief.ELF.Header.FILE_TYPE.DYN,
        relro=_relro(binary),
        stack_executable=_stack_executable(binary),
        writable_code=any(segment.has(flags.W) and segment.has(flags.X) for segment in loads),
        canary=None if go or not symbols else bool(symbols & {"__stack_chk_fail", "__stack_chk_fail_local"}),
        fortify=None if go else _fortify(imported),
        text_relocations=_text_relocations(binary),
        library_paths=tuple(_library_paths(binary)),
    )


def unsafe_paths(paths: tuple[str, ...], *, raised: bool) -> tuple[str, ...]:
    """Those of `paths` that others may write to; `$ORIGIN` counts where the program has `raised` rights."""
    unsafe = []
    for path in paths:
        origin = path.startswith(("$ORIGIN", "${ORIGIN}"))
        if (origin and raised) or (not origin and _UNSAFE_PATH.search(path)):
            unsafe.append(path)
    return tuple(unsafe)


def _relro(binary: lief.ELF.Binary) -> str:
    if not any(segment.type == lief.ELF.Segment.TYPE.GNU_RELRO for segment in binary.segments):
        return "none"
    tags = lief.ELF.DynamicEntry.TAG
    now = _has(binary, tags.BIND_NOW)
    for tag, bit in ((tags.FLAGS, _BIND_NOW), (tags.FLAGS_1, _NOW)):
        if (entry := binary.get(tag)) is not None:
            now = now or bool(entry.value & bit)
    # Without a dynamic section nothing is bound late.
    return "full" if now or not len(binary.dynamic_entries) else "partial"


def _text_relocations(binary: lief.ELF.Binary) -> bool:
    flags = binary.get(lief.ELF.DynamicEntry.TAG.FLAGS)
    return _has(binary, lief.ELF.DynamicEntry.TAG.TEXTREL) or (flags is not None and bool(flags.value & _TEXTREL))


def _stack_executable(binary: lief.ELF.Binary) -> bool:
    stacks = [segment for segment in binary.segments if segment.type == lief.ELF.Segment.TYPE.GNU_STACK]
    return not stacks or any(segment.has(lief.ELF.Segment.FLAGS.X) for segment in stacks)


def _fortify(imported: set[str]) -> bool | None:
    checked = {f"__{name}_chk" for name in _FORTIFIED}
    if imported & checked:
        return True
    return False if imported & _FORTIFIED else None


def _library_paths(binary: lief.ELF.Binary) -> Iterator[str]:
    for entry in binary.dynamic_entries:
        if isinstance(entry, lief.ELF.DynamicEntryRpath | lief.ELF.DynamicEntryRunPath):
            # An empty entry is the current folder.
            yield from str(entry.rpath if isinstance(entry, lief.ELF.DynamicEntryRpath) else entry.runpath).split(":")


def _has(binary: lief.ELF.Binary, tag: lief.ELF.DynamicEntry.TAG) -> bool:
    return binary.get(tag) is not None


def quiet() -> None:
    """Keeps lief from writing about damaged files: what it cannot read is counted."""
    lief.logging.disable()
