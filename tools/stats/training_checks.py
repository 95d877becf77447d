"""Was this training like the trainings before it? Its labels, rows, nulls and curves against the history of its model.

Every check is a figure of one run against the same figure of earlier runs, chosen so that the weather falls out: the
label rate of a partition less the rate of the same day's served labels, the loss at the end over the loss at the start.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from tools.records import PartitionRead, TrainingRun
from tools.stats import training_curves
from tools.stats.curve_symptoms import Symptom, symptoms
from tools.stats.floored import judged
from tools.stats.multiplicity import benjamini_hochberg
from tools.stats.outcome import Against, Family, Outcome, family
from tools.stats.partition_checks import before, missing_days, new_partitions, partition_outcomes
from tools.stats.profile import Floats
from tools.stats.rises import beyond_habit
from tools.stats.robust import Tail, departure
from tools.stats.training_curves import GRADIENT_NORM, LEARNING_RATE, LOSS

AUC_BEFORE = ("eval.auc_before",)
_MIN_LABELS = 50


@dataclass(frozen=True)
class Served:
    """Labels that were served on the day of a partition."""

    late: float
    labels: float


def checks(
    run: TrainingRun,
    partition: PartitionRead | None,
    earlier: Sequence[TrainingRun],
    partitions: Sequence[PartitionRead],
    served: Mapping[str, Served],
    peers: Mapping[str, float],
    readers: Sequence[TrainingRun],
) -> list[Outcome]:
    """All checks that could be made, with q values over those of the run, of its partitions, and of their columns.

    `partitions` are earlier ones of the dataset of `partition`, oldest first, `served` is partition → its day's labels,
    `peers` is run → the AUC that the product's other models had before they trained on the same day. `readers` are all
    runs before this one, whose partitions are the past of this one's.
    """
    followed = _followed(run, readers, partition, served)
    found = [
        *_curves(run, earlier, peers),
        *(_partition(partition, partitions, served, followed) if partition else ()),
        *followed,
        *_symptoms(run, earlier),
    ]
    known = [outcome for outcome in found if outcome is not None]
    q = np.full(len(known), np.nan)
    for name in get_args(Family):
        at = [i for i, outcome in enumerate(known) if family(outcome) == name]
        q[at] = benjamini_hochberg([known[i].p_value for i in at])
    return [replace(outcome, q_value=float(value)) for outcome, value in zip(known, q, strict=True)]


def _followed(
    run: TrainingRun, readers: Sequence[TrainingRun], partition: PartitionRead | None, served: Mapping[str, Served]
) -> list[Outcome]:
    """Every daily partition that this run read first, each figure of it one day ahead of its past."""
    found = []
    for target in new_partitions(run, readers):
        past = before(target, run, readers)
        told = math.isfinite(_served_logit(served.get(target.partition)))
        found += partition_outcomes(target, past, told)
        gap = missing_days(target, past) if target == partition else 0
        if gap:
            said = f"{gap} daily partitions before it were not read by any run"
            name = f"{target.dataset}/{target.partition}"
            found.append(Outcome("missing", 0.0, gap, gap, gap, 1e-9, len(past), True, (), partition=name, said=said))
    return found


def _symptoms(run: TrainingRun, earlier: Sequence[TrainingRun]) -> list[Outcome]:
    """What the run's own curves show, but for what a tenth of the runs before it showed as well."""
    own = symptoms(run)
    if not own:
        return []
    usual = [{symptom.name for symptom in symptoms(one)} for one in earlier]
    return [_as_outcome(s) for s in own if sum(s.name in names for names in usual) <= 0.1 * len(usual)]


def _as_outcome(s: Symptom) -> Outcome:
    low, high = s.low, s.high
    return Outcome(s.name, 0.0, s.value, low, high, s.p_value, s.n, True, (), s.curve, said=s.claim, method=s.method)


def newest(run: TrainingRun) -> PartitionRead | None:
    """The partition with the latest day; of partitions without days, the last one listed."""
    if not run.partitions:
        return None
    dated = [(p.day.start.timestamp() if p.day else -math.inf, place) for place, p in enumerate(run.partitions)]
    return run.partitions[max(dated)[1]]


def partitions_before(partition: PartitionRead, earlier: Sequence[TrainingRun]) -> list[PartitionRead]:
    """The newest partition of each earlier run, of the same dataset, each partition once."""
    found: dict[str, PartitionRead] = {}
    for run in earlier:
        one = newest(run)
        if one and one.dataset == partition.dataset and one.partition != partition.partition:
            found.setdefault(one.partition, one)
    return list(found.values())


