"""What `feature_ranking` found of the features of a model, and how it says so."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal

import numpy as np

from tools.evidence import Chart, Estimate, Evidence, Source, SourceKind
from tools.records import Feature, Window
from tools.stats.breakage_onset import Broken, series
from tools.stats.category_shift import described
from tools.stats.compared import Compared
from tools.stats.explained import Explained
from tools.stats.hourly import Hourly
from tools.stats.profile import PREDICTION, Floats
from tools.stats.shift import Shift
from tools.stats.shift_onset import Began, began, together
from tools.stats.signs import Symptom

_SHOWN = 6


@dataclass(frozen=True)
class Health:
    """The findings: the worst symptom and the shift of each checked feature, the broken ones by group, and those whose
    break has passed. `correlation` is feature → (r, p) with the prediction, or empty with the reason why; `levels`
    float64[T, F + 1] how the distributions lay by hour."""

    table: Hourly
    whole: Compared
    levels: Floats
    window: Window
    baseline: Window
    features: Mapping[str, Feature]
    symptoms: Mapping[str, Symptom]
    shifts: Mapping[str, Shift]
    groups: tuple[tuple[Broken, ...], ...]
    passed: tuple[Broken, ...]
    days: int
    by_hour: bool
    correlation: Mapping[str, tuple[float, float]]
    no_correlation: str | None
    strength: Floats
    explained: Explained
    place: Mapping[str, int]

    @cached_property
    def index(self) -> Mapping[str, int]:
        """The column of each feature in the table."""
        return {feature: i for i, feature in enumerate(self.table.features)}

    @cached_property
    def moved(self) -> list[Shift]:
        """Features whose distribution moved and that are not broken, in the joint order."""
        broken = {one.symptom.feature for group in self.groups for one in group}
        moved = [shift for shift in self.shifts.values() if shift.moved and shift.feature not in broken]
        return sorted(moved, key=lambda shift: self.place[shift.feature])

    @cached_property
    def moved_since(self) -> Mapping[str, Began]:
        """When the first of the features that moved began to, where that can be told."""
        names = [s.feature for s in self.moved[:_SHOWN] if s.feature not in self.table.values]
        dated = {name: began(self.table, self.levels[:, self.index[name]], self.window) for name in names}
        return {name: one for name, one in dated.items() if one}

    @cached_property
    def moved_together(self) -> tuple[tuple[str, ...], ...]:
        """Groups of features that moved at the same time and are read from the same node."""
        nodes = {name: feature.node for name, feature in self.features.items()}
        return together(self.table, self.levels, self.window, [s.feature for s in self.moved], nodes)

    def group_of(self, feature: str | None) -> tuple[str, ...]:
        """The group that a feature moved with; itself where it moved alone."""
        return next((group for group in self.moved_together if feature in group), (feature,) if feature else ())

    def unexplained(self, feature: str) -> str | None:
        """Why there is no share of the prediction's shift for a feature, where there is none."""
        if math.isfinite(self.explains(feature)[0]):
            return None
        if not self.explained.prediction.moved:
            return "the mean prediction did not shift"
        sums, i = self.whole.sums, self.index[feature]
        if not sums.count[-1, i]:
            return "it has no values in the window, so nothing shows what they would have done"
        if not sums.count[:-1, i].any():
            return "it had no values before the window"
        return "its mean lies beyond all values that it had before, or its slope on the prediction is not known"

    @property
    def shortlist(self) -> list[str]:
        """The features that something was found of, in their order: broken ones by group, then those that moved."""
        broken = [one.symptom.feature for group in self.groups for one in group]
        return broken + [shift.feature for shift in self.moved]

    def node(self, feature: str | None) -> str | None:
        known = self.features.get(feature or "")
        return known.node if known else None

    def column(self, feature: str | None) -> str | None:
        known = self.features.get(feature or "")
        return known.column if known else None

    def explains(self, feature: str | None) -> tuple[float, float, float]:
        """The share of the prediction's shift that goes with a feature, and its interval; NaN where unknown."""
        if feature is None:
            return math.nan, math.nan, math.nan
        i, e = self.index[feature], self.explained
        return float(e.share[i]), float(e.low[i]), float(e.high[i])

    @property
    def explanation(self) -> bool | None:
        """Whether a feature surely goes with the prediction's shift; None where there is none, or no share is known."""
        if not self.explained.prediction.moved:
            return None
        known = [f for f in self.shortlist if math.isfinite(self.explains(f)[0])]
        return bool(self.explained_by) if len(known) == len(self.shortlist) or self.explained_by else None

    @property
    def explained_by(self) -> list[str]:
        """The features of the shortlist that surely go with the prediction's shift, at least a tenth of it."""
        return [f for f in self.shortlist if self.explains(f)[0] >= 0.1 and self.explains(f)[1] > 0]


