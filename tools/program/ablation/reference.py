"""The plain run that variants are compared with: all of its values, and which of them grow with the rows."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tools.program.graph import Program
from tools.program.interpreter import FAILURES, Interpreter
from tools.program.steps import Frame, Step

if TYPE_CHECKING:
    from torch import Tensor


class NotByRow(Exception):
    """Several variants cannot be run side by side here; one at a time they can."""


class Reference:
    """A program on some rows.

    `frame` holds every value by its place. `grows` says of a place whether the first size of its tensor is a multiple
    of the rows (True), whether it has nothing to do with them (False), or neither (None). `open` says whether the
    program takes any number of rows. `last` lists, for each step, the places that nothing reads after it.
    """

    def __init__(self, program: Program, inputs: Sequence["Tensor"], rows: int, starts: Sequence[int]) -> None:
        """`starts` are the inputs (by place) that say where bags begin. Raises `RunFailed`."""
        self.program, self.inputs, self.rows = program, tuple(inputs), rows
        self.interpreter = Interpreter(program)
        self.layout, self.steps = self.interpreter.layout, self.interpreter.steps
        self.frame = self._run(self.interpreter, inputs)
        self.grows: list[bool | None] = [None] * len(self.frame)
        self.open = False
        self.inputs_at = [self.layout.places[tensor.name] for tensor in program.inputs]
        self.starts = frozenset(self.inputs_at[place] for place in starts)
        self.fed = self._fed()
        self.last = self._last()
        self._numbers: dict[int, Mapping[int, Any]] = {}

    def compare(self, interpreter: Interpreter, inputs: Sequence["Tensor"], rows: int) -> Mapping[str, "Tensor"]:
        """Learn from a run on another number of rows which values grow with them; answers with that run's outputs.

        `interpreter` runs the same nodes; it is another one where the program was recorded.
        """
        import torch

        program = interpreter.program
        if [node.operator for node in program.nodes] != [node.operator for node in self.program.nodes]:
            raise NotByRow("another number of rows takes another path")
        other = self._run(interpreter, inputs)
        for place, value in enumerate(self.frame):
            if isinstance(value, torch.Tensor) and isinstance(other[place], torch.Tensor):
                self.grows[place] = _growth(value.shape, other[place].shape, self.rows, rows)
        self.open = program is self.program
        return {name: other[self.layout.places[name]] for name in self.program.outputs}

    def numbers(self, rows: int) -> Mapping[int, Any]:
        """The numbers that the program computes, sizes as a rule, by place, when it is given so many rows."""
        if rows not in self._numbers:
            self._numbers[rows] = self._numbers_of(rows) if rows != self.rows else self._plain_numbers()
        return self._numbers[rows]

    def _plain_numbers(self) -> dict[int, Any]:
        return {
            place: self.frame[place] for step in self.steps for place in step.gives if _is_number(self.frame[place])
        }

    def _numbers_of(self, rows: int) -> dict[int, Any]:
        """Shapes are asked of tensors that have no memory."""
        import torch

        found: dict[int, Any] = {}
        for step in self.steps:
            if step.output is None or not _is_number(self.frame[step.output]):
                continue
            scratch = self.layout.initial.copy()
            for place in step.reads:
                value = self.frame[place]
                if place in found:
                    value = found[place]
                elif isinstance(value, torch.Tensor) and self.grows[place] is True:
                    shape = (len(value) * rows // self.rows, *value.shape[1:])
                    value = torch.empty(shape, dtype=value.dtype, device="meta")
                elif isinstance(value, torch.Tensor) and self.grows[place] is None:
                    raise NotByRow("a size is neither that of the rows nor fixed")
                scratch[place] = value
            try:
                found[step.output] = called(step, scratch)
            except FAILURES as error:
                raise NotByRow(str(error)) from None
        return found

    def _run(self, interpreter: Interpreter, inputs: Sequence["Tensor"]) -> Frame:
        frame = self.layout.initial.copy()
        for tensor, value in zip(interpreter.program.inputs, inputs, strict=True):
            frame[self.layout.places[tensor.name]] = value
        steps = iter(self.steps)

        def watch(_: object, result: Any) -> None:
            step = next(steps)
            if step.output is not None:
                frame[step.output] = result
            elif step.outputs:
                for place, value in zip(step.outputs, result, strict=True):
                    if place is not None:
                        frame[place] = value

        interpreter.run(inputs, watch=watch)
        return frame

    def _fed(self) -> frozenset[int]:
        """The places whose values depend on what the inputs hold, and not only on their sizes."""
        fed = set(self.inputs_at)
        for step in self.steps:
            if not step.reads.isdisjoint(fed) and not step.node.operator.startswith("aten.sym_"):
                fed.update(step.gives)
        return frozenset(fed)

    def _last(self) -> list[tuple[int, ...]]:
        seen = {self.layout.places[name] for name in self.program.outputs}
        plan = []
        for step in reversed(self.steps):
            last = (step.reads | set(step.gives)) - seen
            seen |= last
            plan.append(tuple(last))
        return plan[::-1]

    def producer(self, place: int) -> Step | None:
        """The step that gives a value."""
        return next((step for step in self.steps if place in step.gives), None)


def called(step: Step, frame: Frame) -> Any:
    """A step's result with the arguments that stand in a frame."""
    if step.keywords is None:
        return step.call(*step.arguments(frame))
    return step.call(*step.arguments(frame), **step.keywords(frame))


def _is_number(value: object) -> bool:
    return isinstance(value, (bool, int, float))


def _growth(one: Sequence[int], other: Sequence[int], rows: int, other_rows: int) -> bool | None:
    """Whether a first size is a multiple of the rows, from the shapes at two different numbers of them."""
    if tuple(one) == tuple(other):
        return False
    if not len(one) == len(other) > 0 or tuple(one[1:]) != tuple(other[1:]):
        return None
    return True if one[0] * other_rows == other[0] * rows and one[0] % rows == 0 else None
