"""A series as one line of block characters, for a report that is read in a terminal or a mail."""

import math
from collections.abc import Sequence
from itertools import pairwise

BLOCKS = "▁▂▃▄▅▆▇█"
GAP = "·"
MARK = "│"


def sparkline(values: Sequence[float], mark: int | None = None, width: int = 60) -> str:
    """`values` from left to right, the lowest as ▁ and the highest as █; what is not finite is a gap.

    More values than `width` are averaged in equal groups. A │ stands before the value at index `mark`.
    """
    groups = _grouped(values, width)
    finite = [v for v in groups if math.isfinite(v)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    line = "".join(_block(v, low, high) for v in groups)
    if mark is None or not 0 <= mark < len(values):
        return line
    at = mark * len(groups) // len(values)
    return line[:at] + MARK + line[at:]


def _grouped(values: Sequence[float], width: int) -> list[float]:
    n = min(width, len(values))
    bounds = [i * len(values) // n for i in range(n + 1)] if n else [0]
    return [_mean(values[start:end]) for start, end in pairwise(bounds)]


def _mean(values: Sequence[float]) -> float:
    finite = [v for v in values if math.isfinite(v)]
    return math.fsum(finite) / len(finite) if finite else math.nan


def _block(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return GAP
    if high <= low:
        return BLOCKS[len(BLOCKS) // 2]
    # Scaled before subtracting, so that a range beyond the largest float does not overflow.
    share = (value / 2 - low / 2) / (high / 2 - low / 2)
    return BLOCKS[min(int(share * len(BLOCKS)), len(BLOCKS) - 1)]
