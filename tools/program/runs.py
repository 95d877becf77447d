"""Snapshots run on samples: what each gives for every value, on the rows that it can be given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tools.ports import PortError
from tools.program.bad_rows import non_finite_rows
from tools.program.columns import listed
from tools.program.description import Statistics
from tools.program.graph import Program
from tools.program.interpreter import Interpreter
from tools.program.rows import Rows, fixed_batch, to_rows
from tools.program.second_tier import SecondTier
from tools.program.tables import UnknownIds, unknown_ids
from tools.program.tensor_statistics import Range, range_of
from tools.records import Samples

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Run:
    """A snapshot on a batch: the ranges of its inputs and of every value that is no view, and its outputs.

    `statistics` are of the outputs of relu and sigmoid, or of every value. `unknown` are ids that its tables do not
    have: their rows are not in the batch.
    """

    interpreter: Interpreter
    rows: Rows
    ranges: Mapping[str, Range]
    outputs: "Mapping[str, Tensor]"
    statistics: Mapping[str, Statistics]
    unknown: tuple[UnknownIds, ...] = ()

    @property
    def program(self) -> Program:
        """As it was run: a recorded program has its nodes now."""
        return self.interpreter.program

    @property
    def bad_rows(self) -> np.ndarray:
        """bool[n]: whose predictions are no numbers."""
        return non_finite_rows(self.outputs, len(self.rows))


@dataclass(frozen=True)
class NothingLeft:
    """Every row has an id that the snapshot's tables do not have, or it takes a fixed number of rows and some have."""

    rows: int
    unknown: tuple[UnknownIds, ...]


def run(program: Program, samples: Samples, everything: bool = False) -> Run | NothingLeft:
    """Run a program on the samples that it can be given, watched. Raises `PortError`."""
    rows = to_rows(program, samples)
    interpreter = Interpreter(program.on(rows.inputs))
    unknown = tuple(unknown_ids(interpreter, rows))
    if unknown:
        good = ~np.any([found.rows for found in unknown], axis=0)
        if not good.any() or fixed_batch(interpreter.program) is not None:
            return NothingLeft(len(rows), unknown)
        rows = to_rows(program, rows.samples.where(good))
    tier = SecondTier(interpreter.program, everything)
    outputs = interpreter.run(rows.inputs, watch=tier)
    inputs = zip(interpreter.program.inputs, rows.inputs, strict=True)
    ranges = {tensor.name: found for tensor, value in inputs if (found := range_of(value))}
    values = tier.ranges()
    return Run(interpreter, rows, ranges | values, outputs, tier.statistics(values), unknown)


def run_stable(programs: Sequence[Program], samples: Samples, everything: bool = False) -> Run | str:
    """The stable snapshot on the same samples, or why there is no such run."""
    if not programs:
        return "there is no earlier snapshot to compare with"
    try:
        found = run(programs[0], samples, everything)
    except PortError as refused:
        return str(refused)
    return str(found.unknown[0]) if isinstance(found, NothingLeft) else found


def features_filled_by_serving(runs: Mapping[str, Run]) -> tuple[str, ...]:
    """The features whose missing values the serving system must have replaced before the model saw them.

    `runs` by snapshot. The served prediction is the witness: a row that was served by this very snapshot got a number,
    and with NaN for its missing values it gets none.
    """
    filled: set[str] = set()
    for snapshot, found in runs.items():
        samples = found.rows.samples
        proven = found.bad_rows & np.isfinite(samples.prediction) & (samples.snapshot == snapshot)
        for column in found.program.columns:
            values = samples.features.get(column.feature)
            if column.missing is None and column.kind == "dense" and values is not None:
                null = np.isnan(np.asarray(values, dtype=np.float64)).reshape(len(samples), -1).any(axis=1)
                if (proven & null).any():
                    filled.add(column.feature)
    return tuple(sorted(filled))


def with_baselines(program: Program, features: Sequence[str]) -> Program:
    """The program with the baseline for missing values of these features; its notes say so."""
    columns = tuple(
        replace(column, missing=column.baseline) if column.feature in features else column for column in program.columns
    )
    note = (
        f"missing values of {listed(list(features))} were filled with the baseline: the snapshot gives no number for "
        "them, and yet a number was served, so the serving system fills them in. Say with what in features.json "
        "(`missing`)"
    )
    return replace(program, columns=columns, notes=(*program.notes, note))
