"""What an attribution could not check, why, and what would settle it."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tools.records import MetricRole
from tools.stats.clock_skew import Skew
from tools.stats.mix import MixShift
from tools.stats.newcomers import Newcomer
from tools.stats.panel import Panel
from tools.stats.robust import MIN_HISTORY
from tools.stats.suspects import MODEL

MODEL_ROLES = (MetricRole.log_loss, MetricRole.calibration, MetricRole.prediction_mean, MetricRole.label_rate)
MOST_LISTED = 5


def not_checked(
    panels: Mapping[MetricRole, Panel],
    models: Sequence[str],
    checked: Sequence[str],
    mix: MixShift,
    new: Sequence[Newcomer],
    missing: Sequence[tuple[str, float]],
    skewed: Sequence[Skew],
) -> tuple[str, ...]:
    """Models first, then values whose clock is off, or without a baseline or points, then metrics and points."""
    topline = panels[MetricRole.topline]
    seen = {name for name in topline.coded(MODEL).names if name}
    new_models = {n.value: n for n in new if n.dimension == MODEL}
    notes = [
        f"model {name}: {_of_newcomer(new_models[name]) if name in new_models else _why(topline, name)}"
        for name in sorted({*models, *seen} - set(checked) - {s.value for s in skewed if s.dimension == MODEL})
    ]
    notes += [s.text for s in skewed]
    notes += new_places(new)
    notes += _first([f"{name}: no points in the window; usually it has {share:.1%}" for name, share in missing])
    notes += [f"the mix over {name}: too many values to split with the others" for name in mix.left_out]
    notes += [
        f"{role.value}: the product has no such metric with points in the window or baseline"
        for role in MODEL_ROLES
        if role not in panels
    ]
    return (*notes, *(note for role, panel in panels.items() for note in _of_points(role, panel)))


def new_places(new: Sequence[Newcomer]) -> list[str]:
    """The values that the baseline does not know, but for models."""
    return _first([f"{n.name}: {_of_newcomer(n)}" for n in new if n.dimension != MODEL])


def difference(new: Newcomer) -> str:
    """`-0.043 [-0.06, -0.026] against the rest in the same 21 hours`."""
    if not math.isfinite(new.effect):
        return "nobody else served in the same hours and places to compare it with"
    known = (
        f" [{new.low:+.3g}, {new.high:+.3g}]" if math.isfinite(new.low) else f" (too few {new.unit} for an interval)"
    )
    return f"{new.effect:+.3g}{known} against the rest in the same {new.hours} {new.unit} of the window"


def _of_newcomer(new: Newcomer) -> str:
    return (
        f"fewer than {MIN_HISTORY} baseline days with the window's hours ({new.days}); {difference(new)}. Whether it "
        f"always differs so, {MIN_HISTORY} days of it would tell, or sending its traffic back for a while"
    )


def _first(notes: list[str]) -> list[str]:
    more = len(notes) - MOST_LISTED
    return [*notes[:MOST_LISTED], f"{more} more like it"] if more > 0 else notes


def _of_points(role: MetricRole, panel: Panel) -> list[str]:
    notes = []
    if panel.dropped:
        notes.append(f"{panel.dropped} points of {role.value} with no finite numerator or denominator were left out")
    if panel.repeated:
        notes.append(f"{panel.repeated} repeated points of {role.value} were left out, the last of each kept")
    if panel.contradicted:
        notes.append(
            f"{panel.contradicted} points of {role.value} came again with other numbers, and the last were believed; "
            "if they were parts to be added, send them with a dimension that tells them apart"
        )
    return notes


def _why(topline: Panel, model: str) -> str:
    """Why a model could not be compared with others."""
    names = topline.coded(MODEL).names
    sums = topline.sums((MODEL,)).den.sum(-1)
    if model not in names or not sums[names.index(model), -1] > 0:
        return "no points in the window"
    if np.count_nonzero(sums[names.index(model), :-1]) < MIN_HISTORY:
        return f"fewer than {MIN_HISTORY} baseline days with the window's hours"
    if np.count_nonzero(sums[:, -1]) < 2:
        return "no other model served in the same hours to compare it with"
    return "too little traffic to compare it with the others"
