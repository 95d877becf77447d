"""Which came first, the anomaly of a model's predictions or that of the top line? Both onsets are intervals, and so is
the time between them. What starts after the top line fell cannot be why it fell."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tools.records import Cube, MetricRole, Window
from tools.stats.blocks import DAY_H, HOUR_S, Blocks
from tools.stats.contrast_onset import FOUND, LEAD_H, ContrastOnset, contrast_onset, onset_beyond_course
from tools.stats.panel import Floats, Panel, added, encode
from tools.stats.robust import MIN_HISTORY, Tail
from tools.stats.steps import sound_rows
from tools.stats.suspects import MODEL, Suspect

PREDICTIONS = (MetricRole.log_loss, MetricRole.calibration, MetricRole.prediction_mean)
LOOKED_AT = 0.05
"""The p value from which on it is worth to ask since when."""
MOST_MODELS = 5


@dataclass(frozen=True)
class Moment:
    """An onset: unix hours, most likely at `at`, with a 95% interval."""

    at: int
    low: int
    high: int


@dataclass(frozen=True)
class Lag:
    """How many hours a model's prediction anomaly in the metric of `role` began before the top line's (negative:
    after it). `own` says that the top line's own onset is lost in its swings, so that the model's contrast of it
    stands in. [low, high] holds at 90%, both onsets being known at 95%."""

    model: str
    role: MetricRole
    prediction: Moment
    topline: Moment
    own: bool

    @property
    def hours(self) -> int:
        return self.topline.at - self.prediction.at

    @property
    def low(self) -> int:
        return self.topline.low - self.prediction.high

    @property
    def high(self) -> int:
        return self.topline.high - self.prediction.low

    @property
    def too_late(self) -> bool:
        """Whether the predictions moved only after the top line, for sure."""
        return self.high < 0


@dataclass(frozen=True)
class Lags:
    """The lags that are known, and why those of other models are not."""

    known: tuple[Lag, ...]
    unknown: tuple[str, ...]


def prediction_lags(
    cubes: Mapping[MetricRole, Cube],
    suspects: Sequence[Suspect],
    tails: Mapping[MetricRole, Tail],
    window: Window,
    baseline: Window,
) -> Lags:
    """The lag of every model whose predictions left the others', the clearest first."""
    moved = _moved(suspects)
    if not moved:
        return Lags((), ())
    small = {role: by_model(cube) for role, cube in cubes.items() if role in {*PREDICTIONS, MetricRole.topline}}
    topline = topline_onset(small[MetricRole.topline], tails[MetricRole.topline], window, baseline)
    known: list[Lag] = []
    unknown: list[str] = []
    for model, figures in list(moved.items())[:MOST_MODELS]:
        found = _clearest(
            contrast_onset(small[s.role], s.role, _direction(s), model, window, baseline) for s in figures
        )
        tail = tails[MetricRole.topline]
        own = (
            None
            if topline
            else _clearest(
                [contrast_onset(small[MetricRole.topline], MetricRole.topline, tail, model, window, baseline)]
            )
        )
        reference = topline or (_moment(own) if own else None)
        if found is None:
            unknown.append(f"when the predictions of {model} moved: no hour of the window or the day before stands out")
        elif reference is None:
            unknown.append(f"whether the predictions of {model} moved before the top line: its own onset is not clear")
        else:
            known.append(Lag(model, found.role, _moment(found), reference, topline is None))
    return Lags(tuple(known), tuple(unknown))


def topline_onset(cube: Cube, tail: Tail, window: Window, baseline: Window) -> Moment | None:
    """When the top line left the usual course of its days; None where that is lost in its swings."""
    first, last = int(baseline.start.timestamp()) // HOUR_S, -(-int(window.end.timestamp()) // HOUR_S)
    start = int(window.start.timestamp()) // HOUR_S - LEAD_H
    history = [h for h in range(start - DAY_H, first - 1, -DAY_H) if h + DAY_H <= start]
    if len(history) < MIN_HISTORY:
        return None
    days = _levels(Panel(cube, Blocks(np.array(history[::-1]), DAY_H)))
    current = _levels(Panel(cube, Blocks(np.array([start]), last - start)))[0]
    signs = {"low": (-1.0,), "high": (1.0,), "both": (-1.0, 1.0)}[tail]
    found = [o for sign in signs if (o := onset_beyond_course(days, current, sign)[0]) is not None]
    best = min(found, key=lambda o: o.p_value, default=None)
    if best is None or best.p_value * len(signs) >= FOUND:
        return None
    return Moment(start + best.at, start + best.low, start + best.high)


def by_model(cube: Cube) -> Cube:
    """The sums by hour and model alone, which is all that onsets need."""
    rows = sound_rows(cube)
    models = encode(cube.dims[MODEL][rows]) if MODEL in cube.dims else encode(np.full(len(rows), ""))
    hours, at = np.unique(cube.ts[rows] // HOUR_S, return_inverse=True)
    shape = (len(hours), max(len(models.names), 1))
    index = at.reshape(-1) * shape[1] + models.codes
    num, den = (added(index, a[rows], shape).ravel() for a in (cube.numerator, cube.denominator))
    names = np.tile(np.array(models.names or ("",)), len(hours))
    return Cube(np.repeat(hours * HOUR_S, shape[1]), {MODEL: names}, num, den).where(den > 0)


def _moved(suspects: Sequence[Suspect]) -> dict[str, list[Suspect]]:
    """The prediction figures of each model that moved, the model with the smallest p value first."""
    found: dict[str, list[Suspect]] = {}
    whole = [s for s in suspects if s.kind == "model" and s.role in PREDICTIONS and s.departure.known]
    for s in sorted(whole, key=lambda s: (s.departure.p_value, s.name, s.role)):
        if s.model and s.departure.p_value < LOOKED_AT and math.isfinite(s.departure.effect):
            found.setdefault(s.model, []).append(s)
    return found


def _direction(suspect: Suspect) -> Tail:
    return "high" if suspect.departure.effect >= 0 else "low"


def _clearest(found: Iterable[ContrastOnset | None]) -> ContrastOnset | None:
    return min((o for o in found if o is not None and o.found), key=lambda o: o.p_value, default=None)


def _moment(found: ContrastOnset) -> Moment:
    return Moment(found.at, found.low, found.high)


def _levels(panel: Panel) -> Floats:
    """float64[blocks, hours]."""
    sums = panel.sums()
    levels: Floats = np.divide(sums.num, sums.den, out=np.full(sums.den.shape, np.nan), where=sums.den > 0)
    return levels
