"""What a model is served while nothing is wrong, in the shapes that fool careless tests, as rows that become profiles.

Every feature has a kind: dense values and heavy tails whose hours remember (AR .5 to .95), have hours of the day and
days of the week, and share their news with others; levels that wander; rain that seldom falls; readings that all rows
of an hour share and that are missing for hours; habits of nulls; counts, rare flags, the calendar; ids whose popularity
drifts and that new ones join every day. Traffic has its own hours and weekends.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from knowledge.profiles import BINS
from tests.tools.ports import InMemoryPorts
from tools.records import Feature, Model, Window
from tools.stats.profile import PREDICTION, Profile, baseline_edges, summarise
from tools.stats.value_counts import Vocabulary, vocabulary

MODEL = "wide"
MONDAY = datetime(2024, 3, 4, tzinfo=UTC)
_REFERENCE = 10_000
_SHARED = 5

Floats = NDArray[np.float64]
Rows = NDArray[np.float32]
Change = Callable[[Rows, NDArray[np.int64], int], None]
"""Changes rows float32[n, F + 1] in place (the prediction is last), given each row's hour and the window's first."""


@dataclass(frozen=True)
class World:
    """`features` over a baseline of so many `days` and a window of `hours` after it that begins on this `weekday`
    (0 is Monday), with `per_hour` rows on average. `kinds` are the kinds in turn, by default all of them."""

    seed: int
    features: int = 200
    days: int = 14
    hours: int = 24
    weekday: int = 0
    per_hour: float = 60.0
    kinds: tuple[str, ...] = ()

    @property
    def start(self) -> datetime:
        return MONDAY + timedelta(
            days=(self.weekday - self.days) % 7, hours=int(np.random.default_rng(self.seed).integers(24))
        )

    @property
    def baseline(self) -> Window:
        return Window(start=self.start, end=self.start + timedelta(days=self.days))

    @property
    def window(self) -> Window:
        return Window(start=self.baseline.end, end=self.baseline.end + timedelta(hours=self.hours))

    @property
    def first(self) -> int:
        """The window's first hour."""
        return self.days * 24

    @property
    def length(self) -> int:
        return self.first + self.hours


@dataclass(frozen=True)
class Hours:
    """The hours of a world as its features see them: `of_day`, `day` since the beginning and `of_week` int64[T],
    `shared` news float64[S, T], and `hour` int64[n] of each row."""

    rng: np.random.Generator
    of_day: NDArray[np.int64]
    day: NDArray[np.int64]
    of_week: NDArray[np.int64]
    shared: Floats
    hour: NDArray[np.int64]

    def noise(self) -> Floats:
        return self.rng.normal(0, 1, len(self.hour))

    def news(self, memory: float) -> Floats:
        """Red noise of unit variance by hour, float64[T], its steps now and then large; partly shared with others."""
        rng, length = self.rng, self.shared.shape[1]
        steps = np.asarray(rng.normal(0, 1, length) if rng.random() < 0.5 else rng.standard_t(3, length) / np.sqrt(3))
        own = _red(steps, memory, rng)
        share = rng.random() if rng.random() < 0.3 else 0.0
        found: Floats = np.sqrt(1 - share) * own + np.sqrt(share) * self.shared[rng.integers(_SHARED)]
        return found

    def level(self) -> Floats:
        """News with hours of the day and days of the week, of very different sizes."""
        rng = self.rng
        angle = 2 * np.pi * (self.of_day / 24 + rng.random())
        week = rng.normal(0, rng.choice([0.0, 0.2, 0.6]), 7)
        return (
            rng.uniform(0.1, 1.0) * self.news(rng.uniform(0.5, 0.95))
            + rng.uniform(0, 0.8) * np.cos(angle)
            + week[self.of_week]
        )


def _red(steps: Floats, memory: float, rng: np.random.Generator) -> Floats:
    scaled = np.sqrt(1 - memory**2) * steps
    found: Floats = lfilter([1.0], [1.0, -memory], scaled, zi=[memory * rng.normal()])[0]
    return found


def plain(at: Hours) -> Floats:
    """Of unit variance, and nothing else: not one of the kinds of a sound world."""
    return at.noise()