def non_finite(run: TrainingRun) -> list[str]:
    """The curves of a run, evaluations aside, that hold NaN or Inf. An evaluation has none where a class is absent."""
    evaluations = ("eval.", "eval_", "val_", "val/", "validation_")
    return [c.name for c in run.curves if not c.name.startswith(evaluations) and not np.isfinite(c.values).all()]


def _partition(
    partition: PartitionRead,
    past: Sequence[PartitionRead],
    served: Mapping[str, Served],
    followed: Sequence[Outcome],
) -> list[Outcome | None]:
    """The labels against those served; rows and nulls only where they could not be followed from day to day."""
    labels = _label_rate(partition, past, served)
    if any(outcome.check == "rows" for outcome in followed):
        return [labels]
    rows = np.array([_log(p.rows) for p in past])
    return [
        labels,
        _outcome("rows", rows, _log(partition.rows), "both", floor=0.1, least=math.log(3)),
        _nulls(partition, past),
    ]


def _label_rate(
    partition: PartitionRead, before: Sequence[PartitionRead], served: Mapping[str, Served]
) -> Outcome | None:
    """The log odds of a label in the partition less those of the same day's served labels, at the same level of the
    latter: whatever made that day's flights late did so in both."""
    level = np.array([_served_logit(served.get(p.partition)) for p in before])
    level_now = _served_logit(served.get(partition.partition))
    positive = _positive_label(before, level)
    if positive is None:
        return None
    rates = np.array([_label_logit(p, positive) for p in before])
    now = _label_logit(partition, positive) - level_now
    return _outcome("label_rate", rates - level, now, "both", 0.15, 0.5, level, level_now)


def positive_label(partitions: Sequence[PartitionRead], served: Mapping[str, Served]) -> str | None:
    """The label that the served label rate counts, as far as these partitions and the labels of their days tell."""
    return _positive_label(partitions, np.array([_served_logit(served.get(p.partition)) for p in partitions]))


def _positive_label(before: Sequence[PartitionRead], level: Floats) -> str | None:
    """The label that the served label rate counts: the one whose frequency was nearest to it over earlier partitions,
    for platforms call it "1", "true" or "late". None where no earlier partition has both counts and a served rate."""
    distance = {}
    for label in sorted({label for p in before for label in p.label_counts}):
        apart = np.abs(np.array([_label_logit(p, label) for p in before]) - level)
        if np.isfinite(apart).any():
            distance[label] = float(np.nanmedian(apart))
    return min(distance, key=lambda label: (distance[label], label)) if distance else None


def _label_logit(partition: PartitionRead, positive: str) -> float:
    """The log odds of a label in a partition, half a label added to each side; NaN where labels were not counted."""
    if not partition.label_counts:
        return math.nan
    ones = partition.label_counts.get(positive, 0)
    return math.log(ones + 0.5) - math.log(sum(partition.label_counts.values()) - ones + 0.5)


def _served_logit(served: Served | None) -> float:
    if served is None or not served.labels >= _MIN_LABELS or not 0 <= served.late <= served.labels:
        return math.nan
    return math.log(served.late + 0.5) - math.log(served.labels - served.late + 0.5)


def _nulls(partition: PartitionRead, before: Sequence[PartitionRead]) -> Outcome | None:
    """The worst column; its p value pays for having been picked."""

    def share(p: PartitionRead, column: str) -> float:
        return p.null_counts[column] / p.rows if p.rows > 0 and column in p.null_counts else math.nan

    columns = []
    for column in sorted(partition.null_counts):
        history = np.array([share(p, column) for p in before])
        one = _outcome("nulls", history, share(partition, column), "high", 0.01, 0.05, column=column)
        columns.append(replace(one, large=one.large and bool(beyond_habit(one.usual, one.now))) if one else None)
    return _least_likely(columns)


def _curves(run: TrainingRun, earlier: Sequence[TrainingRun], peers: Mapping[str, float]) -> list[Outcome | None]:
    def of(figure: Callable[[TrainingRun], float]) -> Floats:
        return np.array([figure(r) for r in earlier])

    loss = _outcome("loss", of(_loss_growth), _loss_growth(run), "high", floor=0.15, least=math.log(1.5))
    return [
        _outcome("learning_rate", of(_rate), _rate(run), "both", floor=0.2, least=math.log(3)),
        _outcome("gradient_norm", of(_gradient), _gradient(run), "high", floor=0.3, least=math.log(10)),
        _outcome("steps", of(_steps), _steps(run), "low", floor=0.1, least=math.log(2)),
        replace(loss, large=loss.large and loss.now > 0) if loss else None,
        _auc_outcome(of(auc_before), auc_before(run), of(lambda r: peers.get(r.run, math.nan)), peers.get(run.run)),
    ]


