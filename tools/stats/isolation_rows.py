"""The rows of an isolation's result: an attribution and a search as typed records."""

from collections.abc import Sequence
from datetime import UTC, datetime

from tools.contract import Result
from tools.numbers import Num
from tools.records import Utc
from tools.stats.blocks import HOUR_S
from tools.stats.combination_effects import CombinationEffect
from tools.stats.lag import Lag, Moment
from tools.stats.newcomers import Newcomer
from tools.stats.suspects import Suspect
from tools.stats.value_parts import Interval, ValueParts

MOST_VALUES = 12
"""Values shown of one dimension; the others are one row together, so that all rows add up."""
OTHERS = "(all others)"
MOST_PLACES = 200
"""Contrasts shown that are not of whole models."""


class ContrastRow(Result):
    """One group against the rest in the same hours, less what its baseline contrasts predict."""

    kind: str
    group: str
    role: str
    effect: Num
    low: Num
    high: Num
    p_value: Num
    q_value: Num
    weight: Num


class CombinationRow(Result):
    """One combination of attributes, dimension → value. `effect` is its move against the rest, `share` what of the
    drop would not be there had it kept its rate. `within` (its own rate) + `others` (that of the rest) + `mix`
    (traffic between the two) is the whole change over the time that was compared, exactly."""

    combination: dict[str, str]
    effect: Num
    low: Num
    high: Num
    p_value: Num
    q_value: Num
    share: Num
    within: Num
    others: Num
    mix: Num


class PartRow(Result):
    """What one value of a dimension makes of the change: by its share of the traffic (`usual_share` to `share`), and
    within it. The `mix` and `within` of all rows of a dimension add up to the whole change, exactly. Bounds are NaN
    where no interval can be had."""

    dimension: str
    value: str
    usual_share: Num
    share: Num
    mix: Num
    mix_low: Num
    mix_high: Num
    within: Num
    within_low: Num
    within_high: Num


class NewcomerRow(Result):
    """A value with too few `baseline_days` to be tested, against the rest in the same hours of the window (`compared`
    of them, or steps of the points: `unit`)."""

    dimension: str
    value: str
    baseline_days: int
    effect: Num
    low: Num
    high: Num
    p_value: Num
    compared: int
    unit: str
    weight: Num


class OnsetRow(Result):
    """When something set in: the most likely hour, and its 95% interval."""

    at: Utc
    low: Utc
    high: Utc


class LagRow(Result):
    """`hours` [low, high] by which the predictions of a model moved before the top line (negative: after it), 90%.
    `against` says whose fall that is: the "top line", or the "model's own top line" where that of the whole is lost in
    its swings."""

    model: str
    role: str
    against: str
    prediction: OnsetRow
    topline: OnsetRow
    hours: int
    low: int
    high: int


def contrast_rows(suspects: Sequence[Suspect]) -> tuple[ContrastRow, ...]:
    """All models, and of their places and those of the traffic the `MOST_PLACES` least likely ones, in the given
    order: ten dimensions of fifty values make tens of thousands."""
    places = [s for s in suspects if s.kind != "model"]
    known = sorted((s for s in places if s.departure.known), key=lambda s: (s.departure.p_value, s.name, s.role))
    shown = {id(s) for s in known[:MOST_PLACES]}
    return tuple(contrast_row(s) for s in suspects if s.kind == "model" or id(s) in shown)


def contrast_row(suspect: Suspect) -> ContrastRow:
    """A contrast of any kind."""
    return ContrastRow(
        kind=suspect.kind,
        group=suspect.name,
        role=suspect.role,
        effect=suspect.departure.effect,
        low=suspect.departure.low,
        high=suspect.departure.high,
        p_value=suspect.departure.p_value,
        q_value=suspect.q_value,
        weight=suspect.weight,
    )


def combination_row(tested: CombinationEffect) -> CombinationRow:
    """A combination of the ranking."""
    return CombinationRow(
        combination=dict(tested.combination),
        effect=tested.departure.effect,
        low=tested.departure.low,
        high=tested.departure.high,
        p_value=tested.departure.p_value,
        q_value=tested.q_value,
        share=tested.share,
        within=tested.within,
        others=tested.others,
        mix=tested.mix,
    )


def part_rows(parts: tuple[ValueParts, ...]) -> tuple[PartRow, ...]:
    """The largest parts of every dimension, and what its other values make together."""
    rows: list[PartRow] = []
    for dimension in dict.fromkeys(p.dimension for p in parts):
        mine = sorted((p for p in parts if p.dimension == dimension), key=_size)
        shown = mine if len(mine) <= MOST_VALUES + 1 else mine[:MOST_VALUES]
        rows += [_part_row(p) for p in shown]
        if len(shown) < len(mine):
            rows.append(_part_row(_together(mine[len(shown) :])))
    return tuple(rows)


def newcomer_row(new: Newcomer) -> NewcomerRow:
    """A value that the baseline does not know."""
    return NewcomerRow(
        dimension=new.dimension,
        value=new.value,
        baseline_days=new.days,
        effect=new.effect,
        low=new.low,
        high=new.high,
        p_value=new.p_value,
        compared=new.hours,
        unit=new.unit,
        weight=new.weight,
    )


def lag_row(lag: Lag) -> LagRow:
    """A lag with both of its onsets."""
    return LagRow(
        model=lag.model,
        role=lag.role,
        against="model's own top line" if lag.own else "top line",
        prediction=_onset_row(lag.prediction),
        topline=_onset_row(lag.topline),
        hours=lag.hours,
        low=lag.low,
        high=lag.high,
    )


def _onset_row(moment: Moment) -> OnsetRow:
    at, low, high = (datetime.fromtimestamp(h * HOUR_S, UTC) for h in (moment.at, moment.low, moment.high))
    return OnsetRow(at=at, low=low, high=high)


def _size(part: ValueParts) -> tuple[float, str]:
    return -abs(part.mix.value) - abs(part.within.value), part.value


def _part_row(part: ValueParts) -> PartRow:
    return PartRow(
        dimension=part.dimension,
        value=part.value,
        usual_share=part.usual,
        share=part.share,
        mix=part.mix.value,
        mix_low=part.mix.low,
        mix_high=part.mix.high,
        within=part.within.value,
        within_low=part.within.low,
        within_high=part.within.high,
    )


def _together(parts: list[ValueParts]) -> ValueParts:
    """Of several values. Their bounds are added too, which is the widest that the sum can be."""
    mix, within = (
        Interval(*(sum(getattr(getattr(p, part), bound) for p in parts) for bound in ("value", "low", "high")))
        for part in ("mix", "within")
    )
    usual, share = sum(p.usual for p in parts), sum(p.share for p in parts)
    return ValueParts(parts[0].dimension, OTHERS, usual, share, mix, within)
