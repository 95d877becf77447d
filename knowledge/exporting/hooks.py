"""What hooks on modules show where not even the operators can be recorded: statistics, and no graph."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree


@dataclass(frozen=True)
class ModuleCall:
    """One call of one module: how many values its outputs hold, how many of them are not finite, and their range.

    The range is over the finite values, NaN where there is none.
    """

    path: str
    module_class: str
    values: int
    non_finite: int
    smallest: float
    largest: float


def module_calls(module: nn.Module, inputs: Mapping[str, Tensor]) -> tuple[ModuleCall, ...]:
    """Every call of a part of `module` while it runs on `inputs`, given by name, in the order in which the calls ended.

    Raises whatever the module raises.
    """
    calls: list[ModuleCall] = []
    handles = [
        part.register_forward_hook(partial(_note, calls, path))
        for path, part in module.named_modules()
        if path and not isinstance(part, torch.jit.ScriptModule)
    ]
    try:
        with torch.no_grad():
            module(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return tuple(calls)


def said(calls: Sequence[ModuleCall]) -> str:
    """What the calls show, in a sentence: the first module whose output is not finite, or that there is none."""
    bad = next((call for call in calls if call.non_finite), None)
    if not calls:
        return "the model has no parts that hooks could watch"
    if bad is None:
        return f"hooks on its modules saw only finite values in the outputs of all {len(calls)} calls"
    return (
        f"hooks on its modules saw the first non-finite values in the output of {bad.path!r} ({bad.module_class}): "
        f"{bad.non_finite} of {bad.values} values"
    )


def _note(calls: list[ModuleCall], path: str, part: nn.Module, _: Any, output: Any) -> None:
    floats = [t.flatten() for t in pytree.tree_leaves(output) if isinstance(t, Tensor) and t.is_floating_point()]
    if not floats:
        return
    values = torch.cat([value.double() for value in floats])
    finite = values[values.isfinite()]
    lowest, highest = (float(finite.min()), float(finite.max())) if len(finite) else (float("nan"), float("nan"))
    calls.append(ModuleCall(path, type(part).__name__, len(values), len(values) - len(finite), lowest, highest))
