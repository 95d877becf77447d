"""When each snapshot of a model served: its rollout records, set right by what the metric's points show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from tools.records import Cube, RolloutPoint
from tools.stats.blocks import HOUR_S
from tools.stats.panel import Floats, added, encode, repeated_rows, sound_points
from tools.stats.suspects import MODEL

SNAPSHOT = "snapshot"
SKEW_H = 1
"""The clocks of rollout records and of metric points may differ by so much."""
FULL = 0.98
"""A snapshot that serves this share of an hour's traffic has reached everybody."""
QUIET_H = 3
"""A snapshot without traffic for so many hours, while its model has some, is gone."""
SUM_TOLERANCE = 0.02


@dataclass(frozen=True)
class Rollout:
    """`start`, `full` and `gone` are unix hours: first exposure, all arms served by it, and first hour without it (None
    where that never came). `rose` is the last hour in which its share grew; `reverted` says that older snapshots took
    its place."""

    snapshot: str
    start: int
    full: int | None
    rose: int
    gone: int | None = None
    reverted: bool = False

    def moves_between(self, first: int, last: int) -> bool:
        """Whether its share grew, or was taken back, in the hours [first, last]."""
        taken_back = self.reverted and self.gone is not None and self.gone >= first
        return self.start <= last and (self.rose >= first or taken_back)


@dataclass(frozen=True)
class Served:
    """The denominators of one model by snapshot and hour, float64[S, H], from unix hour `first` on."""

    names: tuple[str, ...]
    first: int
    den: Floats

    def of(self, snapshot: str) -> Floats:
        """float64[H]; zeros for a snapshot that has no points."""
        return self.den[self.names.index(snapshot)] if snapshot in self.names else np.zeros(self.den.shape[1])

    def share(self, snapshot: str, first: int, last: int) -> float:
        """The share of the model's traffic in the hours [first, last) that the snapshot served; NaN without traffic."""
        hours = slice(max(first - self.first, 0), max(last - self.first, 0))
        whole = float(self.den[:, hours].sum())
        return float(self.of(snapshot)[hours].sum()) / whole if whole > 0 else float("nan")


@dataclass(frozen=True)
class Timeline:
    """The rollouts of a model by start, what its points show, and what records and points do not agree about."""

    rollouts: tuple[Rollout, ...]
    served: Served
    unrecorded: tuple[str, ...]
    early: Mapping[str, int]
    """Hours by which the points of a snapshot come before its record."""

    def around(self, first: int, last: int) -> list[Rollout]:
        """The rollouts whose share grew, or was taken back, in the hours [first, last]."""
        return [r for r in self.rollouts if r.moves_between(first, last)]


def timeline(points: Sequence[RolloutPoint], cube: Cube, model: str) -> Timeline:
    """Merge the records of one model with a cube of its metric, whose points say which snapshot served.

    What points show counts where records are silent or later than they.
    """
    served = served_hours(cube, model)
    recorded = rollouts_of(points)
    known = {r.snapshot for r in recorded}
    found = [_seen(r, served) for r in recorded]
    unrecorded = [n for n in served.names if n and n not in known]
    for name in unrecorded:
        start = _first(served, name)
        if start is not None:
            found.append(_seen(Rollout(name, start, None, start), served))
    early = {r.snapshot: was.start - r.start for was, r in zip(recorded, found, strict=False) if r.start < was.start}
    starts = {r.snapshot: r.start for r in found}
    settled = [replace(r, reverted=_reverted(r, served, starts)) for r in found]
    ordered = tuple(sorted(settled, key=lambda r: (r.start, r.snapshot)))
    return Timeline(ordered, served, tuple(sorted(n for n in unrecorded if n in starts)), early)


def rollouts_of(points: Sequence[RolloutPoint]) -> list[Rollout]:
    """The rollouts that the points of one model describe, by start. Points with no share only end one."""
    arms = {p.arm for p in points}
    found: list[Rollout] = []
    for snapshot in sorted({p.snapshot for p in points}):
        mine = sorted((p for p in points if p.snapshot == snapshot), key=lambda p: p.ts)
        on = [p for p in mine if p.share > 0]
        if not on:
            continue
        complete = {arm: min((p.ts for p in on if p.arm == arm and p.share >= 1), default=None) for arm in arms}
        ends = [ts for ts in complete.values() if ts is not None]
        full = hour_of(max(ends)) if len(ends) == len(arms) else None
        last = {p.arm: p for p in mine}
        gone = hour_of(max(p.ts for p in last.values())) if all(p.share == 0 for p in last.values()) else None
        found.append(Rollout(snapshot, hour_of(on[0].ts), full, _rose(mine), gone))
    return sorted(found, key=lambda r: (r.start, r.snapshot))


