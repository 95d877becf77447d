"""The findings of a walk through the lineage in words: sentences that a person can check, each with its source."""

import difflib
import math
import re
from collections.abc import Sequence

from tools.evidence import Chart, Estimate, Evidence, Source, SourceKind
from tools.records import Change, ChangeKind, Window
from tools.stats.dataset_health import Anomaly, Health
from tools.stats.lineage_graph import Place
from tools.stats.multiplicity import benjamini_hochberg
from tools.stats.root_clues import Suspect, fits
from tools.stats.upstream_walk import Walk, circles, hint, relevant

CHART_RUNS = 60
MOST_DIFFERENCE = 40  # lines
_CLAUSE = re.compile(
    r"\s+(select|from|where|(?:(?:left|right|inner|outer|full|cross)\s+)*join|on|and|or|group\s+by|order\s+by|having|"
    r"union|limit|with)\b",
    re.IGNORECASE,
)
_COMMA = re.compile(r",\s*")
METHOD = (
    "each run against the history's median at that time (of the day or week where the history shows one); the window's "
    "strongest stretch of runs against stretches of that length in the history; for all figures of the dataset"
)


def title(place: Place) -> str:
    """The dataset, with its column where one is meant."""
    return f"{place[0]}.{place[1]}" if place[1] else place[0]


def saying(place: Place, anomaly: Anomaly) -> str:
    """The anomaly in words, with its figures."""
    what = title((place[0], anomaly.column or place[1]))
    gap = anomaly.value - anomaly.usual
    if anomaly.kind == "nulls":
        return f"{what} is null in {anomaly.value:.1%} of rows, usually in {anomaly.usual:.1%}"
    if anomaly.kind == "schema":
        return f"{what} is gone"
    if anomaly.kind == "volume":
        return f"{place[0]} has {math.exp(gap):.2g} times its usual number of rows"
    if anomaly.kind == "freshness":
        return f"{place[0]} was not written for {anomaly.value:.3g} hours, usually it is every {anomaly.usual:.3g}"
    if anomaly.kind == "shift":
        return f"the mean of {what} lies {gap:+.2g} standard deviations from where it usually is"
    if anomaly.trace and anomaly.trace.name == "share of values that moved":
        return (
            f"{anomaly.value:.0%} of the values of {what} lie elsewhere than usual, on other days {anomaly.usual:.0%}"
        )
    name = anomaly.trace.name if anomaly.trace else "spread"
    return f"the {name} of {what} is {math.exp(gap):.2g} times the usual one"


def headline(suspect: Suspect, is_source: bool) -> str:
    """What is off at the root and since when, and what is known of the reason."""
    anomaly, change = suspect.anomaly, next(iter(suspect.changes), None)
    since = f"since {anomaly.onset:%Y-%m-%d %H:%M} UTC {saying(suspect.place, anomaly)}"
    if change:
        return f"{since}, {'right ' if fits(change, anomaly) else ''}after {_change_words(change)}"
    if is_source and anomaly.kind in ("shift", "distribution"):
        return f"{since}; it is a source, so the world moved and no job broke it"
    return f"{since}; {'it is a source' if is_source else 'what it is made from is as usual'}, and no change is known"


def _change_words(change: Change) -> str:
    before, after = (text if len(text) <= 40 else f"{text[:40]}…" for text in (change.before, change.after))
    return f"the {change.kind.value} of {change.node} changed from {before} to {after}"


def difference(change: Change) -> tuple[str, ...]:
    """What a change took away (-) and added (+), clause by clause, with a line of context."""
    before, after = (_lines(text, change.kind) for text in (change.before, change.after))
    found = [
        line for line in difflib.unified_diff(before, after, lineterm="", n=1) if not line.startswith(("---", "+++"))
    ]
    shown = [line for line in found if not line.startswith("@@")]
    cut = (f"… and {len(shown) - MOST_DIFFERENCE} more lines",) if len(shown) > MOST_DIFFERENCE else ()
    return (*shown[:MOST_DIFFERENCE], *cut)


def _lines(text: str, kind: ChangeKind) -> list[str]:
    if kind is ChangeKind.code:
        return [text]
    apart = _COMMA.sub(",\n", _CLAUSE.sub(r"\n\1", text))
    return [line.strip() for line in apart.splitlines() if line.strip()]


def evidence(walk: Walk, root: Suspect, window: Window) -> tuple[Evidence, ...]:
    """The root, the start of the walk, the healthy inputs of the root, and the changes, in this order."""
    start = next(iter(walk))
    q = q_values(walk)
    felt = hint(walk, start) if start[0] != root.place[0] else None
    inputs = [above for above in walk[root.place].onto if above in walk and not relevant(walk, above)]
    return (
        of_anomaly(root.place, root.anomaly, window, q.get(root.place)),
        *((of_anomaly(start, felt, window, q.get(start)),) if felt else ()),
        *(_of_input(above, walk[above].health, window) for above in inputs if not walk[above].health.unchecked),
        *(_of_change(change, root.anomaly) for change in root.changes[:3]),
    )


