"""`secdl init`: what a hypervisor repository needs to be judged."""

import sys
from pathlib import Path

import click

from secdl.cli.main import complain
from secdl.cli.running import run_pipeline
from secdl.model.errors import ConfigError
from secdl.model.tool import Stage
from secdl.pipeline import Options, read_record
from secdl.pipeline.adopt import DEBT, debt_of, starter
from secdl.pipeline.inputs import read
from secdl.run.store import RunFolder, write_atomic


@click.command("init")
@click.option(
    "--adopt", is_flag=True, help="Record today's findings as debt: it may only shrink, merge blocks the rest."
)
@click.option("--product", default="", help="Name of the product.  [default: the folder's name]")
def command(adopt: bool, product: str) -> int:
    """Write secdl.toml, gate policy, waivers, a threat-model starter, noxfile.py and the CI workflow.

    A file that is there already is left alone. Exit status: 0; with --adopt 3 where some tool left no valid evidence,
    since findings that were not looked for cannot be adopted.
    """
    root = Path.cwd()
    for name, content in starter(root, product=product or root.name or "hypervisor").items():
        if (root / name).exists():
            click.echo(f"kept     {name}")
        else:
            write_atomic(root / name, content)
            click.echo(f"wrote    {name}")
    return _adopt(root) if adopt else 0


def _adopt(root: Path) -> int:
    config = root / "secdl.toml"
    status = run_pipeline(Options(config=config, only=(Stage.SAST, Stage.DEPS)), judge=True)
    record = read_record(RunFolder.find(root / ".secdl" / "runs", "latest"))
    bad = [one.job for one in record.verdict.evidence if not one.valid and one.outcome not in ("skipped", "missing")]
    if status not in (0, 1) or bad:
        complain(f"nothing adopted: no valid evidence of {', '.join(bad) or 'this run'}; mend that and run it again")
        return 3
    before = read(root / DEBT) if (root / DEBT).exists() else None
    content, count = debt_of(record.findings, before)
    write_atomic(root / DEBT, content)
    _configure(config)
    sys.stderr.flush()
    click.echo(f"debt     {count} findings in {DEBT}" + ("" if before is None else ", which can only shrink"))
    return 0


def _configure(config: Path) -> None:
    """Makes `secdl.toml` name the debt file, where it does not yet."""
    text = config.read_text("utf-8")
    line = f'debt = "{DEBT}"'
    if line in text.replace("# debt", "#debt"):
        return
    commented = next((raw for raw in text.splitlines() if raw.startswith("# debt =")), "")
    if not commented:
        raise ConfigError("no place to name the debt", where=str(config), hint=f"add `{line}` under [gate]")
    write_atomic(config, text.replace(commented, line, 1).encode())
