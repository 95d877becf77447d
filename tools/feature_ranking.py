"""Which inputs of a model are broken, since when, and which broke together?

Structure (nulls, infinities, one single value, another scale, unknown categories) is judged against the feature's own
earlier days and may accuse. A distribution that merely moved is reported and accuses nobody: a storm moves them all.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from tools.contract import Finding, Params, Result, Status, Tool
from tools.numbers import Num
from tools.ports import PortError, Ports
from tools.records import Feature, Utc, Window
from tools.stats import feature_health as report
from tools.stats.breakage import symptoms
from tools.stats.breakage_onset import Broken, groups, since_when
from tools.stats.compared import Compared, compared
from tools.stats.correlation import SeriesTooShort, by_circular_shift, differences, without_hours_of_day
from tools.stats.explained import explained
from tools.stats.feature_health import Health
from tools.stats.hourly import Hourly, hourly, ratio
from tools.stats.importance_report import ImportanceFacts, ImportanceRow, with_importance
from tools.stats.joint_rank import joint_rank
from tools.stats.levels import hourly_levels
from tools.stats.multiplicity import probability_of_effect
from tools.stats.profile import Floats
from tools.stats.robust import MIN_HISTORY
from tools.stats.series_change import strength
from tools.stats.shift import shifts
from tools.stats.signs import MIN_ROWS, Change

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
    one that moved most, if any did, and `group_size` how many moved with it.

    `confidence`: for an accusation, the cautious probability that the q value of `feature` allows (see
    `tools.stats.multiplicity.probability_of_effect`); for a clearance, 0.95 times the share of features that had
    enough history to be checked.

    `explains`: whether any broken or moved feature surely goes with the shift of the mean prediction; not known where
    that did not shift, or where the shares cannot be given. `explained`: the share of it that goes with `feature`.
    """

    suspects: int = 0
    feature: str | None = None
    change: Change | Literal["shift", "none"] | None = None
    group_size: int = 0
    broken: bool | None = None
    shifted: int = 0
    node: str | None = None
    column: str | None = None
    explains: bool | None = None
    explained: Num | None = None
    confidence: Num | None = None


class FeatureState(Result):
    """What was found of one feature. `usual` and `now` are in the unit of `change` (see `tools.stats.signs`). `since`
    is set where it is broken, and with its 95% interval for the first that moved and can be dated. `strength` is how
    strongly its hourly series changed (see `tools.stats.series_change`), `explained` the share of the prediction's
    shift that goes with it (see `tools.stats.explained`) and `unexplained` why there is none, `correlation` that of its
    hourly steps with those of the prediction's distribution."""

    feature: str
    change: str
    broken: bool
    usual: Num
    now: Num
    severity: Num
    q_value: Num
    since: Utc | None
    since_low: Utc | None
    since_high: Utc | None
    move: Num
    spread: Num
    psi: Num
    wasserstein: Num
    shift_q_value: Num
    shifted: bool
    strength: Num
    explained: Num
    explained_low: Num
    explained_high: Num
    unexplained: str | None
    correlation: Num
    correlation_p_value: Num
    node: str | None
    column: str | None


class FeatureRankingResult(Result):
    """Features ranked: broken ones by group, then those that moved, then all others, both in the joint order of how far
    the distribution lies from its baseline, how strongly the hourly series changed and how much of the prediction's
    shift goes with it. `moved_together` are features of one dataset that only moved, at the same time. `days` earlier
    days were compared with. `prediction_*` are the mean prediction, and the 95% interval of its shift."""

    features: tuple[FeatureState, ...]
    groups: tuple[tuple[str, ...], ...]
    moved_together: tuple[tuple[str, ...], ...]
    days: int
    hours: int
    rows_baseline: int
    rows_window: int
    prediction_usual: Num
    prediction_now: Num
    prediction_low: Num
    prediction_high: Num
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
    whole = compared(table, params.window, params.baseline)
    if rows < MIN_ROWS or whole.earlier < MIN_HISTORY:
        return TOOL.finding(
            Status.inconclusive,
            f"too little to judge the features of {params.model}: {rows} samples in the window and {whole.earlier} "
            "earlier days",
            would_settle=(
                f"at least {MIN_ROWS} samples in the window, and a baseline with {MIN_HISTORY} days that have samples "
                "in the same hours, or at least as many times the window's length before it",
            ),
        )
    return _answer(params, health(table, whole, params.window, params.baseline, features))


