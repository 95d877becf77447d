"""pipeline_pause plans and never acts."""

from datetime import UTC, datetime

from tests.tools.ports import InMemoryLineage, InMemoryModels, InMemoryPipelines, InMemoryPorts
from tools.contract import Finding, Status
from tools.pipeline_pause import TOOL, PipelinePauseParams
from tools.records import Feature, LineageEdge, LineageNode, Model, Pipeline, PipelineState


class Scheduled(InMemoryPipelines):
    """Tells of a schedule and a run in flight too."""

    def state(self, pipeline: str) -> PipelineState:
        found = super().state(pipeline)
        at = datetime(2013, 5, 5, 2, tzinfo=UTC)
        return found.model_copy(update={"next_run_at": at, "active_runs": ("run-7",), "read_at": datetime.now(UTC)})


def world() -> InMemoryPorts:
    names = {"serving": "dataset", "job.train": "job", "training": "dataset", "evaluation": "dataset"}
    nodes = {n: LineageNode.model_validate({"node": n, "kind": kind}) for n, kind in names.items()}
    edges = [
        LineageEdge(upstream="serving", downstream="job.train"),
        LineageEdge(upstream="job.train", downstream="training"),
        LineageEdge(upstream="training", downstream="evaluation"),
    ]
    features = [Feature(model="dcn", feature="wind", kind="dense", node="serving", column="wind")]
    pipeline = Pipeline(pipeline="train_dcn", orchestrator="embedded", writes=("training",), every_h=24)
    model = Model(model="dcn", product="p", title="dcn", pipeline="train_dcn")
    return InMemoryPorts(
        lineage=InMemoryLineage(nodes=nodes, all_edges=edges, all_features=features),
        models=InMemoryModels(by_name={"dcn": model}, all_features=features),
        pipelines=Scheduled(by_name={"train_dcn": pipeline}),
    )


def ask(ports: InMemoryPorts, pipeline: str = "train_dcn", action: str = "pause") -> Finding:
    return TOOL.run(PipelinePauseParams.model_validate({"pipeline": pipeline, "action": action}), ports)


def test_the_plan_says_what_stops_what_goes_stale_and_when() -> None:
    ports = world()
    found = ask(ports)
    assert found.facts == {"possible": True, "already": False, "goes_stale": 3, "stale_after_h": 24.0}
    assert found.result is not None
    assert found.result.keys() == {"action", "target", "summary", "effects", "state_before"}
    effects = " / ".join(found.result["effects"])
    for part in ("would have been at 2013-05-05 02:00", "run-7 in flight goes on", "evaluation, training", "dcn keeps"):
        assert part in effects
    assert found.result["state_before"]["paused"] is False
    assert ports.pipelines.paused == set()


def test_the_same_state_gives_the_same_plan() -> None:
    assert ask(world()).model_dump_json() == ask(world()).model_dump_json()


def test_a_paused_pipeline_needs_no_pause_and_can_be_resumed() -> None:
    ports = world()
    ports.pipelines.paused.add("train_dcn")
    assert ask(ports).facts["already"] is True
    resume = ask(ports, action="resume")
    assert (resume.facts["already"], resume.facts["goes_stale"]) == (False, 0)
    assert resume.result is not None
    assert "pause it again" in resume.result["effects"][-1]


def test_no_pipeline_and_a_silent_orchestrator_are_no_data() -> None:
    ports = world()
    unknown = ask(ports, "nothing")
    ports.pipelines.silent.add("train_dcn")
    silent = ask(ports)
    for found, reason in ((unknown, "no pipeline is called"), (silent, "does not answer")):
        assert (found.status, found.facts["possible"]) == (Status.no_data, False)
        assert reason in found.headline
