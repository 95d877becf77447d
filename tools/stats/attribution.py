"""The decision: which factor a drop belongs to, from the level, the mix and the concurrent contrasts.

`confidence` is formed like this. For an accusation it is `probability_of_effect` of the smallest q value (p value for
the mix) that speaks for it: a bound on what a p value can do to even odds, at most 0.99. For a clearance ("none",
"shared") it is the posterior of "no effect" given that none was seen, from the power of the tests to see an effect
that would matter: (1 - alpha) / (1 - alpha + 1 - power); for "shared" times the probability that the drop is real.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tools.records import MetricRole
from tools.stats.mix import MixShift, MovedShare, mix_shift, moved_shares
from tools.stats.multiplicity import probability_of_effect
from tools.stats.panel import Floats, Panel
from tools.stats.robust import MIN_HISTORY, Departure, Tail, departure
from tools.stats.suspects import MODEL, Suspect, find_suspects, located

Factor = Literal["model", "segment", "infra", "traffic", "shared", "none"]

ALPHA = 0.01
"""The level at which somebody is accused, of q values and of the mix's p value."""
ALPHA_LEVEL = 0.05
SMALL = 0.2
"""What a group adds must be at least this share of the drop."""
SMALLEST = 0.005
"""And at least this share of the top line's usual level."""
MOST = 0.5
MOST_SURE = 0.99
NOT_SEGMENTS = frozenset({MODEL, "snapshot", "arm"})
DEGRADING = (MetricRole.topline, MetricRole.log_loss)
"""The roles that say that a model is worse; the others say that it is different."""
TRAFFIC_ROLES = (MetricRole.prediction_mean, MetricRole.label_rate, MetricRole.log_loss, MetricRole.topline)
"""Whose denominators count the traffic: first those that neither the models' choices nor missing labels touch."""


@dataclass(frozen=True)
class Attribution:
    """The decision with all that it stands on. `levels` float64[K+1] is the top line per block, the current one last;
    `raw` tests it as it is and `adjusted` against what the label rate of the same hours predicts."""

    blocks: int
    levels: Floats
    usual_level: float
    drop: float
    drop_is_real: bool | None
    raw: Departure
    adjusted: Departure
    mix: MixShift
    moved: tuple[MovedShare, ...]
    suspects: tuple[Suspect, ...]
    accused: tuple[Suspect, ...]
    factor: Factor | None
    model: str | None
    model_degraded: bool | None
    segment: str | None
    infra: str | None
    mix_share: float | None
    confidence: float | None
    models_checked: tuple[str, ...]
    not_checked: tuple[str, ...]


@dataclass(frozen=True)
class _Case:
    """What the decision looks at. `sign` turns a change of the top line into "how much worse"."""

    raw: Departure
    adjusted: Departure
    mix: MixShift
    suspects: Sequence[Suspect]
    drop: float
    sign: float
    usual: float

    def worse(self, suspect: Suspect) -> float:
        """How much a top-line suspect adds to the drop."""
        return self.sign * suspect.contribution

    @property
    def floor(self) -> float:
        """What a group must add to matter: a fifth of the drop, or of the part that the label rate leaves open."""
        drop = max(self.drop, 0.0)
        if self.adjusted.known:
            drop = min(drop, max(self.sign * self.adjusted.effect, 0.0))
        return max(SMALL * drop, SMALLEST * abs(self.usual))


def attribute(
    panels: Mapping[MetricRole, Panel], tails: Mapping[MetricRole, Tail], models: Sequence[str]
) -> Attribution:
    """Attribute the drop of the top line. `panels` by role, all over the same blocks; `models` are those registered."""
    topline = panels[MetricRole.topline]
    tail = tails[MetricRole.topline]
    segments = [d for d in topline.dimensions if d not in NOT_SEGMENTS and not d.startswith("infra.")]
    infra = [d for d in topline.dimensions if d.startswith("infra.")]
    traffic = next(panels[role] for role in TRAFFIC_ROLES if role in panels)
    levels = _levels(topline)
    usual = _pooled(topline)
    tested: dict[MetricRole, Panel] = {
        role: panel for role, panel in panels.items() if role is not MetricRole.label_rate
    }
    change = float(levels[-1]) - usual
    sign = _sign(tail, change)
    raw = departure(levels[:-1], float(levels[-1]), tail)
    case = _Case(
        raw,
        _adjusted(panels, levels, tail),
        mix_shift(topline, traffic, segments, tail),
        find_suspects(tested, tails, segments, infra),
        sign * change,
        sign,
        usual,
    )
    return _decide(case, panels, tails, levels, usual, moved_shares(traffic, segments), models)


