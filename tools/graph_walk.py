"""Walk a snapshot's graph on recent samples: where do its numbers first go bad, why, and what does that do?"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from tools.contract import Facts, Finding, Params, Status, Tool
from tools.numbers import Num
from tools.ports import PortError, Ports, UnreadableArtifact
from tools.program.walk import Bad, Question, Walk, walk
from tools.program.walk_evidence import evidence_of, where
from tools.program.walk_result import GraphWalkResult, name_of, result_of
from tools.records import Id, Samples, Snapshot, Standing, Window

LEAST_ROWS = 30
SURE = 0.99  # counted, not estimated
EXTREME_SURE = 0.95
UNSETTLED = 0.9
PART_UNJUDGED = 0.9
FOREVER = datetime(9999, 1, 1, tzinfo=UTC)


class GraphWalkParams(Params):
    """`against` is the yardstick for extremes: left out, the newest stable snapshot before this one, else the newest
    that is not known to be bad. `rows` is how many of the newest samples are run, `window` the time that they are taken
    from. `everything` describes every operator in full, not only the bad ones."""

    snapshot: Id
    against: Id | None = None
    rows: int = Field(default=512, ge=1, le=20_000)
    window: Window | None = None
    everything: bool = False


class GraphWalkFacts(Facts):
    """`bad`: values that are no numbers, or far beyond the yardstick's, reach predictions, or ids that no table has
    come in; None where that could not be told. `first_bad_node` is where it begins, in the order of computation.

    `confidence` is that of `bad`: 0.99 where it was counted and its origin settled; 0.95 for an extreme; n / (n + 3)
    over n good rows, the complement of the largest share of bad ones that they leave room for (95%), and at most 0.9
    where a part was not judged.
    """

    bad: bool | None = None
    problem: Literal["non_finite", "extreme", "unknown_id"] | None = None
    origin: Literal["input", "weight", "operator", "batch"] | None = None
    first_bad_node: str | None = None
    module: str | None = None
    feature: str | None = None
    tensor: str | None = None
    share_affected: Num | None = None
    new: bool | None = None
    confidence: Num | None = None


def run(params: GraphWalkParams, ports: Ports) -> Finding:
    """Fetches the samples, has the snapshot and its yardstick run on them, and tells what came of it."""
    snapshot = ports.models.snapshot(params.snapshot)
    if snapshot is None:
        return _no_data(f"no snapshot is called {params.snapshot!r}; check the name, or send its record")
    stable = _yardstick(snapshot, ports.models.snapshots(snapshot.model), params.against)
    if isinstance(stable, str):
        return _no_data(stable)
    samples, earlier = _samples(params, snapshot, ports)
    if not len(samples):
        return _no_data(f"there are no samples of {snapshot.model} to run {snapshot.snapshot} on; send some")
    names = tuple(one.snapshot for one in (snapshot, stable) if one is not None)
    try:
        found, refused = _examine(names, Question(names, samples, earlier, params.everything), ports)
    except PortError as error:
        return _no_data(str(error))
    return _finding(snapshot.snapshot, names[1] if len(names) > 1 and refused is None else None, found, refused)


def _yardstick(snapshot: Snapshot, line: Sequence[Snapshot], against: str | None) -> Snapshot | str | None:
    """The snapshot to measure by, None where there is none, or what is wrong with the one that was asked for."""
    if against is not None:
        named = next((s for s in line if s.snapshot == against and s.snapshot != snapshot.snapshot), None)
        return named or f"{against!r} is no other snapshot of {snapshot.model}; name one of its snapshots"
    before = [s for s in line if s.published_at < snapshot.published_at]
    sound = [s for s in before if s.standing not in (Standing.bad, Standing.suspect)]
    stable = [s for s in sound if s.standing is Standing.stable]
    return next(reversed(stable or sound), None)


def _samples(params: GraphWalkParams, snapshot: Snapshot, ports: Ports) -> tuple[Samples, Samples]:
    """The newest samples of the model, and as many from before them, before the window and before the publication."""
    end = params.window.end if params.window else FOREVER
    samples = ports.samples.recent(snapshot.model, end, params.rows)
    if not len(samples):
        return samples, samples
    starts = [datetime.fromtimestamp(int(samples.ts.min()), UTC), snapshot.published_at]
    if params.window:
        starts.append(params.window.start)
    return samples, ports.samples.recent(snapshot.model, min(starts), params.rows)


def _examine(names: tuple[str, ...], question: Question, ports: Ports) -> tuple[Walk, str | None]:
    """The walk, and why it had to do without the yardstick, if it had to."""
    try:
        return ports.programs.examine(walk, names, question), None
    except UnreadableArtifact as refused:
        if len(names) < 2:
            raise
        return ports.programs.examine(walk, names[:1], question), str(refused)


def _finding(snapshot: str, against: str | None, found: Walk, refused: str | None) -> Finding:
    bad, no_yardstick = found.bad is not None or bool(found.unknown), refused or found.no_yardstick
    unsure = not bad and (no_yardstick is not None or found.rows < LEAST_ROWS)
    return TOOL.finding(
        Status.inconclusive if unsure else Status.answered,
        _headline(snapshot, found, unsure),
        facts=_facts(found, unsure),
        result=result_of(snapshot, against, found),
        interesting=bad,
        evidence=evidence_of(snapshot, against, found),
        ruled_out=() if bad or unsure else (f"{snapshot} makes bad numbers of the rows that it gets",),
        not_checked=_not_checked(found, no_yardstick),
        would_settle=_would_settle(found, no_yardstick) if unsure else (),
    )


def _headline(snapshot: str, found: Walk, unsure: bool) -> str:
    if found.bad is not None:
        place = f" from {where(found.bad.first)} on" if found.bad.first else ""
        return f"{snapshot} {_what(found.bad)}{place}: {_why(found.bad)}{_share(found.bad)}"
    if found.unknown:
        return f"{snapshot} cannot look up all that it is asked: {found.unknown[0]}"
    if unsure:
        return f"{snapshot} gives finite predictions on {found.rows} rows; whether any value is extreme cannot be said"
    return f"{snapshot} gives sound numbers at every operator, on {found.rows} recent rows"


def _what(bad: Bad) -> str:
    if bad.problem == "extreme":
        return "gives numbers out of all proportion"
    return "gives numbers that are none" if bad.values else "computes with weights that are no numbers"


def _why(bad: Bad) -> str:
    causes = [name_of(cause) for cause in bad.trace.sufficient or bad.trace.causes]
    fed = f" fed by {', '.join(causes[:3])}" if causes else ""
    match bad.trace.origin:
        case "weight":
            names = ", ".join(weight.name for weight in bad.trace.weights[:3])
            return f"the weight {names} is bad" if names else "a weight or constant of that operator is bad"
        case "input":
            return f"the values of {', '.join(causes[:3]) or 'an input'} come in bad"
        case "operator":
            return f"the operator makes them of good values{fed}"
        case "batch":
            return "rows spoil one another there"
    return "the origin could not be settled"


def _share(bad: Bad) -> str:
    effect = bad.effect
    return f"; {effect.moved} of {effect.rows} predictions are affected" if effect else ""


def _facts(found: Walk, unsure: bool) -> GraphWalkFacts:
    bad = found.bad
    if bad is not None:
        trace = bad.trace
        cause = next(iter(trace.sufficient or trace.causes), None) if trace.origin in ("input", "operator") else None
        settled = trace.origin is not None and not trace.unsettled
        return GraphWalkFacts(
            bad=True,
            problem=bad.problem,
            origin=trace.origin,
            first_bad_node=bad.first.name if bad.first else None,
            module=bad.first.module if bad.first else None,
            feature=name_of(cause) if cause else None,
            tensor=trace.weights[0].name if trace.origin == "weight" and trace.weights else None,
            share_affected=bad.effect.share.value if bad.effect else None,
            new=bad.new,
            confidence=(SURE if bad.problem == "non_finite" else EXTREME_SURE) if settled else UNSETTLED,
        )
    if found.unknown:
        first = found.unknown[0]
        return GraphWalkFacts(
            bad=True,
            problem="unknown_id",
            origin="input",
            module=first.module,
            feature=first.feature,
            share_affected=float(first.rows.mean()),
            confidence=SURE,
        )
    if unsure:
        return GraphWalkFacts()
    whole = not found.unmatched and found.earlier
    return GraphWalkFacts(bad=False, confidence=min(found.rows / (found.rows + 3), 1.0 if whole else PART_UNJUDGED))


def _not_checked(found: Walk, no_yardstick: str | None) -> tuple[str, ...]:
    said = list(found.caveats)
    if no_yardstick is not None:
        said.append(f"whether values that are finite are too large: {no_yardstick}")
    elif found.rows and not found.earlier and not found.unknown:
        said.append("whether these rows are larger than those before: too few earlier samples")
    if found.unmatched:
        said.append(f"the size of {found.unmatched} values that the stable snapshot does not have")
    if found.unknown and found.measured:
        said.append("the rows with ids that the snapshot does not have: the others were run")
    return (*said, *(found.bad.trace.unsettled if found.bad else ()))


def _would_settle(found: Walk, no_yardstick: str | None) -> tuple[str, ...]:
    few = (f"at least {LEAST_ROWS} samples of the model",) if found.rows < LEAST_ROWS else ()
    return (*few, "an earlier snapshot that can be run on the same rows") if no_yardstick else few


def _no_data(reason: str) -> Finding:
    return TOOL.finding(
        Status.no_data,
        reason,
        not_checked=("the snapshot's graph, node by node",),
        would_settle=("the snapshot as an exported program with its features.json, and recent samples of the model",),
    )


TOOL = Tool(
    name="graph_walk",
    question="At which node of the model's graph do the numbers first go wrong?",
    params=GraphWalkParams,
    facts=GraphWalkFacts,
    result=GraphWalkResult,
    run=run,
)
