"""Options that several commands share."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from secdl.model.config import Config, load_config
from secdl.model.errors import ConfigError
from secdl.model.toml import nearest
from secdl.model.tool import Stage
from secdl.pipeline.baselines import NONE
from secdl.run import git
from secdl.run.store import OWN, RUNS, write_out

F = TypeVar("F", bound=Callable[..., Any])


class Stages(click.ParamType[tuple[Stage, ...]]):
    """A comma-separated list of stages."""

    name = "STAGE,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Stage, ...]:
        """The stages named in `value`."""
        return stages_of(value.split(",")) if isinstance(value, str) else tuple(value)


def stages_of(names: list[str]) -> tuple[Stage, ...]:
    """The stages of these names. Raises `ConfigError` with the nearest right word."""
    known = tuple(stage.value for stage in Stage)
    for name in names:
        if name.strip() not in known:
            raise ConfigError(f"unknown stage {name.strip()!r}", hint=nearest(name.strip(), known))
    return tuple(Stage(name.strip()) for name in names)


config_option = click.option(
    "--config",
    "config",
    type=click.Path(path_type=Path),
    default=Path("secdl.toml"),
    show_default=True,
    help="What this repository checks.",
)
profile_option = click.option("--profile", default="dev", show_default=True, help="dev, merge, release, or your own.")
jobs_option = click.option(
    "--jobs", type=click.IntRange(1, 256), default=None, metavar="N", help="Tools at once.  [default: cores]"
)


def _baseline(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str:
    # An empty value was given on purpose; an absent option leaves the choice to the run or the configuration.
    return "" if value is None else value.strip() or NONE


baseline_option = click.option(
    "--baseline",
    metavar="RUN|FILE",
    default=None,
    callback=_baseline,
    help="Mark findings new, unchanged or absent against it, or `none`.",
)
install_option = click.option("--install", is_flag=True, help="Allow Debian packages to be installed (root or sudo).")
output_option = click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="A file instead of standard output.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")


def configured(config: Path) -> Config | None:
    """The configuration; None where the command line names none and the usual file is absent. Raises `ConfigError`."""
    named = click.get_current_context().get_parameter_source("config") is not ParameterSource.DEFAULT
    return load_config(config) if named or config.exists() else None


def write_result(output: Path | None, content: bytes) -> None:
    """Writes what a command gives to the file that was named, or to standard output, which `-` names as well."""
    if output is None or str(output) == "-":
        sys.stdout.buffer.write(content)
    else:
        write_out(output, content)


def runs_of(config: Path) -> Path:
    """The folder of runs beside a configuration file. Raises `ConfigError` where they came with the checkout."""
    root = config.resolve().parent
    git.refuse_tracked(root, OWN)
    return root / RUNS