def _decide(
    case: _Case,
    panels: Mapping[MetricRole, Panel],
    tails: Mapping[MetricRole, Tail],
    levels: Floats,
    usual: float,
    moved: Sequence[MovedShare],
    models: Sequence[str],
) -> Attribution:
    checked = tuple(sorted({s.model for s in case.suspects if s.kind == "model" and s.model and s.departure.known}))
    accused = _accused_models(case)
    model = _most_degraded(case.suspects, {s.model for s in accused if s.model} or set(checked))
    accused = [s for s in accused if s.model == model]
    infra = _largest(case, "infra", SMALL)
    segment = _largest(case, "segment", MOST)
    factor, real = _factor(case, accused, infra, segment, checked)
    place = _where(panels, tails, accused) if factor == "model" else segment.name if segment else None
    return Attribution(
        blocks=len(levels) - 1,
        levels=levels,
        usual_level=usual,
        drop=case.drop,
        drop_is_real=real,
        raw=case.raw,
        adjusted=case.adjusted,
        mix=case.mix,
        moved=tuple(moved),
        suspects=tuple(case.suspects),
        accused=tuple(accused),
        factor=factor,
        model=model,
        model_degraded=bool(accused) if checked else None,
        segment=place,
        infra=infra.name if infra else None,
        mix_share=case.sign * case.mix.split.mix / case.drop if case.drop > 0 else None,
        confidence=_confidence(case, factor, accused, infra, segment),
        models_checked=checked,
        not_checked=_not_checked(panels, models, checked, case.mix),
    )


def _factor(
    case: _Case, accused: Sequence[Suspect], infra: Suspect | None, segment: Suspect | None, checked: Sequence[str]
) -> tuple[Factor | None, bool | None]:
    """The factor, and whether the drop is real: it is also where its level alone is lost among the swings of the days
    but a part of it stands out by itself."""
    sizes: list[tuple[float, Factor]] = []
    if accused:
        sizes.append((_added_by(case, accused), "model"))
    if infra is not None:
        sizes.append((case.worse(infra), "infra"))
    if _mix_explains(case):
        sizes.append((case.sign * case.mix.split.mix, "traffic"))
    if sizes:
        return max(sizes)[1], True
    if not case.raw.known:
        return None, None
    if not _level_fell(case):
        return "none", False
    if segment is not None:
        return "segment", True
    return ("shared" if len(checked) > 1 else None), True


def _level_fell(case: _Case) -> bool:
    fell = case.raw.p_value < ALPHA_LEVEL or (case.adjusted.known and case.adjusted.p_value < ALPHA)
    return case.drop > 0 and fell


def _mix_explains(case: _Case) -> bool:
    """The mix moved for the worse by more than on baseline days, and it is most of the drop or leaves an ordinary
    day."""
    mix, size = case.mix.mix, case.sign * case.mix.split.mix
    if not (mix.known and mix.p_value < ALPHA and mix.beyond and size > case.floor):
        return False
    return size > MOST * case.drop or not case.mix.within.p_value < ALPHA_LEVEL


def _stands_out(suspect: Suspect) -> bool:
    return suspect.departure.known and suspect.departure.beyond and suspect.q_value < ALPHA


def _accused_models(case: _Case) -> list[Suspect]:
    """The groups by which a model is found to be worse: with a top line that is worse by enough to matter, and with a
    second figure that says so too, since in a storm a single contrast may leave the range of all calmer days."""
    figures: dict[tuple[str | None, ...], list[Suspect]] = {}
    for s in case.suspects:
        if s.kind in ("model", "model_segment"):
            figures.setdefault((s.model, s.dimension, s.value), []).append(s)
    return [
        s
        for group in figures.values()
        if any(s.role is MetricRole.topline and case.worse(s) > case.floor for s in group)
        and sum(s.departure.p_value < ALPHA_LEVEL for s in group) >= min(2, len(group))
        for s in group
        if s.role in DEGRADING and _stands_out(s)
    ]


