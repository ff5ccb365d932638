"""`secdl fuzz`: the devices of a QEMU binary, fuzzing them, and running a reproducer again."""

import shutil
import tempfile
from pathlib import Path

import click

from secdl.cli.options import config_option, json_option, profile_option
from secdl.cli.running import secure
from secdl.fuzz.reproducer import reproduce as replay
from secdl.fuzz.surface import list_devices
from secdl.model import codec
from secdl.model.errors import ConfigError
from secdl.model.text import one_line
from secdl.model.tool import Stage
from secdl.pipeline.plan import Options


@click.group("fuzz")
def command() -> None:
    """Fuzz emulated devices over qtest, and run reproducers."""


@command.command("list")
@click.option("--binary", default="qemu-system-x86_64", show_default=True, help="A QEMU by name or path.")
@json_option
def list_(binary: str, as_json: bool) -> int:
    """List the device types that a guest could be given, by bus. Exit status: 0, or 3 where QEMU does not answer."""
    found = list_devices(_binary(binary))
    if as_json:
        click.echo(codec.encode(found).decode(), nl=False)
        return 0
    for device in found:
        click.echo(
            f"{device.reach:<5} {'model' if device.modelled else '-':<6} {device.name:<28} {one_line(device.about)}"
        )
    return 0


@command.command("run")
@config_option
@profile_option
def run(config: Path, profile: str) -> int:
    """Fuzz what secdl.toml names.

    The same as `secdl secure --only fuzz`.
    """
    return secure(Options(config=config, profile=profile, only=(Stage.FUZZ,)))


@command.command("reproduce")
@click.argument("script", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--binary", default="", help="Another QEMU than the one it was found in, such as a fixed build.")
@click.option("--attempts", type=click.IntRange(1, 1000), default=10, show_default=True, help="Fresh processes.")
def reproduce(script: Path, binary: str, attempts: int) -> int:
    """Run a reproducer in fresh QEMU processes.

    SCRIPT is a .qtest with its .json beside it. Exit status: 0 where it stops QEMU no more, 1 where it still does, 3
    where QEMU does not start.
    """
    with tempfile.TemporaryDirectory(prefix="secdl-") as folder:
        done = replay(script, binary=_binary(binary) if binary else None, folder=Path(folder), attempts=attempts)
    click.echo(f"{len(done.crashes)} of {done.attempts} processes stopped")
    for kind in sorted({f"{crash.rule}: {one_line(' < '.join(crash.state))}" for crash in done.crashes}):
        click.echo(f"  {kind}")
    return 1 if done.crashes else 0


def _binary(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise ConfigError(f"{name}: no such program", where="--binary", hint="`secdl tools install qemu-system-x86`")
    return Path(found).resolve()
