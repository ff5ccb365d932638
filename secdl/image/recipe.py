"""A recipe: what mmdebstrap is to make an image of."""

from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from secdl.model import codec
from secdl.model.toml import load_toml

_Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{1,40}$", description="a release of Debian")]
_Package = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9+.-]{1,100}$", description="a Debian package")]
_Pattern = Annotated[str, msgspec.Meta(pattern=r"^/[A-Za-z0-9/_.*?+-]{1,200}$", description="an absolute glob")]


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`policies/images/*.toml`. `suites` in order of preference; `exclude` are dpkg path-exclude globs."""

    suites: Annotated[tuple[_Word, ...], msgspec.Meta(min_length=1)]
    packages: Annotated[tuple[_Package, ...], msgspec.Meta(min_length=1)]
    exclude: tuple[_Pattern, ...] = ()
    variant: Literal["minbase", "apt", "essential", "required", "important", "standard"] = "minbase"
    source_date_epoch: Annotated[int, msgspec.Meta(ge=0)] = 0


def load_recipe(path: Path) -> Recipe:
    """The recipe at `path`. Raises `ConfigError` that names file, line and key."""
    return load_toml(path, Recipe)


def recipe_digest(recipe: Recipe) -> str:
    """sha256 over the recipe's meaning: comments and order of keys do not count."""
    return f"sha256:{sha256(codec.encode(recipe)).hexdigest()}"
