"""Where upstream of a feature did its data go wrong? Walks the lineage against the flow, from dataset to dataset."""

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal

from tools.contract import Facts, Finding, Params, Result, Status, Tool
from tools.evidence import Evidence, Source, SourceKind
from tools.numbers import Num
from tools.ports import Direction, Ports
from tools.records import Change, NodeId, Utc, Window
from tools.stats import lineage_report as report
from tools.stats.dataset_figures import Kind
from tools.stats.dataset_health import Anomaly, Series, Trace, columns_of, health, split
from tools.stats.lineage_graph import LineageGraph, Place
from tools.stats.root_clues import Suspect, fits, suspects
from tools.stats.root_probability import MOST, probabilities
from tools.stats.upstream_walk import Walk, hint, relevant, walk_up

LOOKBACK = timedelta(hours=48)  # a change is looked for so long before the first bad run
CHANGE_ORDER = ("code", "sql", "parameters", "schema", "environment")
UNCHECKED_PARENT = 0.7
SERIES_RUNS = 48


class LineageWalkParams(Params):
    """The dataset that the feature is read from and its column there; without a column all of them are looked at."""

    node: NodeId
    column: str | None = None
    window: Window
    baseline: Window


class LineageWalkFacts(Facts):
    """`root` is the dataset that most probably broke what is felt, where it is likelier than not that any of those that
    were looked at did; its `confidence` is a calibrated probability (`tools.stats.root_probability`), which knows how
    far off it is, whether something above it explains it or could not be checked, when it began, what changed before,
    how well it tracks what is felt and how much of it it could carry, and how long its history is.

    Where nothing is off, `confidence` is n / (n + 1) with n the earlier runs that "usual" was learnt from, at most
    0.99, times 0.7 if a part of the way is unchecked.
    """

    root: str | None = None
    root_job: str | None = None
    anomaly: Literal["nulls", "volume", "freshness", "shift", "distribution", "schema", "none"] | None = None
    change: Literal["code", "sql", "parameters", "schema", "environment", "none"] | None = None
    change_id: str | None = None
    root_is_source: bool | None = None
    pipeline: str | None = None
    downstream_models: int = 0
    confidence: Num | None = None


class WalkedRun(Result):
    """A figure of a dataset in one run, and what it usually is at that time."""

    ts: Utc
    value: Num
    usual: Num


class WalkedRow(Result):
    """A place of the walk: what is off with it, since when, or why it could not be checked.

    `inputs` are the places that the walk went on to from here. `series` is `figure`, the one that is off or else the
    one that departs most, in the last runs. `probability` is that of being the root, for what may be.
    """

    node: str
    column: str | None
    state: Literal["off", "may be off", "as usual", "not checked"]
    anomaly: Kind | None = None
    column_off: str | None = None
    value: Num | None = None
    usual: Num | None = None
    z: Num | None = None
    p_value: Num | None = None
    onset: Utc | None = None
    why: str | None = None
    probability: Num | None = None
    runs: int = 0
    history: int = 0
    inputs: tuple[tuple[str, str | None], ...] = ()
    figure: str | None = None
    series: tuple[WalkedRun, ...] = ()


class Candidate(Result):
    """A dataset that may be the root, with its probability and its clues (`tools.stats.root_clues.Clues`)."""

    node: str
    column: str | None
    anomaly: Kind
    onset: Utc
    probability: Num
    clues: dict[str, Num]


class LineageWalkResult(Result):
    """The places in the order of the walk; the candidates, the likeliest first, of equal ones the one that began first,
    then by name; the columns that broke at the root; what changed there, and how; and all that depends on it."""

    walked: tuple[WalkedRow, ...]
    candidates: tuple[Candidate, ...] = ()
    none_of_them: Num = math.nan
    broken_columns: tuple[str, ...] = ()
    downstream_datasets: tuple[str, ...] = ()
    downstream_models: tuple[str, ...] = ()
    downstream_features: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    difference: tuple[str, ...] = ()


Ranked = list[tuple[Suspect, float]]


def run(params: LineageWalkParams, ports: Ports) -> Finding:
    """Reads the statistics of each dataset on the way up, the changes of the suspects, and what hangs on the root."""
    if ports.lineage.node(params.node) is None:
        return _no_data(f"the lineage knows no dataset {params.node!r}; check the feature's record, or send its events")
    graph = _graph(ports, params.node, "upstream")
    walk = walk_up((params.node, params.column), graph, lambda node: _series(ports, node, params))
    if all(stop.health.unchecked for stop in walk.values()):
        reason = walk[(params.node, params.column)].health.unchecked
        return _no_data(
            f"{report.title((params.node, params.column))} cannot be checked, nor what it is made from: {reason}; "
            "send events with statistics of it"
        )
    written = {node: (node, *graph.producers(node)) for node, _ in walk}
    found = suspects(walk, lambda node, anomaly: _changes(ports, written[node], anomaly), _told(params, ports, written))
    if not found:
        return _nothing_off(params, walk)
    ranked = _ranked(found)
    if sum(probability for _, probability in ranked) < 0.5:
        return _unsure(params, walk, ranked)
    return _found(params, ports, graph, walk, ranked)


