"""From the checkpoints of a training to curves of its weights: how far each tensor moved, and how large it is.

It runs where models are trained, so it needs numpy alone.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

Checkpoint = tuple[int, Mapping[str, np.ndarray]]


def weight_curves(checkpoints: Iterable[Checkpoint]) -> list[dict[str, Any]]:
    """The curves `weight_norm.<tensor>` and `weight_change.<tensor>` of a training run's record.

    `checkpoints` are (step, tensor name → array), oldest first. A change is the norm of the difference from the
    checkpoint before over the norm of the tensor; a tensor that was zero and still is has not changed. What cannot be
    compared (a new tensor, another shape) begins anew.
    """
    norms: dict[str, list[tuple[int, float]]] = {}
    changes: dict[str, list[tuple[int, float]]] = {}
    before: Mapping[str, np.ndarray] = {}
    for step, tensors in checkpoints:
        for name, tensor in tensors.items():
            if tensor.dtype.kind != "f":
                continue
            norms.setdefault(name, []).append((step, _norm(tensor)))
            if name in before and before[name].shape == tensor.shape:
                changes.setdefault(name, []).append((step, _change(before[name], tensor)))
        before = tensors
    curves = [(f"weight_norm.{name}", points) for name, points in norms.items()]
    curves += [(f"weight_change.{name}", points) for name, points in changes.items()]
    return [
        {"name": name, "steps": [step for step, _ in points], "values": [value for _, value in points]}
        for name, points in curves
    ]


def _norm(tensor: np.ndarray) -> float:
    return float(np.linalg.norm(tensor.astype(np.float64).ravel()))


def _change(before: np.ndarray, after: np.ndarray) -> float:
    moved, size = _norm(after.astype(np.float64) - before.astype(np.float64)), max(_norm(before), _norm(after))
    return moved / size if size > 0 else moved
