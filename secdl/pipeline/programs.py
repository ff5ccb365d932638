"""Which executable a tool runs as: the one configuration names, secdl itself, or what the toolchain has."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from secdl.model.evidence import Origin, Program
from secdl.model.tool import Tool
from secdl.pipeline.cache import engine_digest
from secdl.run.install import foreign
from secdl.run.install.lock import PathWay
from secdl.run.toolchain import State, Toolchain, Unavailable


class Programs:
    """The executables of one run: `overrides` are `[tools.NAME] path` by tool."""

    def __init__(self, toolchain: Toolchain, *, overrides: Mapping[str, Path], version: str) -> None:
        self._toolchain = toolchain
        self._overrides = overrides
        self._version = version

    def of(self, tool: Tool) -> Program | Unavailable:
        """The executable of `tool`; nothing is installed."""
        if (path := self._overrides.get(tool.name)) is not None:
            return self._override(tool, path)
        if tool.builtin:
            argv = (sys.executable, "-P", "-m", tool.builtin)
            return Program(argv=argv, version=self._version, digest=engine_digest(), origin=Origin.SECDL)
        name = tool.program or tool.name
        if name in self._toolchain.names():
            return self._toolchain.resolve(name)
        return self._configured(name)

    def of_all(self, names: Iterable[str]) -> dict[str, Program] | Unavailable:
        """Further programs by entry of the toolchain's lock, or the first that is not to be had."""
        found: dict[str, Program] = {}
        for name in names:
            program = self._toolchain.resolve(name)
            if isinstance(program, Unavailable):
                return program
            found[name] = program
        return found

    def lacking(self, tools: Iterable[Tool]) -> tuple[str, ...]:
        """Entries of the lock that `tools` need and that are not ready, sorted."""
        names: set[str] = set()
        for tool in tools:
            names.update(self.entries(tool))
        return tuple(sorted(n for n in names if isinstance(self._toolchain.resolve(n), Unavailable)))

    def entries(self, tool: Tool) -> tuple[str, ...]:
        """Entries of the lock that `tool` needs: its own program unless overridden, and those it starts."""
        name = tool.program or tool.name
        own = () if tool.builtin or tool.name in self._overrides or name not in self._toolchain.names() else (name,)
        return (*own, *tool.programs)

    def _override(self, tool: Tool, path: Path) -> Program | Unavailable:
        found = foreign.override(path)
        if isinstance(found, str):
            remedy = f"mend [tools.{tool.name}] path in secdl.toml, or remove it to use the locked one"
            return Unavailable(name=tool.name, reason=found, remedy=remedy)
        denied = self._toolchain.lock.denied(tool.program or tool.name, found.version)
        if denied:
            return Unavailable(name=tool.name, reason=denied, remedy="use another version", state=State.REFUSED)
        return found

    def _configured(self, command: str) -> Program | Unavailable:
        """A configured tool's own command, by absolute path or from PATH."""
        remedy = f"install {command}, or name it by `path` in its [tools] table"
        try:
            found = foreign.from_path(PathWay(command=command, minimum=""))
        except OSError as error:
            return Unavailable(name=command, reason=f"{command}: {error.strerror}", remedy=remedy)
        return found or Unavailable(name=command, reason=f"{command} is not on PATH", remedy=remedy)
