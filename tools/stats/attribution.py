"""The attribution of a drop: gathers the tests of the level, the mix and the contrasts, and has `accusation` decide."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tools.records import MetricRole
from tools.stats.accusation import (
    ALPHA,
    DEGRADING,
    MOST,
    SMALL,
    Case,
    Factor,
    accused_models,
    confidence,
    could_be_new,
    decide_factor,
    largest,
    most_degraded,
    stands_out,
)
from tools.stats.clock_skew import Skew
from tools.stats.mix import MixShift, MovedShare, mix_shift, moved_shares
from tools.stats.newcomers import Newcomer, missing, newcomers
from tools.stats.not_checked import not_checked
from tools.stats.panel import Floats, Panel
from tools.stats.robust import UNKNOWN, Departure, Tail, departure
from tools.stats.suspects import MODEL, Suspect, find_suspects, located

SNAPSHOT, ARM, INFRA = "snapshot", "arm", "infra."
NOT_SEGMENTS = frozenset({MODEL, SNAPSHOT, ARM})
TRAFFIC_ROLES = (MetricRole.prediction_mean, MetricRole.label_rate, MetricRole.log_loss, MetricRole.topline)
"""Whose denominators count the traffic: first those that neither the models' choices nor missing labels touch."""


@dataclass(frozen=True)
class Attribution:
    """The decision with all that it stands on: `blocks` baseline blocks have points; `levels` float64[K+1] is the top
    line per block, the current one last; `raw` tests it as it is and `adjusted` against what the label rate of the same
    hours predicts. `floor` is what a group must add to the drop to be accused."""

    blocks: int
    levels: Floats
    usual_level: float
    drop: float
    drop_is_real: bool | None
    floor: float
    raw: Departure
    adjusted: Departure
    mix: MixShift
    moved: tuple[MovedShare, ...]
    suspects: tuple[Suspect, ...]
    accused: tuple[Suspect, ...]
    factor: Factor | None
    model: str | None
    second_model: str | None
    model_degraded: bool | None
    segment: str | None
    infra: str | None
    mix_share: float | None
    confidence: float | None
    models_checked: tuple[str, ...]
    newcomers: tuple[Newcomer, ...]
    suspicious_newcomers: tuple[Newcomer, ...]
    not_checked: tuple[str, ...] = ()


def attribute(
    panels: Mapping[MetricRole, Panel],
    comparable: Mapping[MetricRole, Panel],
    tails: Mapping[MetricRole, Tail],
    models: Sequence[str],
    skewed: Sequence[Skew] = (),
) -> Attribution:
    """Attribute the drop of the top line. `panels` by role, all over the same blocks; those that are `comparable` by
    the hour lack the `skewed` sources; `models` are those registered."""
    topline = panels[MetricRole.topline]
    tail = tails[MetricRole.topline]
    segments = segments_of(topline)
    arm = [d for d in topline.dimensions if d == ARM]
    infra = [d for d in topline.dimensions if d.startswith(INFRA)]
    traffic = next(panels[role] for role in TRAFFIC_ROLES if role in comparable)
    levels = _levels(topline)
    usual = _pooled(topline)
    tested: dict[MetricRole, Panel] = {
        role: panel for role, panel in comparable.items() if role is not MetricRole.label_rate
    }
    change = float(levels[-1]) - usual
    sign = _sign(tail, change)
    raw = departure(levels[:-1], float(levels[-1]), tail)
    case = Case(
        raw,
        _adjusted(comparable, levels, tail),
        mix_shift(topline, traffic, segments, tail, [d for d in topline.dimensions if d in (MODEL, ARM, *infra)]),
        find_suspects(tested, tails, segments, [*segments, *arm], infra),
        sign * change,
        sign,
        usual,
    )
    found = _decide(case, comparable, tails, levels, usual, moved_shares(traffic, segments))
    new, absent = found.newcomers, missing(topline, [d for d in topline.dimensions if d != SNAPSHOT])
    return replace(found, not_checked=not_checked(panels, models, found.models_checked, case.mix, new, absent, skewed))


def segments_of(panel: Panel) -> list[str]:
    """The dimensions by which the traffic itself differs."""
    return [d for d in panel.dimensions if d not in NOT_SEGMENTS and not d.startswith(INFRA)]


