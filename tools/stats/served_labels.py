"""The labels of a training beside those that are served: gathered, compared, and said as evidence."""

from collections.abc import Mapping, Sequence

import numpy as np

from tools.evidence import Estimate, Evidence, Source, SourceKind
from tools.records import Confusion, Cube, TrainingRun, Window
from tools.stats.label_drift import Drift, as_numbers, compared, design_effect, from_predictions
from tools.stats.profile import Floats

_DAY_S = 86_400
_MAX_P = 0.01
_MOST_ANSWERED = 0.99
_ENOUGH_LABELS = 30
RARE = 100
"""A label with fewer rows than this is hardly learned, however many rows the others have."""


def drift_of(run: TrainingRun, served: Cube, window: Window, positive: str | None, predictions: Floats) -> Drift | None:
    """The drift by labels where enough of them have arrived, else by what the model answers, else None.

    `served` are the points of the label rate over baseline and window, with a dimension `label` where it has more than
    two; `positive` the label that the rate counts without one. `predictions` float64[n] are those in the window.
    """
    trained = _trained(run)
    if len(trained) < 2:
        return None
    by_day, days = _by_day(served, sorted(trained), positive)
    inside = (days >= window.start.timestamp() // _DAY_S) & (days < window.end.timestamp() / _DAY_S)
    now = by_day[inside].sum(axis=0) if len(by_day) else np.zeros(len(trained))
    effect = design_effect(by_day) if len(by_day) else 1.0
    counts = np.array([float(trained[label]) for label in sorted(trained)])
    if now.sum() >= _ENOUGH_LABELS:
        return compared(sorted(trained), counts, now, (max(design_effect(_partitions(run, trained)), 1.0), effect))
    return _by_answers(run.confusion, trained, predictions, effect) if run.confusion else None


def is_drift(drift: Drift | None) -> bool | None:
    """Whether the labels have drifted; None where that is not known."""
    return drift.large and drift.p_value <= _MAX_P if drift else None


def evidence_of(drift: Drift, run: TrainingRun, product: str, window: Window) -> Evidence:
    """The drift as a claim; it describes, for the world may have changed."""
    unit = {"chi-square": "Cramér's V", "rank": "chance less one half"}.get(drift.method, "share")
    return Evidence(
        claim=drift.says,
        bearing="context",
        effect=Estimate(value=drift.size, low=drift.low, high=drift.high, unit=unit),
        method=f"{drift.method}, rows divided by the design effect of days",
        p_value=drift.p_value,
        n_effective=drift.n_effective,
        window=window,
        sources=(Source(kind=SourceKind.training_run, ref=run.run), Source(kind=SourceKind.metric, ref=product)),
    )


def imbalance(run: TrainingRun) -> Evidence | None:
    """That a label has so few rows that it is hardly learned."""
    trained = _trained(run)
    if len(trained) < 2 or min(trained.values()) >= RARE:
        return None
    label = min(trained, key=lambda one: (trained[one], one))
    claim = f"only {trained[label]} of {sum(trained.values())} rows have the label {label!r}"
    source = Source(kind=SourceKind.training_run, ref=run.run)
    return Evidence(claim=claim, bearing="context", n=sum(trained.values()), sources=(source,))


def _trained(run: TrainingRun) -> dict[str, int]:
    found: dict[str, int] = {}
    for partition in run.partitions:
        for label, count in partition.label_counts.items():
            found[label] = found.get(label, 0) + max(count, 0)
    return found


def _partitions(run: TrainingRun, labels: Mapping[str, int]) -> Floats:
    counted = [[p.label_counts.get(label, 0) for label in sorted(labels)] for p in run.partitions if p.label_counts]
    return np.array(counted, dtype=np.float64).reshape(len(counted), len(labels))


def _by_day(served: Cube, labels: Sequence[str], positive: str | None) -> tuple[Floats, Floats]:
    """Served labels by day, float64[D, L], and the days since 1970."""
    usable = np.isfinite(served.numerator) & np.isfinite(served.denominator) & (np.abs(served.denominator) < 1e15)
    usable &= (served.numerator >= 0) & (served.numerator <= served.denominator)
    kept = served.where(usable)
    days = kept.ts // _DAY_S
    seen = np.unique(days)
    table = np.zeros((len(seen), len(labels)))
    at = np.searchsorted(seen, days)
    if "label" in kept.dims:
        for place, label in enumerate(labels):
            mine = kept.dims["label"] == label
            np.add.at(table[:, place], at[mine], kept.numerator[mine])
    elif positive in labels and len(labels) == 2:
        place = list(labels).index(str(positive))
        np.add.at(table[:, place], at, kept.numerator)
        np.add.at(table[:, 1 - place], at, kept.denominator - kept.numerator)
    return table, seen.astype(np.float64)


def _by_answers(confusion: Confusion, trained: Mapping[str, int], predictions: Floats, effect: float) -> Drift | None:
    answered = _answered(confusion, predictions[np.isfinite(predictions)])
    if set(confusion.labels) != set(trained) or answered is None:
        return None
    counts = np.array([float(trained[label]) for label in confusion.labels])
    return from_predictions(confusion, counts, answered, effect)


def _answered(confusion: Confusion, known: Floats) -> Floats | None:
    """How often each label was answered, float64[L]: of two by the threshold, of more by their numbers (see
    `Confusion`). None where the predictions are no such numbers: of scores, one cannot say which of many was answered.
    """
    if not len(known):
        return None
    if len(confusion.labels) == 2:
        second = float((known >= confusion.threshold).sum())
        return np.array([len(known) - second, second])
    numbers = as_numbers(confusion.labels)
    told = numbers if numbers is not None else np.arange(len(confusion.labels))
    counted = (known[:, None] == told).sum(axis=0).astype(np.float64)
    return counted if counted.sum() >= _MOST_ANSWERED * len(known) else None
