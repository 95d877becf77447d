"""The tools that are installed. Ours register as entry points, exactly as anybody else's do."""

from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any

from tools.contract import Tool

GROUP = "hawkeye.tools"


class UnknownTool(LookupError):
    """No tool of this name is registered; the message lists those that are."""


@cache
def all_tools() -> MappingProxyType[str, Tool[Any, Any, Any]]:
    """Every registered tool by name, in the order of names. Two tools of one name are refused."""
    found: dict[str, Tool[Any, Any, Any]] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda p: (p.name, p.value)):
        tool = point.load()
        if not isinstance(tool, Tool):
            raise TypeError(f"entry point {GROUP}:{point.name} = {point.value} is not a tools.contract.Tool")
        if tool.name in found:
            raise ValueError(
                f"two tools are called {tool.name!r}; the second is {point.value}. Uninstall or rename one"
            )
        found[tool.name] = tool
    return MappingProxyType(found)


def tool(name: str) -> Tool[Any, Any, Any]:
    """The tool of this name. Raises `UnknownTool`."""
    try:
        return all_tools()[name]
    except KeyError:
        raise UnknownTool(f"no tool is called {name!r}; there are: {', '.join(all_tools())}") from None
