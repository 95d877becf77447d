"""The curves of a training run by what they mean, whatever the framework calls them, and the levels they run at."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tools.records import MetricCurve, TrainingRun
from tools.stats.profile import Floats

LOSS = ("loss", "train_loss", "training_loss", "train/loss", "loss/train")
VALIDATION_LOSS = ("val_loss", "validation_loss", "eval_loss", "val/loss", "loss/val", "eval.loss")
ACCURACY = ("accuracy", "acc", "train_accuracy", "train_acc", "train/accuracy")
VALIDATION_ACCURACY = ("val_accuracy", "val_acc", "validation_accuracy", "eval_accuracy", "val/accuracy")
LEARNING_RATE = ("learning_rate", "lr", "train/learning_rate")
GRADIENT_NORM = ("gradient_norm", "grad_norm", "train/grad_norm")
WEIGHT_CHANGE, WEIGHT_NORM = "weight_change.", "weight_norm."
LAYER_GRADIENT, DEAD_SHARE, SATURATED_SHARE = "gradient_norm.", "dead_share.", "saturated_share."
EDGE = 0.1
"""The share of points that make up the start and the end of a curve."""


def named(run: TrainingRun, names: Sequence[str]) -> MetricCurve | None:
    """The first curve of a run that goes by one of these names."""
    by_name = {curve.name: curve for curve in run.curves}
    return next((by_name[name] for name in names if name in by_name), None)


def values(run: TrainingRun, names: Sequence[str]) -> Floats:
    """The finite values of that curve by step, float64[n]; empty where there is none."""
    found = named(run, names)
    every = np.array(found.values if found else (), dtype=np.float64)
    return every[np.isfinite(every)]


def family(run: TrainingRun, prefix: str) -> dict[str, Floats]:
    """Layer or tensor → its curve, for the curves `<prefix><layer>`, in the order of the record."""
    return {c.name.removeprefix(prefix): np.array(c.values) for c in run.curves if c.name.startswith(prefix)}


class Levels(NamedTuple):
    """Where a curve starts, its lowest running level, where it ends, and the noise from point to point.

    The first three are medians of a tenth of the points; `noise` is the robust deviation of a single point around the
    course of the curve, from its second differences, so that neither a trend nor a spike counts as noise.
    """

    start: float
    best: float
    end: float
    noise: float
    edge: int

    @property
    def error(self) -> float:
        """The standard error of a difference of two levels, for independent points."""
        return self.noise * math.sqrt(2 * math.pi / 2 / self.edge)


def levels(curve: Floats) -> Levels:
    """The levels of float64[n], n ≥ 1."""
    edge = max(1, math.ceil(len(curve) * EDGE))
    running = [float(np.median(curve[i : i + edge])) for i in range(0, len(curve) - edge + 1, max(1, edge // 2))]
    end = float(np.median(curve[-edge:]))
    second = np.diff(curve, 2)
    noise = 1.4826 * float(np.median(np.abs(second))) / math.sqrt(6) if len(second) else 0.0
    return Levels(float(np.median(curve[:edge])), min([*running, end]), end, noise, edge)
