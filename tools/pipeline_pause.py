"""What would happen if a pipeline were paused or resumed, or its runs in flight ended: the dry-run plan.

Nothing is done here. To pause future runs and to end the run in flight are two actions with a plan each: a pause can be
taken back, an ended run cannot.
"""

from collections.abc import Iterator
from typing import Any, Literal

from tools.contract import Facts, Finding, Params, Result, Status, Tool
from tools.evidence import Evidence, Source, SourceKind
from tools.numbers import Num
from tools.ports import PortError, Ports
from tools.records import Id, Pipeline, PipelineState
from tools.stats.dependants import Dependants, dependants, listed

Action = Literal["pause", "resume", "fail_runs"]


class PipelinePauseParams(Params):
    """The pipeline, by its id, and what is to be done with it."""

    pipeline: Id
    action: Action = "pause"


class PipelinePauseFacts(Facts):
    """`already` says that nothing is left to be done; `goes_stale` counts the datasets and models that get nothing new;
    `stale_after_h` is the longest time until the first missed run, from the schedule."""

    possible: bool | None = None
    already: bool | None = None
    goes_stale: int = 0
    stale_after_h: Num | None = None


class PipelinePauseResult(Result):
    """The plan, as it is shown for approval."""

    action: Action
    target: str
    summary: str
    effects: tuple[str, ...]
    state_before: dict[str, Any]


def run(params: PipelinePauseParams, ports: Ports) -> Finding:
    """Reads the pipeline's record, its state from the orchestrator, and what depends on it. Never acts."""
    pipeline = ports.pipelines.pipeline(params.pipeline)
    if pipeline is None:
        return _not_possible(f"no pipeline is called {params.pipeline!r}; check the name, or send its record")
    try:
        state = ports.pipelines.state(params.pipeline)
    except PortError as error:
        return _not_possible(f"the state of {params.pipeline} cannot be read: {error}")
    found = dependants(pipeline, ports)
    already = _is_so(params.action, state)
    goes_stale = 0 if already or params.action == "resume" else len(found.datasets) + len(found.models)
    plan = PipelinePauseResult(
        action=params.action,
        target=pipeline.pipeline,
        summary=_summary(params.action, pipeline, state, already, found),
        effects=("nothing changes",) if already else _effects(params.action, pipeline, state, found),
        state_before=state.model_dump(mode="json", exclude={"pipeline", "read_at"}),
    )
    source = Source(kind=SourceKind.pipeline, ref=pipeline.pipeline)
    return TOOL.finding(
        Status.answered,
        plan.summary,
        facts=PipelinePauseFacts(
            possible=True,
            already=already,
            goes_stale=goes_stale,
            stale_after_h=_stale_after_h(pipeline, state) if goes_stale else None,
        ),
        result=plan,
        interesting=not already,
        evidence=tuple(Evidence(claim=effect, sources=(source,)) for effect in plan.effects),
        not_checked=()
        if found.models
        else (f"which models depend on {pipeline.pipeline}: none could be found in the lineage",),
    )


def _is_so(action: Action, state: PipelineState) -> bool:
    return not state.active_runs if action == "fail_runs" else state.paused is (action == "pause")


def _stale_after_h(pipeline: Pipeline, state: PipelineState) -> float | None:
    """The time between two runs; without it on record, the time to the next run as the orchestrator plans it."""
    if pipeline.every_h is not None:
        return pipeline.every_h
    if state.next_run_at is None or state.read_at is None:
        return None
    return round(max((state.next_run_at - state.read_at).total_seconds() / 3600, 0.0), 1)


def _summary(action: Action, pipeline: Pipeline, state: PipelineState, already: bool, found: Dependants) -> str:
    name = pipeline.pipeline
    if action == "fail_runs":
        if already:
            return f"no run of {name} is in flight; nothing would change"
        return f"end {listed(state.active_runs)} of {name} as failed, so that it writes nothing more"
    if already:
        return f"{name} is {'paused' if action == 'pause' else 'running'} already; nothing would change"
    if action == "resume":
        return f"resume {name}, so that its scheduled runs start again"
    whom = f"; {', '.join(found.models)} would stay on what they have" if found.models else ""
    return f"pause {name}, so that no new run starts on the present data{whom}"


