"""Which inputs of a model are broken, since when, and which broke together?

Structure (nulls, infinities, one single value, another scale, unknown categories) is judged against the feature's own
earlier days and may accuse. A distribution that merely moved is reported and accuses nobody: a storm moves them all.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from tools.contract import Finding, Params, Result, Status, Tool
from tools.numbers import Num
from tools.ports import PortError, Ports
from tools.records import Feature, Utc, Window
from tools.stats import feature_health as report
from tools.stats.breakage import MIN_ROWS, symptoms
from tools.stats.breakage_onset import Broken, groups, since_when
from tools.stats.correlation import SeriesTooShort, by_circular_shift, without_hours_of_day
from tools.stats.feature_health import Health
from tools.stats.hourly import Hourly, hourly, matched_blocks, ratio
from tools.stats.importance_report import ImportanceFacts, ImportanceRow, with_importance
from tools.stats.multiplicity import probability_of_effect
from tools.stats.robust import MIN_HISTORY
from tools.stats.shift import shifts

CLEARED = 0.95
"""How sure a clearance is where every feature could be checked: a break below the effect floors goes unseen."""


class FeatureRankingParams(Params):
    """`all_features` takes every feature away from the snapshots, however many there are, and not only the suspects
    and some others."""

    model: str
    window: Window
    baseline: Window
    all_features: bool = False


class FeatureRankingFacts(ImportanceFacts):
    """`suspects` features are broken; `feature` is the severest of the largest group of `group_size` that broke at the
    same hour and are read from the same `node`; `shifted` others only moved. Where nothing is broken, `feature` is the
    one that moved most, if any did.

    `confidence`: for an accusation, the cautious probability that the q value of `feature` allows (see
    `tools.stats.multiplicity.probability_of_effect`); for a clearance, 0.95 times the share of features that had
    enough history to be checked.
    """

    suspects: int = 0
    feature: str | None = None
    change: Literal["nulls", "constant", "scale", "non_finite", "shift", "unseen", "none"] | None = None
    group_size: int = 0
    broken: bool | None = None
    shifted: int = 0
    node: str | None = None
    column: str | None = None
    confidence: Num | None = None


class FeatureState(Result):
    """What was found of one feature. `usual` and `now` are in the unit of `change` (see `tools.stats.breakage`);
    `since` is set where it is broken. `correlation` is that of its hourly mean or share of
    nulls with the mean prediction, hours of the day taken out."""

    feature: str
    change: str
    broken: bool
    usual: Num
    now: Num
    severity: Num
    q_value: Num
    since: Utc | None
    move: Num
    psi: Num
    wasserstein: Num
    shift_q_value: Num
    shifted: bool
    correlation: Num
    correlation_p_value: Num
    node: str | None
    column: str | None


class FeatureRankingResult(Result):
    """Features ranked: broken ones by group, then by how much they moved. `days` earlier days were compared with."""

    features: tuple[FeatureState, ...]
    groups: tuple[tuple[str, ...], ...]
    days: int
    hours: int
    rows_baseline: int
    rows_window: int
    importances: tuple[ImportanceRow, ...] = ()


def run(params: FeatureRankingParams, ports: Ports) -> Finding:
    """Reads the model's profiles and judges them. Never raises for want of data."""
    if ports.models.model(params.model) is None:
        return _no_data(f"no model is called {params.model!r}; check its name against the models that were received")
    span = Window(
        start=min(params.window.start, params.baseline.start), end=max(params.window.end, params.baseline.end)
    )
    try:
        profiles = ports.profiles.profiles(params.model, span)
        table = hourly(profiles) if profiles else None
    except (PortError, ValueError) as error:
        return TOOL.finding(Status.failed, f"the profiles of {params.model} cannot be used: {error}")
    if table is None or not table.features:
        return _no_data(f"{params.model} has no profiles in {span}; send its prediction samples of that time")
    finding = _judge(params, table, ports.models.features(params.model))
    return with_importance(finding, ports, params.model, params.window, params.all_features)


def _judge(params: FeatureRankingParams, table: Hourly, features: Sequence[Feature]) -> Finding:
    rows = int(table.totals.rows[table.within(params.window), 0].sum())
    if not rows:
        return _no_data(f"{params.model} has no samples in the window {params.window}; check that it is still sampled")
    days = len(matched_blocks(table, params.window, params.baseline))
    if rows < MIN_ROWS or days < MIN_HISTORY:
        return TOOL.finding(
            Status.inconclusive,
            f"too little to judge the features of {params.model}: {rows} samples in the window and {days} earlier days",
            would_settle=(
                f"at least {MIN_ROWS} samples in the window, and a baseline with {MIN_HISTORY} days that have samples "
                "in the same hours",
            ),
        )
    return _answer(params, health(table, params.window, params.baseline, features))


