"""What was found about the rollouts of a model, in words and charts."""

from datetime import datetime

import numpy as np

from tools.evidence import Chart, Estimate
from tools.records import MetricRole
from tools.stats.blocks import HOUR_S
from tools.stats.contrast_onset import ContrastOnset
from tools.stats.robust import Departure
from tools.stats.rollout_look import RolloutLook
from tools.stats.rollout_timeline import time_of
from tools.stats.rollout_verdict import SURE_ENOUGH

NAMED = 5
"""So many of the other models' rollouts are named one by one."""


def headline(found: RolloutLook) -> str:
    """One sentence: which rollout, none, or not known; and where to go back to, at what cost."""
    if found.explains:
        place = found.accused[0].place
        whom = f"{found.model} outside of {place}" if place else f"the other snapshots of {found.model}"
        return f"{found.snapshot} is worse than {whom} in the same hours; {way_back(found)}"
    if found.explains is None:
        return f"the rollouts of {found.model} can be neither accused nor cleared: {_why_open(found)}"
    return f"none of {len(found.candidates)} rollouts of {found.model} explains it: {_why_none(found)}"


def way_back(found: RolloutLook) -> str:
    """Where to go back to and what that is expected to cost."""
    if found.target is None:
        return f"there is no snapshot to go back to: {found.no_target}"
    if not found.costs:
        return f"go back to {found.target}; what its age costs is unknown"
    cost = found.costs[0].cost
    return (
        f"go back to {found.target}, whose age is expected to change {found.costs[0].role.value} by {cost.value:+.2g} "
        f"({cost.low:+.2g} to {cost.high:+.2g})"
    )


def ruled_out(found: RolloutLook) -> tuple[str, ...]:
    """The rollouts that do not explain the fall, each with the reason."""
    return tuple(f"rollout of {c.rollout.snapshot}: {c.why}" for c in found.clearances if c.confidence >= SURE_ENOUGH)


def not_checked(found: RolloutLook) -> tuple[str, ...]:
    """The rollouts that could not be compared and why, those of other models, and what was not clear in the data."""
    known = {t.rollout.snapshot for t in found.tests if t.concurrent.known}
    cleared = {c.rollout.snapshot for c in found.clearances if c.confidence >= SURE_ENOUGH}
    silent = [
        f"rollout of {r.snapshot}: {_why_silent(found, r.snapshot)}"
        for r in found.candidates
        if r.snapshot not in known | cleared
    ]
    elsewhere = list(found.elsewhere[:NAMED])
    if len(found.elsewhere) > NAMED:
        elsewhere.append(f"{len(found.elsewhere) - NAMED} more rollouts of other models in the same hours")
    cost = [f"cost of going back to {found.target}: unknown, {found.no_cost}"] if found.target and found.no_cost else []
    return (*silent, *elsewhere, *found.caveats, *cost)


def would_settle(found: RolloutLook) -> tuple[str, ...]:
    """What would turn an unsure answer into a sure one."""
    if found.explains is not None:
        return ()
    if not found.fell:
        return (
            f"a window in which {found.model} is clearly worse than the other models: "
            "in this one there is little for a rollout to explain",
        )
    hold = "more hours in which the new snapshot and the one before serve side by side, for instance by holding the "
    if found.target is None:
        return (hold + "rollout",)
    back = f"a rollback of a part of the traffic to {found.target}, to see whether the fall ends there and only there"
    return hold + "rollout", back


def charts(found: RolloutLook) -> tuple[Chart, ...]:
    """The model against the others by hour, and the new snapshot against the old one in each rollout."""
    drawn = []
    if found.onset is not None:
        title = f"{found.model} against the other models by hour, upwards is worse"
        values = tuple(round(float(v), 4) for v in found.onset.series)
        start = int(found.window.start.timestamp()) // HOUR_S - found.onset.hours[0]
        drawn.append(Chart(title=title, values=values, mark=max(start, 0), unit="standard deviations"))
    for test in found.tests:
        history = test.history[np.isfinite(test.history)]
        if test.rollout.snapshot == found.leaving and test.concurrent.known and test.place is None and len(history):
            series = (*test.history, float(history.mean()) + test.concurrent.effect)
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
    return time_of(onset.at), time_of(onset.low), time_of(onset.high)


def _why_none(found: RolloutLook) -> str:
    if found.precedes and found.onset is not None:
        at, low, high = span(found.onset)
        return f"it began at {at:%m-%d %H:%M} UTC ({low:%m-%d %H:%M} to {high:%m-%d %H:%M}), before any of them"
    reasons = {c.why for c in found.clearances}
    return reasons.pop() if len(reasons) == 1 else "each has a reason of its own why not"


def _why_open(found: RolloutLook) -> str:
    lasting = [r for r in found.reversals if r.goes_on >= SURE_ENOUGH]
    if lasting:
        return f"the fall goes on although {lasting[0].rollout.snapshot} was rolled back, which may not be all of it"
    if not any(t.concurrent.known for t in found.tests):
        return "no new snapshot served long enough beside another one"
    if not found.fell:
        return f"{found.model} did not clearly fall against the other models, and no snapshot stands out"
    return "what these hours show is compatible with both"


def _why_silent(found: RolloutLook, snapshot: str) -> str:
    share = found.shares.get(snapshot, float("nan"))
    if not share > 0:
        return "the metric has no points of it in the window"
    return "too few hours beside another snapshot, or too little traffic on either side"
