"""Is a snapshot's change of weights unusual for this model? How training moved every tensor, against its own past."""

import math
from dataclasses import replace
from typing import Literal

from tools.contract import Facts, Finding, Params, Result, Status, Tool
from tools.evidence import Evidence, Source, SourceKind
from tools.numbers import Num
from tools.ports import Ports, UnreadableArtifact
from tools.records import Id, Snapshot
from tools.stats.novelty import Novelty
from tools.stats.snapshot_history import History, change_between, choose, copies_of_older, history_of
from tools.stats.tensor_change import TensorChange
from tools.stats.weight_change import WeightChange
from tools.stats.weight_copies import whence
from tools.stats.weight_pattern import Departure
from tools.stats.weight_report import CONFIRM, SURE, UNSEEN, charts, confidence, evidence, headline
from tools.stats.weight_story import Story, StoryName, tell

MOST_TENSORS = 20  # in the result; the worst come first


class SnapshotDiffParams(Params):
    """`against` defaults to the newest stable snapshot before this one, or else to the one before it."""

    snapshot: Id
    against: Id | None = None


class SnapshotDiffFacts(Facts):
    """`unusual` is None where the history is too short. `worst_z` belongs to `tensor`, in scales of its own past;
    `column` is the column of it that moved apart from the others, and `feature` the feature that it takes in.

    `confidence` is the probability that the answer is right. For a story that is counted (non-finite, stale, cast, …)
    it is 0.99. For an unusual pattern it is the bound of Sellke, Bayarri and Berger on what the smallest q value can
    say. For an ordinary one it is n / (n + 1) over n earlier updates, and at most 0.7 where something was improbable
    yet did not count.
    """

    unusual: bool | None = None
    story: StoryName | None = None
    tensor: str | None = None
    column: int | None = None
    feature: str | None = None
    worst_z: Num | None = None
    against: str | None = None
    confidence: Num | None = None


class TensorRow(Result):
    """One tensor: its relative update now, the typical one, how far outside of its past (z, q), and how it looks.

    `spectral_update` is the spectral norm of the update; `row_p99` the 99th percentile of the rows' update norms,
    `worst_row` the place of the largest, `rows_died` how many rows became all zero.
    """

    tensor: str
    elements: int
    relative_update: Num
    typical_update: Num | None
    times_largest: Num | None
    z: Num | None
    q_value: Num | None
    cosine: Num
    norm_before: Num
    norm: Num
    spectral_update: Num
    share_changed: Num
    zeros: int
    non_finite: int
    largest: Num
    rows: int
    row_p99: Num
    worst_row: int
    rows_died: int


class DepartureRow(Result):
    """A measure against its past: of all tensors together, of one apart from the others, or of one column of it.

    `shift` with its 95% interval is a logarithm where `kind` is "ratio". `limit` is the largest |z| of an earlier day.
    """

    measure: str
    tensor: str | None
    column: int | None
    kind: Literal["ratio", "difference"]
    shift: Num
    low: Num
    high: Num
    z: Num
    limit: Num
    q_value: Num
    counts: bool


class SnapshotDiffResult(Result):
    """The worst tensors first, at most 20; `departures` are all measures, the most improbable first; `history` names
    the earlier pairs that "usual" was learnt from."""

    snapshot: str
    against: str
    story: str | None
    tensors: tuple[TensorRow, ...]
    tensors_compared: int
    departures: tuple[DepartureRow, ...]
    history: tuple[tuple[str, str], ...]


def run(params: SnapshotDiffParams, ports: Ports) -> Finding:
    """Reads the two snapshots and the earlier ones of the model at the same distance, and tells the story."""
    snapshot = ports.models.snapshot(params.snapshot)
    if snapshot is None:
        return _no_data(f"no snapshot is called {params.snapshot!r}; check the name, or send its record")
    line = list(ports.models.snapshots(snapshot.model))
    chosen = choose(snapshot, line, params.against)
    if isinstance(chosen, str):
        return _no_data(chosen)
    try:
        current = change_between(ports, chosen, snapshot)
    except UnreadableArtifact as refused:
        return _no_data(str(refused))
    if current.remodelled:
        return _architecture(snapshot, chosen, current)
    history = history_of(ports, line, snapshot, chosen)
    story = tell(current.tensors, history.changes, copies_of_older(ports, snapshot, current, history))
    return _finding(snapshot, chosen, current, history, _with_source(ports, snapshot, chosen, story), None)


def _with_source(ports: Ports, snapshot: Snapshot, against: Snapshot, story: Story) -> Story:
    """Where new values come from that a tensor was set to, as far as the two snapshots show it."""
    if story.name != "table_reset":
        return story
    before, after = ports.weights.weights(against.snapshot), ports.weights.weights(snapshot.snapshot)
    source = whence(before, after, story.tensors) if before and after else None
    return replace(story, why=f"{story.why}: {source}") if source else story


