"""Real modules, exported by torch, written to a file and read back as programs."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from knowledge.pt2 import read_program
from tools.program.graph import Column, Program


def export(
    module: nn.Module,
    inputs: Sequence[Tensor],
    folder: Path,
    dynamic: Sequence[dict[int, Any] | None] | None = None,
    columns: Sequence[Column] = (),
) -> Program:
    """The module as a program with an open number of rows: the first size of each input, where nothing else is said.

    `dynamic` is torch.export's `dynamic_shapes`; a module in training mode stays in it.
    """
    rows = torch.export.Dim("rows")
    shapes = tuple(dynamic) if dynamic is not None else tuple({0: rows} for _ in inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.export.export(module, tuple(inputs), dynamic_shapes=shapes, strict=False)
        exported.example_inputs = None
        path = folder / f"{type(module).__name__.lower()}.pt2"
        with path.open("wb") as file:
            torch.export.save(exported, file)
    return replace(read_program(path), columns=tuple(columns))
