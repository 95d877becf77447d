"""Was the snapshot's training as its trainings before: the labels, rows and nulls that it read, and how it went?"""

import math
from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np

from tools.contract import Facts, Finding, Params, Result, Status, Tool
from tools.numbers import Num
from tools.ports import Ports
from tools.records import Cube, MetricRole, PartitionRead, Snapshot, TrainingRun, Window
from tools.stats import training_report as report
from tools.stats.multiplicity import probability_of_effect
from tools.stats.robust import MIN_HISTORY
from tools.stats.training_checks import Outcome, Served, auc_before, checks, newest, non_finite, partitions_before
from tools.stats.training_report import Training

CLEARED = 0.95
"""How sure a clearance is where everything could be checked: a fault below the effect floors goes unseen."""
_FAMILIES = (("label_rate", "auc_before"), ("rows",), ("learning_rate",), ("loss", "gradient_norm"))
_HISTORY_RUNS = 28
_ENOUGH_RUNS = 8


_PartitionProblem = Literal["labels", "nulls", "volume", "none"]
_CurveProblem = Literal["learning_rate", "diverged", "non_finite", "stopped_early", "none"]


class TrainingDataParams(Params):
    snapshot: str
    product: str
    window: Window
    baseline: Window


class TrainingDataFacts(Facts):
    """`partition` is `dataset/partition` of the newest partition that the run read, which is the one accused where
    there is a `partition_problem`. `pipeline` is the one that trained the snapshot.

    `confidence`: for an accusation, the cautious probability that the smallest q value which speaks for it allows (see
    `tools.stats.multiplicity.probability_of_effect`), 0.99 for a loss that is not a number; for a clearance, 0.95 times
    the share of what could be checked: labels, rows, learning rate, convergence.
    """

    run: str | None = None
    partition: str | None = None
    partition_problem: _PartitionProblem | None = None
    curve_problem: _CurveProblem | None = None
    pipeline: str | None = None
    confidence: Num | None = None


class TrainingCheck(Result):
    """One check against earlier runs; units as in `tools.stats.training_checks.Outcome`."""

    check: str
    column: str | None
    found: bool
    usual: Num
    now: Num
    low: Num
    high: Num
    p_value: Num
    q_value: Num
    runs: int


class TrainingDataResult(Result):
    """What was compared with what. `non_finite` names the curves with values that are no numbers."""

    run: str
    started_at: str
    earlier_runs: tuple[str, ...]
    partition: str | None
    non_finite: tuple[str, ...]
    checks: tuple[TrainingCheck, ...]


def run(params: TrainingDataParams, ports: Ports) -> Finding:
    """Follows the snapshot to its training run and judges that. Never raises for want of data."""
    snapshot = ports.models.snapshot(params.snapshot)
    if snapshot is None:
        return _no_data(f"no snapshot is called {params.snapshot!r}; check its id against those that were received")
    if snapshot.training_run is None:
        return _no_data(f"{params.snapshot} does not say which training run made it; send its record with training_run")
    training = ports.training.run(snapshot.training_run)
    if training is None:
        return _no_data(
            f"the training run {snapshot.training_run!r} of {params.snapshot} was never received; send its record"
        )
    return _answer(params, _gathered(params, snapshot, training, ports))


def _gathered(params: TrainingDataParams, snapshot: Snapshot, training: TrainingRun, ports: Ports) -> Training:
    earlier = _history(ports.training.runs(snapshot.model, training.started_at), params)
    partition = newest(training)
    before = partitions_before(partition, earlier) if partition else []
    served = _served(params.product, snapshot.model, [*before, *([partition] if partition else [])], ports)
    peers = _peer_auc(params, snapshot.model, [*earlier, training], ports)
    found = checks(training, partition, earlier, before, served, peers)
    model = ports.models.model(snapshot.model)
    pipeline = training.pipeline or (model.pipeline if model else None)
    return Training(params.snapshot, training, pipeline, tuple(earlier), partition, tuple(before), tuple(found))


def _history(runs: Sequence[TrainingRun], params: TrainingDataParams) -> list[TrainingRun]:
    """Earlier runs: those of the baseline where they are enough, else the latest. Runs inside the window may be ill
    themselves, and are left out where that leaves enough."""
    before = [r for r in runs if r.started_at < params.window.start]
    healthy = before if len(before) >= MIN_HISTORY else list(runs)
    inside = [r for r in healthy if r.started_at >= params.baseline.start]
    return inside if len(inside) >= _ENOUGH_RUNS else healthy[-_HISTORY_RUNS:]


