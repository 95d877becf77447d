"""Figures in words: numbers, intervals, p values, windows. The same everywhere that a report is read."""

import math
from datetime import datetime

from assistant.wire import Estimate, Evidence, Window


def number(value: float | int | str | bool | None) -> str:
    """A figure with as many digits as a reader can use; NaN is "not known", and a yes or no is a word."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return "not known"
    if math.isinf(value):
        return "infinite" if value > 0 else "minus infinite"
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e6):
        return f"{int(value):,}"
    return f"{value:.3g}"


def estimate(effect: Estimate) -> str:
    """Like "-0.12 pp [-0.15, -0.09]"; an interval that could not be had is said to be unknown."""
    unit = f" {effect.unit}" if effect.unit else ""
    if math.isnan(effect.low) and math.isnan(effect.high):
        return f"{number(effect.value)}{unit}, interval not known"
    return f"{number(effect.value)}{unit} [{number(effect.low)}, {number(effect.high)}] at {effect.level:.0%}"


def probability(name: str, value: float) -> str:
    """Like "p 0.003"; below 1e-16 the digits mean nothing."""
    if math.isnan(value):
        return f"{name} not known"
    return f"{name} < 1e-16" if value < 1e-16 else f"{name} {value:.2g}"


def span(window: Window) -> str:
    """Like "2013-05-04 11:00 to 05-05 08:00 UTC"; the year stands twice only where it changes."""
    same_year = window.start.year == window.end.year
    return f"{window.start:%Y-%m-%d %H:%M} to {window.end:{'%m-%d %H:%M' if same_year else '%Y-%m-%d %H:%M'}} UTC"


def moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def support(evidence: Evidence) -> str:
    """What stands behind a claim: effect, p and q, n, window, method and sources, each where there is one."""
    parts = []
    if evidence.effect is not None:
        parts.append(estimate(evidence.effect))
    if evidence.p_value is not None:
        parts.append(probability("p", evidence.p_value))
    if evidence.q_value is not None:
        parts.append(probability("q", evidence.q_value))
    if evidence.n is not None:
        parts.append(f"n {evidence.n:,}")
    if evidence.n_effective is not None:
        parts.append(f"n effective {number(evidence.n_effective)}")
    if evidence.window is not None:
        parts.append(span(evidence.window))
    if evidence.method is not None:
        parts.append(evidence.method)
    parts.extend(f"{source.kind.value} {source.ref}" for source in evidence.sources)
    return " · ".join(parts)
