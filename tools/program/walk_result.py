"""What a walk through a snapshot's graph answers with, as typed data for reports, the terminal and JSON."""

from tools.contract import Result
from tools.numbers import Num
from tools.program.causes import Cause, WeightCause
from tools.program.description import LEVELS, Statistics
from tools.program.downstream import Effect
from tools.program.graph import Node
from tools.program.modules import Picture
from tools.program.suggestions import Suggestion
from tools.program.tables import UnknownIds
from tools.program.walk import Described, Walk

MOST_SHOWN = 5  # rows, values, places
MOST_CAUSES = 20
MOST_CHANNELS = 3


class NodeRow(Result):
    """An operator: `source` is `file.py:line in function`, and each is None where the file does not say."""

    node: str
    operator: str
    module: str | None
    module_class: str | None
    source: str | None


class StatisticsRow(Result):
    """Of one value; everything but the counts is of its finite elements. `quantiles` has pairs of level and value.

    `worst_channels` are those with most values that are not finite, then those of the largest magnitude: (place, mean,
    standard deviation, lowest, highest, not finite)."""

    elements: int
    nan: int
    infinite: int
    zero_share: Num
    low: Num
    high: Num
    mean: Num
    std: Num
    quantiles: tuple[tuple[Num, Num], ...]
    channels: int
    worst_channels: tuple[tuple[int, Num, Num, Num, Num, int], ...]


class ValueRow(Result):
    """A value that is bad, here and in the stable snapshot on the same rows."""

    node: NodeRow
    now: StatisticsRow
    stable: StatisticsRow | None


class CauseRow(Result):
    """A feature that is a cause in `rows` rows; `values` are a few of its values there (see `tools.program.causes`)."""

    feature: str
    rows: int
    values: tuple[tuple[Num, ...], ...]
    baseline: tuple[Num, ...]
    sufficient: bool
    necessary: bool


class WeightRow(Result):
    """A weight that is a cause: how many of its elements are bad, a few of their places, and how many rows get it."""

    tensor: str
    elements: int
    places: tuple[int, ...]
    rows: int


class EffectRow(Result):
    """What the bad value does: `moved` of `rows` predictions, `non_finite` of them no numbers; shares and mean change
    with 95% intervals (value, low, high)."""

    replaced: str
    by: str
    output: str
    rows: int
    moved: int
    non_finite: int
    share: tuple[Num, Num, Num]
    change: tuple[Num, Num, Num] | None


class SuggestionRow(Result):
    """A change that was tried: bad predictions before and after, and the median move of the good ones in standard
    deviations."""

    what: str
    node: str
    feature: str | None
    rows: int
    bad_before: int
    bad_after: int
    moved: Num


class UnknownRow(Result):
    """Ids that a table does not have."""

    feature: str | None
    table: str
    size: int
    rows: int
    ids: tuple[int, ...]


class BoxRow(Result):
    """A module of the picture; see `tools.program.modules`."""

    module: str
    module_class: str | None
    copies: int
    operators: int
    low: Num
    high: Num
    stable_low: Num
    stable_high: Num
    zeros: Num
    bad: int
    depth: int


class GraphWalkResult(Result):
    """`first` is the first bad node; `values` the bad ones in full (or, on request, all), at most 20 bad ones.

    `boxes` and `edges` (from, to, number of values) are the graph collapsed by module. `harmless` are values that are
    off and move no prediction.
    """

    snapshot: str
    against: str | None
    rows: int
    measured: int
    bad_values: int = 0
    first: NodeRow | None = None
    values: tuple[ValueRow, ...] = ()
    causes: tuple[CauseRow, ...] = ()
    weights: tuple[WeightRow, ...] = ()
    mixes: NodeRow | None = None
    effect: EffectRow | None = None
    suggestions: tuple[SuggestionRow, ...] = ()
    unknown: tuple[UnknownRow, ...] = ()
    harmless: tuple[str, ...] = ()
    boxes: tuple[BoxRow, ...] = ()
    edges: tuple[tuple[str, str, int], ...] = ()


