"""What a model of thousands of features was served, hour by hour: profiles drawn as such, without their samples."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tests.tools.ports import InMemoryPorts
from tools.records import Feature, Model, Window
from tools.stats.profile import PREDICTION, Profile

START = datetime(2013, 4, 13, tzinfo=UTC)
MODEL = "wide"
Levels = NDArray[np.float64]


@dataclass(frozen=True)
class Served:
    """`features` of unit variance within an hour, whose hourly levels are red noise of this `memory` and `swing` (the
    standard deviation of the level), `rows` samples an hour, so many `days`, histograms of so many `bins`. By `slope`
    the prediction goes with the first features within an hour."""

    features: int
    days: int = 7
    rows: int = 1000
    bins: int = 64
    memory: float = 0.9
    swing: float = 0.2
    slope: tuple[float, ...] = ()

    @property
    def window(self) -> Window:
        """The last day."""
        return Window(start=START + timedelta(days=self.days - 1), end=START + timedelta(days=self.days))

    @property
    def baseline(self) -> Window:
        return Window(start=START, end=self.window.start)

    def levels(self, rng: np.random.Generator) -> Levels:
        """The level of each hour, of the features and of the prediction, float64[T, F + 1]."""
        found = np.empty((24 * self.days, self.features + 1))
        found[0] = rng.normal(0, 1, self.features + 1)
        for t in range(1, len(found)):
            found[t] = self.memory * found[t - 1] + np.sqrt(1 - self.memory**2) * rng.normal(0, 1, self.features + 1)
        return self.swing * found


def profiles(served: Served, levels: Levels, rng: np.random.Generator) -> list[Profile]:
    """One profile an hour, its counts drawn from a normal distribution about its level, on quantiles of N(0, 1)."""
    names = (*(f"f{i:04d}" for i in range(served.features)), PREDICTION)
    inner = special.ndtri(np.linspace(0, 1, served.bins - 1)[1:-1])
    edges = np.tile(np.concatenate([[-6.0], inner, [6.0]]), (len(names), 1))
    return [_profile(served, names, edges, hour, level, rng) for hour, level in enumerate(levels)]


def _profile(
    served: Served, names: tuple[str, ...], edges: Levels, hour: int, level: Levels, rng: np.random.Generator
) -> Profile:
    below = special.ndtr(edges - level[:, None])
    share = np.diff(below, axis=1, prepend=0.0, append=1.0)
    counts = rng.poisson(served.rows * share).astype(np.int64)
    count = counts.sum(axis=1)
    mean = level + rng.normal(0, 1, len(level)) / np.sqrt(served.rows)
    start = START + timedelta(hours=hour)
    return Profile(
        model=MODEL,
        snapshot=f"{MODEL}/1",
        window=Window(start=start, end=start + timedelta(hours=1)),
        features=names,
        rows=int(count.max()),
        count=count,
        nulls=np.zeros(len(names), dtype=np.int64),
        nonfinite=np.zeros(len(names), dtype=np.int64),
        total=count * mean,
        total2=count * (1 + mean**2),
        minimum=level - 3.0,
        maximum=level + 3.0,
        pairs=count,
        cross=count * (mean * mean[-1] + np.append(served.slope, np.zeros(len(names) - len(served.slope)))),
        pair_total=count * mean,
        pair_total2=count * (1 + mean**2),
        pair_prediction=count * mean[-1],
        pair_prediction2=count * (1 + mean[-1] ** 2),
        edges=edges,
        histogram=counts,
    )


def ports(found: list[Profile]) -> InMemoryPorts:
    """Ports over these profiles; ten features are read from each dataset."""
    filled = InMemoryPorts()
    filled.models.by_name[MODEL] = Model(model=MODEL, product="badge", title="Wide")
    names = sorted({f for p in found for f in p.features} - {PREDICTION})
    filled.models.all_features = [
        Feature(model=MODEL, feature=name, kind="dense", node=f"data:{i // 10}", column=name.upper())
        for i, name in enumerate(names)
    ]
    filled.profiles.all_profiles = found
    return filled
