"""Exporting a model, step by step down a ladder: each step is tried when the one before has failed.

Exporting runs the model's own code, so it belongs where the model is trained, never where a snapshot is examined.
"""

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import nn
from torch._higher_order_ops import wrap_with_autocast
from torch._ops import OpOverload
from torch.export import ExportedProgram

from knowledge.exporting.batches import Inputs, called_with, dynamic_shapes, one_row_less, open_dimensions, tensors
from knowledge.exporting.proof import answer, closed, difference, drawn, limited, not_run
from knowledge.exporting.unfused import unfused_attention

Step = Literal["strict=False", "strict=True", "static batch"]
STEPS: tuple[Step, ...] = get_args(Step)
REASON_LIMIT = 240
FOLDERS = re.compile(r"[^\s\"'(]*/(?=[^\s/]+\.py\b)")


class NotExportable(Exception):
    """No step gave a program that answers as the model does; the message has the reason of each, and what is left."""


@dataclass(frozen=True)
class Export:
    """An exported program that has been compared with its module, the step that gave it, and what to know about it."""

    program: ExportedProgram
    step: Step
    notes: tuple[str, ...]


def export(module: nn.Module, inputs: Inputs, other: Inputs | None = None) -> Export:
    """Export a module for serving: in eval mode, with the number of rows left open where that is possible.

    `inputs` is an example batch, by place (a tuple) or by name (a mapping); `other` is a second batch of another size.
    A dimension is left open where the two differ: rows, and the length of sequences or of EmbeddingBag's flat ids.
    Without `other`, it is the first batch without its last row.

    Tried in this order, each for the reason why the one before failed: `strict=False`, `strict=True`, and a static
    batch, which can only run as many rows as the example has. A program is taken when the dimensions have stayed open
    and it answers as the module does on both batches. Raises `UnusableInputs`, or `NotExportable` with the reasons.
    """
    other = one_row_less(inputs) if other is None else other
    opened = open_dimensions(inputs, other)
    with _serving(module), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about what it will rename
        if reason := difference(answer(module, inputs), answer(module, inputs)):
            raise NotExportable(
                f"the model answers differently when it is run twice on the same rows: {reason}. "
                "Make it deterministic in eval mode"
            )
        exported = _descend(module, inputs, other, opened)
        if reason := drawn(module, inputs):
            return replace(exported, notes=(*exported.notes, f"the model draws random numbers in eval mode: {reason}"))
        return exported


def _descend(module: nn.Module, inputs: Inputs, other: Inputs, opened: list[tuple[int, ...]]) -> Export:
    tries: dict[Step, Callable[[], ExportedProgram]] = {
        "strict=False": lambda: _dynamic(module, inputs, other, opened, strict=False),
        "strict=True": lambda: _dynamic(module, inputs, other, opened, strict=True),
        "static batch": lambda: _proven(module, _exported(module, inputs), [inputs]),
    }
    failed: list[str] = []
    for step, attempt in tries.items():
        try:
            program = attempt()
        except Exception as error:  # noqa: BLE001  (a model's code and torch's tracers raise anything)
            failed.append(f"export with {step} failed: {_reason(error)}")
            continue
        if failed:
            failed.append(f"exported with {step}{_only(inputs) if step == 'static batch' else ''}")
        limits = [] if step == "static batch" else limited(program, opened)
        return Export(program, step, (*failed, *limits))
    raise NotExportable(
        "; ".join(failed) + ". What is left is to publish the weights alone (a state_dict or safetensors file) and to "
        "name the function that makes this module in the setting `factories`: its operators are then recorded while "
        "it runs"
    )


class _Differs(Exception):
    """The program is not what the module is, or nothing that can be run here."""


def _dynamic(
    module: nn.Module, inputs: Inputs, other: Inputs, opened: list[tuple[int, ...]], *, strict: bool
) -> ExportedProgram:
    program = _exported(module, inputs, dynamic_shapes(inputs, opened), strict=strict)
    if reason := closed(program, opened):
        raise _Differs(reason)
    return _proven(module, program, [inputs, other])


def _exported(module: nn.Module, inputs: Inputs, shapes: object = None, *, strict: bool = False) -> ExportedProgram:
    positional, named = called_with(inputs)
    # Without gradients around it, a `torch.no_grad()` of the model's own leaves no trace; with them it would be a graph
    # inside the graph. On the standard error torch prints all of a graph that it has given up.
    with torch.no_grad(), unfused_attention(), redirect_stderr(io.StringIO()):
        program = torch.export.export(module, positional, named, dynamic_shapes=shapes, strict=strict)  # type: ignore[arg-type]
    return _flat(program)


def _flat(program: ExportedProgram) -> ExportedProgram:
    """Operators that write into their inputs become ones that do not, and parts under autocast become their operators
    with the casts between them: a graph's edges then say all that happens."""
    calls = [node.target for node in program.graph.nodes if node.op == "call_function"]
    writes = any(call._schema.is_mutable for call in calls if isinstance(call, OpOverload))
    return program.run_decompositions({}) if writes or wrap_with_autocast in calls else program


def _proven(module: nn.Module, program: ExportedProgram, batches: list[Inputs]) -> ExportedProgram:
    """The program, where it can be run and answers on all batches as the module does. Raises `_Differs`."""
    if reason := not_run(program):
        raise _Differs(reason)
    runs = program.module()
    for batch in batches:
        if reason := difference(answer(module, batch), answer(runs, batch)):
            raise _Differs(f"it does not answer as the model does. {reason}")
    program.example_inputs = None  # they may be a user's rows, and would be pickled into the file
    return program


@contextmanager
def _serving(module: nn.Module) -> Iterator[None]:
    """The module in eval mode, and afterwards each part of it again in the mode that it was in."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


def _reason(error: Exception) -> str:
    """The beginning of an error, without the folders of this machine."""
    text = FOLDERS.sub("", " ".join(str(error).split())) or type(error).__name__
    return text if len(text) <= REASON_LIMIT else text[: REASON_LIMIT - 4].rstrip() + " ..."


def _only(inputs: Inputs) -> str:
    sizes = {tuple(t.shape) for t in tensors(inputs)}
    return f", for inputs of exactly these sizes: {', '.join(str(list(size)) for size in sorted(sizes))}"
