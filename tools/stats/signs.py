"""What may be the matter with a feature, and with all of them at once."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tools.stats.profile import Counts, Floats

Change = Literal["nulls", "constant", "stuck", "delayed", "scale", "non_finite", "unseen"]

MIN_ROWS = 30
MAX_Q = 0.01


@dataclass(frozen=True)
class Symptom:
    """One thing that one feature shows. `usual`, `now` and the interval of the difference are in the unit of `change`:
    shares for nulls, non_finite, unseen and stuck, log10 of the magnitude for scale, hours in a row for constant and
    delayed.

    `severity` in [0, 1] compares symptoms of different kinds. `p_value` is corrected for the symptoms looked at within
    the feature, `q_value` for the features. `large` says that the effect is beyond its floor and every earlier day.
    """

    feature: str
    change: Change
    usual: float
    now: float
    low: float
    high: float
    severity: float
    p_value: float
    days: int
    large: bool
    q_value: float

    @property
    def broken(self) -> bool:
        return self.large and self.q_value <= MAX_Q


@dataclass(frozen=True)
class Signs:
    """One kind of change looked for in all F features: the fields of `Symptom` as arrays [F], `p_value` NaN where a
    feature could not be checked for it."""

    change: Change
    usual: Floats
    now: Floats
    low: Floats
    high: Floats
    severity: Floats
    p_value: Floats
    days: Counts
    large: NDArray[np.bool_]
