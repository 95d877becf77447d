"""The claims of a walk, each with its figures and the snapshots that they were computed from."""

from collections.abc import Iterator
from datetime import UTC, datetime

from tools.evidence import Estimate, Evidence, Source, SourceKind
from tools.program.columns import listed
from tools.program.description import LEVELS, Statistics
from tools.program.downstream import Interval, wilson
from tools.program.graph import Node
from tools.program.suggestions import Suggestion
from tools.program.walk import Bad, Described, Walk
from tools.program.walk_result import MOST_SHOWN, name_of
from tools.program.yardstick import FACTOR
from tools.records import Window

MOST_CLAIMS = 3  # of one kind


def evidence_of(snapshot: str, against: str | None, found: Walk) -> tuple[Evidence, ...]:
    """The claims: what is bad and where, what makes it, what it does, what was tried; or that nothing is bad."""
    source = Source(kind=SourceKind.snapshot, ref=snapshot)
    both = Source(kind=SourceKind.snapshot, ref=snapshot if against is None else f"{against},{snapshot}")
    window = _window(found)
    claims = [*_unknown(found, source), *(_of_bad(found.bad, found.rows, source, both) if found.bad else ())]
    if not claims:
        claims.append(_nothing_bad(found, both))
    return tuple(claim.model_copy(update={"window": window}) for claim in claims)


def where(node: Node) -> str:
    """The operator and its place, in words."""
    operator = node.operator.split(".")[1] if "." in node.operator else node.operator
    module = f" in {node.module}" + (f" ({node.module_class})" if node.module_class else "") if node.module else ""
    return f"{operator}{module}" + (f", {node.source}" if node.source else "")


def _nothing_bad(found: Walk, both: Source) -> Evidence:
    share = wilson(0, found.rows)
    against = "" if found.no_yardstick else f", and none is {FACTOR:.0f} times as large as the stable snapshot's"
    return Evidence(
        claim=f"all predictions of {found.rows} rows are finite, and so are the {found.measured} values that make "
        f"them{against}"
        if not found.harmless
        else f"all predictions of {found.rows} rows are finite; {listed(list(found.harmless))} are off on the way and "
        "move none of them",
        bearing="against",
        effect=_estimate(share, "of predictions bad"),
        method="Wilson interval over rows",
        n=found.rows,
        sources=(both,),
    )


def _of_bad(bad: Bad, rows: int, source: Source, both: Source) -> Iterator[Evidence]:
    for described in bad.described[:MOST_CLAIMS]:
        yield _value(described, both if described.stable else source)
    if bad.new is not None:
        yield Evidence(
            claim="the stable snapshot is free of this on the same rows"
            if bad.new
            else "the stable snapshot does the same on these rows: it is not new with this one",
            bearing="for" if bad.new else "context",
            n=rows,
            sources=(both,),
        )
    if bad.effect is not None:
        yield from _effect(bad, source, both)
    for weight in bad.trace.weights[:MOST_CLAIMS]:
        places = ", ".join(map(str, weight.places[:MOST_SHOWN]))
        holds = (
            f"{weight.elements} elements of the weight {weight.name} are bad (first at {places})"
            if weight.elements
            else f"no single element of the weight {weight.name} is bad, and yet it makes what reads it so"
        )
        yield Evidence(
            claim=f"{holds}; it spoils {len(weight.rows)} of {rows} rows",
            bearing="for",
            effect=_estimate(wilson(len(weight.rows), rows), "of rows"),
            method="the weights were scanned; every feature was set to its baseline, or the weight to the stable one",
            n=rows,
            sources=(source,),
        )
    for cause in bad.trace.causes[:MOST_CLAIMS]:
        values = ", ".join("/".join(f"{v:.6g}" for v in each) for each in cause.values[:MOST_SHOWN])
        role = {
            (True, True): "with its baseline in place of it the row is healed, and not without",
            (True, False): "it is one of several values that each spoil the row",
            (False, True): "its baseline heals the row, and so does that of another feature",
            (False, False): "it takes part",
        }[cause.sufficient, cause.necessary]
        yield Evidence(
            claim=f"{name_of(cause)} is a cause in {len(cause.rows)} of {rows} rows (its values: {values}): {role}",
            bearing="for",
            effect=_estimate(wilson(len(cause.rows), rows), "of rows"),
            method="bisection over features replaced by their baseline, for each row"
            if bad.problem == "non_finite"
            else "gradient × (value − baseline), confirmed by replacing the feature",
            n=rows,
            sources=(source,),
        )
    for suggestion in bad.suggestions[:MOST_CLAIMS]:
        yield _tried(suggestion, source)


