"""What the curves of one training run show by themselves, with no other run to compare with.

The symptoms are those that DeepLocalize (Wardat et al. 2021), AUTOTRAINER (Zhang et al. 2021) and DeepDiagnosis (Wardat
et al. 2022) describe. Where a symptom follows from arithmetic (a constant loss, more errors than the loss allows) it is
exact; where it is a matter of size, the size is judged by the curve's own noise and by a floor.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from tools.records import TrainingRun
from tools.stats import training_curves as curves
from tools.stats.loss_kind import Kind, kind_of, most_errors, of_a_guess
from tools.stats.profile import Floats
from tools.stats.training_curves import Levels, levels

SymptomName = Literal[
    "not_learning", "disagreement", "diverged", "out_of_range", "overfitting", "rate_jump", "vanishing", "dead_units",
    "spike", "failed",
]  # fmt: skip

EXACT = 1e-9
"""The p value of what follows from arithmetic and needs no test."""
_RESOLUTION = 1e-6  # of float32, with some room
_NO_FALL = 0.01
_MIN_POINTS = 10


@dataclass(frozen=True)
class Symptom:
    """One thing that a run shows. `value` and its interval are in `unit`; `p_value` pays for where one looked."""

    name: SymptomName
    curve: str
    claim: str
    value: float
    low: float
    high: float
    unit: str
    p_value: float
    n: int
    method: str


def symptoms(run: TrainingRun) -> list[Symptom]:
    """Everything that can be seen in one run, what tells most first."""
    loss = curves.values(run, curves.LOSS)
    checks: Sequence[Callable[[TrainingRun, Floats], Symptom | None]] = (
        _rate_jump, _diverged, _out_of_range, _unchanged, _constant, _no_progress, _disagreement, _vanishing,
        _dead_units, _overfitting, _spike, _failed,
    )  # fmt: skip
    with np.errstate(over="ignore", invalid="ignore"):  # a figure that is not finite compares as no symptom
        found = [check(run, loss) for check in checks]
    return [symptom for symptom in found if symptom is not None]


def exact(name: SymptomName, curve: str, claim: str, value: float, unit: str, n: int) -> Symptom:
    """A symptom that is counted and not estimated."""
    return Symptom(name, curve, claim, value, value, value, unit, EXACT, n, "exact: it follows from the definition")


def _outputs(run: TrainingRun) -> int | None:
    told = run.parameters.get("outputs", "")
    return int(told) if told.isdigit() else None


def _kind(run: TrainingRun) -> Kind | None:
    return kind_of(run.parameters.get("loss") or run.parameters.get("loss_function"))


def _unchanged(run: TrainingRun, loss: Floats) -> Symptom | None:
    """No tensor has changed by more than its resolution from any checkpoint to the next; or the loss does not fall, and
    some tensor has not changed at all, as behind units that are dead, or all together by next to nothing."""
    changes = curves.family(run, curves.WEIGHT_CHANGE)
    known = {name: values[np.isfinite(values)] for name, values in changes.items()}
    if not known or any(not len(values) for values in known.values()):
        return None
    most, n = max(float(values.max()) for values in known.values()), max(len(values) for values in known.values())
    if most <= _RESOLUTION:
        claim = f"none of the {len(known)} tensors changed in {n} checkpoints, so nothing was learned"
        return exact("not_learning", "weight_change", claim, most, "relative change", n)
    if len(loss) < 5 or n < 5 or not _flat(levels(loss)):
        return None
    still = [name for name, values in known.items() if not values.any()]
    together = max(float(values.sum()) for values in known.values())
    if not still and together > 1e-4:
        return None
    what = f"{', '.join(still[:3])} never changed" if still else f"no tensor changed by more than {together:.1e} in all"
    claim = f"the loss stayed at {levels(loss).end:.4g}, and {what}"
    return exact("not_learning", "weight_change", claim, together, "relative change", n)


def _constant(_run: TrainingRun, loss: Floats) -> Symptom | None:
    """The loss is the same number at every step. Numbers that were rounded for the log are not judged by that."""
    if len(loss) < 5 or not loss[-1] > 0 or np.ptp(loss) > _RESOLUTION * abs(float(np.median(loss))):
        return None
    if bool(np.all(np.round(loss, 3) == loss)):
        return None
    claim = f"the loss stayed at {loss[-1]:.5g} in all of {len(loss)} steps"
    return exact("not_learning", "loss", claim, float(np.ptp(loss)), "loss", len(loss))


def _no_progress(run: TrainingRun, loss: Floats) -> Symptom | None:
    """The loss is no better than that of one answer for everything, and neither it nor the accuracy has moved; or it is
    far worse.

    A training that goes on from good weights does not fall either: so a flat loss alone says nothing.
    """
    kind = _kind(run)
    if kind is None or len(loss) < _MIN_POINTS:
        return None
    accuracy = curves.values(run, curves.ACCURACY)
    stuck = float(np.median(accuracy)) if len(accuracy) >= _MIN_POINTS and np.ptp(accuracy) <= 0.005 else None
    guess, at = of_a_guess(kind, _outputs(run), stuck), levels(loss)
    if guess is None or at.end < (1 - _NO_FALL) * guess or _improved(accuracy, stuck):
        return None
    if not (_flat(at) or at.end >= 1.5 * guess or len(accuracy) >= _MIN_POINTS):
        return None
    more = f" and the accuracy at {stuck:.3g}" if stuck is not None else ""
    claim = f"the loss went from {at.start:.4g} to {at.end:.4g}{more}; one answer for everything has {guess:.4g}"
    fall, half = 1 - at.end / at.start, 1.96 * at.error / at.start
    p = float(stats.norm.cdf((fall - _NO_FALL) / max(at.error / at.start, 1e-4)))
    method = "fall of the level from the first tenth to the last, against that of a constant answer"
    return Symptom("not_learning", "loss", claim, fall, fall - half, fall + half, "relative fall", p, len(loss), method)


def _flat(at: Levels) -> bool:
    return at.start > 0 and at.end > (1 - _NO_FALL) * at.start


def _improved(accuracy: Floats, stuck: float | None) -> bool:
    """Whether the accuracy rose by five points; an accuracy that was not logged did not."""
    if stuck is not None or not len(accuracy):
        return False
    at = levels(-accuracy)
    return at.start - at.end >= 0.05


def _disagreement(run: TrainingRun, loss: Floats) -> Symptom | None:
    """More wrong answers than a cross-entropy of this size allows: the two are not of the same output."""
    kind, accuracy = _kind(run), curves.values(run, curves.ACCURACY)
    if kind is None or not len(loss) or len(loss) != len(accuracy) or not (accuracy <= 1).all():
        return None
    allowed = np.array([most_errors(kind, max(float(one), 0.0), _outputs(run)) for one in loss])
    over = (1 - accuracy) - np.minimum(2 * allowed + 0.1, 1.0)  # rows may have weights, and small batches round
    if over[-1] <= 0 or float(np.mean(over > 0)) < 0.5:
        return None
    claim = (
        f"the accuracy is {accuracy[-1]:.3g} at a loss of {loss[-1]:.3g}, which allows at most {allowed[-1]:.3g} wrong "
        "answers: the loss and the accuracy are not of the same output"
    )
    return exact("disagreement", "accuracy", claim, float(1 - accuracy[-1]), "share of errors", len(accuracy))


def _out_of_range(run: TrainingRun, loss: Floats) -> Symptom | None:
    """A loss below its lowest value: labels or outputs are outside of what it is defined for."""
    if _kind(run) is None or not len(loss) or not float(np.median(loss)) < 0:
        return None
    claim = f"the loss is {loss[-1]:.4g}, and a {run.parameters.get('loss')} of labels in its range is never negative"
    return exact("out_of_range", "loss", claim, float(loss[-1]), "loss", len(loss))


def _diverged(_run: TrainingRun, loss: Floats) -> Symptom | None:
    """The loss ends half as high again as it began, or gives back half of what it had gained, and twice its best."""
    if len(loss) < 8:
        return None
    at = levels(loss)
    floor = max(at.best, 0.01 * abs(at.start), 1e-12)
    grew = at.start > 0 and at.end >= 1.5 * at.start
    gave_back = at.end >= 2 * floor and at.end - at.best >= 0.5 * max(at.start - at.best, floor)
    if not (grew or gave_back):
        return None
    from_ = at.start if grew else at.best
    z = (at.end - from_) / max(at.error, 1e-3 * abs(at.end))
    p = min(float(stats.t.sf(z, max(at.edge * 2 - 2, 3))) * len(loss) / at.edge, 1.0)
    ratio, half = at.end / max(from_, floor if not grew else 1e-12), 1.96 * at.error / max(from_, floor)
    since = "it began at" if grew else "it had come down to"
    claim = f"the loss ends at {at.end:.4g}, and {since} {from_:.4g}"
    method = "level of the last tenth against the first and the lowest, noise from second differences"
    return Symptom("diverged", "loss", claim, ratio, ratio - half, ratio + half, "ratio", p, len(loss), method)


def _overfitting(run: TrainingRun, loss: Floats) -> Symptom | None:
    """The validation loss rose by half from its best while the training loss went on falling, and the validation
    accuracy, where it is known, fell by two points: a loss alone also rises with confidence."""
    held_out, accuracy = curves.values(run, curves.VALIDATION_LOSS), curves.values(run, curves.VALIDATION_ACCURACY)
    if len(held_out) < _MIN_POINTS or len(loss) < _MIN_POINTS:
        return None
    at, trained = levels(held_out), levels(loss)
    worse = levels(-accuracy) if len(accuracy) >= _MIN_POINTS else None
    dropped = worse.end - worse.best >= max(0.02, 3 * worse.error) if worse else at.end >= 2 * at.best
    if at.best <= 0 or at.end < 1.5 * at.best or trained.end > 0.9 * trained.start or not dropped:
        return None
    z = (at.end - at.best) / max(at.error, 1e-3 * at.end)
    p = min(float(stats.t.sf(z, max(at.edge * 2 - 2, 3))) * len(held_out) / at.edge, 1.0)
    ratio, half = at.end / at.best, 1.96 * at.error / at.best
    claim = (
        f"the validation loss rose from {at.best:.4g} to {at.end:.4g} while the training loss fell to {trained.end:.4g}"
    )
    method = "level of the last tenth against the lowest, noise from second differences"
    return Symptom(
        "overfitting", "val_loss", claim, ratio, ratio - half, ratio + half, "ratio", p, len(held_out), method
    )


def _rate_jump(run: TrainingRun, _loss: Floats) -> Symptom | None:
    """A learning rate three times all before it, in one step, after it had stopped rising: no warm-up, no restart."""
    rate = curves.values(run, curves.LEARNING_RATE)
    if len(rate) < 4 or not (rate > 0).any():
        return None
    before = np.maximum.accumulate(rate)
    for at in range(3, len(rate)):
        settled = rate[at - 1] <= before[at - 2] and before[at - 2] > 0
        if settled and rate[at] / 3 >= before[at - 1]:
            ratio = float(rate[at] / before[at - 1])
            claim = f"the learning rate jumped to {rate[at]:.3g} at point {at + 1}, {ratio:.3g} times all before it"
            return exact("rate_jump", "learning_rate", claim, ratio, "ratio", len(rate))
    return None


def _vanishing(run: TrainingRun, loss: Floats) -> Symptom | None:
    """The gradient of the first layer is a ten-thousandth of that of the last while the loss does not fall, or all
    gradients are zero."""
    layers = {name: values[np.isfinite(values)] for name, values in curves.family(run, curves.LAYER_GRADIENT).items()}
    ends = [levels(values).end for values in layers.values() if len(values)]
    whole = curves.values(run, curves.GRADIENT_NORM)
    if (len(whole) >= 2 and not whole.any()) or (ends and not any(ends)):
        return exact("vanishing", "gradient_norm", "the gradient is zero at every step", 0.0, "norm", len(whole))
    if len(ends) < 3 or not len(loss) or not _flat(levels(loss)) or not ends[-1] > 0 or ends[0] > 1e-4 * ends[-1]:
        return None
    ratio = ends[0] / ends[-1]
    claim = f"the gradient of the first layer is {ratio:.2g} of that of the last one, and the loss does not fall"
    return exact("vanishing", "gradient_norm", claim, ratio, "ratio", max(len(v) for v in layers.values()))


def _dead_units(run: TrainingRun, _loss: Floats) -> Symptom | None:
    """Nine in ten units of a layer are zero, or at the end of their range, on every row."""
    for prefix, how in ((curves.DEAD_SHARE, "zero"), (curves.SATURATED_SHARE, "saturated")):
        for layer, values in sorted(curves.family(run, prefix).items()):
            share = levels(values[np.isfinite(values)]).end if np.isfinite(values).any() else 0.0
            if share >= 0.9:
                claim = f"{share:.0%} of the units of {layer} are {how} on every row"
                return exact("dead_units", prefix + layer, claim, share, "share", len(values))
    return None


def _spike(run: TrainingRun, loss: Floats) -> Symptom | None:
    """The largest of the points that stand out of a robust running baseline, of the loss or the gradient norm."""
    found = [_largest("loss", loss, 3.0), _largest("gradient_norm", curves.values(run, curves.GRADIENT_NORM), 10.0)]
    known = [symptom for symptom in found if symptom and symptom.p_value <= 0.01]
    return min(known, key=lambda symptom: symptom.p_value, default=None)


def _largest(name: str, curve: Floats, least: float) -> Symptom | None:
    """The point that stands highest above the median of the twenty before it, in their robust deviations, on a log
    scale, where it is above all of the first twenty: at the end of a good training small steps back are large ratios.
    Its p value is of Student's t with 3 degrees of freedom, for losses of small batches have heavy tails, times the
    number of points."""
    if len(curve) < 30 or (curve < 0).any() or (usual := float(np.median(curve[:20]))) <= 0:
        return None
    logs = np.log(curve + 0.01 * usual)
    past = np.lib.stride_tricks.sliding_window_view(logs, 20)[:-1]
    middle = np.median(past, axis=1)
    spread = np.maximum(1.4826 * np.median(np.abs(past - middle[:, None]), axis=1), 0.05)
    above = logs[20:] - middle
    at = int(np.argmax(above / spread))
    ratio, z = math.exp(min(float(above[at]), 700.0)), float(above[at] / spread[at])
    if ratio < least or curve[20 + at] <= curve[:20].max():
        return None
    p = min(float(stats.t.sf(z, 3)) * len(above), 1.0)
    after = float(np.median(logs[20 + at + 1 :][:20])) if len(logs) > 20 + at + 1 else math.nan
    came_back = "came back" if after <= middle[at] + 2 * spread[at] else "did not come back"
    half = 1.96 * float(spread[at])
    claim = (
        f"the {name.replace('_', ' ')} rose to {ratio:.3g} times its running median at point {at + 21} and {came_back}"
    )
    low, high = ratio * math.exp(-half), ratio * math.exp(half)
    method = "robust z against the 20 points before, Student's t with 3 degrees of freedom, Bonferroni over the points"
    return Symptom("spike", name, claim, ratio, low, high, "ratio", p, len(curve), method)


def _failed(run: TrainingRun, _loss: Floats) -> Symptom | None:
    """The platform says itself that the run did not end as it should."""
    if run.status not in ("failed", "killed"):
        return None
    return exact("failed", "status", f"the platform says that the run {run.status}", math.nan, "", len(run.curves))
