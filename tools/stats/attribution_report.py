"""An attribution in words, evidence and charts."""

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

import numpy as np

from tools.evidence import Chart, Estimate, Evidence, Source, SourceKind
from tools.records import Metric, MetricRole, Window
from tools.stats.accusation import stands_out
from tools.stats.attribution import Attribution
from tools.stats.robust import Departure
from tools.stats.suspects import Suspect

CONTRAST_METHOD = (
    "Mantel-Haenszel contrast in the same hours, against its own baseline days at comparable levels (t prediction "
    "interval), Benjamini-Hochberg over all contrasts"
)
LEVEL_METHOD = "the same hours of the baseline days, one value a day, t prediction interval with autocorrelation"
MIX_METHOD = "exact midpoint (Kitagawa) split over the finest cells"


def headline(metric: Metric, found: Attribution) -> str:
    """One sentence: the factor and its size."""
    size = _size(metric, found)
    match found.factor:
        case "model":
            where = f", in {found.segment}" if found.segment else ""
            return f"{size}; {found.model} fell against the other models in the same hours{where}"
        case "infra":
            return f"{size}; {found.infra} fell against the rest in the same hours, for every model"
        case "segment":
            return f"{size}; most of it is {found.segment}{', for every model' if found.models_checked else ''}"
        case "traffic":
            return (
                f"{size}; the mix of the traffic makes {_amount(abs(found.mix.split.mix))} of it, no model is at fault"
            )
        case "shared":
            return f"{size}; all models fell together in the same hours, and nobody is accused"
        case "none":
            return f"{size}, which is within the swings of the baseline days, and {_small(found)}"
    return f"{size}; it cannot be attributed with this data"


def _small(found: Attribution) -> str:
    """What stands out without making enough of the drop for anybody to be accused."""
    model = _small_model(found)
    if model is not None:
        return f"nobody is accused; {model.name} is worse than the others {_share_of(found, model)}"
    places = [p for p in (found.segment, found.infra) if p]
    return f"nobody is accused; {' and '.join(places)} stands out" if places else "no contrast stands out"


def _small_model(found: Attribution) -> Suspect | None:
    """The most degraded model, where it stands out on the top line and is not accused."""
    if found.factor == "model" or found.model_degraded:
        return None
    mine = [s for s in found.suspects if s.kind == "model" and s.model == found.model]
    return next((s for s in mine if s.role is MetricRole.topline and stands_out(s)), None)


def _share_of(found: Attribution, model: Suspect) -> str:
    """`by 10.2% [7.1%, 13.3%], q = 0.002, which makes 0.3% of the drop: below the floor`."""
    level, departure = abs(float(model.contrast.level[-1])), model.departure
    bounds = sorted((departure.low, departure.effect, departure.high), key=abs)
    low, value, high = (f"{abs(v) / level:.1%}" if level > 0 else f"{abs(v):.3g}" for v in bounds)
    makes = abs(model.contribution)
    if found.drop > 0:
        part = f"{makes / found.drop:.1%} of the drop"
    else:
        part = f"{_amount(makes)} of the metric, which did not fall"
    why = "below the floor" if makes <= found.floor else "and no second figure of it says so"
    return f"by {value} [{low}, {high}], q = {model.q_value:.2g}, which makes {part}: {why}"


def _size(metric: Metric, found: Attribution) -> str:
    if not np.isfinite(found.drop):
        return f"{metric.name} has no usual level in these hours to compare with"
    return f"{metric.name} is {_amount(found.drop)} {'worse' if found.drop > 0 else 'better'} than usual"


def evidence(
    product: str, metric: Metric, found: Attribution, window: Window, names: Mapping[MetricRole, str]
) -> tuple[Evidence, ...]:
    """The claims behind the factor: level, mix, contrasts that matter most. `names` has the metric of each role."""
    source = (Source(kind=SourceKind.metric, ref=f"{product}/{metric.name}"),)
    items = [_level(metric, found, window, source)] if np.isfinite(found.usual_level) else []
    if found.adjusted.known:
        items.append(_adjusted(metric, found, window, source))
    if np.isfinite(found.mix.split.mix):
        items.append(_mix(metric, found, window, source))
    items += [_contrast(s, found, f"{product}/{names[s.role]}", window) for s in _shown(found)]
    return tuple(items)


def ruled_out(found: Attribution, half_seen: Collection[str] = ()) -> tuple[str, ...]:
    """What was tested and did not stand out. Nothing is ruled out when nothing could be decided, and no model of which
    only a part was seen (`half_seen`)."""
    if found.factor is None:
        return ()
    said = [
        f"model {name}: no worse than usual against the other models in the same hours"
        for name in found.models_checked
        if (found.model_degraded is False or name != found.model) and name not in half_seen
    ]
    places = [s for s in found.suspects if s.kind == "infra" and s.departure.known]
    if places and found.infra is None:
        said.append(f"infrastructure: none of {len(places)} values stands out against the rest in the same hours")
    if found.factor != "traffic" and found.mix.mix.known:
        share = f", {max(found.mix_share, 0.0):.0%} of the drop" if found.mix_share is not None else ""
        said.append(f"traffic mix: it moved the metric by {_signed(found.mix.split.mix)}{share}")
    return tuple(said)