def health(table: Hourly, window: Window, baseline: Window, features: Sequence[Feature]) -> Health:
    """Everything that can be said of the features in `table`: a pure function of it."""
    known = {feature.feature: feature for feature in features}
    found = symptoms(table, window, baseline, {name: feature.kind for name, feature in known.items()})
    dated = [since_when(table, symptom, window) for symptom in found if symptom.broken]
    lasting = [one for one in dated if one.lasting]
    correlation, refusal = _correlation(table, window, baseline)
    return Health(
        table=table,
        window=window,
        baseline=baseline,
        features=known,
        symptoms={symptom.feature: symptom for symptom in found},
        shifts={shift.feature: shift for shift in shifts(table, window, baseline)},
        groups=tuple(groups(lasting, {name: feature.node for name, feature in known.items()})),
        passed=tuple(one for one in dated if not one.lasting),
        days=len(matched_blocks(table, window, baseline)),
        correlation=correlation,
        no_correlation=refusal,
    )


def _correlation(table: Hourly, window: Window, baseline: Window) -> tuple[dict[str, tuple[float, float]], str | None]:
    """Feature → (r, p) of its hourly mean or share of nulls, whichever goes more with the mean prediction; or the
    reason why there is none. p pays for all of them."""
    at = table.within(baseline) | table.within(window)
    ts, sums = table.ts[at], table.totals
    means, nulls = ratio(sums.total[at], sums.count[at]), ratio(sums.nulls[at], sums.seen[at])
    series = np.hstack([np.where(np.isfinite(means), means, np.nan), nulls])
    try:
        agreement = by_circular_shift(without_hours_of_day(series, ts), without_hours_of_day(table.prediction[at], ts))
    except SeriesTooShort as error:
        return {}, str(error)
    r, p = agreement.r.reshape(2, -1), agreement.p.reshape(2, -1)
    better = np.argmax(np.nan_to_num(np.abs(r)), axis=0)
    return {
        f: (float(r[k, i]), float(p[k, i])) for i, (f, k) in enumerate(zip(table.features, better, strict=True))
    }, None


def _answer(params: FeatureRankingParams, health: Health) -> Finding:
    facts = _facts(health)
    return TOOL.finding(
        Status.answered if health.symptoms else Status.inconclusive,
        report.headline(params.model, health),
        facts=facts,
        result=_result(health),
        interesting=bool(facts.broken or facts.shifted),
        evidence=report.evidence(params.model, health),
        ruled_out=report.ruled_out(params.model, health),
        not_checked=report.not_checked(params.model, health),
        charts=report.charts(health),
    )


def _facts(health: Health) -> FeatureRankingFacts:
    moved = health.moved
    if not health.symptoms:
        return FeatureRankingFacts(shifted=len(moved))
    if not health.groups:
        top = moved[0].feature if moved else None
        checked = len(health.symptoms) / len(health.table.features)
        return FeatureRankingFacts(
            feature=top,
            change="shift" if moved else "none",
            broken=False,
            shifted=len(moved),
            node=health.node(top),
            column=health.column(top),
            confidence=CLEARED * checked,
        )
    accused = health.groups[0]
    top = accused[0].symptom.feature
    return FeatureRankingFacts(
        suspects=sum(len(group) for group in health.groups),
        feature=top,
        change=accused[0].symptom.change,
        group_size=len(accused),
        broken=True,
        shifted=len(moved),
        node=health.node(top),
        column=health.column(top),
        confidence=probability_of_effect(accused[0].symptom.q_value),
    )


def _result(health: Health) -> FeatureRankingResult:
    inside, before = health.table.within(health.window), health.table.within(health.baseline)
    rows = health.table.totals.rows[:, 0]
    broken = [one for group in health.groups for one in group]
    first = [one.symptom.feature for one in broken]
    rest = sorted(set(health.table.features) - set(first), key=lambda f: (-health.wasserstein(f), f))
    return FeatureRankingResult(
        features=tuple(_state(health, feature, broken) for feature in (*first, *rest)),
        groups=tuple(tuple(one.symptom.feature for one in group) for group in health.groups),
        days=health.days,
        hours=int(inside.sum()),
        rows_baseline=int(rows[before].sum()),
        rows_window=int(rows[inside].sum()),
    )


def _state(health: Health, feature: str, broken: Sequence[Broken]) -> FeatureState:
    symptom, shift = health.symptoms.get(feature), health.shifts.get(feature)
    nan = float("nan")
    one = next((b for b in broken if b.symptom.feature == feature), None)
    r, p = health.correlation.get(feature, (nan, nan))
    moved = shift is not None and shift.moved
    return FeatureState(
        feature=feature,
        change=one.symptom.change if one else "shift" if moved else "none",
        broken=one is not None,
        usual=symptom.usual if symptom else nan,
        now=symptom.now if symptom else nan,
        severity=symptom.severity if symptom else nan,
        q_value=symptom.q_value if symptom else nan,
        since=one.since if one else None,
        move=shift.move if shift else nan,
        psi=shift.psi if shift else nan,
        wasserstein=shift.wasserstein if shift else nan,
        shift_q_value=shift.q_value if shift else nan,
        shifted=moved,
        correlation=r,
        correlation_p_value=p,
        node=health.node(feature),
        column=health.column(feature),
    )


def _no_data(reason: str) -> Finding:
    return TOOL.finding(Status.no_data, reason)


TOOL = Tool(
    name="feature_ranking",
    question="Are inputs of this model broken, and which one first?",
    params=FeatureRankingParams,
    facts=FeatureRankingFacts,
    result=FeatureRankingResult,
    run=run,
)
