"""Synthetic cubes of minutes: attributes with uneven traffic, rates that wander together, and a planted combination."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np

from tests.tools.ports import InMemoryPorts, sorted_cube
from tools.contract import Finding
from tools.model_isolation import TOOL, ModelIsolationParams
from tools.records import Cube, Metric, MetricRole, Product, Window

FIRST = datetime(2024, 3, 1, 9, 17, tzinfo=UTC)
CARDINALITY = {"bitrate": 6, "cdn": 5, "device": 7, "isp": 7, "p2p": 2}
PRODUCT = "live"


def windows(before: int, after: int) -> tuple[Window, Window]:
    """The degradation window and its baseline, in minutes."""
    start = FIRST + timedelta(minutes=before)
    return Window(start=start, end=start + timedelta(minutes=after)), Window(start=FIRST, end=start)


def cube(
    seed: int,
    before: int = 10,
    after: int = 10,
    wander: float = 0.1,
    plant: tuple[Mapping[str, str], float] | None = None,
) -> Cube:
    """Stalled viewers per viewers. `wander` is the size of autocorrelated swings (log scale, AR(0.5)) of every value;
    `plant` multiplies the rate of a combination from the start of the window on."""
    rng = np.random.default_rng(seed)
    minutes = before + after
    picked = [rng.choice(n, 250, p=rng.dirichlet(np.full(n, 8.0))) for n in CARDINALITY.values()]
    cells = np.unique(np.stack(picked, axis=1), axis=0)
    logs = np.log(0.03) + rng.normal(0, 0.3, len(cells))[:, None] + _swings(rng, 1, minutes, wander)
    for at, n in enumerate(CARDINALITY.values()):
        logs = logs + _swings(rng, n, minutes, wander)[cells[:, at]]
    names = {name: np.array([f"{name[0]}{v}" for v in cells[:, at]]) for at, name in enumerate(CARDINALITY)}
    if plant is not None:
        inside = np.logical_and.reduce([names[name] == value for name, value in plant[0].items()])
        logs[inside, before:] += np.log(plant[1])
    den = rng.poisson(rng.lognormal(3.5, 1.0, len(cells))[:, None], (len(cells), minutes))
    num = rng.binomial(den, np.minimum(np.exp(logs), 1.0))
    cell, minute = np.nonzero(den)
    ts = int(FIRST.timestamp()) + 60 * minute
    dims = {name: values[cell] for name, values in names.items()}
    return sorted_cube(Cube(ts, dims, num[cell, minute].astype(float), den[cell, minute].astype(float)))


def _swings(rng: np.random.Generator, count: int, minutes: int, size: float) -> np.ndarray:
    noise = rng.normal(0, size, (count, minutes))
    for t in range(1, minutes):
        noise[:, t] = 0.5 * noise[:, t - 1] + np.sqrt(0.75) * noise[:, t]
    return noise


def isolate(points: Cube, before: int = 10, after: int = 10, better: str = "lower") -> Finding:
    """What the tool says of these points."""
    metric = Metric.model_validate(
        {"name": "stalled", "role": MetricRole.topline, "better": better, "title": "stalled"}
    )
    ports = InMemoryPorts()
    ports.metrics.products[PRODUCT] = Product(product=PRODUCT, title="live", metrics=(metric,))
    ports.metrics.cubes[PRODUCT, "stalled"] = points
    window, baseline = windows(before, after)
    return TOOL.run(ModelIsolationParams(product=PRODUCT, metric="stalled", window=window, baseline=baseline), ports)
