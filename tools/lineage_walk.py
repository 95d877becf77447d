"""Where upstream of a feature did its data go wrong? Walks the lineage against the flow, from dataset to dataset."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from tools.contract import Facts, Finding, Params, Result, Status, Tool
from tools.evidence import Chart, Evidence, Source, SourceKind
from tools.numbers import Num
from tools.ports import Ports
from tools.records import Change, NodeId, Utc, Window
from tools.stats import lineage_report as report
from tools.stats.dataset_health import Anomaly, Series, columns_of, health, shape, split
from tools.stats.lineage_graph import LineageGraph, Place
from tools.stats.upstream_walk import Walk, relevant, roots_of, walk_up

LOOKBACK = timedelta(hours=48)  # a change is looked for so long before the first bad run
CHANGE_ORDER = ("code", "sql", "parameters", "schema", "environment")
SURE = 0.99
UNCHECKED_PARENT, EARLIER_CHANGE, NO_CHANGE, OTHER_ROOTS = 0.7, 0.8, 0.75, 0.6


class LineageWalkParams(Params):
    """The dataset that the feature is read from and its column there; without a column all of them are looked at."""

    node: NodeId
    column: str | None = None
    window: Window
    baseline: Window


class LineageWalkFacts(Facts):
    """`root` is the most upstream dataset that is not as usual while everything it is made from is.

    `confidence` starts at n / (n + 1), at most 0.99, with n the earlier runs that "usual" was learnt from, and is
    multiplied by 0.7 where an input of the root has no statistics; 0.6 where another dataset could be the root as
    well; 0.8 where the change was made but the job ran well with it once; and 0.75 where the root is no source and no
    change of its job is known. Where nothing is off, it is n / (n + 1), times 0.7 if a part of the way is unchecked.
    """

    root: str | None = None
    root_job: str | None = None
    anomaly: Literal["nulls", "volume", "shift", "schema", "none"] | None = None
    change: Literal["code", "sql", "parameters", "schema", "environment", "none"] | None = None
    change_id: str | None = None
    root_is_source: bool | None = None
    pipeline: str | None = None
    downstream_models: int = 0
    confidence: Num | None = None


class WalkedRow(Result):
    """A dataset on the way: what is off with it, since when, or why it could not be checked."""

    node: str
    column: str | None
    state: Literal["off", "as usual", "not checked"]
    anomaly: str | None = None
    column_off: str | None = None
    value: Num | None = None
    usual: Num | None = None
    z: Num | None = None
    onset: Utc | None = None
    why: str | None = None


class LineageWalkResult(Result):
    """The datasets in the order of the walk, the columns that broke at the root, and what depends on them."""

    walked: tuple[WalkedRow, ...]
    broken_columns: tuple[str, ...] = ()
    downstream_datasets: tuple[str, ...] = ()
    downstream_models: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()


def run(params: LineageWalkParams, ports: Ports) -> Finding:
    """Reads the statistics of each dataset on the way up, the changes of the root's job, and what hangs on the root."""
    if ports.lineage.node(params.node) is None:
        return _no_data(f"the lineage knows no dataset {params.node!r}; check the feature's record, or send its events")
    graph = _graph(ports)
    walk = walk_up((params.node, params.column), graph, lambda node: _series(ports, node, params))
    if all(stop.health.unchecked for stop in walk.values()):
        reason = walk[(params.node, params.column)].health.unchecked
        return _no_data(
            f"{report.title((params.node, params.column))} cannot be checked, nor what it is made from: {reason}"
        )
    roots = roots_of(walk)
    if not roots:
        return _nothing_off(params, walk)
    return _found(params, ports, graph, walk, roots)


def _graph(ports: Ports) -> LineageGraph:
    edges = ports.lineage.edges()
    names = sorted({edge.upstream for edge in edges} | {edge.downstream for edge in edges})
    return LineageGraph(edges, [name for name in names if (node := ports.lineage.node(name)) and node.kind == "job"])