def _rose(points: Sequence[RolloutPoint]) -> int:
    """The last hour in which a snapshot's share of an arm grew; points by time."""
    now: dict[str, float] = {}
    rises = []
    for p in points:
        if p.share > now.get(p.arm, 0.0):
            rises.append(hour_of(p.ts))
        now[p.arm] = p.share
    return max(rises)


def sound(cube: Cube) -> Cube:
    """The rows that are numbers and are not said again by a later row."""
    return cube.where(sound_points(cube) & ~repeated_rows(cube))


def served_hours(cube: Cube, model: str) -> Served:
    """What a cube of sound points shows of a model's snapshots, hour by hour."""
    if not {MODEL, SNAPSHOT} <= set(cube.dims) or not (cube.dims[MODEL] == model).any():
        return Served((), 0, np.zeros((0, 0)))
    rows = np.flatnonzero((cube.dims[MODEL] == model) & (cube.denominator > 0))
    if not len(rows):
        return Served((), 0, np.zeros((0, 0)))
    hour = cube.ts[rows] // HOUR_S
    first = int(hour.min())
    coded = encode(cube.dims[SNAPSHOT][rows])
    shape = (len(coded.names), int(hour.max()) - first + 1)
    den = added(coded.codes * shape[1] + (hour - first), cube.denominator[rows], shape)
    return Served(coded.names, first, den)


def uneven_arms(points: Sequence[RolloutPoint], first: int, last: int) -> list[tuple[str, float, int]]:
    """The arms whose recorded shares do not add up to one in the hours [first, last]: the sum that is furthest off, and
    its hour."""
    found = []
    for arm in sorted({p.arm for p in points}):
        now: dict[str, float] = {}
        sums: dict[int, float] = {}
        for p in sorted((p for p in points if p.arm == arm), key=lambda p: (p.ts, p.snapshot)):
            now[p.snapshot] = p.share
            sums[hour_of(p.ts)] = sum(now.values())
        off = {h: s for h, s in sums.items() if first <= h <= last and abs(s - 1) > SUM_TOLERANCE}
        if off:
            hour = max(off, key=lambda h: (abs(off[h] - 1), -h))
            found.append((arm, off[hour], hour))
    return found


def hour_of(ts: datetime) -> int:
    """The unix hour that a time lies in."""
    return int(ts.timestamp()) // HOUR_S


def time_of(hour: int) -> datetime:
    """A unix hour as a time."""
    return datetime.fromtimestamp(hour * HOUR_S, UTC)


def _first(served: Served, snapshot: str) -> int | None:
    """The first hour in which the points show a snapshot; None where it serves from their very beginning, since then
    it started before."""
    hours = np.flatnonzero(served.of(snapshot))
    return served.first + int(hours[0]) if len(hours) and hours[0] > 0 else None


def _seen(rollout: Rollout, served: Served) -> Rollout:
    """The rollout with what the points add: an earlier start, and when it was full and gone."""
    mine, whole = served.of(rollout.snapshot), served.den.sum(0)
    hours = np.flatnonzero(mine)
    if not len(hours):
        return rollout
    first = _first(served, rollout.snapshot)
    full = np.flatnonzero((mine >= FULL * whole) & (whole > 0))
    after = np.flatnonzero(whole[hours[-1] + 1 :])
    seen_gone = served.first + int(hours[-1]) + 1 if len(after) >= QUIET_H else None
    reached = served.first + int(full[0]) if len(full) else None
    return replace(
        rollout,
        start=rollout.start if first is None else min(rollout.start, first),
        full=rollout.full if rollout.full is not None else reached,
        rose=max(rollout.rose, reached or rollout.rose) if rollout.full is None else rollout.rose,
        gone=seen_gone if rollout.gone is None else rollout.gone,
    )


def _reverted(rollout: Rollout, served: Served, starts: Mapping[str, int]) -> bool:
    """Whether after the end of a rollout the traffic is with snapshots that had started before it."""
    if rollout.gone is None:
        return False
    after = served.den[:, max(rollout.gone - served.first, 0) :][:, :QUIET_H].sum(1)
    older = np.array([starts.get(name, rollout.start - 1) < rollout.start for name in served.names], dtype=bool)
    return bool(after.sum() > 0 and after[older].sum() > 0.5 * after.sum())
