"""The fuzzer: black-box device-emulation fuzzing of a QEMU binary, one job per `[[fuzz]]`."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import msgspec

from secdl.model import codec, sarif
from secdl.model.config import Config, Fuzz
from secdl.model.errors import ConfigError
from secdl.model.finding import Finding
from secdl.model.shipped import shipped
from secdl.model.tool import Canary, Job, Rule, Stage, Subject, Tool

PROGRAM = "qemu-system-x86"
_DEFAULT_BINARY = "qemu-system-x86_64"
_SHARE_OF_DEADLINE = 0.75
_ELF = b"\x7fELF"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[tools.fuzz]`: `jobs` devices at a time."""

    jobs: Annotated[int, msgspec.Meta(ge=1, le=256)] = 2


def subjects(config: Config) -> tuple[Subject, ...]:
    """One subject per `[[fuzz]]`. A binary given by path and the device data are what its result depends on."""
    data = _device_data()
    return tuple(
        Subject(
            name=fuzz.name,
            sources=_sources(fuzz),
            settings={
                "devices": list(fuzz.devices),
                "binary": fuzz.binary,
                "operations": fuzz.operations,
                "seed": fuzz.seed,
                "machine": fuzz.machine,
                "device_data": data,
                # How it was looked for: a crash that fewer or other operations miss is not mended.
                "rules": sha256(f"{fuzz.operations} {fuzz.seed} {fuzz.machine} {data}".encode()).hexdigest(),
            },
        )
        for fuzz in config.fuzz
    )


def argv(job: Job) -> tuple[str, ...]:
    """The engine's arguments; a binary given as a path wins over the locked one."""
    # The engine stops by itself before it is stopped, and then says which device was not done whole.
    deadline_s = job.timeout_s * _SHARE_OF_DEADLINE
    own = msgspec.convert(
        {key: job.settings[key] for key in Settings.__struct_fields__ if key in job.settings}, Settings
    )
    return (
        *("--name", job.subject, "--binary", _binary(job), "--machine", str(job.settings["machine"])),
        *("--operations", str(job.settings["operations"]), "--seed", str(job.settings["seed"])),
        *("--jobs", str(own.jobs), "--deadline", f"{deadline_s:g}", "--out", job.out),
        *("--", *(str(device) for device in job.settings["devices"])),
    )


def _sources(fuzz: Fuzz) -> tuple[str, ...]:
    if "/" in fuzz.binary:
        return (fuzz.binary,)
    if fuzz.binary != _DEFAULT_BINARY:
        # Found on the PATH, it could change without anybody noticing that old evidence speaks of another binary.
        raise ConfigError(
            f"binary = {fuzz.binary!r} is not in tools.lock.toml",
            where=f"[[fuzz]] {fuzz.name}",
            hint=f"give it as a path, or use {_DEFAULT_BINARY!r}",
        )
    return ()


def _device_data() -> str:
    digest = sha256()
    for path in sorted(shipped("policies/devices").glob("*.toml")):
        digest.update(path.read_bytes() + b"\0")
    return f"sha256:{digest.hexdigest()}"


def _binary(job: Job) -> str:
    named = str(job.settings["binary"])
    if "/" in named:
        return named if named.startswith("/") else f"{job.root}/{named}"
    return job.programs.get(PROGRAM, named)


def repeatable(job: Job) -> bool:
    """Whether the binary is one itself: a script that starts QEMU stays the same when that is built anew."""
    if "/" not in str(job.settings.get("binary", "")):
        return True
    path = Path(_binary(job))
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return stream.read(len(_ELF)) == _ELF
    except OSError:
        return False


def parse(raw: codec.Raw, job: Job) -> Iterator[Finding]:
    """The findings of a report, each with what a guest gains."""
    gain = {rule.id: rule.gain for rule in rules()}
    for finding in sarif.parse(raw, job):
        yield msgspec.structs.replace(finding, gain=finding.gain or gain.get(finding.rule, ""))


def rules() -> tuple[Rule, ...]:
    """What each kind of stop means to whoever runs guests."""
    again = "Run the reproducer named in the finding, mend the device, keep the script as a regression test."
    return (
        Rule(
            id="fuzz.crash",
            title="A guest can make the QEMU process crash",
            help="Register writes and descriptors that a guest kernel can send ended the process with a memory fault.",
            gain="kills its own VM; where memory is corrupted, perhaps code in the QEMU process on the host",
            fix=again,
        ),
        Rule(
            id="fuzz.abort",
            title="A guest can make QEMU abort",
            help="An assertion or abort() in device code is reached by what a guest sends.",
            gain="kills its own VM, and with a passed-through or shared device the work of others; no code on the host",
            fix=again,
            cwe=("CWE-617",),
        ),
        Rule(
            id="fuzz.hang",
            title="A guest can make QEMU stop answering",
            help="The process used seconds of CPU time, or waited long, without answering one command.",
            gain="burns a host CPU and blocks management of the VM: no migration, no shutdown, no monitor",
            fix=again,
            cwe=("CWE-835",),
        ),
        Rule(
            id="fuzz.exit",
            title="A guest can make QEMU end",
            help="The process ended by itself, with an exit status or a signal that is no memory fault.",
            gain="kills its own VM at a moment it chooses",
            fix=again,
        ),
    )


TOOL = Tool(
    name="fuzz",
    stage=Stage.FUZZ,
    title="Device-emulation fuzzing over qtest",
    subjects=subjects,
    argv=argv,
    parse=parse,
    work=sarif.work,
    output="out.sarif",
    builtin="secdl.fuzz",
    programs=(PROGRAM,),
    repeatable=repeatable,
    canary=Canary(expects={"fuzz.crash": 1, "fuzz.abort": 1, "fuzz.hang": 1}),
    rules=rules,
    settings=Settings,
    weight_s=60.0,
    timeout_s=900.0,
)
