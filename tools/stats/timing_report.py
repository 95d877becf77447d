"""Evidence about what is new in the window, and about what came first."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from tools.evidence import Estimate, Evidence, Source, SourceKind
from tools.records import MetricRole, Window
from tools.stats.blocks import HOUR_S
from tools.stats.lag import Lag, Moment
from tools.stats.newcomers import Newcomer
from tools.stats.not_checked import difference

MOST_SHOWN = 3
NEW_METHOD = (
    "Mantel-Haenszel difference within the window, an hour being a cluster (Cochran 1977), hours that resemble their "
    "neighbours counting for fewer"
)
LAG_METHOD = "difference of two onsets, each with a 95% interval, so at least 90% together"


def newcomer_evidence(new: Sequence[Newcomer], source: str, window: Window) -> tuple[Evidence, ...]:
    """How values that the baseline does not know fare now; it accuses nobody."""
    return tuple(
        Evidence(
            claim=f"{n.name} has {n.days} baseline days and {n.weight:.1%} of the window: {difference(n)}",
            effect=Estimate(value=n.effect, low=n.low, high=n.high),
            method=NEW_METHOD,
            p_value=n.p_value,
            n=n.hours,
            window=window,
            sources=(Source(kind=SourceKind.metric, ref=source),),
        )
        for n in new[:MOST_SHOWN]
    )


def lag_evidence(
    lags: Sequence[Lag], product: str, topline: str, names: Mapping[MetricRole, str], window: Window
) -> tuple[Evidence, ...]:
    """Which came first, the predictions or the top line, with what that means."""
    return tuple(
        Evidence(
            claim=(
                f"the predictions of {lag.model} ({lag.role.value}) moved at {_when(lag.prediction)}, the "
                f"{'top line of its own' if lag.own else 'top line'} at {_when(lag.topline)}: {_says(lag)}"
            ),
            bearing="against" if lag.too_late else "context",
            effect=Estimate(value=lag.hours, low=lag.low, high=lag.high, level=0.9, unit="hours before the top line"),
            method=LAG_METHOD,
            window=window,
            sources=tuple(
                Source(kind=SourceKind.metric, ref=f"{product}/{name}") for name in (names[lag.role], topline)
            ),
        )
        for lag in lags[:MOST_SHOWN]
    )


def _says(lag: Lag) -> str:
    if lag.too_late:
        return f"{-lag.hours} h [{-lag.high}, {-lag.low}] after it, so they cannot be why it fell"
    if lag.low > 0:
        return f"{lag.hours} h [{lag.low}, {lag.high}] before it, as a cause would"
    return f"{lag.hours:+d} h [{lag.low:+d}, {lag.high:+d}] before it, so which came first is open"


def _when(moment: Moment) -> str:
    at, low, high = (datetime.fromtimestamp(h * HOUR_S, UTC) for h in (moment.at, moment.low, moment.high))
    return f"{at:%d %b %H:00} [{low:%d %b %H:00}, {high:%d %b %H:00}]"
