"""The shapes of a `.pt2` file's JSON graph, and how its tagged values are looked into."""

from typing import Any

from pydantic import Field

from knowledge.pt2.archive import Strict
from knowledge.stored_tensor import plain_name

NODES_LIMIT = 100_000

Union = dict[str, Any]
"""A tagged value: one key, which says what stands under it."""


class RawInput(Strict):
    """An argument as the file has it."""

    name: str
    arg: Union
    kind: int | None = None


class RawNode(Strict):
    """A node as the file has it."""

    target: str
    inputs: list[RawInput]
    outputs: list[Union]
    metadata: dict[str, str] = Field(default_factory=dict)
    name: str | None = None


class RawGraph(Strict):
    """A graph as the file has it; its values are in the order that they are given and asked for."""

    inputs: list[Union]
    outputs: list[Union]
    nodes: list[RawNode] = Field(max_length=NODES_LIMIT)


class Malformed(Exception):
    """A piece of the graph that is not what the format says; `knowledge.pt2.program` adds where."""


def member(union: Any) -> tuple[str, Any]:
    """The one key of a tagged value, and what stands under it. Raises `Malformed`."""
    if not isinstance(union, dict) or len(union) != 1:
        raise Malformed(f"{shown(union)} should have been an object with one key")
    (pair,) = union.items()
    return pair


def at(value: Any, key: str) -> Any:
    """What stands under a key of an object; None where there is nothing. Raises `Malformed`."""
    if not isinstance(value, dict):
        raise Malformed(f"{shown(value)} should have been an object")
    return value.get(key)


def text_at(value: Any, key: str) -> str:
    """The name under a key of an object. Raises `Malformed` where there is none, or one that cannot be shown."""
    name = at(value, key)
    if not isinstance(name, str) or not plain_name(name):
        raise Malformed(f"{shown(value)} should have had a plain name under {key!r}")
    return name


def shown(value: Any) -> str:
    """The beginning of a value, for a message."""
    return repr(str(value)[:40])
