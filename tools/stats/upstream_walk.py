"""The walk against the flow of data: from where a fault is felt to all that is off above it."""

from collections.abc import Callable
from dataclasses import dataclass

from tools.stats.dataset_figures import Kind
from tools.stats.dataset_health import Anomaly, Health, Series, columns_of, health
from tools.stats.lineage_graph import LineageGraph, Place

MOST_PLACES = 400
RANK: dict[Kind, int] = {"schema": 0, "nulls": 1, "volume": 2, "freshness": 3, "shift": 4, "distribution": 5}
_LOST: frozenset[Kind] = frozenset({"schema", "nulls", "volume", "freshness"})
_MOVED: frozenset[Kind] = frozenset({"shift", "distribution"})
MAY_CAUSE: dict[Kind, frozenset[Kind]] = {
    "schema": frozenset({"schema"}),
    "nulls": _LOST,
    "volume": _LOST,
    "freshness": frozenset({"freshness"}),
    "shift": frozenset(RANK),
    "distribution": frozenset(RANK),
}
"""What upstream can bring about an anomaly downstream: data that merely moved empties no column."""


@dataclass(frozen=True)
class Stop:
    """A place of the walk with its health; `onto` are the places that the walk went on to."""

    place: Place
    health: Health
    onto: tuple[Place, ...]


Walk = dict[Place, Stop]


def walk_up(start: Place, graph: LineageGraph, series_of: Callable[[str], Series]) -> Walk:
    """Breadth first, through everything that is off, shows a hint, or could not be checked; what is as usual ends its
    branch, but for the start: that something is wrong with it is why the walk is made.

    Where the column is not known, that of the same name is looked at, or else all of them: their values only where it
    is values that are off at the start. `series_of` gives the runs of a dataset. Stops at 400 places; what is left then
    stands in no `Stop`.
    """
    walk: Walk = {}
    queue = [start]
    moved = False
    while queue and len(walk) < MOST_PLACES:
        place = queue.pop(0)
        if place in walk:
            continue
        found = _health(series_of(place[0]), place, start[1], moved)
        if place == start:
            moved = start[1] is not None and all(a.kind in _MOVED for a in found.anomalies or found.hints)
        ends = place != start and not (found.unchecked or found.anomalies or found.hints)
        onto = () if ends else tuple(graph.parents(place))
        walk[place] = Stop(place, found, onto)
        queue.extend(onto)
    return walk


def _health(series: Series, place: Place, asked: str | None, moved: bool) -> Health:
    known = columns_of(series)
    column = place[1] or (asked if asked in known else None)
    if column is None:
        return health(series, known, with_values=moved)
    return health(series, [column], with_values=True)


def relevant(walk: Walk, place: Place) -> Anomaly | None:
    """The sure anomaly of a place that may have brought about the one at the start of the walk; structural ones
    first."""
    return _most_structural(walk[place].health.anomalies, _wanted(walk))


def hint(walk: Walk, place: Place) -> Anomaly | None:
    """The same of what is off or may be."""
    found = walk[place].health
    return _most_structural(found.anomalies or found.hints, _wanted(walk))


def possible(walk: Walk, place: Place) -> list[Anomaly]:
    """All that is off or may be at a place and may have brought about the anomaly at the start."""
    found, wanted = walk[place].health, _wanted(walk)
    return [a for a in (*found.anomalies, *found.hints) if a.kind in wanted]


def _wanted(walk: Walk) -> frozenset[Kind]:
    felt = next(iter(walk.values())).health
    start = felt.anomalies or felt.hints
    return MAY_CAUSE[min((a.kind for a in start), key=RANK.__getitem__)] if start else frozenset(RANK)


def _most_structural(anomalies: tuple[Anomaly, ...], wanted: frozenset[Kind]) -> Anomaly | None:
    found = [a for a in anomalies if a.kind in wanted]
    return min(found, key=lambda a: (RANK[a.kind], a.onset, a.column or "", -a.z), default=None)


def ancestors(walk: Walk) -> dict[Place, frozenset[Place]]:
    """For each place all that the walk reached from it; what lies above and below it at once (a circle) is left out,
    for nothing is its own cause, and so are other columns of its own dataset."""
    reached = {place: _reached(walk, place) for place in walk}
    return {
        place: frozenset(a for a in above if a[0] != place[0] and place not in reached[a])
        for place, above in reached.items()
    }


def circles(walk: Walk) -> list[str]:
    """The datasets that get data from themselves by way of others, sorted."""
    reached = {place: _reached(walk, place) for place in walk}
    return sorted({p[0] for p, above in reached.items() if any(a[0] != p[0] and p in reached[a] for a in above)})


def _reached(walk: Walk, place: Place) -> set[Place]:
    seen: set[Place] = set()
    queue = [above for above in walk[place].onto if above in walk]
    while queue:
        above = queue.pop()
        if above not in seen:
            seen.add(above)
            queue.extend(a for a in walk[above].onto if a in walk)
    return seen