def _graph(ports: Ports, node: str, way: Direction) -> LineageGraph:
    edges = ports.lineage.reach([node], way)
    names = sorted({edge.upstream for edge in edges} | {edge.downstream for edge in edges})
    return LineageGraph(edges, [name for name, known in ports.lineage.known(names).items() if known.kind == "job"])


def _series(ports: Ports, node: str, params: LineageWalkParams) -> Series:
    whole = Window(start=min(params.baseline.start, params.window.start), end=params.window.end)
    return split(ports.lineage.statistics(node, whole), params.window, params.baseline)


def _ranked(found: Sequence[Suspect]) -> Ranked:
    weighed = zip(found, probabilities([suspect.clues for suspect in found]), strict=True)
    return sorted(weighed, key=lambda w: (-w[1], w[0].anomaly.onset, w[0].place[0]))


def _found(params: LineageWalkParams, ports: Ports, graph: LineageGraph, walk: Walk, ranked: Ranked) -> Finding:
    root, confidence = ranked[0]
    node, anomaly = root.place[0], root.anomaly
    producers = graph.producers(node)
    change = next(iter(root.changes), None)
    is_source = not graph.inputs(node)
    columns = _broken_columns(_series(ports, node, params), root.place, anomaly)
    reach = _graph(ports, node, "downstream").downstream(node, columns)
    readers = _readers(ports, reach)
    pipelines = [p for model in readers if (record := ports.models.model(model)) and (p := record.pipeline)]
    datasets = sorted({below for below, _ in reach if below != node})
    features = sorted({f"{model}.{feature}" for model, read in readers.items() for feature in read})
    facts = LineageWalkFacts(
        root=node,
        root_job=change.node if change and change.node in producers else next(iter(producers), None),
        anomaly=anomaly.kind,
        change=change.kind.value if change else "none",
        change_id=_change_id(change) if change else None,
        root_is_source=is_source,
        pipeline=next(iter(pipelines), None),
        downstream_models=len(readers),
        confidence=confidence,
    )
    result = LineageWalkResult(
        walked=_rows(walk, ranked),
        candidates=_candidates(ranked),
        none_of_them=_none_of_them(ranked),
        broken_columns=tuple(columns),
        downstream_datasets=tuple(datasets),
        downstream_models=tuple(readers),
        downstream_features=tuple(features),
        changes=root.changes,
        difference=report.difference(change) if change else (),
    )
    missing = () if change or is_source else (f"the code version of {facts.root_job or 'the job'} that writes {node}",)
    return TOOL.finding(
        Status.answered,
        report.headline(root, is_source),
        facts=facts,
        result=result,
        interesting=True,
        evidence=(
            *report.evidence(walk, root, params.window),
            *_others(params, walk, ranked[1:]),
            report.of_reach(node, datasets, features, tuple(readers)),
        ),
        ruled_out=report.as_usual(walk),
        not_checked=report.not_checked(walk),
        would_settle=(*missing, *_settling(walk, ranked)),
        charts=report.chart(root.place, anomaly),
    )


def _others(params: LineageWalkParams, walk: Walk, ranked: Ranked) -> tuple[Evidence, ...]:
    """The next likeliest, but for the start of the walk, which has its own line."""
    start, q = next(iter(walk)), report.q_values(walk)
    return tuple(
        report.of_anomaly(s.place, s.anomaly, params.window, q.get(s.place)) for s, _ in ranked[:3] if s.place != start
    )


def _settling(walk: Walk, ranked: Ranked) -> tuple[str, ...]:
    """Statistics of what lies above the likeliest root and could not be checked."""
    above = [a for a in walk[ranked[0][0].place].onto if a in walk and walk[a].health.unchecked]
    return (f"statistics of {', '.join(sorted({a[0] for a in above})[:3])}",) if above else ()


def _changes(ports: Ports, nodes: Sequence[str], anomaly: Anomaly) -> list[Change]:
    """The changes before the first bad run, the one that explains most first: between the last good run and it."""
    before = Window(start=anomaly.onset - LOOKBACK, end=anomaly.onset + timedelta(seconds=1))
    found = [change for node in nodes for change in ports.lineage.changes(node, before)]
    return sorted(
        found,
        key=lambda c: (not fits(c, anomaly), CHANGE_ORDER.index(c.kind.value), -c.ts.timestamp(), c.node),
    )


def _told(params: LineageWalkParams, ports: Ports, written: Mapping[str, Sequence[str]]) -> bool:
    """Whether any change of what was walked, or of its jobs, is known."""
    whole = Window(start=min(params.baseline.start, params.window.start), end=params.window.end)
    names = sorted({name for names in written.values() for name in names})
    return any(ports.lineage.changes(name, whole) for name in names)


def _change_id(change: Change) -> str:
    return f"{change.node}/{change.kind.value}@{change.ts:%Y-%m-%dT%H:%MZ}"