def _served(product: str, model: str, partitions: Sequence[PartitionRead], ports: Ports) -> dict[str, Served]:
    """Partition → the labels of its day as they were served: of this model, or of all where it has none of its own."""
    known = ports.metrics.product(product)
    metric = next((m.name for m in known.metrics if m.role is MetricRole.label_rate), None) if known else None
    days = {p.partition: p.day for p in partitions if p.day}
    if metric is None or not days:
        return {}
    span = Window(start=min(d.start for d in days.values()), end=max(d.end for d in days.values()))
    cube = ports.metrics.cube(product, metric, span, {"model": model})
    if not len(cube):
        cube = ports.metrics.cube(product, metric, span)
    return {partition: _sums(cube.within(day)) for partition, day in days.items()}


def _peer_auc(params: TrainingDataParams, model: str, runs: Sequence[TrainingRun], ports: Ports) -> dict[str, float]:
    """Run → the mean AUC that the product's other models had on the same day before they trained on it."""
    others = [m.model for m in ports.models.models(params.product) if m.model != model]
    by_day: dict[Window, list[float]] = {}
    for peer in (r for other in others for r in ports.training.runs(other, params.window.end)):
        partition, auc = newest(peer), auc_before(peer)
        if partition and partition.day and math.isfinite(auc):
            by_day.setdefault(partition.day, []).append(auc)
    days = {r.run: p.day for r in runs if (p := newest(r)) and p.day in by_day}
    return {run: float(np.mean(by_day[day])) for run, day in days.items() if day}


def _sums(cube: Cube) -> Served:
    usable = np.isfinite(cube.numerator) & np.isfinite(cube.denominator)
    with np.errstate(over="ignore"):  # a sum that is not finite is no label rate, and is passed over as such
        return Served(float(cube.numerator[usable].sum()), float(cube.denominator[usable].sum()))


def _answer(params: TrainingDataParams, training: Training) -> Finding:
    facts = _facts(training)
    bad = facts.partition_problem not in (None, "none") or facts.curve_problem not in (None, "none")
    judged = bad or bool(training.outcomes)
    return TOOL.finding(
        Status.answered if judged else Status.inconclusive,
        report.headline(training, facts.partition_problem, facts.curve_problem),
        facts=facts,
        result=_result(training),
        interesting=bad,
        evidence=report.evidence(params.product, training),
        ruled_out=report.ruled_out(training) if not bad else (),
        not_checked=report.not_checked(training),
        would_settle=() if judged else (f"at least {MIN_HISTORY} earlier training runs with partitions and curves",),
        charts=report.charts(training),
    )


def _facts(training: Training) -> TrainingDataFacts:
    found = {outcome.check for outcome in training.found}
    return TrainingDataFacts(
        run=training.run.run,
        partition=training.partition_id,
        partition_problem=_partition_problem(training, found),
        curve_problem=_curve_problem(training, found),
        pipeline=training.pipeline,
        confidence=_confidence(training),
    )


def _partition_problem(
    training: Training, found: Collection[str]
) -> Literal["labels", "nulls", "volume", "none"] | None:
    if {"label_rate", "auc_before"}.intersection(found):
        return "labels"
    if "nulls" in found:
        return "nulls"
    if "rows" in found:
        return "volume"
    known = {outcome.check for outcome in training.outcomes} & {"label_rate", "auc_before", "nulls", "rows"}
    return "none" if known else None


def _curve_problem(training: Training, found: Collection[str]) -> _CurveProblem | None:
    """The learning rate comes first: it is what somebody set, and the rest follows from it."""
    if "learning_rate" in found:
        return "learning_rate"
    if non_finite(training.run):
        return "non_finite"
    if {"loss", "gradient_norm"}.intersection(found):
        return "diverged"
    if "steps" in found:
        return "stopped_early"
    known = {outcome.check for outcome in training.outcomes} & {"learning_rate", "loss", "gradient_norm", "steps"}
    return "none" if known else None


def _confidence(training: Training) -> float | None:
    if training.found:
        return probability_of_effect(min(outcome.q_value for outcome in training.found))
    if non_finite(training.run):
        return 0.99
    known = {outcome.check for outcome in training.outcomes}
    checked = sum(bool(known & set(family)) for family in _FAMILIES)
    return CLEARED * checked / len(_FAMILIES) if checked else None


def _result(training: Training) -> TrainingDataResult:
    return TrainingDataResult(
        run=training.run.run,
        started_at=training.run.started_at.isoformat(),
        earlier_runs=tuple(r.run for r in training.earlier),
        partition=training.partition_id,
        non_finite=tuple(non_finite(training.run)),
        checks=tuple(_check(outcome) for outcome in training.outcomes),
    )


def _check(outcome: Outcome) -> TrainingCheck:
    names = ("check", "column", "found", "usual", "now", "low", "high", "p_value", "q_value", "runs")
    return TrainingCheck(**{name: getattr(outcome, name) for name in names})


def _no_data(reason: str) -> Finding:
    return TOOL.finding(Status.no_data, reason)


TOOL = Tool(
    name="training_data",
    question="Was this snapshot trained on sound data, and did its training go as it usually does?",
    params=TrainingDataParams,
    facts=TrainingDataFacts,
    result=TrainingDataResult,
    run=run,
)
