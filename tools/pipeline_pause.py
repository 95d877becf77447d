"""What would happen if a pipeline were paused or resumed: the dry-run plan. Nothing is done here."""

from typing import Any, Literal

from tools.contract import Facts, Finding, Params, Result, Status, Tool
from tools.evidence import Evidence, Source, SourceKind
from tools.numbers import Num
from tools.ports import PortError, Ports
from tools.records import Id, Pipeline, PipelineState
from tools.stats.lineage_graph import LineageGraph

Action = Literal["pause", "resume"]


class PipelinePauseParams(Params):
    """The pipeline, by its id, and what is to be done with it."""

    pipeline: Id
    action: Action = "pause"


class PipelinePauseFacts(Facts):
    """`already` says that the pipeline is in the wanted state; `goes_stale` counts the datasets and models that get
    nothing new; `stale_after_h` is the longest time until the first missed run, from the schedule."""

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
    datasets, models = _dependants(pipeline, ports)
    already = state.paused is (params.action == "pause")
    goes_stale = 0 if already or params.action == "resume" else len(datasets) + len(models)
    plan = PipelinePauseResult(
        action=params.action,
        target=pipeline.pipeline,
        summary=_summary(params.action, pipeline, already, models),
        effects=_effects(params.action, pipeline, state, already, datasets, models),
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
            stale_after_h=pipeline.every_h if goes_stale else None,
        ),
        result=plan,
        interesting=not already,
        evidence=tuple(Evidence(claim=effect, sources=(source,)) for effect in plan.effects),
        not_checked=()
        if models
        else (f"which models depend on {pipeline.pipeline}: none could be found in the lineage",),
    )


def _dependants(pipeline: Pipeline, ports: Ports) -> tuple[list[str], list[str]]:
    """The datasets that it writes and those made from them, and the models that it trains or feeds."""
    edges = ports.lineage.edges()
    names = sorted({edge.upstream for edge in edges} | {edge.downstream for edge in edges})
    jobs = [name for name in names if (node := ports.lineage.node(name)) and node.kind == "job"]
    graph = LineageGraph(edges, jobs)
    datasets = {node for written in pipeline.writes for node, _ in graph.downstream(written, ())} - set(jobs)
    trained = [
        name
        for name in ports.lineage.readers(names)
        if (model := ports.models.model(name)) and model.pipeline == pipeline.pipeline
    ]
    return sorted(datasets), sorted({*trained, *ports.lineage.readers(sorted(datasets))})


def _summary(action: Action, pipeline: Pipeline, already: bool, models: list[str]) -> str:
    if already:
        return f"{pipeline.pipeline} is {'paused' if action == 'pause' else 'running'} already; nothing would change"
    if action == "resume":
        return f"resume {pipeline.pipeline}, so that its scheduled runs start again"
    whom = f"; {', '.join(models)} would stay on what they have" if models else ""
    return f"pause {pipeline.pipeline}, so that no new run starts on the present data{whom}"


def _effects(
    action: Action, pipeline: Pipeline, state: PipelineState, already: bool, datasets: list[str], models: list[str]
) -> tuple[str, ...]:
    if already:
        return ("nothing changes",)
    when = f", the next one at {state.next_run_at:%Y-%m-%d %H:%M} UTC" if state.next_run_at else ""
    if action == "resume":
        return (f"scheduled runs of {pipeline.pipeline} start again{when}", "pause it again to undo this")
    effects = [
        f"no new run of {pipeline.pipeline} starts{when.replace('the next one', 'the next one would have been')}"
    ]
    if state.active_runs:
        effects.append(f"{_listed(state.active_runs)} in flight goes on: a pause does not stop a run that has started")
    after = f" within {pipeline.every_h:g} hours" if pipeline.every_h else ", when is not known: it has no schedule"
    if datasets:
        effects.append(f"{_listed(datasets)} gets no new data and goes stale{after}")
    if models:
        effects.append(f"{_listed(models)} keeps serving its present snapshot, with nothing newer to follow{after}")
    return (*effects, f"nothing is deleted; resume {pipeline.pipeline} to undo this")


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


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
