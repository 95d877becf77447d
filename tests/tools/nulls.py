"""Days of hours on which nothing is wrong, in the shapes that fool careless tests, and faults to plant in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from tests.tools.ports import InMemoryPorts, sorted_cube
from tools.contract import Finding
from tools.model_isolation import TOOL, ModelIsolationParams
from tools.records import Cube, Metric, MetricRole, Model, Product, Window

PRODUCT, TOPLINE = "shop", "good_share"
VALUES = {
    "model": ("m1", "m2", "m3"),
    "arm": ("control", "treatment"),
    "country": ("br", "de", "in", "us"),
    "infra.build": ("b1", "b2"),
    "infra.region": ("eu", "us"),
}
FIRST = datetime(2024, 3, 4, tzinfo=UTC)
HOURS = 24
SHAPES = ("swings", "weekly", "mix", "heavy_tails")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plain:
    """A world with `days` of baseline and one day of degradation. `shape` says what makes its days differ: "swings"
    that remember (AR(0.8) by hour, of everything and of every value), a "weekly" cycle that differs by country, a
    strong move of the "mix" in the window, or days of "heavy_tails" (t with 3 degrees of freedom). `lost` is the share
    of the good outcomes lost in the window where all of `where` holds."""

    seed: int
    shape: str = "swings"
    days: int = 14
    lost: float = 0.0
    where: Mapping[str, str] = field(default_factory=dict)
    per_hour: float = 25.0

    @property
    def window(self) -> Window:
        start = FIRST + timedelta(days=self.days)
        return Window(start=start, end=start + timedelta(days=1))

    @property
    def baseline(self) -> Window:
        return Window(start=FIRST, end=self.window.start)


def cube(world: Plain) -> Cube:
    """Good outcomes per outcome, by hour and every combination of values."""
    rng = np.random.default_rng(world.seed)
    hours = (world.days + 1) * HOURS
    at = [a.ravel() for a in np.indices((hours, *(len(v) for v in VALUES.values())))]
    hour, codes = at[0], dict(zip(VALUES, at[1:], strict=True))
    now = hour >= world.days * HOURS
    odds = 1.3 + 0.2 * codes["model"] - 0.3 * codes["country"] + _common(world.shape, hours, rng)[hour]
    weight = world.per_hour * (0.5 + np.sin(np.pi * (hour % HOURS) / HOURS))
    for name, values in VALUES.items():
        own = 0.06 * _remembering((len(values), hours), 0.8, rng)
        odds = odds + own[codes[name], hour]
        pull = rng.normal(size=len(values)) + 0.1 * _remembering((len(values), hours), 0.95, rng).T
        if world.shape == "mix":
            pull[-HOURS:] += 1.2 * rng.normal(size=len(values))
        weight = weight * (np.exp(0.5 * pull) / np.exp(0.5 * pull).mean(1, keepdims=True))[hour, codes[name]]
    if world.shape == "weekly":
        odds = odds + 0.4 * np.where(hour // HOURS % 7 >= 5, 1, 0) * (codes["country"] - 1.5)
    rate = 1 / (1 + np.exp(-odds))
    dims = {name: np.array(values)[codes[name]] for name, values in VALUES.items()}
    hit = now & np.logical_and.reduce([np.ones(len(now), bool), *(dims[k] == v for k, v in world.where.items())])
    rate = np.where(hit, rate * (1 - world.lost), rate)
    shown = rng.poisson(weight)
    good = rng.binomial(shown, rate).astype(float)
    kept = shown > 0
    ts = int(FIRST.timestamp()) + 3600 * hour
    return sorted_cube(Cube(ts, dims, good, shown.astype(float)).where(kept))


def _common(shape: str, hours: int, rng: np.random.Generator) -> Floats:
    """The swing of everything, float64[hours]."""
    swing = 0.25 * _remembering((hours,), 0.97, rng)
    if shape == "heavy_tails":
        swing = swing + np.repeat(0.15 * rng.standard_t(3, hours // HOURS), HOURS)
    return swing


def _remembering(shape: tuple[int, ...], memory: float, rng: np.random.Generator) -> Floats:
    """AR(1) noise of deviation 1 along the last axis."""
    steps = rng.normal(size=shape) * np.sqrt(1 - memory**2)
    steps[..., 0] /= np.sqrt(1 - memory**2)
    noise: Floats = lfilter([1.0], [1.0, -memory], steps, axis=-1)
    return noise


def ports_of(points: Cube) -> InMemoryPorts:
    """The points as the only metric of a product with all models of `VALUES`."""
    ports = InMemoryPorts()
    metric = Metric(name=TOPLINE, role=MetricRole.topline, better="higher", title="good outcomes")
    ports.metrics.products[PRODUCT] = Product(product=PRODUCT, title="shop", metrics=(metric,))
    ports.metrics.cubes[PRODUCT, TOPLINE] = points
    for name in VALUES["model"]:
        ports.models.by_name[name] = Model(model=name, product=PRODUCT, title=name)
    return ports


def isolate(world: Plain, points: Cube | None = None) -> Finding:
    """Ask the tool about the points, or about those of the world."""
    params = ModelIsolationParams(product=PRODUCT, metric=TOPLINE, window=world.window, baseline=world.baseline)
    return TOOL.run(params, ports_of(cube(world) if points is None else points))
