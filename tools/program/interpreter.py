"""Runs a program node by node: watched, cut down to a slice, or with values replaced."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tools.ports import PortError, UnreadableArtifact
from tools.program.calls import draws_random
from tools.program.copies import Copies
from tools.program.graph import Node, Program
from tools.program.operators import ALLOWED, UNFILLED
from tools.program.steps import UNSET, Frame, Step, prepare

if TYPE_CHECKING:
    from torch import Tensor

SEED = 0
"""Operators that draw random numbers are run from this seed in every run, so that two runs are the same."""

FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What torch raises where an operator does not fit its arguments."""

Watch = Callable[[Node, Any], None]
Replacements = Mapping[str, "Callable[[Tensor], Tensor]"]
Substitutes = Mapping[int, Callable[[Any], Any]]


class UnsupportedProgram(UnreadableArtifact):
    """The program cannot be run: it calls operators that are not on the list (all are named), or makes no sense."""


class RunFailed(PortError):
    """A node could not be computed; the message names it and says what torch said. `node` is None for an input."""

    def __init__(self, message: str, node: Node | None = None) -> None:
        super().__init__(message)
        self.node = node


class Interpreter:
    """A program made ready to run, as often as one likes. Its weights and inputs are never changed by a run."""

    def __init__(self, program: Program) -> None:
        """Finds every operator. Raises `UnsupportedProgram` naming all that are not allowed."""
        refused = sorted({node.operator for node in program.nodes} - ALLOWED)
        if refused:
            raise UnsupportedProgram(
                f"the snapshot calls operators that are not run here: {', '.join(refused)}. "
                "Export the model without them, or ask for them to be added to the list of allowed operators"
            )
        self.program = program
        try:
            self.layout, self.steps = prepare(program)
        except ValueError as error:
            raise UnsupportedProgram(f"the snapshot's graph makes no sense: {error}") from None
        self._outputs = {name: self.layout.places[name] for name in program.outputs}
        self._plan = self._planned(self.steps, frozenset(self._outputs.values()))
        self.writes = any(step.writes for step in self.steps)
        self.random = any(draws_random(node) for node in program.nodes)

    def run(
        self,
        inputs: Sequence["Tensor"],
        *,
        watch: Watch | None = None,
        replace: Replacements | None = None,
        nodes: Sequence[int] | None = None,
        given: Mapping[str, "Tensor"] | None = None,
        keep: Collection[str] = (),
        gradients: bool = False,
    ) -> dict[str, "Tensor"]:
        """Value name → tensor, for the outputs and for `keep`, as far as they were computed or given.

        `watch` is called with each node and its result (a tensor, a tuple of tensors, or a number), as it goes on to
        the nodes after it. `replace`: after this value is computed or bound, f(value) goes on in its place. `nodes`:
        run these nodes only (indices, ascending). `given`: values to take instead of the stored weights, or of
        computing them; a node is not run where all of its outputs are given. Values are freed after their last use.
        Raises `RunFailed` naming the node, and `KeyError` for a name that the program does not have.
        """
        import torch

        frame = self.layout.initial.copy()
        places = self.layout.places
        substitutes = {places[name]: function for name, function in (replace or {}).items()}
        self._bind(frame, inputs, given or {}, substitutes)
        plan = self._plan
        if keep or nodes is not None or given:
            kept = frozenset((*self._outputs.values(), *(places[name] for name in keep)))
            chosen = self.steps if nodes is None else [self.steps[index] for index in nodes]
            fixed = {places[name]: _constantly(frame[places[name]]) for name in given or {}}
            substitutes = {**substitutes, **fixed}
            plan = self._planned([step for step in chosen if not _all_given(step, fixed)], kept)
            self._refuse_gaps(frame, plan)
        with torch.set_grad_enabled(gradients), self._seeded():
            self._execute(frame, plan, substitutes, watch)
        asked = self._outputs | {name: places[name] for name in keep}
        return {name: frame[place] for name, place in asked.items() if frame[place] is not UNSET}

    def _bind(
        self, frame: Frame, inputs: Sequence["Tensor"], given: Mapping[str, "Tensor"], substitutes: Substitutes
    ) -> None:
        expected = self.program.inputs
        if len(inputs) != len(expected):
            names = ", ".join(tensor.name for tensor in expected)
            raise RunFailed(f"the snapshot takes {len(expected)} inputs ({names}), not {len(inputs)}")
        for tensor, value in zip(expected, inputs, strict=True):
            sizes = tuple(value.shape)
            if len(sizes) != len(tensor.sizes) or any(
                asked not in (size, None) for asked, size in zip(tensor.sizes, sizes, strict=True)
            ):
                needed = ", ".join("any" if size is None else str(size) for size in tensor.sizes)
                raise RunFailed(f"the input {tensor.name!r} must have the sizes ({needed}), not {sizes}")
            frame[self.layout.places[tensor.name]] = value
        for name, value in given.items():
            frame[self.layout.places[name]] = value
        for place, function in substitutes.items():
            if frame[place] is not UNSET:
                frame[place] = function(frame[place])

    @staticmethod
    def _planned(steps: Sequence[Step], kept: frozenset[int]) -> list[tuple[Step, tuple[int, ...]]]:
        """Each step with the places that nothing reads after it."""
        seen: set[int] = set(kept)
        plan = []
        for step in reversed(steps):
            last = (step.reads | set(step.gives)) - seen
            seen |= last
            plan.append((step, tuple(last)))
        return plan[::-1]

    def _refuse_gaps(self, frame: Frame, plan: Sequence[tuple[Step, tuple[int, ...]]]) -> None:
        known = {place for place, value in enumerate(frame) if value is not UNSET}
        for step, _ in plan:
            if missing := step.reads - known:
                names = sorted(name for name, place in self.layout.places.items() if place in missing)
                raise RunFailed(
                    f"node {step.node.name!r} reads {', '.join(names)}: neither given nor computed by these nodes",
                    step.node,
                )
            known.update(step.gives)

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        import torch

        if not self.random:
            yield
            return
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            yield

    def _execute(
        self,
        frame: Frame,
        plan: Sequence[tuple[Step, tuple[int, ...]]],
        substitutes: Substitutes,
        watch: Watch | None,
    ) -> None:
        copies = Copies(frame) if self.writes else None
        for step, last in plan:
            if copies is not None and step.writes:
                copies.make_writable(step.writes)
            try:
                if step.keywords is None:
                    result = step.call(*step.arguments(frame))
                else:
                    result = step.call(*step.arguments(frame), **step.keywords(frame))
                if step.node.operator in UNFILLED:
                    result.zero_()
            except FAILURES as error:
                raise _failed(step.node, error) from None
            if step.output is not None:
                if step.output in substitutes:
                    result = substitutes[step.output](result)
                frame[step.output] = result
            elif step.outputs:
                result = _several(step, result, substitutes)
                for place, value in zip(step.outputs, result, strict=True):
                    if place is not None:
                        frame[place] = value
            if watch is not None:
                watch(step.node, result)
            for place in last:
                frame[place] = UNSET


def _constantly(value: Any) -> Callable[[Any], Any]:
    return lambda _: value


def _all_given(step: Step, given: Collection[int]) -> bool:
    return bool(step.gives) and all(place in given for place in step.gives)


def _several(step: Step, result: Any, substitutes: Substitutes) -> tuple[Any, ...]:
    if not isinstance(result, (tuple, list)) or len(result) != len(step.outputs):
        raise RunFailed(
            f"node {step.node.name!r} ({step.node.operator}) says that it has {len(step.outputs)} outputs, "
            f"and has {len(result) if isinstance(result, (tuple, list)) else 1}",
            step.node,
        )
    return tuple(
        substitutes[place](value) if place is not None and place in substitutes else value
        for place, value in zip(step.outputs, result, strict=True)
    )


def _failed(node: Node, error: Exception) -> RunFailed:
    where = ", ".join(filter(None, (node.module and f"module {node.module}", node.source)))
    said = str(error).strip().split("\n", 1)[0] or type(error).__name__
    return RunFailed(f"node {node.name!r} ({node.operator}{', ' + where if where else ''}) failed: {said}", node)
