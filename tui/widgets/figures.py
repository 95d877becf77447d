"""Numbers in words that a person reads: what is not known says so, and is never a zero."""

import math

from assistant.wire import Estimate, Evidence


def figure(value: float | None, unit: str = "") -> str:
    """A number to four significant digits with its unit; NaN and None are "not known"."""
    if value is None or math.isnan(value):
        return "not known"
    if math.isinf(value):
        return "infinite" if value > 0 else "minus infinite"
    return _digits(value) + (f" {unit}" if unit and unit != "%" else unit)


def scalar(value: object) -> str:
    """A fact's value in words."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return figure(value) if isinstance(value, int | float) else str(value)


def interval(effect: Estimate) -> str:
    """An effect with its interval, for example "-6.1 points (95% interval -7.4 to -4.8)"."""
    if math.isnan(effect.low) and math.isnan(effect.high):
        return f"{figure(effect.value, effect.unit)} (interval not known)"
    bounds = f"{figure(effect.low)} to {figure(effect.high)}"
    return f"{figure(effect.value, effect.unit)} ({effect.level:.0%} interval {bounds})"


def tests(evidence: Evidence) -> list[str]:
    """The figures of the test behind a claim: its q or p value and its number of observations, where recorded."""
    found = []
    if evidence.q_value is not None:
        found.append(f"q {figure(evidence.q_value)}")
    elif evidence.p_value is not None:
        found.append(f"p {figure(evidence.p_value)}")
    if evidence.n is not None:
        found.append(f"n {evidence.n:,}")
    if evidence.n_effective is not None:
        found.append(f"worth {figure(evidence.n_effective)} independent")
    return found


def _digits(value: float) -> str:
    if value == 0:
        return "0"
    if abs(value) >= 1e9 or abs(value) < 1e-4:
        return f"{value:.1e}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"
