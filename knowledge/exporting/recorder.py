"""Recording what a module does with some rows, operator by operator, where it cannot be exported.

The module runs once below a TorchDispatchMode, which sees every operator with the tensors that go in and come out;
writes in place are turned into operators that write nothing (functionalization), so that all edges are there. The
recording is one path through the model: the one that these rows take.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from knowledge.exporting.proof import difference
from knowledge.exporting.unfused import unfused_attention, unfused_recurrence
from tools.program.graph import Argument, InputTensor, Kind, Node, Output, Program, Ref
from tools.program.interpreter import SEED, Interpreter

TORCH = str(Path(torch.__file__).parent)
KINDS: Mapping[type, Any] = {
    torch.dtype: "dtype",
    torch.device: "device",
    torch.layout: "layout",
    torch.memory_format: "memory_format",
}


class NotRecordable(Exception):
    """The run went through something that is no operator on tensors; the message says what."""


def record(module: nn.Module, inputs: Mapping[str, Tensor]) -> Program:
    """What `module` does with `inputs`, which it is called with by name.

    The sizes of all inputs are fixed. Notes say where the path depends on the rows. The recording is run once and has
    to give what the module gave. Raises `NotRecordable`, and whatever the module raises on these rows.
    """
    tape = _Tape()
    for name, tensor in inputs.items():
        tape.bind(tensor, name)
    for prefix, group in (
        ("p", module.named_parameters()),
        ("b", module.named_buffers()),
        ("c", _plain_attributes(module)),
    ):
        for name, tensor in group:
            tape.bind_weight(tensor, f"{prefix}_{name.replace('.', '_')}", name)

    def call(*given: Tensor) -> Any:
        with _paths(module, tape.stack), tape:
            return module(**dict(zip(inputs, given, strict=True)))

    with torch.no_grad(), unfused_attention(), unfused_recurrence(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)  # as the interpreter has it
        answer = torch.func.functionalize(call, remove="mutations")(*inputs.values())
    results = [leaf for leaf in pytree.tree_leaves(answer) if isinstance(leaf, Tensor)]
    program = Program(
        nodes=tuple(tape.nodes),
        inputs=tuple(
            InputTensor(name, str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))
            for name, tensor in inputs.items()
        ),
        outputs=tuple(tape.name_of(tensor) for tensor in results),
        weights=tape.weights,
        weight_names=tape.weight_names,
        notes=tuple(_notes(tape)),
    )
    _prove(program, inputs, results)
    return program


def _plain_attributes(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Tensors that modules hold without having registered them."""
    for path, part in module.named_modules():
        for name, value in vars(part).items():
            if isinstance(value, Tensor):
                yield f"{path}.{name}".removeprefix("."), value


def _prove(program: Program, inputs: Mapping[str, Tensor], results: Sequence[Tensor]) -> None:
    again = Interpreter(program).run(list(inputs.values()))
    if reason := difference(list(results), [again[name] for name in program.outputs]):
        raise NotRecordable(f"run again on the same rows, it does not give the same. {reason}")


class _Tape(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down every operator, under the names of the tensors that go in and come out."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.nodes: list[Node] = []
        self.weights: dict[str, Tensor] = {}
        self.weight_names: dict[str, str] = {}
        self.stack: list[tuple[str, str]] = []
        self.read_out = self.foreign = 0
        self._names: Any = WeakTensorKeyDictionary()
        self._taken: set[str] = set()
        self._count: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        operator = str(func)
        arguments = tuple(self._argument(value, operator) for value in args)
        keywords = {name: self._argument(value, operator) for name, value in (kwargs or {}).items()}
        result = func(*args, **(kwargs or {}))
        if not any(isinstance(leaf, Tensor) for leaf in pytree.tree_leaves(result)):
            self.read_out += bool(self._refs([*arguments, *keywords.values()]))
            return result
        # Inside of recurrent layers torch writes into values of its own; from then on the value has the new name.
        if func._schema.is_mutable and result is not args[0]:
            raise NotRecordable(f"{operator} writes into a tensor that is not its own")
        name = self._fresh(operator.split(".")[1])
        path, kind = self.stack[-1] if self.stack else (None, None)
        outputs = self._outputs(result, name)
        self.nodes.append(
            Node(len(self.nodes), name, operator, arguments, keywords, outputs, path or None, kind, _source())
        )
        return result

    def bind(self, tensor: Tensor, name: str) -> str:
        self._names[tensor] = self._fresh(name)
        return str(self._names[tensor])

    def bind_weight(self, tensor: Tensor, name: str, model_name: str) -> None:
        value = self.bind(tensor, name)
        self.weights[value], self.weight_names[value] = tensor.detach(), model_name

    def name_of(self, tensor: Tensor) -> str:
        """The name of a tensor; one that no operator has made becomes a constant of the recording."""
        if tensor not in self._names:
            self.foreign += 1
            constant = f"c_constant_{len(self.weights)}"
            self.bind_weight(tensor, constant, constant)
        return str(self._names[tensor])

    def _argument(self, value: Any, operator: str) -> Argument:
        if isinstance(value, Tensor):
            return Ref(self.name_of(value))
        if isinstance(value, list | tuple):
            return tuple(self._argument(part, operator) for part in value)
        if type(value) in KINDS:
            return Kind(KINDS[type(value)], str(value).removeprefix("torch."))
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise NotRecordable(f"{operator} takes a {type(value).__name__}, which is neither a tensor nor a constant")

    def _refs(self, arguments: Sequence[Argument]) -> bool:
        return any(isinstance(leaf, Ref) for leaf in pytree.tree_leaves(list(arguments)))

    def _outputs(self, result: Any, name: str) -> tuple[Output, ...]:
        if isinstance(result, Tensor):
            self._names[result] = name
            return (name,)
        parts = tuple(
            self.bind(part, f"{name}_{place}") if isinstance(part, Tensor) else None
            for place, part in enumerate(result)
        )
        return (parts,) if isinstance(result, list) else parts

    def _fresh(self, name: str) -> str:
        fresh = base = re.sub(r"\W", "_", name)
        while fresh in self._taken:
            self._count[base] += 1
            fresh = f"{base}_{self._count[base]}"
        self._taken.add(fresh)
        return fresh


@contextmanager
def _paths(module: nn.Module, stack: list[tuple[str, str]]) -> Iterator[None]:
    """While this lasts, the top of `stack` is the path and class of the module that runs."""
    handles = []
    for path, part in module.named_modules():
        place = (path, type(part).__name__)
        handles.append(part.register_forward_pre_hook(lambda *_, place=place: stack.append(place)))
        handles.append(part.register_forward_hook(lambda *_: stack.pop() and None, always_call=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _source() -> str | None:
    """The line of the model's own code that is running: the innermost one that is neither torch's nor this file's."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file != __file__ and not file.startswith(TORCH):
            return f"{PurePath(file).name}:{frame.f_lineno} in {frame.f_code.co_name}"
        frame = frame.f_back  # type: ignore[assignment]
    return None


def _notes(tape: _Tape) -> Iterator[str]:
    yield "its operators were recorded while it ran on the rows examined, so they hold for these rows alone"
    if tape.read_out:
        yield (
            f"{tape.read_out} times a value was read out of a tensor while it ran (a condition, a count): the path "
            "that other values would take was not seen"
        )
    if tape.foreign:
        yield (
            f"{tape.foreign} tensors were made outside of torch's operators while it ran (literals, or what came back "
            "from numpy): they are constants here, and what they depend on is not followed"
        )
