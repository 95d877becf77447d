"""A search of combinations in words."""

from typing import Literal

from tools.evidence import Estimate, Evidence, Source, SourceKind
from tools.records import Window
from tools.stats.attribution import Attribution
from tools.stats.combination_effects import CombinationEffect, Combinations
from tools.stats.cuboids import text

BLOCKS_METHOD = (
    "Mantel-Haenszel contrast in the same hours against its own baseline days (t prediction interval), "
    "Benjamini-Hochberg over all combinations that were looked at"
)
STEPS_METHOD = (
    "rate against the rest in the same steps of time, variances drawn to what is common among all single values "
    "(moderated t), Benjamini-Hochberg over all combinations that were looked at"
)
SHOWN = 3


def combination_evidence(
    found: Attribution, searched: Combinations, causes: tuple[CombinationEffect, ...], source: str, window: Window
) -> tuple[Evidence, ...]:
    """The claims of the combinations that are named, or of the first of the ranking where the factor is open."""
    if not causes and found.factor in ("none", "model", "traffic"):
        return ()
    shown = [t for t in searched.tested if t.departure.known][:SHOWN]
    shown = [*causes, *(t for t in shown if t not in causes)][: max(len(causes), 1)]
    return tuple(_claim(t, searched, t in causes, source, window) for t in shown)


def _claim(tested: CombinationEffect, searched: Combinations, is_cause: bool, source: str, window: Window) -> Evidence:
    departure = tested.departure
    bearing: Literal["for", "context"] = "for" if is_cause else "context"
    stretch = f" in the first {_duration(searched.length_s)}" if searched.length_s is not None else ""
    return Evidence(
        claim=(
            f"{text(tested.combination)} moved by {departure.effect:+.3g} against the rest{stretch} and makes "
            f"{tested.share:.0%} of the drop; {searched.looked} combinations were looked at"
        ),
        bearing=bearing,
        effect=Estimate(value=departure.effect, low=departure.low, high=departure.high),
        method=BLOCKS_METHOD if searched.length_s is None else STEPS_METHOD,
        p_value=departure.p_value,
        q_value=tested.q_value,
        n=departure.blocks,
        window=window,
        sources=(Source(kind=SourceKind.metric, ref=source),),
    )


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{seconds} s" if rest or not minutes else f"{minutes} min"
