"""Rollouts under suspicion: a snapshot against the others of its model, as all earlier rollouts were."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

import numpy as np
from scipy import stats

from tools.records import Cube, MetricRole
from tools.stats.blocks import DAY_H, Blocks
from tools.stats.contrast import Contrast, contrast
from tools.stats.multiplicity import benjamini_hochberg
from tools.stats.panel import Floats, Panel
from tools.stats.robust import MIN_HISTORY, UNKNOWN, Departure, Tail, departure
from tools.stats.rollout_dose import against_days, against_rollouts
from tools.stats.rollout_hours import Spread, alone, by_hours, usual_difference, widened
from tools.stats.rollout_places import Place, by_place, confined_place
from tools.stats.rollout_sides import Sides, sides
from tools.stats.rollout_timeline import Rollout, Timeline
from tools.stats.suspects import MODEL, kind_of

MIN_HOURS = 3
MIN_DENOMINATOR = 50.0
LONGEST_H = 7 * DAY_H
"""A ramp that goes on for longer is looked at from its last seven days."""


class Yardstick(StrEnum):
    """What a concurrent comparison was held against."""

    rollouts = "earlier rollouts"
    hours = "the hours of this rollout"
    days = "earlier days"


@dataclass(frozen=True)
class RolloutTest:
    """One rollout on one metric. `concurrent` tests the new snapshot against the others of the model in the same hours,
    held against what `yardstick` says; or, where `place` is set, its model in the places that received it against the
    other places. `dose` tests the slope of the model's contrast with the other models on the share of the new snapshot.
    `history` are the concurrent effects of the `earlier` rollouts; `compared` hours had both snapshots; `share` is the
    part of the model's traffic that the snapshot served from its start."""

    rollout: Rollout
    role: MetricRole
    concurrent: Departure
    dose: Departure
    history: Floats
    earlier: tuple[Rollout, ...]
    compared: int
    share: float
    yardstick: Yardstick = Yardstick.rollouts
    place: Place | None = None
    q_value: float = float("nan")


def rollout_tests(
    cubes: Mapping[MetricRole, Cube],
    candidates: Sequence[Rollout],
    timeline: Timeline,
    model: str,
    end: int,
    tails: Mapping[MetricRole, Tail],
) -> list[RolloutTest]:
    """Test every candidate on every metric, with Benjamini-Hochberg q values over the concurrent tests.

    A candidate is looked at from its start for a day, or for as long as it grows, until `end` (unix hour) or its own
    end, and each earlier rollout for as long.
    """
    panels, found = PanelFactory(cubes), list[RolloutTest]()
    for candidate in candidates:
        start, hours = looked_at(candidate, end)
        earlier = [r for r in timeline.rollouts if r.start + hours <= start and r != candidate]
        if hours >= MIN_HOURS:
            asked = _Asked(candidate, start, hours, model, rivals(candidate, candidates), timeline)
            found += [_test(panels, role, tail, earlier, asked) for role, tail in tails.items()]
    q = benjamini_hochberg([t.concurrent.p_value for t in found])
    return [replace(t, q_value=float(q[i])) for i, t in enumerate(found)]