def _effects(action: Action, pipeline: Pipeline, state: PipelineState, found: Dependants) -> tuple[str, ...]:
    if action == "resume":
        return _resumed(pipeline, state, found)
    if action == "fail_runs":
        return _ended(pipeline, state, found)
    name = pipeline.pipeline
    due = f"; the next one would have been at {_time(state)}" if state.next_run_at else ""
    effects = [f"no new run of {name} starts{due}"]
    if state.active_runs:
        effects.append(f"{listed(state.active_runs)} in flight goes on: a pause does not stop a run that has started")
    after = _when(pipeline, state)
    for what, names in (
        ("goes stale", listed(found.datasets)),
        ("keeps its present snapshot, with nothing newer to follow", found.named(found.trained)),
        ("learns nothing newer, being trained on these data", found.named(found.learning)),
        ("is served ever older features, read from these data", found.named(found.fed)),
    ):
        if names:
            effects.append(f"{what}: {names}; {after}")
    return (*effects, *_told(pipeline, found), f"nothing is deleted; resume {name} to undo this")


def _resumed(pipeline: Pipeline, state: PipelineState, found: Dependants) -> tuple[str, ...]:
    when = f", the next one at {_time(state)}" if state.next_run_at else ""
    return (
        f"scheduled runs of {pipeline.pipeline} start again{when}",
        *_told(pipeline, found),
        "pause it again to undo this",
    )


def _ended(pipeline: Pipeline, state: PipelineState, found: Dependants) -> tuple[str, ...]:
    runs = listed(state.active_runs)
    effects = [f"{runs} is stopped where it is; what it has written so far stays"]
    if found.datasets:
        effects.append(f"stays as it is, or half new, until a later run writes it: {listed(found.datasets)}")
    if found.models:
        effects.append(f"gets nothing from this run: {found.named(found.models)}")
    if not state.paused:
        effects.append(f"{pipeline.pipeline} is not paused: its next run starts on schedule")
    undo = f"this cannot be undone; start a new run of {pipeline.pipeline} in {pipeline.orchestrator} to repeat it"
    return (*effects, *_told(pipeline, found), undo)


def _told(pipeline: Pipeline, found: Dependants) -> Iterator[str]:
    """Who is to be told: nobody is written to from here, so whoever approves has to know whom it concerns."""
    for owner, owned in found.owners.items():
        yield f"to be told by whoever approves this: {owner}, who owns {listed(owned)}"
    if pipeline.owner is None:
        yield f"who owns {pipeline.pipeline} is not on record"


def _when(pipeline: Pipeline, state: PipelineState) -> str:
    """When that begins to matter: at the first run that does not happen."""
    every = f"a run comes every {pipeline.every_h:g} hours" if pipeline.every_h else ""
    first = f"the first one that is missed is that of {_time(state)}" if state.next_run_at else ""
    told = ", ".join(part for part in (every, first) if part)
    return told or "from when on is not known, since it has no schedule"


def _time(state: PipelineState) -> str:
    return f"{state.next_run_at:%Y-%m-%d %H:%M} UTC"


def _not_possible(reason: str) -> Finding:
    return TOOL.finding(
        Status.no_data,
        reason,
        facts=PipelinePauseFacts(possible=False),
        would_settle=("an orchestrator that answers for this pipeline",),
    )


TOOL = Tool(
    name="pipeline_pause",
    question="What stops, and what goes stale, when this pipeline is paused?",
    params=PipelinePauseParams,
    facts=PipelinePauseFacts,
    result=PipelinePauseResult,
    run=run,
    acts=True,
)
