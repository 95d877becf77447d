"""Rollouts under suspicion: a snapshot against the others of its model, as all earlier rollouts were."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from tools.records import Cube, MetricRole, RolloutPoint
from tools.stats.blocks import HOUR_S, Blocks
from tools.stats.contrast import Contrast, contrast
from tools.stats.multiplicity import benjamini_hochberg
from tools.stats.panel import Floats, Panel, Sums
from tools.stats.robust import UNKNOWN, Departure, Tail, departure
from tools.stats.suspects import MODEL, judged, kind_of

SNAPSHOT = "snapshot"
DAY_H = 24
MIN_HOURS = 3
MIN_DENOMINATOR = 50.0


@dataclass(frozen=True)
class Rollout:
    """`start` and `full` are unix hours: first exposure, and all arms served by it (None where that never came)."""

    snapshot: str
    start: int
    full: int | None


def rollouts_of(points: Sequence[RolloutPoint]) -> list[Rollout]:
    """The rollouts that the points of one model describe, by start. Points with no share only end one."""
    arms = {p.arm for p in points}
    found: list[Rollout] = []
    for snapshot in sorted({p.snapshot for p in points}):
        mine = sorted((p for p in points if p.snapshot == snapshot and p.share > 0), key=lambda p: p.ts)
        if not mine:
            continue
        complete = {arm: min((p.ts for p in mine if p.arm == arm and p.share >= 1), default=None) for arm in arms}
        ends = [ts for ts in complete.values() if ts is not None]
        full = int(max(ends).timestamp()) // HOUR_S if len(ends) == len(arms) else None
        found.append(Rollout(snapshot, int(mine[0].ts.timestamp()) // HOUR_S, full))
    return sorted(found, key=lambda r: (r.start, r.snapshot))


@dataclass(frozen=True)
class RolloutTest:
    """One rollout on one metric. `concurrent` tests the new snapshot against the others of the model in the same hours;
    `dose` the slope of the model's contrast with the other models on the share of the new snapshot. Both against
    earlier rollouts, whose concurrent effects are `history`; `compared` hours had both snapshots."""

    rollout: Rollout
    role: MetricRole
    concurrent: Departure
    dose: Departure
    history: Floats
    compared: int
    q_value: float = float("nan")


def rollout_tests(
    panel_of: "PanelFactory",
    candidates: Sequence[Rollout],
    rollouts: Sequence[Rollout],
    model: str,
    end: int,
    tails: dict[MetricRole, Tail],
) -> list[RolloutTest]:
    """Test every candidate on every metric, with Benjamini-Hochberg q values over the concurrent tests.

    A candidate is looked at from its start until `end` (unix hour) or for a day, and each earlier rollout for as long.
    """
    found: list[RolloutTest] = []
    for candidate in candidates:
        hours = min(DAY_H, end - candidate.start)
        earlier = [r for r in rollouts if r.start + hours <= candidate.start]
        if hours >= MIN_HOURS:
            found += [_test(panel_of, role, tail, earlier, candidate, hours, model) for role, tail in tails.items()]
    q = benjamini_hochberg([t.concurrent.p_value for t in found])
    return [replace(t, q_value=float(q[i])) for i, t in enumerate(found)]


class PanelFactory:
    """Lays the cubes out over any blocks, one panel for each role and set of blocks."""

    def __init__(self, cubes: Mapping[MetricRole, Cube]) -> None:
        self.cubes = cubes
        self._known: dict[tuple[MetricRole, tuple[int, ...], int], Panel] = {}

    def __call__(self, role: MetricRole, blocks: Blocks) -> Panel:
        key = (role, tuple(blocks.starts.tolist()), blocks.hours)
        if key not in self._known:
            self._known[key] = Panel(self.cubes[role], blocks)
        return self._known[key]


def _test(
    panel_of: PanelFactory,
    role: MetricRole,
    tail: Tail,
    earlier: Sequence[Rollout],
    candidate: Rollout,
    hours: int,
    model: str,
) -> RolloutTest:
    runs = [*_spaced(earlier, hours), candidate]
    before = max(min((b.start - a.start for a, b in pairwise(runs)), default=DAY_H) - hours, 0)
    blocks = Blocks(np.array([r.start - before for r in runs], dtype=np.int64), hours + before)
    panel = panel_of(role, blocks)
    sums, models = panel.sums((SNAPSHOT, MODEL)), panel.coded(MODEL).names
    if model not in models:
        return RolloutTest(candidate, role, UNKNOWN, UNKNOWN, np.empty(0), 0)
    mine = Sums(sums.num[:, models.index(model)], sums.den[:, models.index(model)])
    whole, rest = Sums(mine.num.sum(0), mine.den.sum(0)), _rest(sums, models.index(model))
    new = _of_runs(mine, panel.coded(SNAPSHOT).names, runs)
    old = Sums(whole.num - new.num, whole.den - new.den)
    against = contrast(_from(new, before), _from(old, before), kind_of(role))
    enough = min(float(_from(new, before).den[-1].sum()), float(_from(old, before).den[-1].sum())) >= MIN_DENOMINATOR
    slopes = _slopes(new.den, whole, rest, role)
    return RolloutTest(
        rollout=candidate,
        role=role,
        concurrent=judged(against, tail) if enough else UNKNOWN,
        dose=departure(slopes[:-1], float(slopes[-1]), tail),
        history=against.effect[:-1],
        compared=int(((new.den[-1] > 0) & (old.den[-1] > 0)).sum()),
    )


def _spaced(earlier: Sequence[Rollout], hours: int) -> list[Rollout]:
    """The earlier rollouts that are at least `hours` apart: of two that came quickly, the later is left out."""
    kept: list[Rollout] = []
    for rollout in earlier:
        if not kept or rollout.start - kept[-1].start >= hours:
            kept.append(rollout)
    return kept


def _rest(sums: Sums, model: int) -> Sums:
    """All other models, summed over snapshots: float64[K+1, H]."""
    num, den = sums.num.sum(0), sums.den.sum(0)
    return Sums(num.sum(0) - num[model], den.sum(0) - den[model])


def _of_runs(mine: Sums, names: Sequence[str], runs: Sequence[Rollout]) -> Sums:
    """In each block the sums of the snapshot that was rolled out in it; float64[K+1, H]."""
    num, den = np.zeros(mine.num.shape[1:]), np.zeros(mine.den.shape[1:])
    place = {name: i for i, name in enumerate(names)}
    for k, run in enumerate(runs):
        if run.snapshot in place:
            num[k], den[k] = mine.num[place[run.snapshot], k], mine.den[place[run.snapshot], k]
    return Sums(num, den)


def _from(sums: Sums, hour: int) -> Sums:
    return Sums(sums.num[:, hour:], sums.den[:, hour:])


def _slopes(exposed: Floats, model: Sums, rest: Sums, role: MetricRole) -> Floats:
    """Dose and response, float64[K+1]: the weighted least-squares slope of the model's hourly contrast with the other
    models on the share of its traffic that the new snapshot serves. NaN where the share does not vary."""
    response = hourly_contrast(model, rest, role).effect
    dose = np.divide(exposed, model.den, out=np.zeros_like(exposed), where=model.den > 0)
    weight = np.divide(
        model.den * rest.den, model.den + rest.den, out=np.zeros_like(dose), where=model.den + rest.den > 0
    )
    weight = np.where(np.isfinite(response), weight, 0.0)
    response = np.where(np.isfinite(response), response, 0.0)
    total = np.maximum(weight.sum(-1, keepdims=True), 1e-300)
    from_mean = dose - (weight * dose).sum(-1, keepdims=True) / total
    spread = (weight * from_mean**2).sum(-1)
    slope = (weight * from_mean * response).sum(-1)
    slopes: Floats = np.divide(slope, spread, out=np.full(len(spread), np.nan), where=spread > 1e-9 * total[:, 0])
    return slopes


def hourly_contrast(group: Sums, others: Sums, role: MetricRole) -> Contrast:
    """The contrast of each hour by itself; the arrays of the answer have the shape of the sums."""
    apart = Sums(group.num[..., None], group.den[..., None])
    return contrast(apart, Sums(others.num[..., None], others.den[..., None]), kind_of(role))