def looked_at(rollout: Rollout, end: int) -> tuple[int, int]:
    """From which hour on a rollout is looked at, and for how many hours: a day, or all its growth and half a day of
    what came of it, but not beyond its own end or `end`."""
    stop = end if rollout.gone is None else min(rollout.gone, end)
    if rollout.full is not None:
        stop = min(stop, max(rollout.start + DAY_H, rollout.full + DAY_H // 2))
    start = max(rollout.start, stop - LONGEST_H)
    return start, stop - start


def rivals(candidate: Rollout, candidates: Sequence[Rollout]) -> tuple[str, ...]:
    """The snapshots that roll out at the same time; they are no fair measure for one another."""
    return tuple(
        r.snapshot
        for r in candidates
        if r.snapshot != candidate.snapshot
        and (r.full is None or r.full >= candidate.start)
        and (candidate.full is None or candidate.full >= r.start)
        and (r.gone is None or r.gone > candidate.start)
        and (candidate.gone is None or candidate.gone > r.start)
    )


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


@dataclass(frozen=True)
class _Asked:
    """A candidate and the hours in which it is looked at."""

    rollout: Rollout
    start: int
    hours: int
    model: str
    rivals: tuple[str, ...]
    timeline: Timeline


def _test(
    panel_of: PanelFactory, role: MetricRole, tail: Tail, earlier: Sequence[Rollout], asked: _Asked
) -> RolloutTest:
    now = replace(asked.rollout, start=asked.start)
    runs = [*_spaced(earlier, asked.hours), now]
    before = max(min((b.start - a.start for a, b in pairwise(runs)), default=DAY_H) - asked.hours, 0)
    before = min(before, DAY_H)
    blocks = Blocks(np.array([r.start - before for r in runs], dtype=np.int64), asked.hours + before)
    panel = panel_of(role, blocks)
    share = asked.timeline.served.share(now.snapshot, asked.start, asked.start + asked.hours)
    if asked.model not in panel.coded(MODEL).names:
        return RolloutTest(asked.rollout, role, UNKNOWN, UNKNOWN, np.empty(0), (), 0, share)
    names = tuple(r.snapshot for r in runs)
    place = confined_place(panel, asked.model, names, before)
    split = sides(panel, asked.model, names, asked.rivals, None if place is None else place.dimension)
    against = contrast(split.new.since(before), split.old.since(before), kind_of(role))
    concurrent, yardstick = _side_by_side(split, against, before, role, tail)
    if place is not None:
        days = _days_before(asked)
        located = UNKNOWN if days is None else by_place(panel_of(role, days), asked.model, place, role, tail)
        located = widened(located, _usual_difference(against.effect[:-1], split, before, role), tail)
        if _prefers_places(concurrent, located, tail):
            concurrent, yardstick = located, Yardstick.days
    return RolloutTest(
        rollout=asked.rollout,
        role=role,
        concurrent=concurrent,
        dose=_dose(panel_of, role, tail, split, asked, before),
        history=against.effect[:-1],
        earlier=tuple(runs[:-1]),
        compared=split.shared_hours(before),
        share=share,
        yardstick=yardstick,
        place=place if yardstick is Yardstick.days else None,
    )


def _side_by_side(
    split: Sides, against: Contrast, before: int, role: MetricRole, tail: Tail
) -> tuple[Departure, Yardstick]:
    """The new snapshot against the others of its model: as earlier rollouts were, widened by the error of its own
    hours; or by those alone, and what snapshots usually differ by."""
    too_little = min(split.new.now(before), split.old.now(before)) < MIN_DENOMINATOR
    own = None if too_little else by_hours(split, before, role)
    if own is None:
        return UNKNOWN, Yardstick.rollouts
    found = departure(
        against.effect[:-1],
        float(against.effect[-1]),
        tail,
        conditions=against.level[:-1],
        now=float(against.level[-1]),
    )
    if found.known:
        return widened(found, own.error, tail), Yardstick.rollouts
    return alone(own, usual_difference(split, before, role), tail), Yardstick.hours


def _prefers_places(by_side: Departure, located: Departure, tail: Tail) -> bool:
    """Snapshots side by side are clean of whatever else happens in a place. So places are believed where they are
    sharper, unless the snapshots show that less than half of what the places say can be theirs."""
    if not (by_side.known and located.known):
        return located.known
    most = bad(by_side.effect, tail) + float(stats.t.isf(0.05, by_side.df)) * by_side.scale
    return located.scale < by_side.scale and most >= 0.5 * bad(located.effect, tail)


def _usual_difference(history: Floats, split: Sides, before: int, role: MetricRole) -> Spread:
    """How far a new snapshot usually is from the others: on the days before, all places had the same one."""
    known = history[np.isfinite(history)]
    if len(known) < MIN_HISTORY:
        return usual_difference(split, before, role)
    return Spread(float(known.std(ddof=1)), len(known) - 1.0)


def _spaced(earlier: Sequence[Rollout], hours: int) -> list[Rollout]:
    """The earlier rollouts that are at least `hours` apart: of two that came quickly, the later is left out."""
    kept: list[Rollout] = []
    for rollout in earlier:
        if not kept or rollout.start - kept[-1].start >= hours:
            kept.append(rollout)
    return kept


def _days_before(asked: _Asked) -> Blocks | None:
    """The hours of the look on the days before it, as far as the points go back; None where there are too few."""
    step = DAY_H * -(-asked.hours // DAY_H)
    starts = list(range(asked.start - step, asked.timeline.served.first - 1, -step))
    if len(starts) < MIN_HISTORY:
        return None
    return Blocks(np.array([*reversed(starts), asked.start], dtype=np.int64), asked.hours)


def _dose(panel_of: PanelFactory, role: MetricRole, tail: Tail, split: Sides, asked: _Asked, before: int) -> Departure:
    """The dose-response: against earlier rollouts, or where those are few against earlier days."""
    tested = against_rollouts(split, role, tail)
    days = _days_before(replace(asked, start=asked.start - before, hours=asked.hours + before))
    if tested.known or days is None:
        return tested
    panel = panel_of(role, days)
    if asked.model not in panel.coded(MODEL).names:
        return tested
    then = sides(panel, asked.model, ("",) * len(days.starts), ())
    return against_days(split.share()[-1], then, role, tail)


def bad(effect: float, tail: Tail) -> float:
    """The effect as "how much worse"."""
    return abs(effect) if tail == "both" else -effect if tail == "low" else effect
