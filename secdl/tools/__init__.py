"""One module per scanner. A module with a `TOOL` is a plugin; nothing else needs to be told of it."""

from importlib import import_module
from pkgutil import iter_modules

from secdl.model.tool import Tool


def builtin_tools() -> tuple[Tool, ...]:
    """Every tool that comes with secdl, in the order of stages, then by name."""
    names = sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))
    found = [getattr(import_module(f"{__name__}.{name}"), "TOOL", None) for name in names]
    tools = [tool for tool in found if isinstance(tool, Tool)]
    stages = list(type(tools[0].stage)) if tools else []
    return tuple(sorted(tools, key=lambda tool: (stages.index(tool.stage), tool.name)))