def _finding(
    snapshot: Snapshot, against: Snapshot, current: WeightChange, history: History, story: Story, feature: str | None
) -> Finding:
    ranked = _ranked(story, current)
    facts = SnapshotDiffFacts(
        unusual=story.unusual,
        story=story.name,
        tensor=ranked[0] if ranked else None,
        column=story.lead.column if story.lead else None,
        feature=feature,
        worst_z=_z(story, ranked[0]) if ranked else None,
        against=against.snapshot,
        confidence=confidence(story),
    )
    status = Status.inconclusive if story.unusual is None else Status.answered
    return TOOL.finding(
        status,
        headline(snapshot.snapshot, against.snapshot, snapshot.model, story, feature),
        facts=facts,
        result=_result(snapshot, against, story, current, history, ranked),
        interesting=bool(story.unusual),
        evidence=evidence(snapshot.snapshot, against.snapshot, story),
        ruled_out=(f"{snapshot.snapshot} was not trained in an unusual way, as far as weights tell",)
        if story.unusual is False
        else (),
        not_checked=(*history.unread[:5], *((UNSEEN,) if story.unusual is False else ())),
        would_settle=_would_settle(snapshot, story),
        charts=charts(story, current.tensors, history.changes),
    )


def _ranked(story: Story, current: WeightChange) -> list[str]:
    """All tensors, those that the story names first, then by how far the update lies outside of its past."""
    by_update = sorted(story.novelty, key=lambda name: (-abs(story.novelty[name].z), name))
    return list(dict.fromkeys([*story.tensors, *by_update, *sorted(current.tensors)]))


def _z(story: Story, tensor: str) -> float | None:
    """That of the departure which tells the story where it is the tensor's own, else that of its update."""
    if story.lead and story.lead.tensor == tensor:
        return story.lead.z
    return story.novelty[tensor].z if tensor in story.novelty else None


def _would_settle(snapshot: Snapshot, story: Story) -> tuple[str, ...]:
    if story.unusual is None:
        return (f"more published snapshots of {snapshot.model}",)
    return (CONFIRM[story.name],) if story.name and story.unusual else ()


def _result(
    snapshot: Snapshot, against: Snapshot, story: Story, current: WeightChange, history: History, ranked: list[str]
) -> SnapshotDiffResult:
    return SnapshotDiffResult(
        snapshot=snapshot.snapshot,
        against=against.snapshot,
        story=story.name,
        tensors=tuple(_row(name, current.tensors[name], story.novelty.get(name)) for name in ranked[:MOST_TENSORS]),
        tensors_compared=len(current.tensors),
        departures=tuple(_departure(one) for one in story.departures),
        history=tuple(history.pairs),
    )


def _row(name: str, change: TensorChange, found: Novelty | None) -> TensorRow:
    return TensorRow(
        tensor=name,
        elements=change.elements,
        relative_update=change.relative_update,
        typical_update=math.exp(found.typical) if found else None,
        times_largest=math.exp(found.above_all) if found else None,
        z=found.z if found else None,
        q_value=found.q_value if found else None,
        cosine=change.cosine,
        norm_before=change.norm_before,
        norm=change.norm,
        spectral_update=change.concentration * change.update,
        share_changed=change.share_changed,
        zeros=change.zeros,
        non_finite=change.non_finite,
        largest=change.largest,
        rows=change.rows,
        row_p99=change.row_p99,
        worst_row=change.row_largest,
        rows_died=change.rows_died,
    )


def _departure(found: Departure) -> DepartureRow:
    return DepartureRow(
        measure=found.measure,
        tensor=found.tensor,
        column=found.column,
        kind="ratio" if found.ratio else "difference",
        shift=found.shift,
        low=found.low,
        high=found.high,
        z=found.z,
        limit=found.limit,
        q_value=found.q_value,
        counts=found.counts,
    )


def _architecture(snapshot: Snapshot, against: Snapshot, current: WeightChange) -> Finding:
    first = current.remodelled[0].split(" ", 1)[0]
    source = Source(kind=SourceKind.snapshot, ref=f"{against.snapshot},{snapshot.snapshot}")
    count = len(current.remodelled)
    claim = f"{count} tensors came, went or changed shape: {'; '.join(current.remodelled[:5])}"
    return TOOL.finding(
        Status.answered,
        f"{snapshot.snapshot} has another architecture than {against.snapshot}: {current.remodelled[0]}",
        facts=SnapshotDiffFacts(
            unusual=True, story="architecture", tensor=first, against=against.snapshot, confidence=SURE
        ),
        result=SnapshotDiffResult(
            snapshot=snapshot.snapshot,
            against=against.snapshot,
            story="architecture",
            tensors=(),
            tensors_compared=len(current.tensors),
            departures=(),
            history=(),
        ),
        interesting=True,
        evidence=(Evidence(claim=claim, bearing="for", sources=(source,)),),
        not_checked=("the size of the updates, since the architecture is another one",),
        would_settle=(CONFIRM["architecture"],),
    )


def _no_data(reason: str) -> Finding:
    return TOOL.finding(Status.no_data, reason, would_settle=("the snapshot's weights and those before it",))


TOOL = Tool(
    name="snapshot_diff",
    question="Did the weights of this snapshot change in a way that they never did before?",
    params=SnapshotDiffParams,
    facts=SnapshotDiffFacts,
    result=SnapshotDiffResult,
    run=run,
)
