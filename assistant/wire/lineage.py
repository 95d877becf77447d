"""What became of OpenLineage events, and the lineage that is walked by hand."""

from enum import StrEnum
from typing import Any, Literal

from assistant.wire.common import Wire
from tools.numbers import Num
from tools.records import Change, DatasetStatistics, JobRun, LineageEdge, LineageNode, Utc, Window


class EventTaken(Wire):
    """An OpenLineage event is on disk, but for the parts of it that were left out, each with the reason."""

    left_out: tuple[str, ...]


class NotTaken(Wire):
    """An event of a batch, or a part of it, that was not taken: its place in the batch, from 0, and why."""

    index: int
    reason: str


class EventsTaken(Wire):
    """What became of a batch: `stored` events are on disk; those refused will never be taken as they are."""

    received: int
    stored: int
    refused: tuple[NotTaken, ...]
    left_out: tuple[NotTaken, ...]


class RefusedEvents(Wire):
    """Events that were refused for one reason, or parts of events that were left out for it; the last one in full."""

    part: Literal["event", "part"]
    reason: str
    count: int
    first_at: Utc
    last_at: Utc
    last_detail: str


class LineageRefusals(Wire):
    """How many events were refused and how many parts of others left out, by reason, the most recent first."""

    events: int
    parts: int
    refusals: tuple[RefusedEvents, ...]


class LineageNodes(Wire):
    """A page of the datasets and jobs that are known, by name."""

    nodes: tuple[LineageNode, ...]
    total: int
    offset: int
    limit: int


class Neighbourhood(Wire):
    """The nodes around a node, itself first and then by distance, and all edges on the ways to them.

    `left_out` is how many further nodes are as near, beyond the limit of the question.
    """

    node: str
    nodes: tuple[LineageNode, ...]
    edges: tuple[LineageEdge, ...]
    left_out: int


class LineageStatistics(Wire):
    """How a dataset looked after each run in a window, oldest first."""

    node: str
    window: Window
    statistics: tuple[DatasetStatistics, ...]


class Figure(StrEnum):
    """A figure that is drawn over time; the first three are of a dataset, the others of a column."""

    row_count = "row_count"
    size_bytes = "size_bytes"
    file_count = "file_count"
    null_share = "null_share"
    distinct_count = "distinct_count"
    mean = "mean"
    min = "min"
    max = "max"
    standard_deviation = "standard_deviation"


class LineageSeries(Wire):
    """A figure by time, one point for each run that told it, oldest first."""

    node: str
    column: str | None
    figure: Figure
    ts: tuple[Utc, ...]
    values: tuple[Num, ...]
    runs: tuple[str, ...]


class LineageChanges(Wire):
    """What changed at a node in a window, oldest first."""

    node: str
    window: Window
    changes: tuple[Change, ...]


class LineageRuns(Wire):
    """The runs of a job that started in a window, oldest first."""

    node: str
    window: Window
    runs: tuple[JobRun, ...]


class KeptFacet(Wire):
    """A facet that is kept as it came: where it stood, and when it was last said."""

    place: Literal["run", "job", "dataset", "input", "output"]
    name: str
    at: Utc
    body: Any


class LineageFacets(Wire):
    """The facets of a node, or of one of its runs, that are not read otherwise."""

    node: str
    run: str | None
    facets: tuple[KeptFacet, ...]