def charts(metric: Metric, found: Attribution) -> tuple[Chart, ...]:
    """The top line per block, and the contrasts of the most degraded model."""
    drawn = [_chart(f"{metric.name}, same hours of each day", found.levels)]
    for s in found.suspects:
        if s.kind == "model" and s.model == found.model and s.role in (MetricRole.topline, MetricRole.log_loss):
            unit = "difference" if s.role is MetricRole.topline else "log ratio"
            drawn.append(_chart(f"{s.model} against the others, {s.role.value} ({unit})", s.contrast.effect))
    return tuple(drawn)


def _chart(title: str, values: Iterable[float]) -> Chart:
    kept = tuple(round(float(v), 6) for v in values)
    return Chart(title=title, values=kept, mark=len(kept) - 1)


def _level(metric: Metric, found: Attribution, window: Window, source: tuple[Source, ...]) -> Evidence:
    claim = (
        f"{metric.name} is {found.levels[-1]:.4g} in the window and was {found.usual_level:.4g} in the same hours of "
        f"{found.blocks} baseline days"
    )
    return Evidence(
        claim=claim,
        bearing=_bearing(found.raw, 0.05),
        effect=_estimate(found.raw),
        method=LEVEL_METHOD,
        p_value=found.raw.p_value,
        n=found.blocks,
        window=window,
        sources=source,
    )


def _adjusted(metric: Metric, found: Attribution, window: Window, source: tuple[Source, ...]) -> Evidence:
    return Evidence(
        claim=f"for the label rate of its hours, {metric.name} is {_signed(found.adjusted.effect)} away from usual",
        bearing=_bearing(found.adjusted, 0.01),
        effect=_estimate(found.adjusted),
        method="regression of the baseline days on their label rate, t prediction interval",
        p_value=found.adjusted.p_value,
        n=found.adjusted.blocks,
        window=window,
        sources=source,
    )


def _mix(metric: Metric, found: Attribution, window: Window, source: tuple[Source, ...]) -> Evidence:
    moved = [m for m in found.moved if m.q_value < 0.01][:3]
    shares = "; ".join(f"{m.dimension} {m.value} {m.usual:.1%} to {m.share:.1%}" for m in moved)
    claim = (
        f"the mix of the traffic moved {metric.name} by {_signed(found.mix.split.mix)}, the rates within it by "
        f"{_signed(found.mix.split.within)}" + (f" (shares that moved: {shares})" if shares else "")
    )
    return Evidence(
        claim=claim,
        bearing="for" if found.factor == "traffic" else "against" if found.mix.mix.known else "context",
        effect=Estimate(value=found.mix.split.mix, low=found.mix.mix_interval.low, high=found.mix.mix_interval.high),
        method=f"{MIX_METHOD}; interval: {found.mix.interval_from}",
        p_value=found.mix.mix.p_value,
        n=found.blocks,
        window=window,
        sources=source,
    )


def _shown(found: Attribution) -> list[Suspect]:
    """The most degraded model on every role, then what is accused, then the worst places; at most ten."""
    mine = [s for s in found.suspects if s.kind == "model" and s.model == found.model and s.departure.known]
    named = [s for s in found.accused if s.kind == "model_segment"]
    places = [s for s in found.suspects if s.name in (found.infra, found.segment) and s.kind in ("infra", "segment")]
    rest = [s for s in found.suspects if s.kind in ("infra", "segment") and s.departure.known and s not in places]
    ordered = [*mine, *sorted(named, key=_by_q), *sorted(places, key=_by_q), *sorted(rest, key=_by_q)[:2]]
    return ordered[:10]


def _by_q(suspect: Suspect) -> tuple[float, float, str]:
    return suspect.q_value, suspect.departure.p_value, suspect.name


def _contrast(suspect: Suspect, found: Attribution, source: str, window: Window) -> Evidence:
    departure = suspect.departure
    if suspect.role is MetricRole.topline:
        moved = f"{_signed(departure.effect)} against the rest in the same hours"
    else:
        moved = f"{np.expm1(departure.effect):+.1%} against the rest in the same hours"
    named = suspect in found.accused or (
        found.factor in ("infra", "segment") and suspect.name in (found.infra, found.segment)
    )
    small = f"; worse {_share_of(found, suspect)}" if suspect is _small_model(found) else ""
    return Evidence(
        claim=f"{suspect.role.value} of {suspect.name}: {moved}, on top of its usual difference{small}",
        bearing="for" if named else "context",
        effect=_estimate(departure, "" if suspect.role is MetricRole.topline else "log ratio"),
        method=CONTRAST_METHOD,
        p_value=departure.p_value,
        q_value=suspect.q_value,
        n=departure.blocks,
        window=window,
        sources=(Source(kind=SourceKind.metric, ref=source),),
    )


def _bearing(departure: Departure, alpha: float) -> Literal["for", "against", "context"]:
    return "for" if departure.p_value < alpha else "against" if departure.known else "context"


def _estimate(departure: Departure, unit: str = "") -> Estimate:
    return Estimate(value=departure.effect, low=departure.low, high=departure.high, unit=unit)


def _amount(value: float) -> str:
    return f"{abs(value):.3g}"


def _signed(value: float) -> str:
    return f"{value:+.3g}"
