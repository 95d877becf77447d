"""pipeline_pause plans and never acts."""

from datetime import UTC, datetime

from tests.tools.ports import InMemoryLineage, InMemoryModels, InMemoryPipelines, InMemoryPorts
from tools.contract import Finding, Status
from tools.pipeline_pause import TOOL, PipelinePauseParams
from tools.records import Feature, LineageEdge, LineageNode, Model, Pipeline, PipelineState, Snapshot


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
    for part in (
        "would have been at 2013-05-05 02:00",
        "run-7 in flight goes on",
        "goes stale: evaluation, training; a run comes every 24 hours, the first one that is missed is that of 2013",
        "keeps its present snapshot, with nothing newer to follow: dcn; a run",
        "who owns train_dcn is not on record",
    ):
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


def upstream() -> InMemoryPorts:
    """A feature pipeline whose data another pipeline trains a model on, and which another model is served."""
    ports = world()
    ports.lineage.nodes["serving"] = LineageNode(node="serving", kind="dataset", owner="features team")
    ports.pipelines.by_name["train_dcn"] = Pipeline(
        pipeline="train_dcn", orchestrator="embedded", writes=("training",), owner="ranking"
    )
    ports.pipelines.by_name["features"] = Pipeline(pipeline="features", orchestrator="embedded", writes=("serving",))
    ports.models.by_name["other"] = Model(model="other", product="p", title="other", pipeline="elsewhere")
    ports.models.by_name["alone"] = Model(model="alone", product="p", title="no pipeline")
    days = [datetime(2013, 5, day, 9, tzinfo=UTC) for day in (1, 2, 3, 4)]
    ports.models.all_snapshots.extend(
        Snapshot(snapshot=f"dcn/{day:%d}", model="dcn", published_at=day, artifact=None) for day in days
    )
    return ports


def test_what_hangs_on_it_through_another_pipeline_is_found() -> None:
    found = ask(upstream(), "features")
    assert found.result is not None
    effects = " / ".join(found.result["effects"])
    snapshot = "dcn (newest snapshot dcn/04, published 2013-05-04 09:00 UTC; a new one comes every 24 hours)"
    for part in (
        "goes stale: evaluation, serving, training; ",
        f"learns nothing newer, being trained on these data: {snapshot}",
        f"is served ever older features, read from these data: {snapshot}",
        "to be told by whoever approves this: features team, who owns serving",
        "to be told by whoever approves this: ranking, who owns train_dcn",
        "who owns features is not on record",
    ):
        assert part in effects, effects
    assert "other" not in effects
    assert "job.train" not in effects
    assert found.facts["goes_stale"] == 4


def test_a_circle_in_the_lineage_ends() -> None:
    ports = upstream()
    ports.lineage.all_edges.append(LineageEdge(upstream="evaluation", downstream="serving"))
    assert ask(ports, "features").facts["goes_stale"] == 4


def test_without_any_lineage_its_own_data_and_model_are_named_all_the_same() -> None:
    ports = world()
    ports.lineage.all_edges.clear()
    ports.lineage.nodes.clear()
    found = ask(ports)
    assert (found.facts["goes_stale"], found.not_checked) == (2, ())


def test_ending_runs_says_that_it_cannot_be_undone() -> None:
    found = ask(world(), action="fail_runs")
    assert found.result is not None
    effects = " / ".join(found.result["effects"])
    for part in ("run-7 is stopped where it is", "its next run starts on schedule", "this cannot be undone"):
        assert part in effects
