"""For each shipped tool one question that its ports can answer: the parameters and a small filled platform."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from functools import cache

import numpy as np

from tests.tools import cubes, served, test_lineage_walk, test_snapshot_diff, walked
from tests.tools.ports import InMemoryPorts, InMemoryTraining
from tools.contract import Params
from tools.feature_ranking import FeatureRankingParams
from tools.graph_walk import GraphWalkParams
from tools.lineage_walk import LineageWalkParams
from tools.model_isolation import ModelIsolationParams
from tools.pipeline_pause import PipelinePauseParams
from tools.records import Change, ChangeKind, Cube, MetricCurve, PartitionRead, Pipeline, Snapshot, TrainingRun, Window
from tools.rollout_correlation import RolloutCorrelationParams
from tools.snapshot_diff import SnapshotDiffParams
from tools.training_data import TrainingDataParams

Example = tuple[Params, InMemoryPorts]
BAD_SNAPSHOT = "dcn/2013-05-01"


@cache
def _badge() -> InMemoryPorts:
    """A product of two models; the newest snapshot of one is bad."""
    return cubes.build(cubes.World(skill_lost=0.8, where={"snapshot": BAD_SNAPSHOT}))


def feature_ranking() -> Example:
    def empty(columns: np.ndarray, hour: np.ndarray) -> None:
        columns[hour >= served.FROM, :2] = np.nan

    params = FeatureRankingParams(model="badge_dcn", window=served.WINDOW, baseline=served.BASELINE)
    return params, served.ports(served.served(5, seed=1, broken=empty))


def graph_walk() -> Example:
    """Some rows have a feature that is a thousand times what it was the day before."""
    line = walked.line("dlrm", 3, seed=1)
    dense, ids = line.rows(2, 128)
    dense[::16, 1] *= 1000
    rows = walked.joined(
        walked.samples(*line.rows(1, 128)), walked.samples(dense, ids, walked.START + timedelta(days=2))
    )
    return GraphWalkParams(snapshot="m/01", rows=128), walked.ports([line.at(1), line.at(2)], rows)


def lineage_walk() -> Example:
    walk = test_lineage_walk
    at = walk.ONSET - timedelta(minutes=10)
    change = Change(node="job.join", ts=at, kind=ChangeKind.code, before="v1", after="v2")
    params = LineageWalkParams(node="serving", column="wind", window=walk.WINDOW, baseline=walk.BASELINE)
    return params, walk.world(walk.nulls_from("joined", "serving"), [change])


def model_isolation() -> Example:
    params = ModelIsolationParams(
        product=cubes.PRODUCT, metric=cubes.TOPLINE, window=cubes.WINDOW, baseline=cubes.BASELINE
    )
    return params, _badge()


def pipeline_pause() -> Example:
    _, ports = lineage_walk()
    pipeline = Pipeline(pipeline="features", orchestrator="embedded", writes=("joined",), every_h=6)
    ports.pipelines.by_name["features"] = pipeline
    return PipelinePauseParams(pipeline="features"), ports


def rollout_correlation() -> Example:
    params = RolloutCorrelationParams(
        product=cubes.PRODUCT, metric=cubes.TOPLINE, model="dcn", window=cubes.WINDOW, baseline=cubes.BASELINE
    )
    return params, _badge()


def snapshot_diff() -> Example:
    weights = test_snapshot_diff.line(22, seed=1, fault=test_snapshot_diff.fifty_times)
    return SnapshotDiffParams(snapshot="m/21"), test_snapshot_diff.ports(weights)


def training_data() -> Example:
    """Daily runs on a day's rows each; the newest partition has its labels the wrong way round."""
    ports = replace(_badge(), training=InMemoryTraining(), models=deepcopy(_badge().models))
    snapshots = ports.models.snapshots("dcn")
    labels = ports.metrics.cubes[cubes.PRODUCT, "label_rate"]
    labels = labels.where(labels.dims["model"] == "dcn")
    runs = [_run(snapshot, labels, wrong=snapshot is snapshots[-1]) for snapshot in snapshots]
    ports.training.by_run.update((run.run, run) for run in runs)
    ports.models.all_snapshots = [
        snapshot.model_copy(update={"training_run": run.run}) for snapshot, run in zip(snapshots, runs, strict=True)
    ]
    params = TrainingDataParams(
        snapshot=snapshots[-1].snapshot, product=cubes.PRODUCT, window=cubes.WINDOW, baseline=cubes.BASELINE
    )
    return params, ports


def _run(snapshot: Snapshot, labels: Cube, wrong: bool) -> TrainingRun:
    """A run on the labels that were served on the day before its snapshot; its loss swings a little from day to day."""
    start = snapshot.published_at.replace(hour=0) - timedelta(days=1)
    day = Window(start=start, end=start + timedelta(days=1))
    served_then = labels.within(day)
    rows, late = int(served_then.denominator.sum()), int(served_then.numerator.sum())
    counts = {"1": rows - late, "0": late} if wrong else {"1": late, "0": rows - late}
    swing = 1 + 0.01 * (start.day % 5)
    curves = {"loss": [swing * (0.4 + 0.3 / step) for step in range(1, 40)], "learning_rate": [1e-3] * 39}
    return TrainingRun(
        run=f"run/{snapshot.snapshot}",
        model=snapshot.model,
        snapshot=snapshot.snapshot,
        pipeline="train_dcn",
        started_at=snapshot.published_at - timedelta(hours=2),
        partitions=(
            PartitionRead(
                dataset="flights:training_dcn",
                partition=f"{start:%Y-%m-%d}",
                rows=rows,
                null_counts={"wind": rows // 50},
                label_counts=counts,
                day=day,
            ),
        ),
        curves=tuple(MetricCurve(name=name, steps=tuple(range(39)), values=tuple(v)) for name, v in curves.items()),
    )


EXAMPLES: dict[str, Callable[[], Example]] = {
    "feature_ranking": feature_ranking,
    "graph_walk": graph_walk,
    "lineage_walk": lineage_walk,
    "model_isolation": model_isolation,
    "pipeline_pause": pipeline_pause,
    "rollout_correlation": rollout_correlation,
    "snapshot_diff": snapshot_diff,
    "training_data": training_data,
}