def q_values(walk: Walk) -> dict[Place, float]:
    """Of the strongest departure of each place, over all places that were checked."""
    known = {place: stop.health.p_value for place, stop in walk.items() if math.isfinite(stop.health.p_value)}
    return dict(zip(known, (float(q) for q in benjamini_hochberg(list(known.values()))), strict=True))


def of_anomaly(place: Place, anomaly: Anomaly, window: Window, q: float | None = None) -> Evidence:
    """The anomaly with its departure from usual, give or take what the history varies by."""
    gap, half = anomaly.value - anomaly.usual, 1.96 * anomaly.scale
    units = {"nulls": "share of rows", "volume": "log rows", "shift": "standard deviations", "schema": "columns"}
    units |= {"freshness": "hours", "distribution": "share of rows" if _moved(anomaly) else "log"}
    may = "" if anomaly.sure else " (a hint, no more)"
    return Evidence(
        claim=f"{saying(place, anomaly)}, since {anomaly.onset:%Y-%m-%d %H:%M} UTC{may}",
        bearing="for" if anomaly.sure else "context",
        effect=Estimate(value=gap, low=gap - half, high=gap + half, unit=units[anomaly.kind]),
        method=METHOD,
        p_value=anomaly.p_value,
        q_value=q,
        n=anomaly.n,
        window=window,
        sources=(Source(kind=SourceKind.lineage, ref=place[0]),),
    )


def _moved(anomaly: Anomaly) -> bool:
    return anomaly.trace is not None and anomaly.trace.name == "share of values that moved"


def _of_input(place: Place, found: Health, window: Window) -> Evidence:
    return Evidence(
        claim=f"{title(place)}, which it is made from, shows nothing that could explain it over {found.runs} runs",
        bearing="against",
        p_value=found.p_value,
        n=found.history,
        window=window,
        sources=(Source(kind=SourceKind.lineage, ref=place[0]),),
    )


def _of_change(change: Change, anomaly: Anomaly) -> Evidence:
    hours = (anomaly.onset - change.ts).total_seconds() / 3600
    when = f"at {change.ts:%Y-%m-%d %H:%M} UTC, {hours:.1f} h before the first bad run was written"
    named = ", ".join(filter(None, (change.repository, change.pull_request, change.url)))
    return Evidence(
        claim=f"{_change_words(change)} {when}{f' ({named})' if named else ''}",
        bearing="for" if fits(change, anomaly) else "context",
        sources=(Source(kind=SourceKind.lineage, ref=change.node),),
    )


def of_reach(node: str, datasets: Sequence[str], features: Sequence[str], models: Sequence[str]) -> Evidence:
    """The blast radius."""
    models_named = f"{len(models)} models ({', '.join(models[:10]) or 'none'})"
    features_named = f"{len(features)} features ({', '.join(features[:10]) or 'none'})"
    return Evidence(
        claim=f"{len(datasets)} datasets, {features_named} and {models_named} get data from it",
        sources=(Source(kind=SourceKind.lineage, ref=node),),
    )


def as_usual(walk: Walk) -> tuple[str, ...]:
    """What was checked and found in order, sorted."""
    calm = sorted(
        title(place)
        for place, stop in walk.items()
        if not (stop.health.unchecked or stop.health.anomalies or stop.health.hints)
    )
    return tuple(f"{title} looks as it usually does" for title in calm)


def not_checked(walk: Walk) -> tuple[str, ...]:
    """What could not be checked, with the reason, in the order of the walk; and what makes the walk itself unsure."""
    blind = [f"{title(p)}: {stop.health.unchecked}" for p, stop in walk.items() if stop.health.unchecked]
    left_out = [f"{title(p)}: {text}" for p, stop in walk.items() for text in stop.health.caveats]
    beyond = sorted({title(a) for stop in walk.values() for a in stop.onto if a not in walk})
    further = (
        [f"{len(beyond)} places further up, from {beyond[0]} on: the walk ends after {len(walk)}"] if beyond else []
    )
    round_ = circles(walk)
    circle = [f"which of {', '.join(round_)} comes first: they get data from one another in a circle"] if round_ else []
    return (*blind, *left_out, *further, *circle)


def chart(place: Place, anomaly: Anomaly) -> tuple[Chart, ...]:
    """The figure that is off, run by run, with a mark where it began."""
    trace = anomaly.trace
    if trace is None:
        return ()
    times, values = trace.times[-CHART_RUNS:], trace.shown[-CHART_RUNS:]
    mark = next((index for index, time in enumerate(times) if time >= anomaly.onset), None)
    name = f"{trace.name} of {title((place[0], anomaly.column))}"
    return (Chart(title=name, values=tuple(float(v) for v in values), mark=mark),)
