"""A departure that is judged by no less than a given standard error, so that a history without any variation does not
make every move a fault."""

import math
from typing import NamedTuple

from scipy import stats

from tools.stats.robust import Departure, Tail


class Judged(NamedTuple):
    """The p value of a departure, and half the width of its 95% interval."""

    p_value: float
    half: float


def judged(d: Departure, floor: float, tail: Tail) -> Judged:
    """The departure's standard error and the floor, added in squares.

    The floor is taken to be known as well as all of the history's blocks would allow; the degrees of freedom of the sum
    are those of Welch and Satterthwaite (1946).
    """
    df = (d.scale**2 + floor**2) ** 2 / (d.scale**4 / d.df + floor**4 / max(d.blocks - 1, d.df))
    scale = math.hypot(d.scale, floor)
    size = {"low": -d.effect, "high": d.effect, "both": abs(d.effect)}[tail]
    p = float(stats.t.sf(size / scale, df)) * (2 if tail == "both" else 1)
    return Judged(min(p, 1.0), float(stats.t.isf(0.025, df)) * scale)
