"""Synthetic products whose rollout timelines are planned stage by stage, with faults that follow a rollout or do not.

Hourly cubes of three models over arms and regions. Hours remember, days and weeks swing, each model and each snapshot
has a swing of its own; the truth of each timeline is in `tests/tools/scenarios.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from scipy.signal import lfilter

from tests.tools.ports import InMemoryPorts, sorted_cube
from tools.records import Cube, Metric, MetricRole, Model, Product, RolloutPoint, Snapshot, Standing, Window
from tools.stats.panel import Floats

PRODUCT, TOPLINE, LOSS = "shop", "good_share", "log_loss"
MODELS = ("asked", "other", "third")
ARMS, ARM_SHARE = ("early", "broad"), (0.3, 0.7)
REGIONS, REGION_SHARE = ("asia", "eu", "us"), (0.2, 0.4, 0.4)
FIRST = datetime(2013, 4, 8, tzinfo=UTC)
DAYS, AFTER_H = 21, 60
INCIDENT = DAYS * 24 + 11
"""The hour, since FIRST, at which the plans let things happen."""
SOAK_H = 60
"""A snapshot is called stable when it started so long before the incident."""
HOURS = DAYS * 24 + AFTER_H
BASELINE = Window(start=FIRST, end=FIRST + timedelta(days=DAYS))
PER_HOUR = 900.0
SNAPSHOT_SWING, MODEL_SWING = 0.012, 0.03
"""Deviations of the log loss, as logarithms: of one snapshot from another, and of a model from hour to hour."""
LOSS_TO_ODDS = 3.0
"""How much worse log odds of a good outcome go with a worse log loss."""


@dataclass(frozen=True)
class Stage:
    """From hour `hour` on (since FIRST), `snapshot` serves `share` of the traffic of `arms` x `regions`; what is left
    stays with the snapshots before, in their proportions."""

    snapshot: str
    hour: int
    share: float
    arms: tuple[str, ...] = ARMS
    regions: tuple[str, ...] = REGIONS


Where = Callable[[dict[str, np.ndarray]], np.ndarray]


@dataclass(frozen=True)
class Plan:
    """`stages` by model; `fault` says which rows (columns: hour, model, snapshot, arm, region) have a log loss worse by
    `size`, as a logarithm; `weekend` is added to the log odds of all on Saturdays and Sundays; `suspects` are
    snapshots of that standing."""

    seed: int
    stages: dict[str, list[Stage]]
    fault: Where | None = None
    size: float = 0.25
    window: Window = field(default_factory=lambda: window())
    weekend: float = 0.15
    suspects: tuple[str, ...] = ()


def window(start: int = INCIDENT, hours: int = 24) -> Window:
    """The window that starts at an hour since FIRST."""
    return Window(start=time(start), end=time(start + hours))


def time(hour: int) -> datetime:
    return FIRST + timedelta(hours=hour)


def daily(model: str, every_h: int, until: int, spacing: Sequence[int] = (0, 2, 5, 9)) -> list[Stage]:
    """Rollouts at 11:00 every so many hours before the hour `until`, 1%, 5%, 25% and 100% of everything; the first
    snapshot serves from the start."""
    stages = [Stage(f"{model}/0", 0, 1.0)]
    starts = range(until - every_h, 23, -every_h)
    for n, start in enumerate(reversed(starts)):
        stages += ramp(f"{model}/{n + 1}", start, spacing)
    return stages


def ramp(
    snapshot: str,
    start: int,
    spacing: Sequence[int] = (0, 2, 5, 9),
    shares: Sequence[float] = (0.01, 0.05, 0.25, 1.0),
    arms: tuple[str, ...] = ARMS,
    regions: tuple[str, ...] = REGIONS,
) -> list[Stage]:
    """One rollout: its shares at so many hours after its start."""
    return [Stage(snapshot, start + h, share, arms, regions) for h, share in zip(spacing, shares, strict=True)]


def shares(stages: Sequence[Stage]) -> tuple[tuple[str, ...], Floats]:
    """The snapshots in order of rollout, and who serves: float64[snapshots, hours, arms, regions]."""
    names = tuple(dict.fromkeys(s.snapshot for s in stages))
    served = np.zeros((len(names), HOURS, len(ARMS), len(REGIONS)))
    for stage in sorted(stages, key=lambda s: s.hour):
        at, new = stage.hour, names.index(stage.snapshot)
        for a, r in ((ARMS.index(a), REGIONS.index(r)) for a in stage.arms for r in stage.regions):
            rest = served[:, at, a, r].copy()
            rest[new] = 0.0
            if rest.sum() == 0 and stage.share < 1 and served[:, at, a, r].sum() > 0:
                rest = np.eye(len(names))[new - 1]  # a rollback gives the traffic to the one before
            total = rest.sum()
            now = rest / total * (1 - stage.share) if total > 0 else rest
            now[new] = stage.share
            served[:, at:, a, r] = now[:, None]
    return names, served


def build(plan: Plan) -> InMemoryPorts:
    """The plan's cubes, models, snapshots and rollout records behind in-memory ports."""
    rng = np.random.default_rng(plan.seed)
    ports = InMemoryPorts()
    metrics = (
        Metric(name=TOPLINE, role=MetricRole.topline, better="higher", title="good outcomes"),
        Metric(name=LOSS, role=MetricRole.log_loss, better="lower", title="log loss"),
    )
    ports.metrics.products[PRODUCT] = Product(product=PRODUCT, title="shop", metrics=metrics)
    rows = _rows(plan, ports)
    loss, odds = _levels(plan, rows, rng)
    shown = rng.poisson(rows["expected"])
    good = rng.binomial(shown, 1 / (1 + np.exp(-odds)))
    lost = shown * loss * np.exp(rng.normal(0, 0.6, len(shown)) / np.sqrt(np.maximum(shown, 1)))
    ts = int(FIRST.timestamp()) + 3600 * rows["hour"].astype(np.int64)
    dims = {name: rows[name] for name in ("model", "snapshot", "arm", "region")}
    for name, numerator in ((TOPLINE, good), (LOSS, lost)):
        cube = Cube(ts, dims, numerator.astype(float), shown.astype(float)).where(shown > 0)
        ports.metrics.cubes[PRODUCT, name] = sorted_cube(cube)
    return ports


