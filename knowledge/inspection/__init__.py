"""What is inside a snapshot's file, said without running anything of it; of a refused one, what can be read."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from knowledge.inspection.modules import modules_of
from knowledge.inspection.program import inspect_program
from knowledge.inspection.views import Inspection, TensorView
from knowledge.weights import READERS, read_weights
from tools.ports import UnreadableArtifact

__all__ = ["Inspection", "inspect"]


def inspect(path: Path) -> Inspection:
    """What a file holds. Raises `UnreadableArtifact` where the ending of its name is not that of a snapshot."""
    if path.suffix not in READERS:
        raise UnreadableArtifact(f"{path.name} is no snapshot: they end in {', '.join(READERS)}")
    return inspect_program(path) if path.suffix == ".pt2" else _weights(path)


def _weights(path: Path) -> Inspection:
    tensors: Mapping[str, np.ndarray] = {}
    refused: list[str] = []
    try:
        tensors = read_weights(path)
    except UnreadableArtifact as error:
        refused.append(str(error))
    views = [TensorView(name=n, dtype=str(t.dtype), sizes=t.shape, bytes=t.nbytes) for n, t in tensors.items()]
    return Inspection(
        file=path.name,
        bytes=path.stat().st_size,
        kind="weights",
        tensors=tuple(views),
        modules=tuple(modules_of({t.name: math.prod(t.sizes) for t in views}, None)),
        refused=tuple(refused),
    )