def dense(at: Hours) -> Floats:
    return at.rng.normal(0, 5) + at.rng.lognormal(0, 2) * (at.level()[at.hour] + at.noise())


def heavy(at: Hours) -> Floats:
    return np.exp(at.rng.uniform(0.5, 2.0) * (at.level()[at.hour] + at.noise()))


def tails(at: Hours) -> Floats:
    return at.level()[at.hour] + at.rng.standard_t(1.5, len(at.hour))


def wandering(at: Hours) -> Floats:
    walk = np.cumsum(at.rng.normal(0, at.rng.uniform(0.01, 0.1), at.shared.shape[1]))
    return at.rng.normal(0, 3) + walk[at.hour] + at.noise()


def rain(at: Hours) -> Floats:
    """Zero while it is dry, which may be for days."""
    wet = at.news(at.rng.uniform(0.8, 0.97)) > at.rng.uniform(0.8, 2.5)
    return np.where(wet[at.hour], at.rng.gamma(0.7, 0.1, len(at.shared[0]))[at.hour], 0.0)


def rare(at: Hours) -> Floats:
    """Zero for most rows, another share of them each hour."""
    odds = -at.rng.uniform(1, 5) + at.rng.uniform(0.2, 1) * at.level()
    return np.where(at.rng.random(len(at.hour)) < _logistic(odds)[at.hour], at.rng.gamma(2.0, 3.0, len(at.hour)), 0.0)


def reading(at: Hours) -> Floats:
    """One value for all rows of an hour and a place, rounded; missing for hours now and then."""
    rng, length = at.rng, at.shared.shape[1]
    places = rng.integers(1, 4)
    level = np.stack([5 * at.level() + 10 for _ in range(places)])
    shocks = rng.normal(0, 1, (places, length))
    missing = np.stack([_red(own, 0.8, rng) for own in shocks]) > rng.uniform(1.8, 3.0)
    values = np.where(missing, np.nan, np.round(level, int(rng.integers(0, 3))))
    return np.asarray(values[rng.integers(0, places, len(at.hour)), at.hour])


def absent(at: Hours) -> Floats:
    """A habit of nulls that follows the news."""
    odds = -at.rng.uniform(1, 5) + at.rng.uniform(0.2, 1) * at.level()
    return np.where(at.rng.random(len(at.hour)) < _logistic(odds)[at.hour], np.nan, dense(at))


def count(at: Hours) -> Floats:
    return at.rng.poisson(np.exp(at.rng.uniform(-3, 2) + 0.5 * at.level())[at.hour]).astype(np.float64)


def flag(at: Hours) -> Floats:
    odds = at.rng.uniform(-6, 2) + at.rng.uniform(0.2, 1) * at.level()
    return (at.rng.random(len(at.hour)) < _logistic(odds)[at.hour]).astype(np.float64)


def calendar(at: Hours) -> Floats:
    """The hour, the day of the week, whether it is a weekend or Monday, the days since the beginning."""
    weekend, monday = (at.of_week >= 5).astype(float), (at.of_week == 0).astype(float)
    which = [at.of_day, at.of_week, weekend, monday, at.day]
    return np.asarray(which[at.rng.integers(len(which))][at.hour], dtype=np.float64)


def clock(at: Hours) -> Floats:
    """Seconds since some event: it grows all the time."""
    return at.hour * 3600.0 + at.rng.exponential(at.rng.lognormal(8, 2), len(at.hour))


def id_category(at: Hours) -> Floats:
    """A few to hundreds of values, of which some are common; their popularity drifts."""
    return _drawn(at, int(at.rng.choice([4, 12, 80, 600])), new=False)


def id_item(at: Hours) -> Floats:
    """Items, of which new ones come every hour and old ones fade."""
    return _drawn(at, int(at.rng.choice([200, 2000])), new=True)