def _series(ports: Ports, node: str, params: LineageWalkParams) -> Series:
    whole = Window(start=min(params.baseline.start, params.window.start), end=params.window.end)
    return split(ports.lineage.statistics(node, whole), params.window, params.baseline)


def _found(
    params: LineageWalkParams, ports: Ports, graph: LineageGraph, walk: Walk, roots: list[tuple[Place, Anomaly]]
) -> Finding:
    place, anomaly = roots[0]
    node = place[0]
    producers = graph.producers(node)
    changes = _changes(ports, [node, *producers], anomaly)
    change = changes[0] if changes else None
    job = change.node if change and change.node in producers else next(iter(producers), None)
    is_source = not graph.inputs(node)
    columns = _broken_columns(_series(ports, node, params), place, anomaly)
    reach = graph.downstream(node, columns)
    models = _models(ports, reach)
    pipelines = [p for model in models if (record := ports.models.model(model)) and (p := record.pipeline)]
    others = [other for other in roots[1:] if other[0][0] != node and other[1].kind == anomaly.kind]
    facts = LineageWalkFacts(
        root=node,
        root_job=job,
        anomaly=anomaly.kind,
        change=change.kind.value if change else "none",
        change_id=_change_id(change) if change else None,
        root_is_source=is_source,
        pipeline=next(iter(pipelines), None),
        downstream_models=len(models),
        confidence=_confidence(walk, place, anomaly, change, is_source, bool(others)),
    )
    datasets = sorted({below for below, _ in reach if below != node})
    return TOOL.finding(
        Status.answered,
        report.headline(place, anomaly, change, is_source),
        facts=facts,
        result=LineageWalkResult(
            walked=_rows(walk),
            broken_columns=tuple(columns),
            downstream_datasets=tuple(datasets),
            downstream_models=tuple(models),
            changes=tuple(changes),
        ),
        interesting=True,
        evidence=(
            *report.evidence(walk, place, anomaly, changes, params.window),
            *(report.of_anomaly(other, found, params.window) for other, found in others[:3]),
            report.of_reach(node, datasets, models),
        ),
        ruled_out=report.as_usual(walk),
        not_checked=report.not_checked(walk),
        would_settle=() if change or is_source else (f"the code version of {job or 'the job'} that writes {node}",),
        charts=_charts(ports, params, place, anomaly),
    )


def _changes(ports: Ports, nodes: Sequence[str], anomaly: Anomaly) -> list[Change]:
    """The changes before the first bad run, the one that explains most first: between the last good run and it."""
    before = Window(start=anomaly.onset - LOOKBACK, end=anomaly.onset + timedelta(seconds=1))
    found = [change for node in nodes for change in ports.lineage.changes(node, before)]
    return sorted(
        found,
        key=lambda c: (not report.fits(c, anomaly), CHANGE_ORDER.index(c.kind.value), -c.ts.timestamp(), c.node),
    )


def _change_id(change: Change) -> str:
    return f"{change.node}/{change.kind.value}@{change.ts:%Y-%m-%dT%H:%MZ}"


def _broken_columns(series: Series, place: Place, anomaly: Anomaly) -> list[str]:
    """All columns of the root that are off in the same manner, not only the one that the walk came for."""
    if anomaly.kind == "volume":
        return columns_of(series)
    alike = health(series, columns_of(series), judge_means=anomaly.kind == "shift").anomalies
    return sorted(
        {a.column for a in alike if a.kind == anomaly.kind and a.column} | ({place[1]} if place[1] else set())
    )


def _models(ports: Ports, reach: set[Place]) -> list[str]:
    """The models with a feature among the places, those with the most features first.

    A dataset that was reached by column counts by its columns; one that was reached as a whole counts with all.
    """
    by_column = {node for node, column in reach if column is not None}
    count: dict[str, int] = {}
    for model in ports.lineage.readers(sorted({node for node, _ in reach})):
        touched = [
            f
            for f in ports.models.features(model)
            if f.node and ((f.node, f.column) in reach or ((f.node, None) in reach and f.node not in by_column))
        ]
        if touched:
            count[model] = len(touched)
    return sorted(count, key=lambda model: (-count[model], model))


