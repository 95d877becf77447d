"""Makes the nodes of a program ready to run: operators found, names turned into places of one list, the frame."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from tools.program.calls import resolve, signature, written_arguments
from tools.program.graph import Argument, Kind, Node, Output, Program, Ref

UNSET = object()
"""Stands in the frame where nothing has been computed."""

Frame = list[Any]


@dataclass(frozen=True, slots=True)
class Step:
    """A node made ready: what it calls, and where in the frame its arguments lie and its outputs go.

    `output` is the place of the only output; `outputs` are the places of several (None where one is not kept).
    """

    node: Node
    call: Callable[..., Any]
    arguments: Callable[[Frame], tuple[Any, ...]]
    keywords: Callable[[Frame], dict[str, Any]] | None
    output: int | None
    outputs: tuple[int | None, ...]
    reads: frozenset[int]
    writes: tuple[int, ...]

    @property
    def gives(self) -> list[int]:
        """The places of all outputs that are kept."""
        return [place for place in (self.output, *self.outputs) if place is not None]


@dataclass
class Layout:
    """Where each value of a program lies in the frame. Constants lie there too, so that arguments are only places."""

    places: dict[str, int] = field(default_factory=dict)
    initial: Frame = field(default_factory=list)

    def define(self, name: str, value: Any = UNSET) -> int:
        """A place for a value. Raises `ValueError` where the name is taken."""
        if name in self.places:
            raise ValueError(f"the value {name!r} is given twice")
        self.places[name] = self.constant(value)
        return self.places[name]

    def constant(self, value: Any) -> int:
        """A place that holds this value in every run."""
        self.initial.append(value)
        return len(self.initial) - 1

    def place(self, name: str) -> int:
        """Raises `ValueError` for a name that nothing has given yet."""
        if name not in self.places:
            raise ValueError(f"the value {name!r} is read before anything gives it")
        return self.places[name]


def prepare(program: Program) -> tuple[Layout, list[Step]]:
    """The frame's layout and the steps. Every operator must be allowed. Raises `ValueError` naming a faulty node."""
    layout = Layout()
    for name, weight in program.weights.items():
        layout.define(name, weight)
    for tensor in program.inputs:
        layout.define(tensor.name)
    steps = []
    for node in program.nodes:
        try:
            steps.append(_step(node, layout))
        except ValueError as error:
            raise ValueError(f"node {node.name!r} ({node.operator}): {error}") from None
    for name in program.outputs:
        layout.place(name)
    return layout, steps


def _step(node: Node, layout: Layout) -> Step:
    call = resolve(node.operator)
    _refuse_misfit(node, call)
    arguments = _gather(node.arguments, layout)
    keywords = None
    if node.keywords:
        values = _gather(tuple(node.keywords.values()), layout)
        names = tuple(node.keywords)
        keywords = _named(names, values)
    named = [*node.arguments, *node.keywords.values()]
    reads = frozenset(layout.place(name) for argument in named for name in references(argument))
    written = [name for argument in written_arguments(node, call) for name in references(argument)]
    writes = tuple(layout.place(name) for name in written)
    outputs = tuple(_define(output, layout) for output in _flat(node.outputs))
    single = len(node.outputs) == 1 and not isinstance(node.outputs[0], tuple)
    return Step(
        node, call, arguments, keywords, outputs[0] if single else None, () if single else outputs, reads, writes
    )


def _refuse_misfit(node: Node, call: Any) -> None:
    """A node has the arguments and outputs that its operator's schema asks for. Their types are torch's to check."""
    known = signature(call)
    if known is None:
        return
    given = [*known.placed[: len(node.arguments)], *node.keywords]
    too_many = len(node.arguments) > len(known.placed)
    if too_many or not known.named.issuperset(given) or len(given) > len(set(given)):
        raise ValueError(f"its arguments do not fit {call._schema}")
    if missing := [name for name in known.needed if name not in given]:
        raise ValueError(f"it lacks the arguments {', '.join(missing)}")
    if len(node.outputs) != known.outputs:
        raise ValueError(f"it has {len(node.outputs)} outputs, and the operator {known.outputs}")


def _named(names: tuple[str, ...], values: Callable[[Frame], tuple[Any, ...]]) -> Callable[[Frame], dict[str, Any]]:
    return lambda frame: dict(zip(names, values(frame), strict=True))


def _define(output: str | None, layout: Layout) -> int | None:
    return None if output is None else layout.define(output)


def _flat(outputs: Sequence[Output]) -> list[str | None]:
    """The names of the outputs: those of a list of tensors where the only output is one."""
    if len(outputs) == 1 and isinstance(outputs[0], tuple):
        return list(outputs[0])
    if any(isinstance(output, tuple) for output in outputs):
        raise ValueError("a list of tensors among several outputs is not supported")
    return [output for output in outputs if not isinstance(output, tuple)]


def references(argument: Argument) -> list[str]:
    """The names of the values that an argument reads."""
    if isinstance(argument, Ref):
        return [argument.name]
    return [name for item in argument for name in references(item)] if isinstance(argument, tuple) else []


def _gather(arguments: tuple[Argument, ...], layout: Layout) -> Callable[[Frame], tuple[Any, ...]]:
    """A function that reads the arguments out of a frame, as fast as it can be."""
    if any(isinstance(argument, tuple) and references(argument) for argument in arguments):
        getters = [_getter(argument, layout) for argument in arguments]
        return lambda frame: tuple([getter(frame) for getter in getters])
    places = [_place(argument, layout) for argument in arguments]
    if len(places) > 1:
        return itemgetter(*places)  # one call in C for all of them
    if not places:
        return lambda _: ()
    only = places[0]
    return lambda frame: (frame[only],)


def _getter(argument: Argument, layout: Layout) -> Callable[[Frame], Any]:
    if isinstance(argument, tuple) and references(argument):
        gather = _gather(argument, layout)
        return lambda frame: list(gather(frame))
    return itemgetter(_place(argument, layout))


def _place(argument: Argument, layout: Layout) -> int:
    return layout.place(argument.name) if isinstance(argument, Ref) else layout.constant(constant(argument))


def constant(argument: Argument) -> Any:
    """The value that torch takes for a constant. Every device is the one where tensors are made now, whatever the one
    was where the model was exported."""
    import torch

    if isinstance(argument, tuple):
        return [constant(item) for item in argument]
    if not isinstance(argument, Kind):
        return argument
    if argument.what == "device":
        return torch.get_default_device()
    kind = {"dtype": torch.dtype, "layout": torch.layout, "memory_format": torch.memory_format}[argument.what]
    value = getattr(torch, argument.name, None)
    if not isinstance(value, kind):
        raise ValueError(f"torch has no {argument.what} {argument.name!r}")
    return value
