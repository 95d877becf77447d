"""What `training_data` found of a training run, and how it says so."""

import math
from dataclasses import dataclass
from typing import get_args

from tools.evidence import Chart, Estimate, Evidence, Source, SourceKind
from tools.records import PartitionRead, TrainingRun
from tools.stats.curve_symptoms import SymptomName
from tools.stats.day_ahead import MIN_DAYS
from tools.stats.label_drift import Drift
from tools.stats.outcome import Outcome, Together
from tools.stats.partition_figures import SCALES
from tools.stats.training_checks import non_finite
from tools.stats.training_curves import LOSS, named

_PARTITION_CHECKS = frozenset({"label_rate", "auc_before", "copied", "missing", *SCALES, *get_args(Together)})
_SYMPTOMS = frozenset(get_args(SymptomName))


@dataclass(frozen=True)
class Training:
    """A snapshot's run, what it is compared with, and the outcome of every check that could be made."""

    snapshot: str
    run: TrainingRun
    pipeline: str | None
    earlier: tuple[TrainingRun, ...]
    partition: PartitionRead | None
    partitions: tuple[PartitionRead, ...]
    outcomes: tuple[Outcome, ...]
    drift: Drift | None = None

    @property
    def found(self) -> list[Outcome]:
        """What is not as it should be, the surest first."""
        return sorted((o for o in self.outcomes if o.found), key=lambda o: (o.q_value, o.check, o.column or ""))

    @property
    def broken(self) -> list[str]:
        """The curves that hold values that are no numbers."""
        return non_finite(self.run)

    @property
    def partition_id(self) -> str | None:
        """The partition that is accused most surely, else the newest one."""
        accused = next((o.partition for o in self.found if o.partition), None)
        newest = f"{self.partition.dataset}/{self.partition.partition}" if self.partition else None
        of_labels = any(o.check in ("label_rate", "auc_before") for o in self.found)
        return newest if of_labels or accused is None else accused


def headline(training: Training, partition_problem: str | None, curve_problem: str | None) -> str:
    """One sentence: what is wrong with the partition or the curves, or that nothing is."""
    broken = training.broken
    parts = []
    if partition_problem not in (None, "none"):
        of_partitions = [o for o in training.found if o.check in _PARTITION_CHECKS]
        first = min(of_partitions, key=lambda o: o.check not in ("label_rate", "auc_before"))
        more = len(of_partitions) - 1
        also = f" (and {more} more figure{'s' if more > 1 else ''})" if more else ""
        parts.append(f"partition {first.partition or training.partition_id}: {sentence(first)}{also}")
    if curve_problem == "non_finite":
        parts.append(f"the curves {_some(broken)} hold values that are no numbers")
    elif curve_problem not in (None, "none"):
        first = next(o for o in training.found if o.check not in _PARTITION_CHECKS)
        parts.append(sentence(next((o for o in training.found if o.check == "learning_rate"), first)))
    if parts:
        return f"{training.run.run} of {training.snapshot}: {'; '.join(parts)}"
    if not training.outcomes:
        alone = "; its curves by themselves show no fault" if training.run.curves else ""
        return f"{training.run.run} has {len(training.earlier)} earlier runs, too few to say what is usual{alone}"
    return f"{training.run.run} of {training.snapshot} went like the {len(training.earlier)} trainings before it"


def evidence(product: str, training: Training) -> tuple[Evidence, ...]:
    """What was found, the surest first; of a clearance, what speaks for labels and learning rate."""
    found = [_evidence(product, training, outcome, "for") for outcome in training.found]
    if non_finite(training.run):
        found.insert(0, _non_finite_evidence(training))
    if not found:
        telling = [
            o for o in training.outcomes if o.check in ("label_rate", "auc_before", "rows", "learning_rate", "loss")
        ]
        found = [_evidence(product, training, outcome, "against") for outcome in telling]
    return tuple(found)


def _evidence(product: str, training: Training, o: Outcome, bearing: str) -> Evidence:
    day = training.partition.day if training.partition else None
    sources = [Source(kind=SourceKind.training_run, ref=training.run.run)]
    if o.check == "label_rate":
        sources.append(Source(kind=SourceKind.metric, ref=product))
    return Evidence(
        claim=sentence(o),
        bearing="for" if bearing == "for" else "against",
        effect=Estimate(value=o.now - o.usual, low=o.low, high=o.high, unit=unit(o)),
        method=_method(o),
        p_value=o.p_value,
        q_value=o.q_value,
        n=o.runs,
        window=day if o.check in _PARTITION_CHECKS else None,
        sources=tuple(sources),
    )