def _confidence(
    walk: Walk, place: Place, anomaly: Anomaly, change: Change | None, is_source: bool, others: bool
) -> float:
    confidence = min(anomaly.n / (anomaly.n + 1), SURE)
    if any(walk[parent].health.unchecked for parent in walk[place].onto):
        confidence *= UNCHECKED_PARENT
    if others:
        confidence *= OTHER_ROOTS
    if change:
        return confidence if report.fits(change, anomaly) else confidence * EARLIER_CHANGE
    return confidence if is_source else confidence * NO_CHANGE


def _rows(walk: Walk) -> tuple[WalkedRow, ...]:
    return tuple(_row(walk, place) for place in walk)


def _row(walk: Walk, place: Place) -> WalkedRow:
    stop = walk[place]
    node, column = place
    if stop.health.unchecked:
        return WalkedRow(node=node, column=column, state="not checked", why=stop.health.unchecked)
    anomaly = relevant(walk, place) or next(iter(stop.health.anomalies), None)
    if anomaly is None:
        return WalkedRow(node=node, column=column, state="as usual")
    return WalkedRow(
        node=node,
        column=column,
        state="off",
        anomaly=anomaly.kind,
        column_off=anomaly.column,
        value=anomaly.value,
        usual=anomaly.usual,
        z=anomaly.z,
        onset=anomaly.onset,
    )


def _charts(ports: Ports, params: LineageWalkParams, place: Place, anomaly: Anomaly) -> tuple[Chart, ...]:
    """The figure that is off, run by run over the last week, with a mark where it began."""
    whole = Window(start=max(params.baseline.start, params.window.start - timedelta(days=7)), end=params.window.end)
    runs = ports.lineage.statistics(place[0], whole)
    figure = shape(anomaly.kind, anomaly.column)
    what = {"nulls": "null share", "schema": "null share", "volume": "rows", "shift": "mean"}[anomaly.kind]
    mark = next((index for index, run in enumerate(runs) if run.ts >= anomaly.onset), None)
    title = f"{what} of {report.title((place[0], anomaly.column))}"
    return (Chart(title=title, values=tuple(figure(run) for run in runs), mark=mark),)


def _nothing_off(params: LineageWalkParams, walk: Walk) -> Finding:
    checked = [stop.health for stop in walk.values() if not stop.health.unchecked]
    history = min(found.history for found in checked)
    blind = report.not_checked(walk)
    confidence = min(history / (history + 1), SURE) * (UNCHECKED_PARENT if blind else 1)
    title = report.title((params.node, params.column))
    source = Source(kind=SourceKind.lineage, ref=params.node)
    claim = f"nulls, volume, means and columns of {title} are within reach of {history} earlier runs"
    return TOOL.finding(
        Status.answered,
        f"{title} and what it is made from look as they usually do",
        facts=LineageWalkFacts(anomaly="none", change="none", confidence=confidence),
        result=LineageWalkResult(walked=_rows(walk)),
        evidence=(Evidence(claim=claim, bearing="against", n=history, window=params.window, sources=(source,)),),
        ruled_out=report.as_usual(walk),
        not_checked=blind,
    )


def _no_data(reason: str) -> Finding:
    return TOOL.finding(
        Status.no_data, reason, would_settle=("OpenLineage events with dataQualityMetrics of the datasets upstream",)
    )


TOOL = Tool(
    name="lineage_walk",
    question="Where upstream did the data of this feature go wrong, and what changed there?",
    params=LineageWalkParams,
    facts=LineageWalkFacts,
    result=LineageWalkResult,
    run=run,
)
