"""How all weights of a snapshot differ from those of an earlier one, and the same as text that can be kept."""

import json
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass

import numpy as np

from tools.stats.lone_threads import lone_threads
from tools.stats.tensor_change import TensorChange
from tools.stats.tensor_comparison import merged, part, parts
from tools.stats.tensor_pass import Pass

Weights = Mapping[str, np.ndarray]
TENSORS_AHEAD = 4
ELEMENTS_A_THREAD = 1 << 21  # a thread is not started for less
VERSION = 1
"""Raise this when a figure of a change is computed in another way: kept texts of another version are of no use."""


@dataclass(frozen=True)
class WeightChange:
    """`tensors` are those of one name and shape in both, by name; `remodelled` says in words which came, went or have
    another shape."""

    tensors: Mapping[str, TensorChange]
    remodelled: tuple[str, ...]


def weight_change(before: Weights, after: Weights) -> WeightChange:
    """Compare two snapshots tensor by tensor, on all processors; a few tensors' sums at a time are held in memory."""
    same = sorted(name for name in before.keys() & after.keys() if before[name].shape == after[name].shape)
    tensors: dict[str, TensorChange] = {}
    waiting: deque[tuple[str, list[Future[Pass]]]] = deque()
    elements = sum(after[name].size for name in same)
    with lone_threads(most=elements // ELEMENTS_A_THREAD) as pool:
        for name in same:
            old, new = before[name], after[name]
            waiting.append((name, [pool.submit(part, old, new, number) for number in range(parts(new))]))
            if len(waiting) > TENSORS_AHEAD:
                _finish(before, after, waiting, tensors)
        while waiting:
            _finish(before, after, waiting, tensors)
    return WeightChange(tensors, _remodelled(before, after))


def _finish(
    before: Weights, after: Weights, waiting: deque[tuple[str, list[Future[Pass]]]], tensors: dict[str, TensorChange]
) -> None:
    """The change of the tensor that has waited longest."""
    name, answers = waiting.popleft()
    tensors[name] = merged(before[name], after[name], [answer.result() for answer in answers])


def _remodelled(before: Weights, after: Weights) -> tuple[str, ...]:
    gone = [f"{name} is gone" for name in sorted(before.keys() - after.keys())]
    new = [f"{name} is new" for name in sorted(after.keys() - before.keys())]
    shaped = [
        f"{name} was {list(before[name].shape)} and is {list(after[name].shape)}"
        for name in sorted(before.keys() & after.keys())
        if before[name].shape != after[name].shape
    ]
    return (*gone, *new, *shaped)


def as_text(before: Weights, after: Weights) -> str:
    """`weight_change` as JSON."""
    change = weight_change(before, after)
    tensors = {name: asdict(one) for name, one in change.tensors.items()}
    return json.dumps({"tensors": tensors, "remodelled": change.remodelled})


def from_text(text: str) -> WeightChange:
    """The change that `as_text` wrote."""
    told = json.loads(text)
    tensors = {
        name: TensorChange(**{**figures, "columns": tuple(figures["columns"])})
        for name, figures in told["tensors"].items()
    }
    return WeightChange(tensors, tuple(told["remodelled"]))
