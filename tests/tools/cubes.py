"""Synthetic additive cubes of a small product, with swings like real ones and faults planted where we know."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from tests.tools.ports import InMemoryPorts, sorted_cube
from tools.records import Cube, Metric, MetricRole, Model, Product, RolloutPoint, Snapshot, Standing, Window

PRODUCT, TOPLINE = "badge", "on_time"
MODELS = ("dcn", "mlp")
ORIGINS = ("EWR", "JFK", "LGA")
CARRIERS = ("AA", "B6", "DL", "UA", "US")
REGIONS, BUILDS = ("east", "west"), ("b1", "b2")
ARMS = {"early": 0.3, "broad": 0.7}
ROLLOUT = {"early": ((11, 1.0),), "broad": ((15, 0.25), (18, 0.5), (21, 1.0))}
FIRST = datetime(2013, 4, 10, tzinfo=UTC)
DAYS = 21
INCIDENT = FIRST + timedelta(days=DAYS, hours=11)
WINDOW = Window(start=INCIDENT, end=INCIDENT + timedelta(hours=21))
BASELINE = Window(start=FIRST, end=FIRST + timedelta(days=DAYS))


@dataclass(frozen=True)
class World:
    """How a synthetic world differs from an ordinary one, from the incident on unless said otherwise.

    `regions` is the number of regions and of builds. `skill_lost` (0 to 1) is taken from the rows that all of `where`
    describes (dimension → value). `infra_loss` is the share of good badges lost where `infra` says. `risky`
    multiplies the evening traffic at EWR. `storm` is added to the log odds of being late, and hits origins unevenly;
    the model without weather suffers more.
    """

    seed: int = 0
    pages: float = 6.0
    regions: int = 2
    skill_lost: float = 0.0
    where: dict[str, str] = field(default_factory=dict)
    infra_loss: float = 0.0
    infra: dict[str, str] = field(default_factory=dict)
    risky: float = 1.0
    storm: float = 0.0
    starts: datetime = INCIDENT


def build(world: World) -> InMemoryPorts:
    """The world's cubes, models, snapshots and rollouts behind in-memory ports."""
    rows = _rows(world)
    ports = InMemoryPorts()
    roles = {TOPLINE: MetricRole.topline, **{role.value: role for role in MetricRole if role != "topline"}}
    metrics = tuple(
        Metric(name=name, role=role, better="higher" if role == "topline" else "neither", title=name)
        for name, role in roles.items()
    )
    ports.metrics.products[PRODUCT] = Product(product=PRODUCT, title="badges", metrics=metrics)
    for name, (num, den) in _measured(world, rows).items():
        keep = den > 0
        dims = {d: v[keep] for d, v in rows.dims.items()}
        ports.metrics.cubes[PRODUCT, name] = sorted_cube(Cube(rows.ts[keep], dims, num[keep], den[keep]))
    for model in MODELS:
        ports.models.by_name[model] = Model(model=model, product=PRODUCT, title=model)
        _publish(ports, model)
    return ports


def _publish(ports: InMemoryPorts, model: str) -> None:
    for day in range(-1, DAYS + 1):
        at = FIRST + timedelta(days=day)
        standing = Standing.candidate if day == DAYS else Standing.stable
        snapshot = f"{model}/{at:%Y-%m-%d}"
        ports.models.all_snapshots.append(
            Snapshot(snapshot=snapshot, model=model, published_at=at + timedelta(hours=9), standing=standing)
        )
        for arm, steps in ROLLOUT.items():
            for hour, share in steps:
                ts = at + timedelta(hours=hour)
                ports.models.all_rollouts.append(
                    RolloutPoint(model=model, snapshot=snapshot, arm=arm, ts=ts, share=share)
                )


def _rows(world: World) -> Cube:
    """All combinations of hour and dimensions; `denominator` is the expected number of pages."""
    hours = DAYS * 24 + 32
    shape = (hours, len(MODELS), 2, len(ARMS), len(ORIGINS), len(CARRIERS), world.regions, world.regions)
    at = [a.ravel() for a in np.indices(shape)]
    start = int(FIRST.timestamp())
    hour = at[0]
    arm = np.array(list(ARMS))[at[3]]
    share = _new_share(hour, arm)
    newest = (hour - 11) // 24  # the rollout of day d starts at its hour 11
    day = newest - at[2]
    dates = np.array([f"{FIRST + timedelta(days=int(d)):%Y-%m-%d}" for d in range(-3, DAYS + 2)])
    model = np.array(MODELS)[at[1]]
    snapshot = np.char.add(np.char.add(model, "/"), dates[day + 3])
    dims = {
        "model": model,
        "snapshot": snapshot,
        "arm": arm,
        "origin": np.array(ORIGINS)[at[4]],
        "carrier": np.array(CARRIERS)[at[5]],
        "infra.region": np.array(REGIONS)[at[6]],
        "infra.build": np.array(BUILDS)[at[7]],
    }
    weight = np.where(at[2] == 0, share, 1 - share) * np.array(list(ARMS.values()))[at[3]]
    of_day = 0.4 + np.sin(np.pi * (hour % 24) / 24)
    expected = (
        world.pages
        * (4 / world.regions**2)
        * weight
        * of_day
        * np.array([1.0, 0.8, 0.6])[at[4]]
        * np.array([0.5, 1.2, 1, 1.1, 0.6])[at[5]]
    )
    ts = start + hour * 3600
    risky = (ts >= world.starts.timestamp()) & (at[4] == 0) & (hour % 24 >= 15)
    return Cube(ts, dims, np.zeros(len(ts)), np.where(risky, expected * world.risky, expected))


