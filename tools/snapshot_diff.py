"""Is a snapshot's change of weights unusual for this model? The size of every tensor's update against its own past."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from tools.contract import Facts, Finding, Params, Result, Status, Tool
from tools.evidence import Chart, Estimate, Evidence, Source, SourceKind
from tools.numbers import Num
from tools.ports import Ports, UnreadableArtifact
from tools.records import Id, Snapshot, Standing
from tools.stats.multiplicity import probability_of_effect
from tools.stats.novelty import Novelty
from tools.stats.tensor_change import TensorChange, compare
from tools.stats.weight_story import WHOLE, Story, StoryName, by_novelty, is_large, tell

LONGEST_HISTORY = 30
MOST_TENSORS = 20  # in the result; the worst come first
SURE = 0.99
CLEAR_BUT_RAISED = 0.7

Weights = Mapping[str, np.ndarray]


class SnapshotDiffParams(Params):
    """`against` defaults to the newest stable snapshot before this one, or else to the one before it."""

    snapshot: Id
    against: Id | None = None


class SnapshotDiffFacts(Facts):
    """`unusual` is None where the history is too short. `worst_z` belongs to `tensor`, in scales of its own past.

    `confidence` is the probability that the answer is right. For a story of structure (non-finite, stale, cast, …) it
    is 0.99: it was counted, not estimated. For an unusual update it is the bound of Sellke, Bayarri and Berger on what
    the smallest q value can say. For an ordinary one it is n / (n + 1) over n earlier updates, and at most 0.7 where
    an update was improbable yet below the floor of the effect.
    """

    unusual: bool | None = None
    story: StoryName | None = None
    tensor: str | None = None
    worst_z: Num | None = None
    against: str | None = None
    confidence: Num | None = None


class TensorRow(Result):
    """One tensor: its relative update now, the typical one, how far outside of its past (z, q), and how it looks."""

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
    share_changed: Num
    non_finite: int
    largest: Num


class SnapshotDiffResult(Result):
    """The worst tensors first, at most 20; `history` names the earlier pairs that "usual" was learnt from."""

    snapshot: str
    against: str
    story: str | None
    tensors: tuple[TensorRow, ...]
    tensors_compared: int
    history: tuple[tuple[str, str], ...]


def run(params: SnapshotDiffParams, ports: Ports) -> Finding:
    """Reads the two snapshots and the earlier ones of the model at the same distance, and tells the story."""
    snapshot = ports.models.snapshot(params.snapshot)
    if snapshot is None:
        return _no_data(f"no snapshot is called {params.snapshot!r}; check the name, or send its record")
    line = list(ports.models.snapshots(snapshot.model))
    chosen = _choose(snapshot, line, params.against)
    if isinstance(chosen, str):
        return _no_data(chosen)
    try:
        before, after = _read(ports, chosen), _read(ports, snapshot)
    except UnreadableArtifact as refused:
        return _no_data(str(refused))
    remodelled = _remodelled(before, after)
    if remodelled:
        return _architecture(snapshot, chosen, remodelled, len(after))
    current = {name: compare(before[name], after[name]) for name in sorted(after)}
    pairs, past, unread = _history(ports, line, snapshot, chosen)
    return _finding(snapshot, chosen, current, pairs, past, unread)


def _choose(snapshot: Snapshot, line: Sequence[Snapshot], against: str | None) -> Snapshot | str:
    """The snapshot to compare with, or why there is none."""
    earlier = [s for s in line[: _place(line, snapshot)] if s.published_at < snapshot.published_at]
    if against is not None:
        named = next((s for s in earlier if s.snapshot == against), None)
        return (
            named or f"{against!r} is no snapshot of {snapshot.model} before {snapshot.snapshot}; name an earlier one"
        )
    if not earlier:
        return f"{snapshot.snapshot} is the first snapshot of {snapshot.model}; there is nothing to compare it with"
    stable = [s for s in earlier if s.standing is Standing.stable]
    return (stable or earlier)[-1]


def _place(line: Sequence[Snapshot], snapshot: Snapshot) -> int:
    return [s.snapshot for s in line].index(snapshot.snapshot)


def _read(ports: Ports, snapshot: Snapshot) -> Weights:
    weights = ports.weights.weights(snapshot.snapshot)
    if not weights:
        raise UnreadableArtifact(f"{snapshot.snapshot} has no weights to read; publish it with its artifact")
    return weights


def _remodelled(before: Weights, after: Weights) -> tuple[str, ...]:
    """The tensors that came, went, or have another shape, in words."""
    gone = [f"{name} is gone" for name in sorted(before.keys() - after.keys())]
    new = [f"{name} is new" for name in sorted(after.keys() - before.keys())]
    shaped = [
        f"{name} was {list(before[name].shape)} and is {list(after[name].shape)}"
        for name in sorted(before.keys() & after.keys())
        if before[name].shape != after[name].shape
    ]
    return (*gone, *new, *shaped)


Pair = tuple[str, str]


def _history(
    ports: Ports, line: Sequence[Snapshot], snapshot: Snapshot, against: Snapshot
) -> tuple[list[Pair], list[dict[str, TensorChange]], list[str]]:
    """The changes between earlier snapshots that lie as far apart as these two: like is compared with like.

    Pairs with a snapshot that is known to be bad or suspect teach nothing about what is usual.
    """
    end, gap = _place(line, against) + 1, _place(line, snapshot) - _place(line, against)
    doubtful = (Standing.bad, Standing.suspect)
    pairs = [
        (line[place - gap], line[place])
        for place in range(gap, end)
        if line[place - gap].standing not in doubtful and line[place].standing not in doubtful
    ][-LONGEST_HISTORY:]
    kept: list[Pair] = []
    past: list[dict[str, TensorChange]] = []
    unread: list[str] = []
    for old, new in pairs:
        try:
            before, after = _read(ports, old), _read(ports, new)
        except UnreadableArtifact as refused:
            unread.append(f"the update from {old.snapshot} to {new.snapshot}: {refused}")
            continue
        same = [name for name in sorted(after) if name in before and before[name].shape == after[name].shape]
        past.append({name: compare(before[name], after[name]) for name in same})
        kept.append((old.snapshot, new.snapshot))
    return kept, past, unread


def _finding(
    snapshot: Snapshot,
    against: Snapshot,
    current: Mapping[str, TensorChange],
    pairs: Sequence[Pair],
    past: Sequence[dict[str, TensorChange]],
    unread: Sequence[str],
) -> Finding:
    story = tell(current, past)
    ranked = [name for name in by_novelty(story.novelty) if name != WHOLE]
    worst = next(iter(story.tensors or ranked), None)
    found = story.novelty.get(worst or "")
    facts = SnapshotDiffFacts(
        unusual=story.unusual,
        story=story.name,
        tensor=worst,
        worst_z=found.z if found else None,
        against=against.snapshot,
        confidence=_confidence(story),
    )
    status = Status.inconclusive if story.unusual is None else Status.answered
    return TOOL.finding(
        status,
        _headline(snapshot, against, story, worst),
        facts=facts,
        result=_result(snapshot, against, story, current, pairs),
        interesting=bool(story.unusual),
        evidence=_evidence(snapshot, against, story, worst),
        ruled_out=(f"{snapshot.snapshot} was not trained in an unusual way, as far as weights tell",)
        if story.unusual is False
        else (),
        not_checked=tuple(unread[:5]),
        would_settle=(f"more published snapshots of {snapshot.model}",) if story.unusual is None else (),
        charts=_charts(worst or WHOLE, current, past, story),
    )


def _confidence(story: Story) -> float | None:
    if story.unusual is None:
        return None
    found = list(story.novelty.values())
    if story.name in ("diverged", "table_reset"):
        return probability_of_effect(min(n.q_value for n in found if is_large(n)))
    if story.unusual:
        return SURE
    n = min(n.n for n in found)
    raised = any(item.q_value < 0.01 for item in found)
    return min(n / (n + 1), CLEAR_BUT_RAISED) if raised else n / (n + 1)


def _headline(snapshot: Snapshot, against: Snapshot, story: Story, worst: str | None) -> str:
    if story.unusual is None:
        return f"Whether {snapshot.snapshot} is unusual cannot be said: {story.why}"
    if not story.unusual:
        return f"{snapshot.snapshot} differs from {against.snapshot} as snapshots of {snapshot.model} usually do"
    found = story.novelty.get(worst or "")
    size = f"; {worst} moved {math.exp(found.value - found.typical):.3g} times as far as usual" if found else ""
    return f"{snapshot.snapshot} is unusual ({story.name}): {story.why}{size}"


def _evidence(snapshot: Snapshot, against: Snapshot, story: Story, worst: str | None) -> tuple[Evidence, ...]:
    source = Source(kind=SourceKind.snapshot, ref=f"{against.snapshot},{snapshot.snapshot}")
    evidence = []
    if story.unusual and story.name not in ("diverged", "table_reset"):
        names = ", ".join(story.tensors[:5])
        evidence.append(Evidence(claim=f"{story.why}: {names}", bearing="for", sources=(source,)))
    for name in dict.fromkeys(filter(None, (worst, WHOLE))):
        if name in story.novelty:
            evidence.append(_of_update(name, story.novelty[name], source))
    if not evidence:
        evidence.append(Evidence(claim=story.why, sources=(source,)))
    return tuple(evidence)


def _of_update(name: str, found: Novelty, source: Source) -> Evidence:
    """The ratio to the typical update, with the interval that the spread of the history gives it."""
    half = float(stats.t.isf(0.025, found.df)) * found.scale
    ratio = found.value - found.typical
    return Evidence(
        claim=(
            f"{name}: the relative update ||Δ||/||w|| is {math.exp(found.value):.3g}, usually "
            f"{math.exp(found.typical):.3g}, and {math.exp(found.above_all):.2g} times the largest of {found.n} before"
        ),
        bearing="for" if is_large(found) else "against",
        effect=Estimate(value=math.exp(ratio), low=math.exp(ratio - half), high=math.exp(ratio + half), unit="times"),
        method="log relative update against its own past: median and moderated MAD, Student's t, Benjamini-Hochberg",
        p_value=found.p_value,
        q_value=found.q_value,
        n=found.n,
        sources=(source,),
    )


def _result(
    snapshot: Snapshot,
    against: Snapshot,
    story: Story,
    current: Mapping[str, TensorChange],
    pairs: Sequence[Pair],
) -> SnapshotDiffResult:
    order = dict.fromkeys([*story.tensors, *by_novelty(story.novelty), *sorted(current)])
    rows = [_row(name, current[name], story.novelty.get(name)) for name in order if name in current]
    return SnapshotDiffResult(
        snapshot=snapshot.snapshot,
        against=against.snapshot,
        story=story.name,
        tensors=tuple(rows[:MOST_TENSORS]),
        tensors_compared=len(current),
        history=tuple(pairs),
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
        share_changed=change.share_changed,
        non_finite=change.non_finite,
        largest=change.largest,
    )


def _charts(
    name: str, current: Mapping[str, TensorChange], past: Sequence[Mapping[str, TensorChange]], story: Story
) -> tuple[Chart, ...]:
    """The relative updates of the worst tensor, oldest first, this one last."""
    if name not in current or not past:
        return ()
    values = [step[name].relative_update for step in past if name in step]
    mark = len(values) if story.unusual else None
    return (Chart(title=f"relative update of {name}", values=(*values, current[name].relative_update), mark=mark),)


def _architecture(snapshot: Snapshot, against: Snapshot, remodelled: tuple[str, ...], tensors: int) -> Finding:
    first = remodelled[0].split(" ", 1)[0]
    source = Source(kind=SourceKind.snapshot, ref=f"{against.snapshot},{snapshot.snapshot}")
    claim = f"{len(remodelled)} tensors came, went or changed shape: {'; '.join(remodelled[:5])}"
    return TOOL.finding(
        Status.answered,
        f"{snapshot.snapshot} has another architecture than {against.snapshot}: {remodelled[0]}",
        facts=SnapshotDiffFacts(
            unusual=True, story="architecture", tensor=first, against=against.snapshot, confidence=SURE
        ),
        result=SnapshotDiffResult(
            snapshot=snapshot.snapshot,
            against=against.snapshot,
            story="architecture",
            tensors=(),
            tensors_compared=tensors,
            history=(),
        ),
        interesting=True,
        evidence=(Evidence(claim=claim, bearing="for", sources=(source,)),),
        not_checked=("the size of the updates, since the architecture is another one",),
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
