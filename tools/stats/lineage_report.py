"""The findings of a walk through the lineage in words: sentences that a person can check, each with its source."""

import math
from collections.abc import Sequence

from tools.evidence import Estimate, Evidence, Source, SourceKind
from tools.records import Change, Window
from tools.stats.dataset_health import Anomaly, Health
from tools.stats.lineage_graph import Place
from tools.stats.upstream_walk import Walk, relevant


def title(place: Place) -> str:
    """The dataset, with its column where one is meant."""
    return f"{place[0]}.{place[1]}" if place[1] else place[0]


def saying(place: Place, anomaly: Anomaly) -> str:
    """The anomaly in words, with its figures."""
    what = title((place[0], anomaly.column or place[1]))
    if anomaly.kind == "nulls":
        return f"{what} is null in {anomaly.value:.1%} of rows, usually in {anomaly.usual:.1%}"
    if anomaly.kind == "schema":
        return f"{what} is gone"
    if anomaly.kind == "volume":
        return f"{place[0]} has {_times(anomaly.value - anomaly.usual)} times its usual number of rows"
    return f"the mean of {what} lies {anomaly.value - anomaly.usual:+.1f} standard deviations from where it usually is"


def _times(log_ratio: float) -> str:
    return f"{math.exp(log_ratio):.2g}"


def headline(place: Place, anomaly: Anomaly, change: Change | None, is_source: bool) -> str:
    """What is off at the root and since when, and what is known of the reason."""
    since = f"since {anomaly.onset:%Y-%m-%d %H:%M} UTC {saying(place, anomaly)}"
    if change:
        return f"{since}, {'right ' if fits(change, anomaly) else ''}after {_change_words(change)}"
    if is_source and anomaly.kind == "shift":
        return f"{since}; it is a source, so the world moved and no job broke it"
    return f"{since}; {'it is a source' if is_source else 'what it is made from is as usual'}, and no change is known"


def _change_words(change: Change) -> str:
    before, after = (text if len(text) <= 40 else f"{text[:40]}…" for text in (change.before, change.after))
    return f"the {change.kind.value} of {change.node} changed from {before} to {after}"


def evidence(
    walk: Walk, place: Place, anomaly: Anomaly, changes: Sequence[Change], window: Window
) -> tuple[Evidence, ...]:
    """The root, the start of the walk, the healthy inputs of the root, and the changes, in this order."""
    start = next(iter(walk))
    at_start = relevant(walk, start) if start != place else None
    inputs = [parent for parent in walk[place].onto if parent in walk and not relevant(walk, parent)]
    return (
        of_anomaly(place, anomaly, window),
        *((of_anomaly(start, at_start, window),) if at_start else ()),
        *(_of_input(parent, walk[parent].health, window) for parent in inputs if not walk[parent].health.unchecked),
        *(_of_change(change, anomaly) for change in changes[:3]),
    )


def of_anomaly(place: Place, anomaly: Anomaly, window: Window) -> Evidence:
    """The anomaly with its departure from usual, give or take what the history varies by."""
    gap, half = anomaly.value - anomaly.usual, 1.96 * anomaly.scale
    units = {"nulls": "share of rows", "volume": "log rows", "shift": "standard deviations", "schema": "columns"}
    return Evidence(
        claim=f"{saying(place, anomaly)}, since {anomaly.onset:%Y-%m-%d %H:%M} UTC",
        bearing="for",
        effect=Estimate(value=gap, low=gap - half, high=gap + half, unit=units[anomaly.kind]),
        method="each run against earlier runs at the same time of day: median and MAD, with a floor of the effect",
        n=anomaly.n,
        window=window,
        sources=(Source(kind=SourceKind.lineage, ref=place[0]),),
    )


def _of_input(place: Place, found: Health, window: Window) -> Evidence:
    return Evidence(
        claim=f"{title(place)}, which it is made from, shows nothing that could explain it over {found.runs} runs",
        bearing="against",
        n=found.history,
        window=window,
        sources=(Source(kind=SourceKind.lineage, ref=place[0]),),
    )


def _of_change(change: Change, anomaly: Anomaly) -> Evidence:
    hours = (anomaly.onset - change.ts).total_seconds() / 3600
    when = f"at {change.ts:%Y-%m-%d %H:%M} UTC, {hours:.1f} h before the first bad run was written"
    where = f" ({change.url})" if change.url else ""
    return Evidence(
        claim=f"{_change_words(change)} {when}{where}",
        bearing="for" if fits(change, anomaly) else "context",
        sources=(Source(kind=SourceKind.lineage, ref=change.node),),
    )


def of_reach(node: str, datasets: Sequence[str], models: Sequence[str]) -> Evidence:
    """The blast radius."""
    return Evidence(
        claim=f"{len(datasets)} datasets and {len(models)} models get data from it: {', '.join(models) or 'no model'}",
        sources=(Source(kind=SourceKind.lineage, ref=node),),
    )


def as_usual(walk: Walk) -> tuple[str, ...]:
    """What was checked and found in order, sorted."""
    calm = sorted(
        title(place) for place, stop in walk.items() if not stop.health.unchecked and not stop.health.anomalies
    )
    return tuple(f"{title} looks as it usually does" for title in calm)


def not_checked(walk: Walk) -> tuple[str, ...]:
    """What could not be checked, with the reason, in the order of the walk."""
    blind = [(place, stop.health.unchecked) for place, stop in walk.items() if stop.health.unchecked]
    return tuple(f"{title(place)}: {why}" for place, why in blind)


def fits(change: Change, anomaly: Anomaly) -> bool:
    """Not made before the last good run was written: the first run with it was the first bad one.

    A change is dated by the start of its run and data by the end of theirs, so that with back-to-back runs the two
    times are the same.
    """
    return anomaly.healthy_until is None or change.ts >= anomaly.healthy_until
