"""What the features of one snapshot count for on some rows: what is asked of the process that runs snapshots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.program.ablation.ablate import ablate
from tools.program.columns import UnfitRows
from tools.program.graph import Program
from tools.program.interpreter import Interpreter
from tools.program.rows import to_rows
from tools.program.tables import unknown_ids
from tools.records import Samples

Floats = NDArray[np.float64]
FirstWeights = Mapping[str, tuple[tuple[str, tuple[int, ...] | None], ...]]
"""Feature → the weights that it meets first: the name, and the columns that are its own; None for a table of ids."""


@dataclass(frozen=True)
class Importances:
    """One snapshot on n rows.

    `predictions` float64[n]; `differences` float64[n, F]: prediction minus the prediction without the feature; where
    a row has several numbers, the mean of these, and of the absolute differences. `ts` int64[n].
    """

    features: tuple[str, ...]
    predictions: Floats
    differences: Floats
    ts: NDArray[np.int64]
    weights: FirstWeights
    notes: tuple[str, ...]


def features_of_program(programs: Sequence[Program]) -> tuple[str, ...]:
    """The features that `features.json` names, each once, in the order of the columns."""
    return tuple(dict.fromkeys(column.feature for column in programs[0].columns))


def importances(programs: Sequence[Program], samples: Samples, chosen: Sequence[str] | None) -> Importances:
    """Take the chosen features (all where none are named) away from the first program, one at a time; on a GPU where
    torch finds one.

    Raises `tools.ports.PortError` where the snapshot does not run on the samples, or has no row for one of their ids.
    """
    import torch

    program = programs[0]
    rows = to_rows(program, samples)
    interpreter = Interpreter(program.on(rows.inputs))
    unknown = unknown_ids(interpreter, rows)
    if unknown:
        raise UnfitRows(str(unknown[0]))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    inputs = [value.to(device) for value in rows.inputs]
    found = ablate(program.moved_to(device), inputs, None if chosen is None else frozenset(chosen))
    single = found.predictions.shape[1] == 1
    differences = found.differences[:, :, 0] if single else found.differences.abs().mean(2)
    names = program.weight_names or interpreter.program.weight_names
    return Importances(
        features=found.features,
        predictions=found.predictions.double().mean(1).cpu().numpy(),
        differences=differences.T.double().cpu().numpy(),
        ts=rows.samples.ts,
        weights={
            feature: tuple(sorted(((names.get(name, name), columns) for name, columns in met), key=str))
            for feature, met in found.weights.items()
        },
        notes=(*program.notes, *rows.caveats, *found.notes),
    )
