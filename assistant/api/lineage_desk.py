"""What may be done with the lineage: send events, and walk it by hand. Everything here may block on the disk."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

from assistant.api.problems import not_found, unprocessable
from assistant.wire import (
    EventsTaken,
    EventTaken,
    Figure,
    KeptFacet,
    LineageChanges,
    LineageFacets,
    LineageNodes,
    LineageRefusals,
    LineageRuns,
    LineageSeries,
    LineageStatistics,
    Neighbourhood,
    NotTaken,
    RefusedEvents,
    Window,
)
from knowledge.lineage import Lineage
from knowledge.lineage_intake import LineageIntake
from tools.ports import Direction
from tools.records import ColumnStatistics, DatasetStatistics

DEFAULT_SPAN = timedelta(days=30)
MOST_ROWS = 5000
_OF_DATASET = (Figure.row_count, Figure.size_bytes, Figure.file_count)


class LineageDesk:
    """The lineage of one workspace, as the API offers it."""

    def __init__(self, lineage: Lineage, intake: LineageIntake) -> None:
        self._lineage, self._intake = lineage, intake

    def receive(self, body: bytes, encoding: str) -> EventTaken:
        """Store one event. Raises `MalformedEvent` and `UnreadableBody`, both counted."""
        return EventTaken(left_out=self._intake.receive(self._intake.read(body, encoding)))

    def receive_batch(self, body: bytes, encoding: str) -> EventsTaken:
        """Store the events of a list. Refused as a whole only where none of them could be taken."""
        events = self._intake.read(body, encoding)
        if not isinstance(events, list):
            raise unprocessable("a batch is a list of events; send a single event to /api/v1/lineage")
        taken = self._intake.receive_batch(events)
        if events and not taken.stored:
            told = "; ".join(f"event {one.index}: {one.reason}" for one in taken.refused[:5])
            raise unprocessable(f"none of the {len(events)} events could be taken. {told}")
        return EventsTaken(
            received=len(events),
            stored=taken.stored,
            refused=tuple(NotTaken(index=one.index, reason=one.reason) for one in taken.refused),
            left_out=tuple(NotTaken(index=one.index, reason=one.reason) for one in taken.left_out),
        )

    def refusals(self) -> LineageRefusals:
        found = [RefusedEvents.model_validate(one, from_attributes=True) for one in self._lineage.refusals()]
        return LineageRefusals(
            events=sum(one.count for one in found if one.part == "event"),
            parts=sum(one.count for one in found if one.part == "part"),
            refusals=tuple(found),
        )

    def nodes(self, contains: str, kind: Literal["dataset", "job"] | None, limit: int, offset: int) -> LineageNodes:
        found, total = self._lineage.search(contains, kind, limit, offset)
        return LineageNodes(nodes=tuple(found), total=total, offset=offset, limit=limit)

    def neighbours(
        self, node: str, direction: Literal["upstream", "downstream", "both"], hops: int, limit: int
    ) -> Neighbourhood:
        self._check(node)
        ways: tuple[Direction, ...] = ("upstream", "downstream") if direction == "both" else (direction,)
        found = self._lineage.around(node, ways, hops, limit)
        return Neighbourhood(node=node, nodes=tuple(found.nodes), edges=tuple(found.edges), left_out=found.left_out)

    def statistics(self, node: str, start: datetime | None, end: datetime | None) -> LineageStatistics:
        window = self._window(node, start, end)
        found = self._lineage.statistics(node, window)
        return LineageStatistics(node=node, window=window, statistics=tuple(found[-MOST_ROWS:]))

    def series(
        self, node: str, figure: Figure, column: str | None, start: datetime | None, end: datetime | None
    ) -> LineageSeries:
        """A run without the figure has no point: what was not told is not zero."""
        if (column is None) != (figure in _OF_DATASET):
            of = "the dataset: leave out column" if figure in _OF_DATASET else "a column: say which with column"
            raise unprocessable(f"{figure} is a figure of {of}")
        window = self._window(node, start, end)
        runs = self._lineage.statistics(node, window)
        if column is not None and not any(column in run.columns for run in runs):
            known = sorted({name for run in runs for name in run.columns})
            told = ", ".join(known[:20]) + (" and more" if len(known) > 20 else "") or "none"
            raise not_found(f"{node} has no statistics of a column {column!r} in these days; there are: {told}")
        values = [(run, _value(run, figure, column)) for run in runs]
        points = [(run, value) for run, value in values if value is not None][-MOST_ROWS:]
        return LineageSeries(
            node=node,
            column=column,
            figure=figure,
            ts=tuple(run.ts for run, _ in points),
            values=tuple(value for _, value in points),
            runs=tuple(run.run or "" for run, _ in points),
        )

    def changes(self, node: str, start: datetime | None, end: datetime | None) -> LineageChanges:
        window = self._window(node, start, end)
        return LineageChanges(node=node, window=window, changes=tuple(self._lineage.changes(node, window)))

    def runs(self, node: str, start: datetime | None, end: datetime | None) -> LineageRuns:
        window = self._window(node, start, end)
        found = self._lineage.runs(node, window)
        return LineageRuns(node=node, window=window, runs=tuple(found[-MOST_ROWS:]))

    def facets(self, node: str, run: str | None) -> LineageFacets:
        self._check(node)
        found = self._lineage.facets(node, run)
        if run is not None and not found and not self._lineage.has_run(node, run):
            raise not_found(f"{node} has no run {run!r}; GET /api/v1/lineage/runs lists its runs")
        return LineageFacets(
            node=node, run=run, facets=tuple(KeptFacet.model_validate(one, from_attributes=True) for one in found)
        )

    def _check(self, node: str) -> None:
        if self._lineage.node(node) is None:
            raise not_found(
                f"the lineage knows no {node!r}; nodes are called namespace:name, "
                "and GET /api/v1/lineage/nodes?contains=… finds them"
            )

    def _window(self, node: str, start: datetime | None, end: datetime | None) -> Window:
        """The days asked for; by default the last 30 that something is known of."""
        self._check(node)
        for name, time in (("start", start), ("end", end)):
            if time is not None and time.tzinfo is None:
                raise unprocessable(f"{name} needs its zone, for example {time:%Y-%m-%dT%H:%M:%SZ}")
        last = self._lineage.last_seen(node) or datetime.now(UTC)
        end = end or last + timedelta(seconds=1)
        start = start or end - DEFAULT_SPAN
        if start >= end:
            raise unprocessable(f"start {start:%Y-%m-%dT%H:%MZ} must be before end {end:%Y-%m-%dT%H:%MZ}")
        return Window(start=start, end=end)


def _value(run: DatasetStatistics, figure: Figure, column: str | None) -> float | None:
    if column is None:
        count: int | None = getattr(run, figure.value)
        return None if count is None else float(count)
    found = run.columns.get(column)
    return None if found is None else _OF_COLUMN[figure](run, found)


def _null_share(run: DatasetStatistics, column: ColumnStatistics) -> float | None:
    return column.null_count / run.row_count if column.null_count is not None and run.row_count else None


def _deviation(_: DatasetStatistics, column: ColumnStatistics) -> float | None:
    return math.sqrt(column.variance) if column.variance is not None else None


_OF_COLUMN: dict[Figure, Callable[[DatasetStatistics, ColumnStatistics], float | None]] = {
    Figure.null_share: _null_share,
    Figure.distinct_count: lambda _, c: None if c.distinct_count is None else float(c.distinct_count),
    Figure.mean: lambda _, c: c.mean,
    Figure.min: lambda _, c: c.min,
    Figure.max: lambda _, c: c.max,
    Figure.standard_deviation: _deviation,
}
