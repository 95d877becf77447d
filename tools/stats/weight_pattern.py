"""Is the way in which a day's training moved the weights unlike that of all days before?"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tools.stats.apart import Apart, apart
from tools.stats.lone_column import LoneColumn, lone_column
from tools.stats.multiplicity import benjamini_hochberg
from tools.stats.novelty import MIN_HISTORY
from tools.stats.robust_scale import Floats
from tools.stats.tensor_change import TensorChange
from tools.stats.weight_measures import MEASURES, Measure

LEVEL = 0.0075  # of the false discovery rate over everything that is looked at
SMALLEST = 8  # elements; the relative update of a tensor of one or two numbers says nothing near zero
LEAST_Z = 2.0  # scales of the past: what is less may be improbable after calm days, and is still nothing
FEWEST_IN_COMMON = 4  # tensors: what two or three have in common is chance
COLUMN = "column"

Changes = Mapping[str, TensorChange]


@dataclass(frozen=True)
class Departure:
    """A measure that departs from its past, of all tensors together (`tensor` is None), of one apart from the rest, or
    of one column of it apart from the other columns.

    `shift` is by how much, with its 95% interval [low, high]: a logarithm where `ratio`. `z` is the shift in scales of
    its own past, `limit` the largest |z| of an earlier day; `p_value` is the chance of an |z| as large on an ordinary
    day and `q_value` corrects it for all that was looked at; `days` is the length of the history. `alone` says of a
    column that no other one departs nearly as far.
    """

    measure: str
    says: str
    tensor: str | None
    column: int | None
    shift: float
    low: float
    high: float
    ratio: bool
    z: float
    limit: float
    beyond: bool
    p_value: float
    q_value: float
    days: int
    alone: bool = True

    @property
    def counts(self) -> bool:
        """Improbable and, whatever the probabilities say, beyond everything seen before; a column also has to be alone
        in it."""
        return self.q_value < LEVEL and self.beyond and abs(self.z) >= LEAST_Z and self.alone


def departures(current: Changes, past: Sequence[Changes], judged: Sequence[str]) -> list[Departure]:
    """What each measure says of the tensors `judged`, the most improbable first; nothing of fewer than 5 days."""
    if len(past) < MIN_HISTORY:
        return []
    found = [one for measure in MEASURES for one in _of_measure(measure, current, past, judged)]
    column = _of_columns(current, past, judged)
    found += [column] if column else []
    q = benjamini_hochberg([one.p_value for one in found])
    told = [replace(one, q_value=float(value)) for one, value in zip(found, q, strict=True)]
    return sorted(told, key=lambda one: (one.p_value, one.measure, one.tensor or ""))


def moving(current: Changes, past: Sequence[Changes]) -> list[str]:
    """The tensors that training updates: those that changed in at least half of the earlier steps, or change now where
    there are none."""
    found = []
    for name in sorted(current):
        steps = [step[name].changed > 0 for step in past if _same(name, step, current)]
        if (sum(steps) * 2 >= len(steps)) if steps else current[name].changed > 0:
            found.append(name)
    return found


def kind_of(name: str) -> Hashable:
    """Tensors that lend each other their spread: weights, biases, … by the last part of the name."""
    return name.rsplit(".", 1)[-1]


def _same(name: str, step: Changes, current: Changes) -> bool:
    """Whether a past step knows the tensor in today's shape."""
    return name in step and (step[name].elements, step[name].rows) == (current[name].elements, current[name].rows)


def _of_measure(measure: Measure, current: Changes, past: Sequence[Changes], judged: Sequence[str]) -> list[Departure]:
    names, history, now = _table(measure, current, past, judged)
    if not names or len(history) < MIN_HISTORY:
        return []
    together, one = apart(history, now, [kind_of(name) for name in names], measure.floor)
    found = [_told(measure, together, None)] if len(names) >= FEWEST_IN_COMMON else []
    return [*found, _told(measure, one, names[one.place or 0])]


def _table(
    measure: Measure, current: Changes, past: Sequence[Changes], judged: Sequence[str]
) -> tuple[list[str], Floats, Floats]:
    """The tensors whose measure is known today and on enough days; float64[n, K] of the days, float64[K] of today."""
    rows = [[measure.value(step[name]) if _same(name, step, current) else np.nan for name in judged] for step in past]
    history = np.array(rows, dtype=np.float64).reshape(len(past), len(judged))
    history[~np.isfinite(history)] = np.nan
    now = np.array([measure.value(current[name]) for name in judged], dtype=np.float64)
    known = np.isfinite(now) & (np.isfinite(history).sum(axis=0) >= MIN_HISTORY)
    history = history[:, known]
    return [name for name, use in zip(judged, known, strict=True) if use], _with_values(history), now[known]


def _with_values(history: Floats) -> Floats:
    return history[np.isfinite(history).any(axis=1)]


def _told(measure: Measure, found: Apart, tensor: str | None) -> Departure:
    return Departure(
        measure=measure.name,
        says=measure.says,
        tensor=tensor,
        column=None,
        shift=found.shift,
        low=found.low,
        high=found.high,
        ratio=measure.ratio,
        z=found.z,
        limit=found.limit,
        beyond=found.beyond,
        p_value=found.p_value,
        q_value=float("nan"),
        days=found.days,
    )


def _of_columns(current: Changes, past: Sequence[Changes], judged: Sequence[str]) -> Departure | None:
    """Only matrices that all earlier days know: a column is compared with the same column."""
    told = [name for name in judged if current[name].columns and current[name].rows >= SMALLEST]
    names = [name for name in told if all(_same(name, step, current) for step in past)]
    history = {name: np.array([step[name].columns for step in past]) for name in names}
    found = lone_column(history, {name: np.array(current[name].columns) for name in names})
    return _of_column(found) if found else None


def _of_column(found: LoneColumn) -> Departure:
    return Departure(
        measure=COLUMN,
        says="the update of the column against the other columns",
        tensor=found.matrix,
        column=found.column,
        shift=found.shift,
        low=found.low,
        high=found.high,
        ratio=True,
        z=found.z,
        limit=found.limit,
        beyond=found.beyond,
        p_value=found.p_value,
        q_value=float("nan"),
        days=found.days,
        alone=found.alone,
    )
