"""What a model was served, hour by hour, made in memory: autocorrelated features with planted breaks."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from tests.tools.ports import InMemoryPorts
from tools.records import Feature, Model, Window
from tools.stats.profile import PREDICTION, Profile, baseline_edges, summarise

START = datetime(2013, 4, 13, tzinfo=UTC)
DAYS = 22
WINDOW = Window(start=START + timedelta(days=21, hours=11), end=START + timedelta(days=22))
BASELINE = Window(start=START, end=START + timedelta(days=21))
FROM = 21 * 24 + 12
"""The hour, counted from START, at which the planted breaks begin."""

Break = Callable[[NDArray[np.float64], NDArray[np.int64]], None]
"""Changes columns float64[n, F] in place, given each row's hour since START int64[n]."""


def served(
    features: int, seed: int, broken: Break | None = None, per_hour: int = 20, days: int = DAYS
) -> list[Profile]:
    """Profiles of `features` columns f000, f001, … that are red noise by hour plus noise by row, and a prediction."""
    rng = np.random.default_rng(seed)
    hours = days * 24
    level = np.zeros((hours, features + 1))
    shocks = rng.normal(0, 1, (hours, features + 1))
    for t in range(1, hours):
        level[t] = 0.95 * level[t - 1] + 0.3 * shocks[t]
    hour = np.repeat(np.arange(hours), per_hour)
    columns = 5.0 + level[hour] + rng.normal(0, 1, (len(hour), features + 1))
    columns[:, -1] = 1 / (1 + np.exp(3 - 0.3 * columns[:, -1]))
    if broken is not None:
        broken(columns, hour)
    names = (*(f"f{i:03d}" for i in range(features)), PREDICTION)
    return folded(columns, hour, names)


def folded(
    columns: NDArray[np.float64], hour: NDArray[np.int64], names: tuple[str, ...], bins: int = 64
) -> list[Profile]:
    """Hourly profiles with edges from the first 21 days, of one snapshot a day."""
    edges = baseline_edges(columns[hour < 21 * 24], bins)
    kept, group = np.unique(hour, return_inverse=True)
    keys = []
    for h in kept:
        start = START + timedelta(hours=int(h))
        keys.append((Window(start=start, end=start + timedelta(hours=1)), f"badge_dcn/{start:%Y-%m-%d}"))
    return summarise("badge_dcn", keys, group, names, columns, edges)


def ports(profiles: list[Profile], node: str | None = "flights:weather_joined") -> InMemoryPorts:
    """Ports over these profiles; the first four features are read from `node`, the others from another one."""
    found = InMemoryPorts()
    found.models.by_name["badge_dcn"] = Model(model="badge_dcn", product="badge", title="Badge")
    names = sorted({f for p in profiles for f in p.features} - {PREDICTION})
    found.models.all_features = [
        Feature(
            model="badge_dcn",
            feature=name,
            kind="categorical" if name.startswith("id") else "dense",
            node=node if i < 4 else "flights:history",
            column=name.upper(),
        )
        for i, name in enumerate(names)
    ]
    found.profiles.all_profiles = profiles
    return found
