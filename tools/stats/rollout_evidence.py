"""What was found about the rollouts of a model, as evidence: each claim with its figures and sources."""

from tools.evidence import Evidence, Source, SourceKind
from tools.records import MetricRole
from tools.stats.contrast_onset import ContrastOnset
from tools.stats.rollback import Staleness
from tools.stats.rollout_look import RolloutLook
from tools.stats.rollout_report import estimate, span
from tools.stats.rollout_reversal import Reversal
from tools.stats.rollout_timeline import SKEW_H
from tools.stats.rollout_verdict import SURE_ENOUGH
from tools.stats.rollouts import RolloutTest, Yardstick

COMPARED = "Mantel-Haenszel contrast in the same hours"
CORRECTED = "Benjamini-Hochberg over rollouts and metrics"
METHODS = {
    Yardstick.rollouts: f"{COMPARED}, against earlier rollouts (t prediction interval), {CORRECTED}",
    Yardstick.hours: f"{COMPARED}, error from its own hours (AR(1)) and the usual difference of snapshots, {CORRECTED}",
    Yardstick.days: "difference in differences of places and models in the same hours, against earlier days "
    f"(t prediction interval), {CORRECTED}",
}
DOSE_METHOD = "weighted least squares of hourly contrasts on the share served, against earlier rollouts or days"
ONSET_METHOD = "likelihood of a step or ramp in hourly contrasts, calibrated on moving blocks of the baseline days"
REVERSAL_METHOD = "contrast with the other models in the same hours, against earlier days; t test against half of it"
STALENESS_METHOD = "earlier rollouts' old against new snapshot by days of age, line through the origin, t interval"


def evidence(found: RolloutLook) -> tuple[Evidence, ...]:
    """The concurrent comparisons, the dose-response of the snapshot in question, what rollbacks did, the onset, and the
    cost of going back."""
    items = [_concurrent(found, t) for t in found.tests if t.concurrent.known]
    items += [_dose(found, t) for t in found.tests if t.dose.known and t.rollout.snapshot == found.leaving]
    items += [_reversed(found, r) for r in found.reversals]
    if found.onset is not None and found.onset.found:
        items.append(_started(found, found.onset))
    return (*items, *(_stale(found, cost) for cost in found.costs))


def _concurrent(found: RolloutLook, test: RolloutTest) -> Evidence:
    if test.place is not None:
        what = f"{found.model} in {test.place}, which {test.rollout.snapshot} serves, against elsewhere"
    else:
        what = f"{test.rollout.snapshot} against the other snapshots in {test.compared} shared hours"
    beyond = {
        Yardstick.rollouts: f"beyond what {test.concurrent.blocks} earlier rollouts showed",
        Yardstick.days: f"beyond what {test.concurrent.blocks} earlier days showed",
        Yardstick.hours: "with too few earlier rollouts to hold it against",
    }[test.yardstick]
    return Evidence(
        claim=f"{test.role.value} of {what}: {test.concurrent.effect:+.3g} {beyond}",
        bearing="for" if test in found.accused else "against" if test.concurrent.p_value > 0.05 else "context",
        effect=estimate(test.concurrent, test.role),
        method=METHODS[test.yardstick],
        p_value=test.concurrent.p_value,
        q_value=test.q_value,
        n=test.concurrent.blocks,
        n_effective=round(test.concurrent.df + 1, 2),
        window=found.window,
        sources=_sources(found, test.role, test.rollout.snapshot),
    )


def _dose(found: RolloutLook, test: RolloutTest) -> Evidence:
    return Evidence(
        claim=f"{test.role.value} of {found.model} against the other models moves by {test.dose.effect:+.3g} as "
        f"{test.rollout.snapshot} goes from none to all of its traffic, beyond {test.dose.blocks} earlier rollouts or "
        "days",
        effect=estimate(test.dose, test.role),
        method=DOSE_METHOD,
        p_value=test.dose.p_value,
        n=test.dose.blocks,
        window=found.window,
        sources=_sources(found, test.role, test.rollout.snapshot),
    )


def _reversed(found: RolloutLook, seen: Reversal) -> Evidence:
    ended = seen.ended >= SURE_ENOUGH
    lasts = seen.goes_on >= SURE_ENOUGH
    became = "the fall ended" if ended else "the fall goes on" if lasts else "it is open whether the fall ended"
    return Evidence(
        claim=f"{became} when {seen.rollout.snapshot} was rolled back: {seen.role.value} of {found.model} against the "
        f"other models is {seen.after.effect:+.3g} off in the {seen.hours_after} h after it, {seen.during.effect:+.3g} "
        "while it served",
        bearing="for" if ended else "against" if lasts else "context",
        effect=estimate(seen.after, seen.role),
        method=REVERSAL_METHOD,
        p_value=min(seen.goes_on, seen.ended),
        n=seen.after.blocks,
        window=found.window,
        sources=_sources(found, seen.role, seen.rollout.snapshot),
    )


def _started(found: RolloutLook, onset: ContrastOnset) -> Evidence:
    at, low, high = span(onset)
    before = ", before every rollout that could have caused it" if found.precedes else ""
    return Evidence(
        claim=f"{found.model} left the other models at {at:%Y-%m-%d %H:%M} UTC (between {low:%m-%d %H:%M} and "
        f"{high:%m-%d %H:%M}){before}; clocks of rollouts and points may differ by {SKEW_H} h",
        bearing="against" if found.precedes else "context",
        method=ONSET_METHOD,
        p_value=onset.p_value,
        n=len(onset.hours),
        window=found.window,
        sources=_sources(found, onset.role, found.latest),
    )


def _stale(found: RolloutLook, stale: Staleness) -> Evidence:
    further = ", which is older than any snapshot was beside its successor" if stale.extrapolated else ""
    return Evidence(
        claim=f"going back to {found.target} is expected to change {stale.role.value} by {stale.cost.value:+.3g}: it "
        f"is {stale.days:.3g} days older{further}, and a day of age changed it by {stale.per_day:+.3g} in "
        f"{stale.rollouts} earlier rollouts",
        effect=stale.cost,
        method=STALENESS_METHOD,
        n=stale.rollouts,
        sources=_sources(found, stale.role, found.target or found.latest),
    )


def _sources(found: RolloutLook, role: MetricRole, snapshot: str) -> tuple[Source, ...]:
    name = found.metric if role is MetricRole.topline else role.value
    metric = Source(kind=SourceKind.metric, ref=f"{found.product}/{name}")
    return metric, Source(kind=SourceKind.rollout, ref=snapshot)