def _auc_outcome(history: Floats, now: float, peers: Floats, peers_now: float | None) -> Outcome | None:
    """The AUC against its own history, and given that of the product's other models on the same day. The first alone
    sees labels that are wrong for everybody, the second is the sharper one, for a hard day is hard for all models."""
    outcomes = [_outcome("auc_before", history, now, "low", 0.02, 0.05)]
    if peers_now is not None and np.isfinite(peers).any():
        outcomes.append(_outcome("auc_before", history, now, "low", 0.02, 0.05, peers, peers_now))
    usual = float(np.nanmedian(history)) if np.isfinite(history).any() else math.nan
    # Bad weather can make a model useless, but only wrong labels make it right the wrong way round.
    inverted = now < 0.5 - (usual - 0.5) / 2
    return _least_likely([replace(o, large=o.large and inverted) for o in outcomes if o])


def _least_likely(outcomes: Sequence[Outcome | None]) -> Outcome | None:
    """The least likely of the large ones, or of all, with a p value that pays for the choice."""
    known = [outcome for outcome in outcomes if outcome]
    if not known:
        return None
    best = min(known, key=lambda o: (not o.large, o.p_value, o.column or ""))
    return replace(best, p_value=min(best.p_value * len(known), 1.0))


def learning_rate(run: TrainingRun) -> float:
    """The highest rate of the run's curve, or of its parameters where there is no curve; NaN where neither says."""
    curve = training_curves.values(run, LEARNING_RATE)
    if len(curve):
        return float(curve.max())
    try:
        return float(next((run.parameters[name] for name in LEARNING_RATE if name in run.parameters), "nan"))
    except ValueError:
        return math.nan


def _rate(run: TrainingRun) -> float:
    return _log(learning_rate(run))


def _loss_growth(run: TrainingRun) -> float:
    """The log of the mean loss of the last steps over that of the first; a hard day is as hard at both ends."""
    loss = training_curves.values(run, LOSS)
    edge = math.ceil(len(loss) * training_curves.EDGE)
    return _log(float(loss[-edge:].mean())) - _log(float(loss[:edge].mean())) if len(loss) >= 4 else math.nan


def _gradient(run: TrainingRun) -> float:
    norm = training_curves.values(run, GRADIENT_NORM)
    return _log(float(np.median(norm))) if len(norm) else math.nan


def _steps(run: TrainingRun) -> float:
    """The log of the steps per row of the newest partition: fewer rows make fewer steps."""
    longest = max((len(c.steps) for c in run.curves if c.name in (*LOSS, *GRADIENT_NORM)), default=0)
    partition = newest(run)
    return _log(longest) - _log(partition.rows) if partition else _log(longest)


def auc_before(run: TrainingRun) -> float:
    """How well the previous snapshot ranked the newest partition."""
    values = training_curves.values(run, AUC_BEFORE)
    return float(values[-1]) if len(values) else math.nan


def _log(value: float) -> float:
    return math.log(value) if value > 0 and math.isfinite(value) else math.nan


def _outcome(
    check: Against, history: Floats, now: float, tail: Tail, floor: float, least: float,
    level: Floats | None = None, level_now: float = math.nan, column: str | None = None,
) -> Outcome | None:  # fmt: skip
    """A figure against its history, with a standard error of at least `floor`; None with too little history."""
    d = departure(_without_outliers(history, floor), now, tail, level, level_now)
    if not d.known:
        return None
    p, half = judged(d, floor, tail)
    size = {"low": -d.effect, "high": d.effect, "both": abs(d.effect)}[tail]
    large = size >= least and d.beyond
    return Outcome(
        check,
        now - d.effect,
        now,
        d.effect - half,
        d.effect + half,
        p,
        d.blocks,
        large,
        tuple(history.tolist()),
        column,
    )


def _without_outliers(history: Floats, floor: float) -> Floats:
    """Earlier figures drawn in to four robust deviations: a first training from scratch, or a past incident, must not
    widen what counts as usual."""
    if not np.isfinite(history).any():
        return history
    middle = float(np.nanmedian(history))
    reach = 4 * max(1.4826 * float(np.nanmedian(np.abs(history - middle))), floor)
    return np.clip(history, middle - reach, middle + reach)
