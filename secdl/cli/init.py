"""`secdl init`: what a hypervisor repository needs to be judged."""

import re
from pathlib import Path

import click

from secdl.cli.main import complain
from secdl.cli.running import conclude, scan
from secdl.model.errors import ConfigError
from secdl.model.finding import Status
from secdl.model.verdict import Word
from secdl.model.words import number, some
from secdl.pipeline.adopt import DEBT, debt_of, starter
from secdl.pipeline.inputs import read
from secdl.pipeline.judge import read_record
from secdl.pipeline.plan import Options
from secdl.pipeline.steps import judge_run
from secdl.run.store import write_atomic


@click.command("init")
@click.option(
    "--adopt", is_flag=True, help="Record today's findings as debt: it may only shrink, merge blocks the rest."
)
@click.option("--product", default="", help="Name of the product.  [default: the folder's name]")
def command(adopt: bool, product: str) -> int:
    """Write what a repository of your own needs.

    These are secdl.toml, gate policy, waivers, a threat-model starter, noxfile.py and the CI workflow. A file that is
    there already is left alone. Exit status: 0; with --adopt 3 where some tool left no valid evidence, since findings
    that were not looked for cannot be adopted.
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
    run, _ = scan(Options(config=config))
    first = judge_run(run)
    bad = [one.job for one in first.evidence if not one.valid and one.outcome not in ("skipped", "missing")]
    if bad or first.verdict is Word.INCOMPLETE:
        conclude(run)
        complain(f"nothing adopted: no valid evidence of {', '.join(bad) or 'this run'}; mend that and run it again")
        return 3
    before = read(root / DEBT) if (root / DEBT).exists() else None
    findings = read_record(run).findings
    content, count = debt_of(findings, before)
    write_atomic(root / DEBT, content)
    _configure(config)
    conclude(run, baseline=str(root / DEBT))
    told = f"{some(count, 'finding')} adopted as debt in {DEBT}"
    if before is not None:
        told += f", {number(len(before.splitlines()) - count)} fewer than before: it can only shrink"
        newer = sum(finding.status is not Status.ABSENT for finding in findings) - count
        told += f"; {some(newer, 'finding')} since then left out" if newer else ""
    complain(told)
    return 0


def _configure(config: Path) -> None:
    """Makes `secdl.toml` name the debt file, where it does not yet."""
    text = config.read_text("utf-8")
    line = f'debt = "{DEBT}"'
    if re.search(rf"^{re.escape(line)}", text, re.MULTILINE):
        return
    named, times = re.subn(r"^# debt = .*$", line, text, count=1, flags=re.MULTILINE)
    if not times:
        raise ConfigError("no place to name the debt", where=str(config), hint=f"add `{line}` under [gate]")
    write_atomic(config, named.encode())