def _broken_columns(series: Series, place: Place, anomaly: Anomaly) -> list[str]:
    """All columns of the root that are off in the same manner, not only the one that the walk came for."""
    if anomaly.kind in ("volume", "freshness"):
        return columns_of(series)
    values = anomaly.kind in ("shift", "distribution")
    alike = health(series, columns_of(series), with_values=values).anomalies
    return sorted(
        {a.column for a in alike if a.kind == anomaly.kind and a.column}
        | ({anomaly.column} if anomaly.column else set())
        | ({place[1]} if place[1] else set())
    )


def _readers(ports: Ports, reach: set[Place]) -> dict[str, list[str]]:
    """The models with features among the places, those with the most first, each with these features.

    A dataset that was reached by column counts by its columns; one that was reached as a whole counts with all.
    """
    by_column = {node for node, column in reach if column is not None}
    read: dict[str, list[str]] = {}
    for model in ports.lineage.readers(sorted({node for node, _ in reach})):
        touched = [
            f.feature
            for f in ports.models.features(model)
            if f.node and ((f.node, f.column) in reach or ((f.node, None) in reach and f.node not in by_column))
        ]
        if touched:
            read[model] = touched
    return dict(sorted(read.items(), key=lambda item: (-len(item[1]), item[0])))


def _candidates(ranked: Ranked) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(
            node=suspect.place[0],
            column=suspect.place[1],
            anomaly=suspect.anomaly.kind,
            onset=suspect.anomaly.onset,
            probability=probability,
            clues=vars(suspect.clues),
        )
        for suspect, probability in ranked
    )


def _none_of_them(ranked: Ranked) -> float:
    return max(1 - sum(probability for _, probability in ranked), 0.0)


def _rows(walk: Walk, ranked: Ranked) -> tuple[WalkedRow, ...]:
    chances = {suspect.place: probability for suspect, probability in ranked}
    return tuple(_row(walk, place, chances.get(place)) for place in walk)


def _row(walk: Walk, place: Place, probability: float | None) -> WalkedRow:
    stop = walk[place]
    found = stop.health
    anomaly = relevant(walk, place) or next(iter(found.anomalies), None) or hint(walk, place)
    trace = anomaly.trace if anomaly and anomaly.trace else found.trace
    row = WalkedRow(
        node=place[0],
        column=place[1],
        state="not checked" if found.unchecked else "as usual",
        why=found.unchecked,
        p_value=None if found.unchecked else found.p_value,
        runs=found.runs,
        history=found.history,
        inputs=stop.onto,
        figure=trace.name if trace else None,
        series=_drawn(trace),
    )
    if anomaly is None:
        return row
    off: dict[str, object] = {"anomaly": anomaly.kind, "column_off": anomaly.column, "onset": anomaly.onset}
    off |= {"value": anomaly.value, "usual": anomaly.usual, "z": anomaly.z, "p_value": anomaly.p_value}
    state = "off" if anomaly.sure else "may be off"
    return row.model_copy(update={**off, "state": state, "probability": probability})


def _drawn(trace: Trace | None) -> tuple[WalkedRun, ...]:
    if trace is None:
        return ()
    shown = zip(trace.times, trace.shown, trace.shown_usual, strict=True)
    return tuple(WalkedRun(ts=ts, value=float(v), usual=float(u)) for ts, v, u in [*shown][-SERIES_RUNS:])


def _nothing_off(params: LineageWalkParams, walk: Walk) -> Finding:
    checked = [stop.health for stop in walk.values() if not stop.health.unchecked]
    history = min(found.history for found in checked)
    blind = any(stop.health.unchecked for stop in walk.values())
    confidence = min(history / (history + 1), MOST) * (UNCHECKED_PARENT if blind else 1)
    title = report.title((params.node, params.column))
    source = Source(kind=SourceKind.lineage, ref=params.node)
    claim = f"nulls, volume, freshness, values and columns of {title} are within reach of {history} earlier runs"
    p = walk[(params.node, params.column)].health.p_value
    return TOOL.finding(
        Status.answered,
        f"{title} and what it is made from look as they usually do",
        facts=LineageWalkFacts(anomaly="none", change="none", confidence=confidence),
        result=LineageWalkResult(walked=_rows(walk, [])),
        evidence=(
            Evidence(claim=claim, bearing="against", p_value=p, n=history, window=params.window, sources=(source,)),
        ),
        ruled_out=report.as_usual(walk),
        not_checked=report.not_checked(walk),
    )


def _unsure(params: LineageWalkParams, walk: Walk, ranked: Ranked) -> Finding:
    likeliest = report.title(ranked[0][0].place)
    return TOOL.finding(
        Status.inconclusive,
        f"something upstream of {report.title((params.node, params.column))} is not as usual, but that it is behind "
        f"this is less likely than not (the likeliest: {likeliest}, {ranked[0][1]:.0%})",
        result=LineageWalkResult(
            walked=_rows(walk, ranked), candidates=_candidates(ranked), none_of_them=_none_of_them(ranked)
        ),
        evidence=_others(params, walk, ranked) or report.evidence(walk, ranked[0][0], params.window),
        ruled_out=report.as_usual(walk),
        not_checked=report.not_checked(walk),
        would_settle=_settling(walk, ranked) or (f"the next runs of {ranked[0][0].place[0]}, if it stays as it is",),
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