def _rows(plan: Plan, ports: InMemoryPorts) -> dict[str, np.ndarray]:
    """All rows that are served, as columns, and the records of their rollouts."""
    columns: dict[str, list[np.ndarray]] = {n: [] for n in ("hour", "model", "snapshot", "arm", "region", "expected")}
    of_day = 0.5 + np.sin(np.pi * (np.arange(HOURS) % 24) / 24)
    for model in MODELS:
        names, served = shares(plan.stages[model])
        ports.models.by_name[model] = Model(model=model, product=PRODUCT, title=model)
        ports.models.all_snapshots += _snapshots(plan, model, names)
        ports.models.all_rollouts += _records(model, names, served)
        s, h, a, r = np.nonzero(served)
        expected = PER_HOUR * of_day[h] * np.array(ARM_SHARE)[a] * np.array(REGION_SHARE)[r] * served[s, h, a, r]
        values = (h, np.full(len(h), model), np.array(names)[s], np.array(ARMS)[a], np.array(REGIONS)[r], expected)
        for name, column in zip(columns, values, strict=True):
            columns[name].append(column)
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def _snapshots(plan: Plan, model: str, names: Sequence[str]) -> list[Snapshot]:
    first = {name: min(s.hour for s in plan.stages[model] if s.snapshot == name) for name in names}
    return [
        Snapshot(
            snapshot=name,
            model=model,
            published_at=time(first[name]) - timedelta(hours=2),
            standing=Standing.suspect
            if name in plan.suspects
            else Standing.stable
            if first[name] < INCIDENT - SOAK_H
            else Standing.candidate,
        )
        for name in names
    ]


def _records(model: str, names: Sequence[str], served: Floats) -> list[RolloutPoint]:
    """What a platform records: each snapshot's share of each arm whenever it changes, regions added up."""
    by_arm = np.einsum("shar,r->sha", served, np.array(REGION_SHARE))
    before = np.concatenate([np.zeros_like(by_arm[:, :1]), by_arm[:, :-1]], axis=1)
    return [
        RolloutPoint(model=model, snapshot=names[s], arm=ARMS[a], ts=time(int(h)), share=min(float(by_arm[s, h, a]), 1))
        for s, h, a in zip(*np.nonzero(np.abs(by_arm - before) > 1e-9), strict=True)
    ]


def _levels(plan: Plan, rows: dict[str, np.ndarray], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The expected log loss, and the log odds of a good outcome, of each row."""
    hour = rows["hour"].astype(np.int64)
    region = np.searchsorted(np.array(REGIONS), rows["region"])
    model = np.searchsorted(np.array(MODELS), rows["model"])
    names, snapshot = np.unique(rows["snapshot"], return_inverse=True)
    own = np.stack([remembering(HOURS, 0.7, rng) for _ in MODELS]) * MODEL_SWING
    local = np.stack([remembering(HOURS, 0.9, rng) for _ in REGIONS]) * 0.08
    common = remembering(HOURS, 0.97, rng) * 0.15
    worse = own[model, hour] + rng.normal(0, SNAPSHOT_SWING, len(names))[snapshot]
    worse = worse + np.array([0.0, 0.02])[(rows["arm"] == "broad").astype(int)]
    if plan.fault is not None:
        worse = worse + plan.size * plan.fault(rows)
    swing = common[hour] + local[region, hour]
    day = 0.2 * np.sin(2 * np.pi * (hour % 24 - 9) / 24)
    weekend = plan.weekend * np.isin(hour // 24 % 7, (5, 6))
    loss = 0.45 * np.exp(worse + 0.5 * swing - 0.3 * day)
    odds = 1.0 + np.array([0.1, 0.0, -0.1])[region] + day + weekend - swing - LOSS_TO_ODDS * worse
    return loss, odds


def remembering(length: int, memory: float, rng: np.random.Generator) -> Floats:
    """Stationary AR(1) noise of deviation 1."""
    steps = rng.normal(size=length + 200) * np.sqrt(1 - memory**2)
    noise: Floats = lfilter([1.0], [1.0, -memory], steps)[200:]
    return noise
