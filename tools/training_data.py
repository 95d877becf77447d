"""Was the snapshot's training as its trainings before: the labels, rows and nulls that it read, and how it went?"""

import math
from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np

from tools.contract import Facts, Finding, Params, Result, Status, Tool
from tools.evidence import Evidence
from tools.numbers import Num
from tools.ports import Ports
from tools.records import Cube, MetricRole, PartitionRead, Snapshot, TrainingRun, Window
from tools.stats import training_report as report
from tools.stats.label_drift import Drift
from tools.stats.multiplicity import probability_of_effect
from tools.stats.outcome import Check, Outcome
from tools.stats.robust import MIN_HISTORY
from tools.stats.served_labels import drift_of, evidence_of, imbalance, is_drift
from tools.stats.training_checks import (
    Served,
    auc_before,
    checks,
    newest,
    non_finite,
    partitions_before,
    positive_label,
)
from tools.stats.training_report import Training

CLEARED = 0.95
"""How sure a clearance is where everything could be checked: a fault below the effect floors goes unseen."""
_FAMILIES = (("label_rate", "auc_before"), ("rows",), ("learning_rate",), ("loss", "gradient_norm"))
_HISTORY_RUNS = 28
_MOST_ANSWERS = 20_000
_READ_RUNS = 400  # whose partitions are looked at: a year of them, for the same season
_ENOUGH_RUNS = 8


_PartitionProblem = Literal[
    "labels", "copied", "clock", "duplicates", "association", "nulls", "volume", "missing", "late", "distribution",
    "label_share", "none",
]  # fmt: skip
_CurveProblem = Literal[
    "learning_rate", "non_finite", "diverged", "not_learning", "disagreement", "out_of_range", "dead_units",
    "vanishing", "overfitting", "spike", "stopped_early", "none",
]  # fmt: skip
_PARTITION_PROBLEMS: dict[Check, _PartitionProblem] = {
    "label_rate": "labels", "auc_before": "labels", "copied": "copied", "clock": "clock", "duplicates": "duplicates",
    "nulls": "nulls", "rows": "volume", "missing": "missing", "late": "late", "mean": "distribution",
    "spread": "distribution", "rank": "distribution", "shape": "distribution", "least": "distribution",
    "most": "distribution", "distinct": "distribution", "size": "distribution",
    "nulls_together": "nulls", "mean_together": "distribution", "spread_together": "distribution",
    "rank_together": "distribution", "shape_together": "distribution", "least_together": "distribution",
    "most_together": "distribution", "distinct_together": "distribution", "correlation_together": "association",
    "association": "association", "correlation": "association",
    "label_share": "label_share",
}  # fmt: skip
"""What a check that fails says is wrong with a partition: structure before contents; the first one is the fact."""
CURVE_PROBLEMS: dict[Check, _CurveProblem] = {
    "learning_rate": "learning_rate", "rate_jump": "learning_rate", "loss": "diverged", "gradient_norm": "diverged",
    "diverged": "diverged", "not_learning": "not_learning", "disagreement": "disagreement",
    "out_of_range": "out_of_range", "dead_units": "dead_units", "vanishing": "vanishing", "overfitting": "overfitting",
    "spike": "spike", "failed": "stopped_early", "steps": "stopped_early",
}  # fmt: skip
WORLD_CHANGES = 0.9
"""The most confidence in a departure of a partition from its past alone: now and then the world itself departs."""
_SELF_EVIDENT = frozenset({"copied", "clock", "duplicates", "missing"})


class TrainingDataParams(Params):
    snapshot: str
    product: str
    window: Window
    baseline: Window