def _drawn(at: Hours, values: int, new: bool) -> Floats:
    rng, days = at.rng, int(at.day.max()) + 1
    liked = np.empty((days, values))
    liked[0] = rng.normal(0, 1.5, values)
    for d in range(1, days):
        liked[d] = 0.95 * liked[d - 1] + 0.3 * rng.normal(0, 1.5, values)
    if new:
        born = np.where(rng.random(values) < 0.6, -1, rng.integers(0, days, values))
        liked[np.arange(days)[:, None] < born] = -30.0
    share = np.exp(liked - liked.max(axis=1, keepdims=True))
    below = np.cumsum(share, axis=1) / share.sum(axis=1, keepdims=True) + np.arange(days)[:, None]
    place = np.searchsorted(below.ravel(), at.day[at.hour] + rng.random(len(at.hour))) % values
    return np.asarray(rng.permutation(values)[place] + 1.0)


KINDS = {f.__name__: f for f in (
    dense, heavy, tails, wandering, rain, rare, reading, absent, count, flag, calendar, clock, id_category, id_item,
)}  # fmt: skip


def _logistic(odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-odds)))


def served(world: World, change: Change | None = None) -> list[Profile]:
    """One profile an hour. Edges and vocabularies are those of the first 10,000 rows, as shipped, or of as many as the
    first half of the baseline has."""
    rng = np.random.default_rng([world.seed, 1])
    hours, names = _hours(world, rng), _names(world)
    rows = np.empty((len(hours.hour), len(names)), dtype=np.float32)
    for i, name in enumerate(names[:-1]):
        rows[:, i] = (plain if name.startswith("plain") else KINDS[name.rsplit("_", 1)[0]])(hours)
    rows[:, -1] = _logistic(0.3 * hours.level()[hours.hour] + hours.noise() - 2)
    if change is not None:
        change(rows, hours.hour, world.first)
    reference = rows[hours.hour < world.first // 2][:_REFERENCE].astype(np.float64)
    edges = baseline_edges(reference, BINS)
    words = {n: vocabulary(reference[:, i]) for i, n in enumerate(names) if n.startswith("id_")}
    return [p for day in range(0, world.length, 24) for p in _of_day(world, rows, hours.hour, day, names, edges, words)]


def _of_day(
    world: World,
    rows: Rows,
    hour: NDArray[np.int64],
    day: int,
    names: tuple[str, ...],
    edges: Floats,
    words: Mapping[str, Vocabulary],
) -> list[Profile]:
    inside = (hour >= day) & (hour < day + 24)
    present, group = np.unique(hour[inside], return_inverse=True)
    starts = [world.start + timedelta(hours=int(h)) for h in present]
    keys = [(Window(start=s, end=s + timedelta(hours=1)), f"{MODEL}/{day // 24}") for s in starts]
    found = summarise(MODEL, keys, group, names, rows[inside], edges, words)
    return [replace(p, histogram=p.histogram.astype(np.uint16)) for p in found]  # 5,000 features must fit the memory


def _hours(world: World, rng: np.random.Generator) -> Hours:
    at = np.arange(world.length) + world.start.hour
    of_week = (at // 24 + world.start.weekday()) % 7
    shared = np.stack(
        [_red(rng.standard_t(4, world.length) / np.sqrt(2), rng.uniform(0.7, 0.97), rng) for _ in range(_SHARED)]
    )
    busy = (
        0.5 * np.cos(2 * np.pi * (at % 24 - 14) / 24)
        - 0.3 * (of_week >= 5)
        + 0.2 * _red(rng.normal(0, 1, world.length), 0.8, rng)
    )
    rows = rng.poisson(world.per_hour * np.exp(busy))
    return Hours(rng, at % 24, at // 24, of_week, shared, np.repeat(np.arange(world.length), rows))


def _names(world: World) -> tuple[str, ...]:
    kinds = world.kinds or tuple(KINDS)
    return (*sorted(f"{kinds[i % len(kinds)]}_{i:04d}" for i in range(world.features)), PREDICTION)


def ports(found: list[Profile]) -> InMemoryPorts:
    """Ports over these profiles; ten features are read from each dataset."""
    filled = InMemoryPorts()
    filled.models.by_name[MODEL] = Model(model=MODEL, product="shop", title="Wide")
    filled.models.all_features = [
        Feature(
            model=MODEL,
            feature=name,
            kind="categorical" if name.startswith("id_") else "dense",
            node=f"data:{i // 10}",
            column=name.upper(),
        )
        for i, name in enumerate(found[0].features[:-1])
    ]
    filled.profiles.all_profiles = found
    return filled
