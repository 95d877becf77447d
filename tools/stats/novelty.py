"""Is a value outside of what its own past allows? Many short series at once, which lend each other their spread."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from tools.stats.multiplicity import benjamini_hochberg
from tools.stats.robust_scale import HEAVIEST_DF, Floats, deviations, groups_of, moderated

MIN_HISTORY = 5
SCALE_FLOOR = 0.1  # of a logarithm: no series is so calm that 10% would be news


@dataclass(frozen=True)
class Novelty:
    """`z` is how many scales the value lies above the median of its history; `p_value` is two-sided, `q_value` is over
    all series asked about together; `above_all` is value minus the largest of the history; `typical` is the median,
    `scale` the standard error of the prediction, `df` its degrees of freedom, and `n` the length of the history."""

    value: float
    typical: float
    scale: float
    z: float
    p_value: float
    q_value: float
    above_all: float
    df: float
    n: int


def novelties(
    history: Mapping[str, Sequence[float]], current: Mapping[str, float], kinds: Mapping[str, Hashable]
) -> dict[str, Novelty]:
    """The novelty of each series of `current` that has at least `MIN_HISTORY` finite values in `history`.

    Location and scale are median and MAD; the scale is drawn towards that of the series' kind. z is referred to
    Student's t with few degrees of freedom; q values are Benjamini and Hochberg's.
    """
    past = {name: _finite(history.get(name, ())) for name in sorted(current)}
    names = [name for name in past if len(past[name]) >= MIN_HISTORY and np.isfinite(current[name])]
    if not names:
        return {}
    own = np.array([float(deviations(past[name][:, None])[0]) for name in names])
    days = np.array([float(len(past[name])) for name in names])
    scales = np.maximum(moderated(own, days, groups_of([kinds.get(name) for name in names])), SCALE_FLOOR)
    plain = [_against(current[name], past[name], float(scale)) for name, scale in zip(names, scales, strict=True)]
    q = benjamini_hochberg([found.p_value for found in plain])
    return {
        name: replace(found, q_value=float(q[place]))
        for place, (name, found) in enumerate(zip(names, plain, strict=True))
    }


def _finite(values: Sequence[float]) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    return array[np.isfinite(array)]


def _against(value: float, past: Floats, spread: float) -> Novelty:
    n = len(past)
    scale = spread * float(np.sqrt(1 + 1 / n))
    typical = float(np.median(past))
    z, df = (value - typical) / scale, min(n - 1.0, HEAVIEST_DF)
    return Novelty(
        value=value,
        typical=typical,
        scale=scale,
        z=z,
        p_value=float(2 * stats.t.sf(abs(z), df)),
        q_value=float("nan"),
        above_all=value - float(past.max()),
        df=df,
        n=n,
    )