def _value(described: Described, source: Source) -> Evidence:
    stable = f"; the stable snapshot on the same rows: {_in_words(described.stable)}" if described.stable else ""
    return Evidence(
        claim=f"{where(described.node)} gives {_in_words(described.now)}{stable}",
        bearing="for",
        method="double precision, over all elements",
        n=described.now.elements,
        sources=(source,),
    )


def _in_words(found: Statistics) -> str:
    bad = f"{found.nan} NaN and {found.infinite} infinite of {found.elements} values; " if found.non_finite else ""
    if found.non_finite == found.elements:
        return f"no number at all ({found.nan} NaN and {found.infinite} infinite values)"
    low, high = LEVELS.index(0.01), LEVELS.index(0.99)
    return (
        f"{bad}{found.low:.4g} to {found.high:.4g} (1% to 99%: {found.quantiles[low]:.4g} to "
        f"{found.quantiles[high]:.4g}, mean {found.mean:.4g})"
    )


def _effect(bad: Bad, source: Source, both: Source) -> Iterator[Evidence]:
    effect = bad.effect
    if effect is None:
        return
    origin = both if "stable" in effect.by else source
    lost = f", {effect.non_finite} of them no numbers before" if effect.non_finite else ""
    yield Evidence(
        claim=f"{effect.moved} of {effect.rows} predictions change when {effect.replaced} gets {effect.by}{lost}",
        bearing="for",
        effect=_estimate(effect.share, "of predictions"),
        method="the same rows run twice; Wilson interval over rows",
        n=effect.rows,
        sources=(origin,),
    )
    if effect.change is not None and effect.change.value > 0:
        yield Evidence(
            claim=f"where both are numbers, {effect.output} changes by {effect.change.value:.4g} on average",
            bearing="for",
            effect=_estimate(effect.change, f"of {effect.output}"),
            method="paired bootstrap over rows",
            n=effect.rows - effect.non_finite,
            sources=(origin,),
        )


def _tried(suggestion: Suggestion, source: Source) -> Evidence:
    return Evidence(
        claim=f"tried at {suggestion.node}: {suggestion.what}. Bad predictions went from {suggestion.bad_before} to "
        f"{suggestion.bad_after} of {suggestion.rows}; the good ones moved by {suggestion.moved:.2g} of their spread",
        effect=_estimate(wilson(suggestion.bad_after, suggestion.rows), "of predictions still bad"),
        method="the change was made in the graph and the same rows were run; median move, Wilson interval over rows",
        n=suggestion.rows,
        sources=(source,),
    )


def _unknown(found: Walk, source: Source) -> Iterator[Evidence]:
    for unknown in found.unknown[:MOST_CLAIMS]:
        count = int(unknown.rows.sum())
        yield Evidence(
            claim=f"{unknown}; serving would fail on them, or read what is not the table's",
            bearing="for",
            effect=_estimate(wilson(count, len(unknown.rows)), "of rows"),
            method="counted; Wilson interval over rows",
            n=len(unknown.rows),
            sources=(source,),
        )


def _estimate(interval: Interval, unit: str) -> Estimate:
    return Estimate(value=interval.value, low=interval.low, high=interval.high, unit=unit)


def _window(found: Walk) -> Window | None:
    if not found.rows:
        return None
    return Window(
        start=datetime.fromtimestamp(int(found.times.min()), UTC),
        end=datetime.fromtimestamp(int(found.times.max()) + 1, UTC),
    )