def headline(model: str, health: Health) -> str:
    """One sentence: what is broken since when, or what moved, or that all is as it was."""
    if not health.symptoms:
        return f"none of the {len(health.table.features)} features of {model} has enough history to be judged"
    if health.groups:
        group = health.groups[0]
        names = ", ".join(one.symptom.feature for one in group[:3]) + (" and others" if len(group) > 3 else "")
        node = health.node(group[0].symptom.feature)
        source = f", read from {node}" if node else ""
        many = "1 feature" if len(group) == 1 else f"{len(group)} features"
        return f"{many} of {model} broke at {_hour(group[0].since)}: {names}{source}"
    if health.moved:
        names = ", ".join(shift.feature for shift in health.moved[:3])
        return f"no feature of {model} is broken; {len(health.moved)} moved, as weather or traffic move them: {names}"
    return f"no feature of {model} is broken, and none moved beyond its daily habit"


def evidence(model: str, health: Health) -> tuple[Evidence, ...]:
    """What is broken feature by feature, breaks that passed, shifts, correlation; the closest call of a clearance."""
    broken = [one for group in health.groups for one in group]
    found = [_of_broken(model, health, one) for one in broken[:_SHOWN]]
    if not broken and health.symptoms:
        found.append(_closest(model, health))
    found += [_of_passed(model, health, one) for one in health.passed[:_SHOWN]]
    found += [_of_shift(model, health, shift) for shift in health.moved[: _SHOWN // 2]]
    found += [_of_group(model, health, group) for group in health.moved_together[: _SHOWN // 2]]
    found += _of_explanation(model, health)
    top = broken[0].symptom.feature if broken else None
    if top and math.isfinite(health.correlation.get(top, (math.nan, 0))[0]):
        found.append(_of_correlation(model, health, top))
    return tuple(found)


def _of_broken(model: str, health: Health, one: Broken) -> Evidence:
    claim = f"{one.symptom.feature}: {_sentence(one.symptom)}, since {_hour(one.since)}"
    return _of_symptom(model, health, one.symptom, claim, "for")


def _of_passed(model: str, health: Health, one: Broken) -> Evidence:
    s = one.symptom
    claim = f"{s.feature}: {_sentence(s)}, but its last hours are as they used to be: a gap that has closed"
    return _of_symptom(model, health, s, claim, "against")


def _closest(model: str, health: Health) -> Evidence:
    s = min(health.symptoms.values(), key=lambda s: (s.q_value, -s.severity, s.feature))
    claim = f"the nearest to a break is {s.feature}: {_sentence(s)}; within its habit or too small to matter"
    return _of_symptom(model, health, s, claim, "against")


def _of_symptom(model: str, health: Health, s: Symptom, claim: str, bearing: Literal["for", "against"]) -> Evidence:
    return Evidence(
        claim=claim,
        bearing=bearing,
        effect=_estimate(s),
        method=_method(s),
        p_value=s.p_value,
        q_value=s.q_value,
        n=_rows(health, s.feature),
        n_effective=float(s.days) if s.days else None,
        window=health.window,
        sources=_sources(model, s.feature),
    )


def _of_shift(model: str, health: Health, shift: Shift) -> Evidence:
    of_values = shift.feature in health.table.values
    return Evidence(
        claim=_mix_claim(health, shift) if of_values else _shift_claim(health, shift),
        bearing="context",
        effect=None if of_values else Estimate(value=shift.move, low=shift.low, high=shift.high, unit="probability"),
        method=(
            "Hellinger distance from the most alike of the days before, against that of earlier days"
            if of_values
            else "mean normal score and spread against earlier days and the memory of the hours"
        )
        + ", Benjamini-Hochberg",
        p_value=shift.p_value,
        q_value=shift.q_value,
        n=_rows(health, shift.feature),
        n_effective=shift.days_effective,
        window=health.window,
        sources=_sources(model, shift.feature),
    )


def _shift_claim(health: Health, shift: Shift) -> str:
    began = health.moved_since.get(shift.feature)
    since = f", since {_hour(began.at)} (between {_hour(began.low)} and {_hour(began.high)})" if began else ""
    return (
        f"{shift.feature} moved: a value of the window exceeds a baseline one with chance {0.5 + shift.move:.2f} "
        f"instead of 0.50 (PSI {shift.psi:.2f}, Wasserstein {shift.wasserstein:.2f} of the baseline's samples){since}"
    )


def _mix_claim(health: Health, shift: Shift) -> str:
    return (
        f"the values of {shift.feature} moved: {shift.wasserstein:.1%} of the samples hold others than on a usual day "
        f"(PSI {shift.psi:.2f}); {described(health.table, health.whole, shift.feature)}"
    )


def _of_group(model: str, health: Health, group: tuple[str, ...]) -> Evidence:
    more = "" if len(group) <= _SHOWN else " and others"
    return Evidence(
        claim=(
            f"{len(group)} features read from {health.node(group[0])} changed level within three hours of one another: "
            f"{', '.join(group[:_SHOWN])}{more}"
        ),
        bearing="context",
        method="one change point for each in the window and the day before it",
        window=health.window,
        sources=tuple(source for name in group[:_SHOWN] for source in _sources(model, name)),
    )


def _of_explanation(model: str, health: Health) -> list[Evidence]:
    """What the predictions did, and which features go with it."""
    p = health.explained.prediction
    if not math.isfinite(p.p_value):
        return []
    claim = f"the mean prediction is {p.now:.4g}, and {p.usual:.4g} would be usual"
    if not p.moved:
        claim += ": within its habit, so there is nothing to explain"
    elif not health.explained_by:
        claim += (
            "; no feature explains it"
            if health.explanation is False
            else ("; how much of it a broken feature explains is not to be had from profiles")
        )
    found = [_of_prediction(model, health, claim)]
    return found + [_of_share(model, health, feature) for feature in health.explained_by[: _SHOWN // 2]]


def _of_prediction(model: str, health: Health, claim: str) -> Evidence:
    p = health.explained.prediction
    return Evidence(
        claim=claim,
        effect=Estimate(value=p.now - p.usual, low=p.low, high=p.high, unit="prediction"),
        method="Student's t against earlier days, no less than the memory of the hours carries it by chance",
        p_value=p.p_value,
        n=int(health.table.predictions[health.table.within(health.window)].sum()),
        n_effective=float(p.earlier),
        window=health.window,
        sources=_sources(model, PREDICTION),
    )


def _of_share(model: str, health: Health, feature: str) -> Evidence:
    share, low, high = health.explains(feature)
    return Evidence(
        claim=f"{share:.0%} of the prediction's shift goes with {feature}, by how they go together between rows",
        effect=Estimate(value=share, low=low, high=high, unit="share"),
        method="slope between rows of an hour on earlier days × move of the mean; contrast of rows without the value",
        n=_rows(health, feature),
        window=health.window,
        sources=_sources(model, feature),
    )


def _of_correlation(model: str, health: Health, feature: str) -> Evidence:
    r, p = health.correlation[feature]
    return Evidence(
        claim=(
            f"from hour to hour, the steps of {feature} (its distribution or its nulls) and of the prediction's "
            f"distribution correlate with r = {r:.2f}"
        ),
        bearing="context",
        method="Pearson of differences, hours of the day removed; circular shifts, largest over features",
        p_value=p,
        n=int((health.table.within(health.window) | health.table.within(health.baseline)).sum()),
        window=Window(start=health.baseline.start, end=health.window.end),
        sources=_sources(model, feature),
    )


def ruled_out(model: str, health: Health) -> tuple[str, ...]:
    """What a clearance rules out."""
    if health.groups or not health.symptoms:
        return ()
    return (
        f"broken inputs of {model}: nulls, infinities, scale, variation and categories of {len(health.symptoms)} "
        f"features are as on {health.days} earlier {'days' if health.by_hour else 'stretches of time'}",
    )


def not_checked(model: str, health: Health) -> tuple[str, ...]:
    """Features without history, a comparison that is not by the hour, and a correlation that could not be had."""
    missing = [feature for feature in health.table.features if feature not in health.symptoms]
    found = [f"{len(missing)} features of {model} with too little history: {', '.join(missing[:5])}"] if missing else []
    if not health.by_hour:
        found.append(
            f"the same hours of earlier days: the baseline has too few days, so {health.days} stretches before the "
            "window were compared with, and a difference may be one of the time of day"
        )
    if health.no_correlation:
        found.append(f"whether features of {model} move with its prediction: {health.no_correlation}")
    return tuple(found)


def charts(health: Health) -> tuple[Chart, ...]:
    """The top feature's symptom by hour, with the day before the window for comparison."""
    if not health.groups:
        return ()
    top = health.groups[0][0]
    level, _ = series(health.table, top.symptom, health.window)
    at = health.table.ts >= health.window.start.timestamp() - 86_400
    at &= health.table.ts < health.window.end.timestamp()
    ts = health.table.ts[at]
    if not len(ts):
        return ()
    mark = int(np.searchsorted(ts, top.since.timestamp()))
    return (
        Chart(
            title=f"{top.symptom.feature}: {_QUANTITY[top.symptom.change]} per hour",
            values=tuple(float(v) for v in level[at]),
            labels=tuple(f"{datetime.fromtimestamp(int(t), UTC):%d %b %H:%M}" for t in ts),
            mark=min(mark, len(ts) - 1),
            unit=_UNIT[top.symptom.change],
        ),
    )


_QUANTITY = {
    "nulls": "share of nulls",
    "non_finite": "share of infinite values",
    "unseen": "share of values that the baseline never had",
    "scale": "magnitude (log10)",
    "constant": "hours with one single value",
    "stuck": "share of values that are one and the same",
    "delayed": "smallest value",
}
_UNIT = {
    "nulls": "share",
    "non_finite": "share",
    "unseen": "share",
    "scale": "log10",
    "constant": "",
    "stuck": "share",
    "delayed": "",
}


def _sentence(s: Symptom) -> str:
    if s.change == "scale":
        return f"values are about {10 ** abs(s.now - s.usual):.3g} times {'larger' if s.now > s.usual else 'smaller'}"
    if s.change == "constant":
        return f"one single value for {s.now:.0f} hours, where the longest such run used to be {s.usual:.0f}"
    if s.change == "delayed":
        return (
            f"{s.now:.0f} hours in a row are those of some hours before to the last bit, where the longest such run "
            f"used to be {s.usual:.0f}"
        )
    return f"the {_QUANTITY[s.change]} is {s.now:.1%}, and {s.usual:.1%} would be usual"


def _method(s: Symptom) -> str:
    if s.change in ("constant", "delayed"):
        return "run of such hours against the longest of the baseline, Benjamini-Hochberg over features"
    return "Student's t against the same hours of earlier days, Benjamini-Hochberg over features"


def _estimate(s: Symptom) -> Estimate:
    unit = "hours" if s.change in ("constant", "delayed") else _UNIT[s.change]
    return Estimate(value=s.now - s.usual, low=s.low, high=s.high, unit=unit)


def _rows(health: Health, feature: str) -> int:
    inside = health.table.within(health.window)
    return int(health.table.totals.seen[inside, health.table.features.index(feature)].sum())


def _sources(model: str, feature: str) -> tuple[Source, ...]:
    return (Source(kind=SourceKind.profile, ref=f"{model},{feature}"),)


def _hour(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