def _non_finite_evidence(training: Training) -> Evidence:
    curves = _some(training.broken)
    return Evidence(
        claim=f"the curves {curves} of {training.run.run} hold NaN or Inf",
        bearing="for",
        sources=(Source(kind=SourceKind.training_run, ref=training.run.run),),
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def unit(o: Outcome) -> str:
    """The unit of an outcome's figures."""
    for figure, scale in SCALES.items():
        if o.partition is not None and figure == o.check:
            return scale.unit
    return UNITS.get(o.check, "")


def _method(o: Outcome) -> str:
    if o.check in ("copied", "missing"):
        return "counted"
    if o.partition is not None:
        return "one day ahead of its own past, tails of all figures of its kind, Benjamini-Hochberg over the checks"
    return o.method or "Student's t against earlier runs, Benjamini-Hochberg over the checks"


UNITS: dict[str, str] = {
    "label_rate": "log odds",
    "auc_before": "AUC",
    "rows": "log ratio",
    "nulls": "share",
    "learning_rate": "log ratio",
    "loss": "log ratio",
    "gradient_norm": "log ratio",
    "steps": "log ratio",
}


def sentence(o: Outcome) -> str:
    """An outcome in words."""
    if o.said:
        return o.said
    times = f"{_exp(o.now - o.usual):.3g} times"
    words: dict[str, str] = {
        "label_rate": f"the odds of a positive label are {times} what the served labels of the same day predict",
        "auc_before": f"the previous snapshot ranks it with AUC {o.now:.3f}, where {o.usual:.3f} is usual",
        "rows": f"it has {times} the usual rows",
        "nulls": f"{o.now:.1%} of column {o.column} is null, where {o.usual:.1%} is usual",
        "learning_rate": f"the learning rate is {times} the usual one ({_exp(o.now):.3g})",
        "loss": f"the loss ended at {_exp(o.now):.3g} times where it began, where {_exp(o.usual):.3g} is usual",
        "gradient_norm": f"the gradient norm is {times} the usual one",
        "steps": f"the training took {times} the usual steps for its rows",
    }
    return words[o.check]


def _exp(log: float) -> float:
    return math.exp(min(log, 700.0))


def ruled_out(training: Training) -> tuple[str, ...]:
    """What a clearance rules out."""
    names: dict[str, str] = dict.fromkeys(SCALES, "partition statistics") | {
        "label_rate": "labels",
        "auc_before": "labels",
        "rows": "rows",
        "nulls": "nulls",
        "learning_rate": "learning rate",
        "loss": "loss",
        "gradient_norm": "gradients",
        "steps": "steps",
    }
    seen = list(dict.fromkeys(names[o.check] for o in training.outcomes if o.check in names))
    return (f"a faulty training of {training.snapshot}: {', '.join(seen)} are as in earlier runs",) if seen else ()


def not_checked(training: Training) -> tuple[str, ...]:
    """What the records do not hold."""
    known = {o.check for o in training.outcomes}
    found = []
    if training.partition is None:
        found.append(f"the partitions of {training.run.run}: its record lists none")
    elif not {"label_rate", "auc_before"} & known:
        found.append(f"the labels of {training.partition_id}: no label counts with served labels of the same days")
    if training.partition is not None and not any(o.partition for o in training.outcomes):
        found.append(
            f"the statistics of {training.partition_id} day by day: fewer than {MIN_DAYS} daily partitions before it"
        )
    if "loss" not in known and not non_finite(training.run):
        found.append(f"whether {training.run.run} converged: no loss curve, or no history of one")
    return tuple(found)


def charts(training: Training) -> tuple[Chart, ...]:
    """The surest finding run by run, this run last; and the loss where that is what went wrong."""
    found = training.found
    if found and found[0].check not in ("loss", "gradient_norm", *_SYMPTOMS) and found[0].history:
        o = found[0]
        values = (*o.history, o.now)
        return (Chart(title=f"{o.check.replace('_', ' ')} by run", values=values, mark=len(values) - 1, unit=unit(o)),)
    loss = named(training.run, LOSS)
    if loss and (found or non_finite(training.run)):
        return (Chart(title=f"loss of {training.run.run} by step", values=loss.values),)
    return ()