def result_of(snapshot: str, against: str | None, found: Walk) -> GraphWalkResult:
    """The walk as data."""
    bad = found.bad
    return GraphWalkResult(
        snapshot=snapshot,
        against=against,
        rows=found.rows,
        measured=found.measured,
        bad_values=bad.values if bad else 0,
        first=node_row(bad.first) if bad and bad.first else None,
        values=tuple(_value(one) for one in found.everything or (bad.described if bad else ())),
        causes=tuple(_cause(one) for one in bad.trace.causes[:MOST_CAUSES]) if bad else (),
        weights=tuple(_weight(one) for one in bad.trace.weights[:MOST_CAUSES]) if bad else (),
        mixes=node_row(bad.mixes) if bad and bad.mixes else None,
        effect=_effect(bad.effect) if bad and bad.effect else None,
        suggestions=tuple(_suggestion(one) for one in bad.suggestions) if bad else (),
        unknown=tuple(_unknown(one) for one in found.unknown),
        harmless=found.harmless[:MOST_CAUSES],
        boxes=_boxes(found.picture),
        edges=found.picture.edges if found.picture else (),
    )


def node_row(node: Node) -> NodeRow:
    """The operator and where it comes from."""
    return NodeRow(
        node=node.name,
        operator=node.operator,
        module=node.module,
        module_class=node.module_class,
        source=node.source,
    )


def name_of(cause: Cause) -> str:
    """The feature, or its place where nothing says what it is."""
    return cause.feature or f"{cause.input}.{cause.columns[0] if cause.columns else 0}"


def _value(described: Described) -> ValueRow:
    return ValueRow(
        node=node_row(described.node),
        now=statistics_row(described.now),
        stable=statistics_row(described.stable) if described.stable else None,
    )


def statistics_row(found: Statistics) -> StatisticsRow:
    """The statistics with the channels that stand out."""
    channels = found.channels
    largest = [max(abs(low), abs(high)) for low, high in zip(channels.low, channels.high, strict=True)]
    order = sorted(range(len(largest)), key=lambda at: (-channels.non_finite[at], -largest[at], at))[:MOST_CHANNELS]
    return StatisticsRow(
        elements=found.elements,
        nan=found.nan,
        infinite=found.infinite,
        zero_share=found.zeros,
        low=found.low,
        high=found.high,
        mean=found.mean,
        std=found.std,
        quantiles=tuple(zip(LEVELS, found.quantiles, strict=True)),
        channels=len(largest),
        worst_channels=tuple(
            (
                at,
                float(channels.mean[at]),
                float(channels.std[at]),
                float(channels.low[at]),
                float(channels.high[at]),
                int(channels.non_finite[at]),
            )
            for at in order
        ),
    )


def _cause(cause: Cause) -> CauseRow:
    return CauseRow(
        feature=name_of(cause),
        rows=len(cause.rows),
        values=cause.values[:MOST_SHOWN],
        baseline=cause.baseline,
        sufficient=cause.sufficient,
        necessary=cause.necessary,
    )


def _weight(cause: WeightCause) -> WeightRow:
    return WeightRow(tensor=cause.name, elements=cause.elements, places=cause.places[:MOST_SHOWN], rows=len(cause.rows))


def _effect(effect: Effect) -> EffectRow:
    share, change = effect.share, effect.change
    return EffectRow(
        replaced=effect.replaced,
        by=effect.by,
        output=effect.output,
        rows=effect.rows,
        moved=effect.moved,
        non_finite=effect.non_finite,
        share=(share.value, share.low, share.high),
        change=(change.value, change.low, change.high) if change else None,
    )


def _suggestion(suggestion: Suggestion) -> SuggestionRow:
    return SuggestionRow(**vars(suggestion))


def _unknown(found: UnknownIds) -> UnknownRow:
    return UnknownRow(
        feature=found.feature, table=found.table, size=found.size, rows=int(found.rows.sum()), ids=found.ids
    )


def _boxes(picture: Picture | None) -> tuple[BoxRow, ...]:
    return tuple(BoxRow(**vars(box)) for box in picture.boxes) if picture else ()