def health(table: Hourly, whole: Compared, window: Window, baseline: Window, features: Sequence[Feature]) -> Health:
    """Everything that can be said of the features in `table`: a pure function of it."""
    known = {feature.feature: feature for feature in features}
    levels = hourly_levels(table, whole)
    found = symptoms(table, whole, window, baseline, {name: feature.kind for name, feature in known.items()})
    moved = {shift.feature: shift for shift in shifts(table, whole, levels)}
    dated = [since_when(table, symptom, window) for symptom in found if symptom.broken]
    lasting = [one for one in dated if one.lasting]
    correlation, refusal = _correlation(table, levels, window, baseline)
    change, share = _strength(table, window, baseline), explained(table, whole)
    far = np.array([moved[f].wasserstein if f in moved else math.nan for f in table.features])
    return Health(
        table=table,
        whole=whole,
        levels=levels,
        window=window,
        baseline=baseline,
        features=known,
        symptoms={symptom.feature: symptom for symptom in found},
        shifts=moved,
        groups=tuple(groups(lasting, {name: feature.node for name, feature in known.items()})),
        passed=tuple(one for one in dated if not one.lasting),
        days=whole.earlier,
        by_hour=whole.by_hour,
        correlation=correlation,
        no_correlation=refusal,
        strength=change,
        explained=share,
        place=dict(zip(table.features, joint_rank([far, change, np.abs(share.share)]).tolist(), strict=True)),
    )


def _strength(table: Hourly, window: Window, baseline: Window) -> Floats:
    """How strongly the hourly mean or share of nulls of each feature changed, float64[F], whichever did more."""
    sums, inside, before = table.totals, table.within(window), table.within(baseline)
    series = ratio(sums.total, sums.count), ratio(sums.nulls, sums.seen)
    return np.fmax(*(strength(values[before], values[inside]) for values in series))


def _correlation(
    table: Hourly, levels: Floats, window: Window, baseline: Window
) -> tuple[dict[str, tuple[float, float]], str | None]:
    """Feature → (r, p) of the hourly steps of its distribution or of its share of nulls, whichever goes more with those
    of the prediction's distribution; or the reason why there is none. p pays for all of them."""
    at = table.within(baseline) | table.within(window)
    ts, sums = table.ts[at], table.totals
    series = np.hstack([levels[at], ratio(sums.nulls[at], sums.seen[at])])
    steps = differences(without_hours_of_day(series, ts), ts)
    features = len(table.features)
    try:
        agreement = by_circular_shift(np.delete(steps, features, axis=1), steps[:, features])
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
            group_size=len(health.group_of(top)),
            broken=False,
            shifted=len(moved),
            node=health.node(top),
            column=health.column(top),
            explains=health.explanation,
            explained=health.explains(top)[0] if top else None,
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
        explains=health.explanation,
        explained=health.explains(top)[0],
        confidence=probability_of_effect(accused[0].symptom.q_value),
    )


def _result(health: Health) -> FeatureRankingResult:
    inside, before = health.table.within(health.window), health.table.within(health.baseline)
    rows = health.table.totals.rows[:, 0]
    broken = [one for group in health.groups for one in group]
    by_name = {one.symptom.feature: one for one in broken}
    moved = [shift.feature for shift in health.moved]
    rest = sorted(set(health.table.features) - by_name.keys() - set(moved), key=health.place.__getitem__)
    return FeatureRankingResult(
        features=tuple(_state(health, feature, by_name.get(feature)) for feature in (*by_name, *moved, *rest)),
        groups=tuple(tuple(one.symptom.feature for one in group) for group in health.groups),
        moved_together=health.moved_together,
        days=health.days,
        hours=int(inside.sum()),
        rows_baseline=int(rows[before].sum()),
        rows_window=int(rows[inside].sum()),
        prediction_usual=health.explained.prediction.usual,
        prediction_now=health.explained.prediction.now,
        prediction_low=health.explained.prediction.low,
        prediction_high=health.explained.prediction.high,
    )


def _state(health: Health, feature: str, one: Broken | None) -> FeatureState:
    symptom, shift = health.symptoms.get(feature), health.shifts.get(feature)
    nan = float("nan")
    share, low, high = health.explains(feature)
    r, p = health.correlation.get(feature, (nan, nan))
    moved = shift is not None and shift.moved
    began = None if one else health.moved_since.get(feature)
    return FeatureState(
        feature=feature,
        change=one.symptom.change if one else "shift" if moved else "none",
        broken=one is not None,
        usual=symptom.usual if symptom else nan,
        now=symptom.now if symptom else nan,
        severity=symptom.severity if symptom else nan,
        q_value=symptom.q_value if symptom else nan,
        since=one.since if one else began.at if began else None,
        since_low=began.low if began else None,
        since_high=began.high if began else None,
        move=shift.move if shift else nan,
        spread=shift.spread if shift else nan,
        psi=shift.psi if shift else nan,
        wasserstein=shift.wasserstein if shift else nan,
        shift_q_value=shift.q_value if shift else nan,
        shifted=moved,
        strength=float(health.strength[health.index[feature]]),
        explained=share,
        explained_low=low,
        explained_high=high,
        unexplained=health.unexplained(feature),
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