class TrainingDataFacts(Facts):
    """`partition` is `dataset/partition` of the one accused where there is a `partition_problem`, else of the newest
    that the run read. `pipeline` is the one that trained the snapshot. `label_drift`: the labels that are served now
    are not distributed as those trained on, by `label_drift_size`; that accuses nobody.

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
    label_drift: bool | None = None
    label_drift_size: Num | None = None


class TrainingCheck(Result):
    """One check against earlier runs; units as in `tools.stats.outcome.Outcome`."""

    check: str
    column: str | None
    partition: str | None
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
    every = ports.training.runs(snapshot.model, training.started_at)
    earlier = _history(every, params)
    partition = newest(training)
    before = partitions_before(partition, earlier) if partition else []
    served = _served(params.product, snapshot.model, [*before, *([partition] if partition else [])], ports)
    peers = _peer_auc(params, snapshot.model, [*earlier, training], ports)
    found = checks(training, partition, earlier, before, served, peers, every[-_READ_RUNS:])
    model = ports.models.model(snapshot.model)
    pipeline = training.pipeline or (model.pipeline if model else None)
    positive = positive_label(before, served)
    drift = _label_drift(params, snapshot.model, training, positive, ports)
    return Training(params.snapshot, training, pipeline, tuple(earlier), partition, tuple(before), tuple(found), drift)


def _history(runs: Sequence[TrainingRun], params: TrainingDataParams) -> list[TrainingRun]:
    """Earlier runs: those of the baseline where they are enough, else the latest. Runs inside the window may be ill
    themselves, and are left out where that leaves enough."""
    before = [r for r in runs if r.started_at < params.window.start]
    healthy = before if len(before) >= MIN_HISTORY else list(runs)
    inside = [r for r in healthy if r.started_at >= params.baseline.start]
    return inside if len(inside) >= _ENOUGH_RUNS else healthy[-_HISTORY_RUNS:]


def _label_drift(
    params: TrainingDataParams, model: str, training: TrainingRun, positive: str | None, ports: Ports
) -> Drift | None:
    """Of the labels that are served in the window; from what the snapshot answers there, where those are late."""
    span = Window(start=min(params.baseline.start, params.window.start), end=params.window.end)
    served = _label_rate(params.product, model, span, ports)
    predictions = np.empty(0)
    if training.confusion is not None:
        samples = ports.samples.recent(model, params.window.end, _MOST_ANSWERS, params.snapshot)
        predictions = samples.prediction[samples.ts >= params.window.start.timestamp()]
    return drift_of(training, served, params.window, positive, predictions)


def _label_rate(product: str, model: str, span: Window, ports: Ports) -> Cube:
    """The points of the product's label rate: of this model, or of all where it has none of its own."""
    known = ports.metrics.product(product)
    metric = next((m.name for m in known.metrics if m.role is MetricRole.label_rate), None) if known else None
    if metric is None:
        return Cube(np.empty(0, dtype=np.int64), {}, np.empty(0), np.empty(0))
    own = ports.metrics.cube(product, metric, span, {"model": model})
    return own if len(own) else ports.metrics.cube(product, metric, span)


def _served(product: str, model: str, partitions: Sequence[PartitionRead], ports: Ports) -> dict[str, Served]:
    """Partition → the labels of its day as they were served."""
    days = {p.partition: p.day for p in partitions if p.day}
    if not days:
        return {}
    span = Window(start=min(d.start for d in days.values()), end=max(d.end for d in days.values()))
    cube = _label_rate(product, model, span, ports)
    if not len(cube) or "label" in cube.dims:  # of more than two labels, no one rate speaks for all
        return {}
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
        evidence=(*report.evidence(params.product, training), *_context(params, training)),
        ruled_out=report.ruled_out(training) if not bad else (),
        not_checked=report.not_checked(training),
        would_settle=() if judged else (f"at least {MIN_HISTORY} earlier training runs with partitions and curves",),
        charts=report.charts(training),
    )


def _context(params: TrainingDataParams, training: Training) -> tuple[Evidence, ...]:
    """The labels beside those that are served, and those that are rare; neither accuses."""
    rare = imbalance(training.run)
    drift = evidence_of(training.drift, training.run, params.product, params.window) if training.drift else None
    return tuple(item for item in (drift, rare) if item is not None)


def _facts(training: Training) -> TrainingDataFacts:
    found = {outcome.check for outcome in training.found}
    return TrainingDataFacts(
        run=training.run.run,
        partition=training.partition_id,
        partition_problem=_partition_problem(training, found),
        curve_problem=_curve_problem(training, found),
        pipeline=training.pipeline,
        confidence=_confidence(training),
        label_drift=is_drift(training.drift),
        label_drift_size=training.drift.size if training.drift else None,
    )


def _partition_problem(training: Training, found: Collection[str]) -> _PartitionProblem | None:
    problems = [problem for check, problem in _PARTITION_PROBLEMS.items() if check in found]
    if problems:
        return problems[0]
    return "none" if any(outcome.check in _PARTITION_PROBLEMS for outcome in training.outcomes) else None


def _curve_problem(training: Training, found: Collection[str]) -> _CurveProblem | None:
    """The learning rate comes first: it is what somebody set, and the rest follows from it."""
    problems = [problem for check, problem in CURVE_PROBLEMS.items() if check in found]
    if non_finite(training.run) and "learning_rate" not in problems:
        return "non_finite"
    if problems:
        return problems[0]
    known = {outcome.check for outcome in training.outcomes} & {"learning_rate", "loss", "gradient_norm", "steps"}
    return "none" if known else None


def _confidence(training: Training) -> float | None:
    if training.found:
        return max(_sure(outcome) for outcome in training.found)
    if non_finite(training.run):
        return 0.99
    known = {outcome.check for outcome in training.outcomes}
    checked = sum(bool(known & set(family)) for family in _FAMILIES)
    return CLEARED * checked / len(_FAMILIES) if checked else None


def _sure(outcome: Outcome) -> float:
    probability = probability_of_effect(outcome.q_value)
    may_be_the_world = outcome.partition is not None and outcome.check not in _SELF_EVIDENT
    return min(probability, WORLD_CHANGES) if may_be_the_world else probability


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
    names = ("check", "column", "partition", "found", "usual", "now", "low", "high", "p_value", "q_value", "runs")
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
