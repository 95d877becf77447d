"""What speaks for and against each place of a walk being the root: the clues that its probability is made of."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from tools.records import Change
from tools.stats.dataset_health import Anomaly, Trace
from tools.stats.lineage_graph import Place
from tools.stats.upstream_walk import RANK, Walk, ancestors, hint, possible

STRONGEST = 100.0  # scales: beyond, more does not make surer
FAINTEST_MASS = -2.0  # as a power of ten
TRACKED_RUNS, TRACKED_WINDOWS, MIN_PAIRS = 24, 3, 5
USUAL_HISTORY = 30


@dataclass(frozen=True)
class Clues:
    """All in [0, 1] but where said.

    `strength`: logarithm of z over 6. `faint`: no more than a hint. `explained`: something above it that can cause it
    began as early; one half for a mere hint of that. `blind`: something above it could not be checked; `vague`:
    something right above it looks as usual, but which of its columns matters is not known. `late`: it began after what
    it is to explain. `change_fits`: a change between the last good run and the first bad one; `change_earlier`: one
    some runs before; `untold`: no change of anything on the walk is known at all, so that none here says nothing.
    `tracks`: correlation with the start of the walk, run by run, or 0 where they have too few runs in
    common, and then `untracked`. `mass`: power of ten of the share of the start's departure, summed over rows, that it
    could carry, in [-2, 0]. `reach`: the share of all that is surely off which lies at or below it, one half where
    nothing is. `history`: logarithm of its earlier runs over 30. `felt`: it is the start of the walk. `hinted`: the
    start itself shows a mere hint; `unfelt`: not even that; `unfelt_tracks`: `tracks` where it is unfelt.
    """

    strength: float
    faint: float
    explained: float
    blind: float
    vague: float
    late: float
    change_fits: float
    change_earlier: float
    untold: float
    tracks: float
    untracked: float
    mass: float
    reach: float
    history: float
    felt: float
    hinted: float
    unfelt: float
    unfelt_tracks: float


@dataclass(frozen=True)
class Suspect:
    """A place that is off or may be: its anomaly, its clues, and the changes before its onset, the likeliest first."""

    place: Place
    anomaly: Anomaly
    clues: Clues
    changes: tuple[Change, ...]


def suspects(walk: Walk, changes_of: Callable[[str, Anomaly], Sequence[Change]], told: bool) -> list[Suspect]:
    """The places of the walk that are off or may be, one for each dataset, in the order of the walk.

    `changes_of` gives the changes of a dataset and its jobs before an onset, `told` says whether any change is known.
    What began more than a run after the start of the walk is no suspect.
    """
    view = _View.of(walk, told)
    found: dict[str, Suspect] = {}
    for place in view.off:
        for anomaly in possible(walk, place):
            late = _late(anomaly, view.felt)
            if late is None:
                continue
            changes = tuple(changes_of(place[0], anomaly))
            suspect = Suspect(place, anomaly, _clues(view, place, anomaly, late, changes), changes)
            before = found.get(place[0])
            if before is None or _fitting(before) < _fitting(suspect):
                found[place[0]] = suspect
    return list(found.values())


@dataclass(frozen=True)
class _View:
    """A walk as its suspects are seen: what may be off, what lies above each place, and what is felt at the start."""

    walk: Walk
    start: Place
    off: dict[Place, Anomaly]
    above: dict[Place, frozenset[Place]]
    felt: Anomaly | None
    trace: Trace | None
    told: bool

    @classmethod
    def of(cls, walk: Walk, told: bool) -> "_View":
        start = next(iter(walk))
        felt = hint(walk, start)
        off = {place: anomaly for place in walk if (anomaly := hint(walk, place))}
        trace = felt.trace if felt else walk[start].health.trace
        return cls(walk, start, off, ancestors(walk), felt, trace, told)


def _fitting(suspect: Suspect) -> tuple[bool, int, float, float]:
    """Of several anomalies of a dataset the sure one, then the structural one, then the one that tracks best."""
    clues = suspect.clues
    return suspect.anomaly.sure, -RANK[suspect.anomaly.kind], clues.tracks, clues.strength


def _clues(view: _View, place: Place, anomaly: Anomaly, late: float, changes: Sequence[Change]) -> Clues:
    above, felt = view.above[place], view.felt
    sure = [p for p, found in view.off.items() if found.sure]
    reached = sum(p[0] == place[0] or place in view.above[p] for p in sure)
    tracks = _tracking(anomaly.trace, view.trace, anomaly is felt)
    unfelt = float(felt is None and not view.walk[view.start].health.unchecked)
    direct = [a for a in view.walk[place].onto if a in view.walk]
    return Clues(
        strength=math.log(min(anomaly.z, STRONGEST) / 6),
        faint=float(not anomaly.sure),
        explained=_explained(above, anomaly, view.off),
        blind=float(any(view.walk[a].health.unchecked for a in above)),
        vague=float(any(a[1] is None and a not in view.off for a in direct)),
        late=late,
        change_fits=float(bool(changes) and fits(changes[0], anomaly)),
        change_earlier=float(bool(changes) and not fits(changes[0], anomaly)),
        untold=float(not view.told),
        tracks=tracks or 0.0,
        untracked=float(tracks is None),
        mass=_mass(anomaly, felt),
        reach=reached / len(sure) if sure else 0.5,
        history=math.log(anomaly.n / USUAL_HISTORY),
        felt=float(place == view.start),
        hinted=float(felt is not None and not felt.sure),
        unfelt=unfelt,
        unfelt_tracks=(tracks or 0.0) * unfelt,
    )


def fits(change: Change, anomaly: Anomaly) -> bool:
    """Not made before the last good run was written: the first run with it was the first bad one.

    A change is dated by the start of its run and data by the end of theirs, so that with back-to-back runs the two
    times are the same.
    """
    return anomaly.healthy_until is None or change.ts >= anomaly.healthy_until


def _late(anomaly: Anomaly, felt: Anomaly | None) -> float | None:
    """0 where it began no later than what is felt; 1 for within a run of that, or for later than a mere hint, which may
    be of something else; None for later than what is surely felt."""
    if felt is None or anomaly.onset <= felt.onset:
        return 0.0
    return 1.0 if not felt.sure or anomaly.onset <= felt.onset + _cadence(anomaly) else None


def _cadence(anomaly: Anomaly) -> timedelta:
    if anomaly.trace is None or len(anomaly.trace.times) < 2:
        return timedelta(0)
    stamps = [time.timestamp() for time in anomaly.trace.times]
    return timedelta(seconds=float(np.median(np.diff(stamps))))


def _explained(above: frozenset[Place], anomaly: Anomaly, off: dict[Place, Anomaly]) -> float:
    earlier = [off[a] for a in above if a in off and off[a].onset <= anomaly.onset]
    return max((1.0 if a.sure else 0.5 for a in earlier), default=0.0)


def _tracking(trace: Trace | None, below: Trace | None, same: bool) -> float | None:
    """The correlation of two traces, whatever its sign; None where they have too little in common."""
    if same:
        return 1.0
    pairs = list(_pairs(trace, below)) if trace and below else []
    if len(pairs) < MIN_PAIRS:
        return None
    one, other = np.arcsinh(np.array(pairs)).T  # so that the largest few do not decide alone
    if min(float(np.std(one)), float(np.std(other))) < 1e-9:
        return None
    return abs(float(np.corrcoef(one, other)[0, 1]))


def _pairs(trace: Trace, felt: Trace) -> Iterator[tuple[float, float]]:
    """The departures of the last runs downstream, each with that of the newest run upstream at its time."""
    known = [(t, z) for t, z in zip(trace.times, trace.z, strict=True) if math.isfinite(z)]
    here = [(t, z) for t, z in zip(felt.times, felt.z, strict=True) if math.isfinite(z)]
    window = sum(t >= felt.window for t, _ in here)
    here = here[-max(TRACKED_RUNS, TRACKED_WINDOWS * window) :]
    stamps = np.array([t.timestamp() for t, _ in known])
    reach = 1.5 * max(_step(stamps), _step(np.array([t.timestamp() for t, _ in here])))
    for time, z in here:
        place = int(np.searchsorted(stamps, time.timestamp(), side="right")) - 1
        if place >= 0 and time.timestamp() - stamps[place] <= reach:
            yield known[place][1], z


def _step(stamps: np.ndarray) -> float:
    return float(np.median(np.diff(stamps))) if len(stamps) > 1 else 0.0


def _mass(anomaly: Anomaly, felt: Anomaly | None) -> float:
    """Only where both depart in the same way; elsewhere there is nothing to compare, and nothing speaks against it."""
    if felt is None or felt.trace is None or anomaly.trace is None or felt.kind != anomaly.kind:
        return 0.0
    there, here = (_departed(trace, felt.onset) for trace in (anomaly.trace, felt.trace))
    if not (math.isfinite(there) and math.isfinite(here)) or here == 0:
        return 0.0
    share = abs(there / here)
    return max(math.log10(share), FAINTEST_MASS) if 0 < share < 1 else (0.0 if share else FAINTEST_MASS)


def _departed(trace: Trace, since: datetime) -> float:
    lasting = [m for t, m in zip(trace.times, trace.mass, strict=True) if t >= since and math.isfinite(m)]
    return float(sum(lasting)) if lasting else math.nan
