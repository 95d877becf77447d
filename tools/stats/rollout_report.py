"""What was found about the rollouts of a model, in words, evidence and charts."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from tools.evidence import Chart, Estimate, Evidence, Source, SourceKind
from tools.records import MetricRole, Window
from tools.stats.blocks import HOUR_S
from tools.stats.contrast_onset import ContrastOnset
from tools.stats.robust import Departure
from tools.stats.rollout_verdict import Staleness
from tools.stats.rollouts import Rollout, RolloutTest

CONCURRENT_METHOD = (
    "Mantel-Haenszel contrast in the same hours, against earlier rollouts (t prediction interval), Benjamini-Hochberg "
    "over rollouts and metrics"
)
DOSE_METHOD = "weighted least squares of hourly contrasts on the share served, against earlier rollouts"
ONSET_METHOD = "likelihood of a step or ramp in hourly contrasts, calibrated on moving blocks of the baseline days"


@dataclass(frozen=True)
class RolloutLook:
    """All that was found. `accused` are the tests that accuse, strongest first; `clearance` the confidence that no
    rollout explains the fall; `target` the snapshot to go back to, `back` snapshots earlier, and `costs` what one of
    them costs."""

    product: str
    metric: str
    model: str
    window: Window
    tests: tuple[RolloutTest, ...]
    candidates: tuple[Rollout, ...]
    accused: tuple[RolloutTest, ...]
    clearance: float
    onset: ContrastOnset | None
    latest: str
    target: str | None = None
    back: int = 0
    costs: tuple[Staleness, ...] = ()

    @property
    def snapshot(self) -> str | None:
        """The guilty snapshot."""
        return self.accused[0].rollout.snapshot if self.accused else None


def headline(found: RolloutLook, explains: bool | None) -> str:
    """One sentence: which rollout, none, or not known."""
    if explains:
        return f"{found.snapshot} is worse than the other snapshots of {found.model} in the same hours"
    if explains is None:
        return f"the rollouts of {found.model} can be neither accused nor cleared with these hours"
    count = len({t.rollout for t in found.tests})
    return f"none of {count} rollouts of {found.model} explains it: new and old snapshots did alike in the same hours"


def evidence(found: RolloutLook, precedes: bool) -> tuple[Evidence, ...]:
    """The concurrent comparisons, the dose-response of the snapshot in question, the onset, and the cost of going
    back."""
    items = [_concurrent(found, t) for t in found.tests if t.concurrent.known]
    asked = found.snapshot or found.latest
    items += [_dose(found, t) for t in found.tests if t.dose.known and t.rollout.snapshot == asked]
    if found.onset is not None and found.onset.found:
        items.append(_started(found, found.onset, precedes))
    return (*items, *(_stale(found, cost) for cost in found.costs))


def ruled_out(found: RolloutLook) -> tuple[str, ...]:
    """The rollouts that were compared and do not stand out."""
    named = {t.rollout.snapshot for t in found.accused}
    tested = sorted({t.rollout.snapshot for t in found.tests if t.concurrent.known} - named)
    return tuple(f"rollout of {s}: no worse than the other snapshots in the same hours" for s in tested)


def not_checked(found: RolloutLook) -> tuple[str, ...]:
    """The rollouts that could not be compared, and why."""
    known = {t.rollout.snapshot for t in found.tests if t.concurrent.known}
    return tuple(
        f"rollout of {r.snapshot}: too few hours beside another snapshot, or too few earlier rollouts"
        for r in found.candidates
        if r.snapshot not in known
    )


def charts(found: RolloutLook) -> tuple[Chart, ...]:
    """The model against the others by hour, and the new snapshot against the old one in each rollout."""
    drawn = []
    if found.onset is not None:
        title = f"{found.model} against the other models by hour, upwards is worse"
        values = tuple(round(float(v), 4) for v in found.onset.series)
        start = int(found.window.start.timestamp()) // HOUR_S - found.onset.hours[0]
        drawn.append(Chart(title=title, values=values, mark=max(start, 0), unit="standard deviations"))
    for test in found.tests:
        if test.rollout.snapshot == found.latest and test.concurrent.known:
            series = (*test.history, float(np.nanmean(test.history)) + test.concurrent.effect)
            title = f"{test.role.value}, new against old snapshot, each rollout"
            kept = tuple(round(float(v), 6) for v in series)
            drawn.append(Chart(title=title, values=kept, mark=len(kept) - 1))
    return tuple(drawn)


def estimate(departure: Departure, role: MetricRole) -> Estimate:
    """A departure as an estimate; ratios as logarithms."""
    unit = "" if role is MetricRole.topline else "log ratio"
    return Estimate(value=departure.effect, low=departure.low, high=departure.high, unit=unit)


def span(onset: ContrastOnset) -> tuple[datetime, datetime, datetime]:
    """The onset as times: most likely, earliest, latest."""
    return time(onset.at), time(onset.low), time(onset.high)


def time(hour: int) -> datetime:
    """A unix hour as a time."""
    return datetime.fromtimestamp(hour * HOUR_S, UTC)


def _concurrent(found: RolloutLook, test: RolloutTest) -> Evidence:
    return Evidence(
        claim=f"{test.role.value} of {test.rollout.snapshot} against the other snapshots in {test.compared} shared "
        f"hours: {test.concurrent.effect:+.3g} beyond what {test.concurrent.blocks} earlier rollouts showed",
        bearing="for" if test in found.accused else "against" if test.concurrent.p_value > 0.05 else "context",
        effect=estimate(test.concurrent, test.role),
        method=CONCURRENT_METHOD,
        p_value=test.concurrent.p_value,
        q_value=test.q_value,
        n=test.concurrent.blocks,
        window=found.window,
        sources=_sources(found, test.role, test.rollout.snapshot),
    )


def _dose(found: RolloutLook, test: RolloutTest) -> Evidence:
    return Evidence(
        claim=f"{test.role.value} of {found.model} against the other models moves by {test.dose.effect:+.3g} as "
        f"{test.rollout.snapshot} goes from none to all of its traffic, beyond earlier rollouts",
        effect=estimate(test.dose, test.role),
        method=DOSE_METHOD,
        p_value=test.dose.p_value,
        n=test.dose.blocks,
        window=found.window,
        sources=_sources(found, test.role, test.rollout.snapshot),
    )


def _started(found: RolloutLook, onset: ContrastOnset, precedes: bool) -> Evidence:
    at, low, high = span(onset)
    before = ", before every rollout that could have caused it" if precedes else ""
    return Evidence(
        claim=f"{found.model} left the other models at {at:%Y-%m-%d %H:%M} UTC (between {low:%m-%d %H:%M} and "
        f"{high:%m-%d %H:%M}){before}",
        bearing="against" if precedes else "context",
        method=ONSET_METHOD,
        p_value=onset.p_value,
        n=len(onset.hours),
        window=found.window,
        sources=_sources(found, onset.role, found.latest),
    )


def _stale(found: RolloutLook, cost: Staleness) -> Evidence:
    back = cost.times(found.back)
    return Evidence(
        claim=f"going back to {found.target} is expected to change {cost.role.value} by {back.value:+.3g}, the mean "
        f"of old against new snapshots in earlier rollouts times {found.back}",
        effect=back,
        method="mean of concurrent contrasts of earlier rollouts, t interval; linear in age",
        n=cost.rollouts,
        sources=_sources(found, cost.role, found.target or found.latest),
    )


def _sources(found: RolloutLook, role: MetricRole, snapshot: str) -> tuple[Source, ...]:
    name = found.metric if role is MetricRole.topline else role.value
    metric = Source(kind=SourceKind.metric, ref=f"{found.product}/{name}")
    return metric, Source(kind=SourceKind.rollout, ref=snapshot)