def _new_share(hour: NDArray[np.int64], arm: NDArray[np.str_]) -> NDArray[np.float64]:
    """The share of the newest snapshot in an arm."""
    since = (hour - 11) % 24
    broad = np.select([since < 4, since < 7, since < 10], [0.0, 0.25, 0.5], 1.0)
    return np.where(arm == "early", 1.0, broad)


def _measured(world: World, rows: Cube) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    rng = np.random.default_rng(world.seed)
    late = _late(world, rows, rng)
    skill = _skill(world, rows, rng)
    shown = rng.poisson(rows.denominator)
    lates = rng.binomial(shown, late)
    badges = rng.binomial(shown, 0.5)
    badge_late = late * (1 - 0.45 * skill)
    good = rng.binomial(badges, 1 - badge_late)
    if world.infra_loss:
        good = rng.binomial(good, np.where(_matches(world.infra, rows, world), 1 - world.infra_loss, 1.0))
    entropy = -(late * np.log(late) + (1 - late) * np.log(1 - late))
    loss = (
        shown * entropy * (1.35 - 0.5 * skill) * np.exp(rng.normal(0, 0.35, len(shown)) / np.sqrt(np.maximum(shown, 1)))
    )
    predicted = shown * (0.2 + 0.6 * late) * (1 + 0.3 * (0.7 - skill))
    return {
        TOPLINE: (good.astype(float), badges.astype(float)),
        "log_loss": (loss, shown.astype(float)),
        "calibration": (predicted, lates.astype(float)),
        "prediction_mean": (predicted, shown.astype(float)),
        "label_rate": (lates.astype(float), shown.astype(float)),
    }


def _matches(where: dict[str, str], rows: Cube, world: World) -> NDArray[np.bool_]:
    match = rows.ts >= world.starts.timestamp()
    for name, value in where.items():
        match = match & (rows.dims[name] == value)
    return match


def _skill(world: World, rows: Cube, rng: np.random.Generator) -> NDArray[np.float64]:
    """Each model's skill, with a swing of its own by day and snapshot; a storm costs the model without weather more."""
    day = (rows.ts - int(FIRST.timestamp())) // 86400
    swing = rng.normal(0, 0.03, (len(MODELS), DAYS + 3))
    model = np.searchsorted(np.array(MODELS), rows.dims["model"])
    names, snapshot = np.unique(rows.dims["snapshot"], return_inverse=True)
    skill = 0.7 + swing[model, day] + rng.normal(0, 0.02, len(names))[snapshot]
    if world.storm:
        skill = skill - np.where((model == 1) & (rows.ts >= world.starts.timestamp()), 0.05, 0.0)
    clipped: NDArray[np.float64] = np.clip(
        np.where(_matches(world.where, rows, world), skill * (1 - world.skill_lost), skill), 0, 1
    )
    return clipped


def _late(world: World, rows: Cube, rng: np.random.Generator) -> NDArray[np.float64]:
    """The probability of being late: days, hours and origins each swing, and remember."""
    hour = (rows.ts - int(FIRST.timestamp())) // 3600
    hours = int(hour.max()) + 1
    common, local = _ar(hours, 0.97, 0.8, rng), np.stack([_ar(hours, 0.95, 0.3, rng) for _ in ORIGINS])
    origin = np.searchsorted(np.array(ORIGINS), rows.dims["origin"])
    carrier = np.searchsorted(np.array(CARRIERS), rows.dims["carrier"])
    odds = -1.5 + common[hour] + local[origin, hour]
    odds += np.array([0.35, 0.0, -0.1])[origin] + np.array([-0.2, 0.3, 0.0, 0.1, -0.3])[carrier]
    odds += 0.5 * np.sin(2 * np.pi * (rows.ts // 3600 % 24 - 13) / 24)
    if world.storm:
        odds += np.where(rows.ts >= world.starts.timestamp(), world.storm * np.array([1.1, 1.0, 0.8])[origin], 0.0)
    late: NDArray[np.float64] = 1 / (1 + np.exp(-odds))
    return late


def _ar(length: int, memory: float, sd: float, rng: np.random.Generator) -> NDArray[np.float64]:
    series = np.zeros(length)
    steps = rng.normal(0, sd * np.sqrt(1 - memory**2), length)
    series[0] = rng.normal(0, sd)
    for i in range(1, length):
        series[i] = memory * series[i - 1] + steps[i]
    return series
