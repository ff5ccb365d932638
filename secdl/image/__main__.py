"""The image engine's command line: `python -m secdl.image build|hardening|packages|advisories … --out FILE`.

Exit 0: ran to the end, whatever it found. 2: bad input or an image that is refused. 3: something it needs failed.
"""

import argparse
import resource
import signal
import sys
from pathlib import Path

from secdl.image.engine import write, write_record, write_report
from secdl.model import codec
from secdl.model.errors import SecdlError
from secdl.model.evidence import Work
from secdl.model.image import image_of
from secdl.model.rulebook import rulebook
from secdl.model.shipped import shipped
from secdl.run.process import Cancel

# Each command loads its own part: an image that lies in the cache is found in less time than the others' imports take.

_MEMORY_BYTES = 8 << 30


def main(argv: list[str]) -> int:
    """Runs one command; returns the exit status."""
    options = _parser().parse_args(argv)
    try:
        options.run(options)
    except SecdlError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    except MemoryError:
        sys.stderr.write(f"needs more than {_MEMORY_BYTES >> 30} GiB of memory; the image is not measured\n")
        return 2
    return 0


def _build(options: argparse.Namespace) -> None:
    from secdl.image.build import build
    from secdl.image.identify import identify
    from secdl.image.traps import sprung

    cancel = Cancel()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: cancel.set("stopped"))
    cache = options.cache.resolve()
    if options.recipe:
        record = build(options.recipe, name=options.name, cache=cache, mmdebstrap=options.mmdebstrap, cancel=cancel)
    else:
        record = identify(options.path, name=options.name, cache=cache)
    write_record(options.out, record)
    read = {"packages": record.packages, "files": record.files, "bytes": record.size_bytes}
    planted = tuple(sprung("image-build"))
    write_report(options.out, "image-build", planted, rules=(), work=Work(read=read), image=record)
    how = "reused from the cache" if record.reused else "built" if record.recipe else "opened"
    sys.stdout.write(f"{record.name}: {how}, {record.packages} packages, {record.files} files, {record.digest}\n")


def _hardening(options: argparse.Namespace) -> None:
    from secdl.image import hardening
    from secdl.image.opened import open_image
    from secdl.image.plant import planted

    record = image_of(options.image)
    rules = rulebook(shipped("policies/hardening/rules.toml"))
    own = hardening.load_scope(shipped("policies/hardening/programs.toml"))
    scope = hardening.load_scope(options.programs) if options.programs else own
    with open_image(record) as rootfs:
        prefix, named = f"image:{record.name}/", tuple(options.exposed)
        found = hardening.examine(rootfs, prefix=prefix, named=named, scope=scope, rules=rules)
    with planted(options.canary) as rootfs:
        canary = hardening.examine(rootfs, prefix="canary:", named=(), scope=own, rules=rules)
    write(options.out.with_name("hardening.json"), codec.encode(found.summary))
    write_report(
        options.out,
        hardening.TOOL_NAME,
        (*found.findings, *canary.findings),
        rules=tuple(entry.rule for entry in rules.values()),
        work=found.work,
        image=record,
    )


def _packages(options: argparse.Namespace) -> None:
    from secdl.image import packages
    from secdl.image.opened import open_image
    from secdl.image.plant import planted

    record = image_of(options.image)
    rules = rulebook(shipped("policies/hardening/packages.toml"))
    with open_image(record) as rootfs:
        sbom = Path(options.sbom).read_bytes()
        found = packages.compare(rootfs, sbom, prefix=f"image:{record.name}/", rules=rules)
    with planted(options.canary / "root") as rootfs:
        sbom = (options.canary / "sbom.cdx.json").read_bytes()
        canary = packages.compare(rootfs, sbom, prefix="canary:", rules=rules)
    write_report(
        options.out,
        packages.TOOL_NAME,
        (*found.findings, *canary.findings),
        rules=tuple(entry.rule for entry in rules.values()),
        work=found.work,
        image=record,
    )


def _advisories(options: argparse.Namespace) -> None:
    from secdl import advisories as advisory_data
    from secdl.advisories.canary import plant
    from secdl.image import advisories
    from secdl.image.dpkg import os_release
    from secdl.image.opened import open_image
    from secdl.image.plant import planted

    record = image_of(options.image)
    snapshot = advisory_data.load(options.advisories)
    with open_image(record) as rootfs:
        of = os_release(rootfs)
        found = advisories.judge(rootfs, snapshot, image=record.name, of=of)
    plant(snapshot, f"Debian:{of[1]}")
    with planted(options.canary) as rootfs:
        canary = advisories.judge(rootfs, snapshot, image=record.name, of=of, prefix="canary:")
    write_report(
        options.out,
        advisories.TOOL_NAME,
        (*found.findings, *canary.findings),
        rules=(),
        work=found.work,
        image=record,
    )


def _limit_memory() -> None:
    """A hostile image may ask for any amount; what it gets is a failed check, not a dead machine."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m secdl.image", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(required=True)
    making = commands.add_parser("build", help="build an image from a recipe, or identify a given one")
    making.add_argument("--name", required=True)
    which = making.add_mutually_exclusive_group(required=True)
    which.add_argument("--recipe", type=Path)
    which.add_argument("--path", type=Path)
    making.add_argument("--cache", type=Path, required=True)
    making.add_argument("--mmdebstrap", default="")
    making.set_defaults(run=_build)
    for name, run in (("hardening", _hardening), ("packages", _packages), ("advisories", _advisories)):
        check = commands.add_parser(name)
        check.add_argument("--image", required=True, help="the output of the build command")
        check.add_argument("--canary", type=Path, required=True)
        check.set_defaults(run=run)
        if name == "hardening":
            check.add_argument("--exposed", action="append", default=[], help="a program that must be there")
            check.add_argument("--programs", type=Path, help="instead of policies/hardening/programs.toml")
        elif name == "packages":
            check.add_argument("--sbom", required=True, help="CycloneDX document of the same image")
        else:
            check.add_argument("--advisories", type=Path, required=True)
    for command in commands.choices.values():
        command.add_argument("--out", type=Path, required=True)
    return parser


if __name__ == "__main__":
    # The process, not the function: a limit stays, also with whoever called main() for its answer. A build starts
    # programs of its own and reads nothing hostile but through them.
    if sys.argv[1:2] != ["build"]:
        _limit_memory()
    sys.exit(main(sys.argv[1:]))
