"""Profiles: what samples become. Additive summaries per feature that merge exactly, in a fixed order."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.records import Window

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Profile:
    """Summary of one (model, snapshot, window). F features, the model's prediction last under the name "prediction".

    Shapes: `count`, `nulls`, `nonfinite` int64[F]; `total`, `total2`, `minimum`, `maximum` float64[F], over finite values
    (minimum is +inf and maximum -inf where there are none); `cross` float64[F], Σ feature × prediction over rows where
    both are finite; `edges` float64[F, B-1], the inner bin edges of the model's baseline; `histogram` int64[F, B] of
    the finite values. `rows` is the number of samples. A null is NaN in the samples; non-finite means ±Inf.
    """

    model: str
    snapshot: str
    window: Window
    features: tuple[str, ...]
    rows: int
    count: Counts
    nulls: Counts
    nonfinite: Counts
    total: Floats
    total2: Floats
    minimum: Floats
    maximum: Floats
    cross: Floats
    edges: Floats
    histogram: Counts
