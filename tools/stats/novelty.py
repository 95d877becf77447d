"""Is a value larger than its own past allows? Many short series at once, which lend each other their spread."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tools.stats.multiplicity import benjamini_hochberg

MIN_HISTORY = 5
PRIOR_DF = 4.0  # the weight of the borrowed spread, in observations
HEAVIEST_DF = 5.0  # updates come in bursts: the tails stay heavy, however long the history
SCALE_FLOOR = 0.1  # of a logarithm: no series is so calm that 10% would be news
MIN_LENDERS = 3
MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class Novelty:
    """`z` is how many scales the value lies above the median of its history; `p_value` is one-sided, `q_value` is over
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

    Location and scale are median and MAD. The scale is moderated: a weighted mean, in squares, of the series' own and
    of the median one of its kind, or of all series where fewer than three are of the kind (Smyth 2004, "Linear models
    and empirical Bayes methods", §4, with a fixed prior weight). z is referred to Student's t with few degrees of
    freedom; q values are Benjamini and Hochberg's.
    """
    past = {name: _finite(history.get(name, ())) for name in sorted(current)}
    past = {name: values for name, values in past.items() if len(values) >= MIN_HISTORY and np.isfinite(current[name])}
    own = {name: _mad(values) for name, values in past.items()}
    plain = {name: _against(current[name], past[name], own[name], _lent(name, own, kinds)) for name in past}
    q = benjamini_hochberg([found.p_value for found in plain.values()])
    return {
        name: Novelty(**{**found.__dict__, "q_value": float(q[place])})
        for place, (name, found) in enumerate(plain.items())
    }


def _finite(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    return array[np.isfinite(array)]


def _mad(values: np.ndarray) -> float:
    return MAD_TO_SIGMA * float(np.median(np.abs(values - np.median(values))))


def _lent(name: str, own: Mapping[str, float], kinds: Mapping[str, Hashable]) -> float:
    """The median spread of the series of the same kind, or of all."""
    alike = [scale for other, scale in own.items() if kinds.get(other) == kinds.get(name)]
    return float(np.median(alike if len(alike) >= MIN_LENDERS else [*own.values()]))


def _against(value: float, past: np.ndarray, own: float, lent: float) -> Novelty:
    n = len(past)
    moderated = np.sqrt(((n - 1) * own**2 + PRIOR_DF * lent**2) / (n - 1 + PRIOR_DF))
    scale = max(float(moderated), SCALE_FLOOR) * float(np.sqrt(1 + 1 / n))
    typical = float(np.median(past))
    z, df = (value - typical) / scale, min(n - 1.0, HEAVIEST_DF)
    return Novelty(
        value=value,
        typical=typical,
        scale=scale,
        z=z,
        p_value=float(stats.t.sf(z, df)),
        q_value=float("nan"),
        above_all=value - float(past.max()),
        df=df,
        n=n,
    )
