"""The walk against the flow of data: from where a fault is felt to the most upstream place that is off."""

from collections.abc import Callable
from dataclasses import dataclass

from tools.stats.dataset_health import Anomaly, Health, Kind, Series, columns_of, health
from tools.stats.lineage_graph import LineageGraph, Place

RANK: dict[Kind, int] = {"schema": 0, "nulls": 1, "volume": 2, "shift": 3}
MAY_CAUSE: dict[Kind, frozenset[Kind]] = {
    "schema": frozenset({"schema"}),
    "nulls": frozenset({"schema", "nulls", "volume"}),
    "volume": frozenset({"schema", "nulls", "volume"}),
    "shift": frozenset({"schema", "nulls", "volume", "shift"}),
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
    """Breadth first, through everything that is off or could not be checked; what is as usual ends its branch.

    `series_of` gives the runs of a dataset.
    """
    walk: Walk = {}
    queue = [start]
    while queue:
        place = queue.pop(0)
        if place in walk:
            continue
        found = _health(series_of(place[0]), place, start[1])
        ends = not found.unchecked and not found.anomalies
        onto = () if ends else tuple(graph.parents(place))
        walk[place] = Stop(place, found, onto)
        queue.extend(onto)
    return walk


def _health(series: Series, place: Place, asked: str | None) -> Health:
    """By the column where it is known; else by the column of the same name; else by the nulls of all of them."""
    known = columns_of(series)
    column = place[1] or (asked if asked in known else None)
    if column is None:
        return health(series, known, judge_means=False)
    return health(series, [column], judge_means=True)


def relevant(walk: Walk, place: Place) -> Anomaly | None:
    """The anomaly of a place that may have brought about the one at the start of the walk; structural ones first."""
    start = next(iter(walk.values())).health.anomalies
    wanted = MAY_CAUSE[min((a.kind for a in start), key=RANK.__getitem__)] if start else frozenset(RANK)
    found = [a for a in walk[place].health.anomalies if a.kind in wanted]
    return min(found, key=lambda a: (RANK[a.kind], a.onset, a.column or ""), default=None)


def roots_of(walk: Walk) -> list[tuple[Place, Anomaly]]:
    """The places that are off while nothing off lies above them that began as early; the likeliest first."""
    off = {place: found for place in walk if (found := relevant(walk, place))}
    roots = [
        (place, found)
        for place, found in off.items()
        if not any(above in off and off[above].onset <= found.onset for above in _above(walk, place))
    ]
    return sorted(roots, key=lambda root: (RANK[root[1].kind], root[1].onset, root[0][0], root[0][1] or ""))


def _above(walk: Walk, place: Place) -> set[Place]:
    """All places that the walk reached from this one; a place above and below itself (a cycle) is not its own cause."""
    seen: set[Place] = set()
    queue = list(walk[place].onto)
    while queue:
        above = queue.pop()
        if above not in seen:
            seen.add(above)
            queue.extend(walk[above].onto)
    return {above for above in seen if above[0] != place[0] and place not in walk[above].onto}
