"""How probable it is that a suspect is the root of what is felt: a calibrated weighing of its clues."""

import math
from collections.abc import Mapping, Sequence

from tools.stats.root_clues import Clues

MOST = 0.99
WEIGHTS: Mapping[str, float] = {
    "one": -1.94,
    "strength": 0.24,
    "faint": 0.0,
    "explained": -2.21,
    "blind": -0.48,
    "vague": -0.51,
    "late": 0.0,
    "change_fits": 3.24,
    "change_earlier": 0.5,
    "untold": 0.2,
    "tracks": 0.95,
    "untracked": 1.51,
    "mass": 0.0,
    "reach": 1.38,
    "history": 0.01,
    "felt": -0.32,
    "hinted": 0.0,
    "unfelt": -1.53,
    "unfelt_tracks": 0.87,
}


def probabilities(found: Sequence[Clues]) -> list[float]:
    """For each suspect the probability of being the root; what is left to 1 is that it is none of them.

    A conditional logit (McFadden 1974) of the suspects and "none of them". Its weights were fitted to simulated worlds
    with planted roots, and checked on others (`tests/benchmarks/lineage_calibration.py`).
    """
    weighed = [math.exp(weight(clues)) for clues in found]
    total = 1 + sum(weighed)
    return [min(w / total, MOST) for w in weighed]


def weight(clues: Clues) -> float:
    """The logarithm of the odds of a suspect against "none of them"."""
    return WEIGHTS["one"] + sum(WEIGHTS[name] * float(value) for name, value in vars(clues).items())