def _added_by(case: _Case, accused: Sequence[Suspect]) -> float:
    """What the accused model adds to the drop: its own top-line contrast, or that of its worst segment if larger."""
    model = accused[0].model
    return max(
        case.worse(s)
        for s in case.suspects
        if s.role is MetricRole.topline and s.model == model and (s.kind == "model" or s in accused)
    )


def _most_degraded(suspects: Sequence[Suspect], among: set[str]) -> str | None:
    """The model with the worst figures against the others: the sum of its standardised departures that mean "worse"."""
    score = dict.fromkeys(sorted(among), 0.0)
    for s in suspects:
        if s.kind == "model" and s.model in score and s.role in DEGRADING and s.departure.known:
            score[s.model] += _severity(s)
    return max(score, key=lambda name: score[name]) if score else None


def _severity(suspect: Suspect) -> float:
    """How far in the bad direction, in standard errors; negative where a one-sided p value says "better"."""
    size = abs(suspect.departure.effect) / suspect.departure.scale
    return size if suspect.departure.p_value < 0.5 else -size


def _largest(case: _Case, kind: str, least: float) -> Suspect | None:
    """The group of a kind that stands out and adds most, if that is at least this share of the drop."""
    found = [s for s in case.suspects if s.kind == kind and _stands_out(s)]
    found = [s for s in found if case.worse(s) > max(case.floor, least * case.drop)]
    return max(found, key=lambda s: (case.worse(s), s.name)) if found else None


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


def _confidence(
    case: _Case,
    factor: Factor | None,
    accused: Sequence[Suspect],
    infra: Suspect | None,
    segment: Suspect | None,
) -> float | None:
    if factor is None:
        return None
    if factor == "model":
        return probability_of_effect(min(s.q_value for s in accused))
    if factor == "traffic":
        return probability_of_effect(case.mix.mix.p_value)
    if factor in ("infra", "segment"):
        suspect = infra if factor == "infra" else segment
        return probability_of_effect(suspect.q_value) if suspect else None
    if factor == "none":
        return _cleared(max(case.raw.power(2 * case.raw.scale, ALPHA), case.adjusted.power(2 * case.raw.scale, ALPHA)))
    level = min(_or_one(case.raw.p_value), _or_one(case.adjusted.p_value))
    return probability_of_effect(level) * _cleared(_power_over_models(case))


def _power_over_models(case: _Case) -> float:
    """The chance to have seen a model that makes most of the drop, by its own top-line contrast: the least of the
    models."""
    tests = [s for s in case.suspects if s.kind == "model" and s.role is MetricRole.topline and s.departure.known]
    alpha = ALPHA / max(len(case.suspects), 1)
    return min((s.departure.power(MOST * case.drop / s.weight, alpha) for s in tests), default=0.0)


def _cleared(power: float) -> float:
    return min((1 - ALPHA) / (1 - ALPHA + 1 - power), MOST_SURE)


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
        return departure(np.empty(0), math.nan, tail)
    rate = _levels(labels)
    return departure(levels[:-1], float(levels[-1]), tail, conditions=rate[:-1], now=float(rate[-1]))


def _sign(tail: Tail, change: float) -> float:
    """+1 where a rise is worse, -1 where a fall is; where neither is good, any change is worse."""
    if tail == "both":
        return 1.0 if change >= 0 else -1.0
    return -1.0 if tail == "low" else 1.0


def _not_checked(
    panels: Mapping[MetricRole, Panel], models: Sequence[str], checked: Sequence[str], mix: MixShift
) -> tuple[str, ...]:
    topline = panels[MetricRole.topline]
    seen = {name for name in topline.coded(MODEL).names if name}
    notes = [f"model {name}: {_why(topline, name)}" for name in sorted({*models, *seen} - set(checked))]
    notes += [f"the mix over {name}: too many values to split with the others" for name in mix.left_out]
    for role in (MetricRole.log_loss, MetricRole.calibration, MetricRole.prediction_mean, MetricRole.label_rate):
        if role not in panels:
            notes.append(f"{role.value}: the product has no such metric with points in the window or baseline")
    for role, panel in panels.items():
        if panel.dropped:
            notes.append(
                f"{panel.dropped} points of {role.value} with no finite numerator or denominator were left out"
            )
        if panel.repeated:
            notes.append(f"{panel.repeated} repeated points of {role.value} were left out, the last of each kept")
    return tuple(notes)


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


def _or_one(value: float) -> float:
    return value if math.isfinite(value) else 1.0