def _decide(
    case: Case,
    panels: Mapping[MetricRole, Panel],
    tails: Mapping[MetricRole, Tail],
    levels: Floats,
    usual: float,
    moved: Sequence[MovedShare],
) -> Attribution:
    checked = tuple(sorted({s.model for s in case.suspects if s.kind == "model" and s.model and s.departure.known}))
    accused = accused_models(case)
    model = most_degraded(case.suspects, {s.model for s in accused if s.model} or set(checked))
    accused = [s for s in accused if s.model == model]
    infra = largest(case, "infra", SMALL)
    segment = largest(case, "segment", MOST)
    topline = panels[MetricRole.topline]
    dimensions = [d for d in topline.dimensions if d != SNAPSHOT]
    new = newcomers(topline, dimensions, segments_of(topline))
    factor, real = decide_factor(case, accused, infra, segment, checked)
    suspicious = could_be_new(case, new)
    if factor in ("none", "shared") and suspicious:
        factor = None
    place = _where(panels, tails, accused) if factor == "model" else segment.name if segment else None
    return Attribution(
        blocks=int(np.isfinite(levels[:-1]).sum()),
        levels=levels,
        usual_level=usual,
        drop=case.drop,
        drop_is_real=real,
        floor=case.floor,
        raw=case.raw,
        adjusted=case.adjusted,
        mix=case.mix,
        moved=tuple(moved),
        suspects=tuple(case.suspects),
        accused=tuple(accused),
        factor=factor,
        model=model,
        model_degraded=_degraded(case, model, accused) if checked else None,
        second_model=most_degraded(case.suspects, set(checked) - {str(model)}),
        segment=place,
        infra=infra.name if infra else None,
        mix_share=case.sign * case.mix.split.mix / case.drop if case.drop > 0 else None,
        confidence=confidence(case, factor, accused, infra, segment),
        models_checked=checked,
        newcomers=new,
        suspicious_newcomers=tuple(suspicious),
    )


def _degraded(case: Case, model: str | None, accused: Sequence[Suspect]) -> bool | None:
    """None where a figure of the model stands out and nothing bears it out: neither an accusation nor a clearance."""
    if accused:
        return True
    mine = [s for s in case.suspects if s.kind == "model" and s.model == model and s.role in DEGRADING]
    return None if any(stands_out(s) for s in mine) else False


def _where(
    panels: Mapping[MetricRole, Panel], tails: Mapping[MetricRole, Tail], accused: Sequence[Suspect]
) -> str | None:
    """The segment in which the accused model is worse than it is elsewhere, if there is one."""
    found: list[tuple[float, str]] = []
    for s in accused:
        if s.kind == "model_segment" and s.model and s.dimension and s.value:
            apart = located(panels[s.role], s.role, tails[s.role], s.model, s.dimension, s.value)
            if apart.known and apart.p_value * len(accused) < ALPHA and apart.beyond:
                found.append((apart.p_value, f"{s.dimension}={s.value}"))
    return min(found)[1] if found else None


def _levels(panel: Panel) -> Floats:
    sums = panel.sums()
    num, den = sums.num.sum(-1), sums.den.sum(-1)
    levels: Floats = np.divide(num, den, out=np.full(num.shape, np.nan), where=den > 0)
    return levels


def _pooled(panel: Panel) -> float:
    sums = panel.sums()
    den = float(sums.den[:-1].sum())
    return float(sums.num[:-1].sum()) / den if den > 0 else math.nan


def _adjusted(panels: Mapping[MetricRole, Panel], levels: Floats, tail: Tail) -> Departure:
    """The level against what the label rate of the same hours predicts, from the baseline blocks."""
    labels = panels.get(MetricRole.label_rate)
    if labels is None:
        return UNKNOWN
    rate = _levels(labels)
    return departure(levels[:-1], float(levels[-1]), tail, conditions=rate[:-1], now=float(rate[-1]))


def _sign(tail: Tail, change: float) -> float:
    """+1 where a rise is worse, -1 where a fall is; where neither is good, any change is worse."""
    if tail == "both":
        return 1.0 if change >= 0 else -1.0
    return -1.0 if tail == "low" else 1.0
