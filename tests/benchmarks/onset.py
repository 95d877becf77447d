"""When did it start, on hours that remember: `python -m tests.benchmarks.onset [DIR] [--seed 1]`.

Runs the onset that rollout_correlation reports, as it comes out of a cube: the hourly contrast of a model with the
others over a window of 21 hours, the day before it and a baseline of two weeks. The contrast is AR(1) noise; it is
left alone, or steps or ramps up by 1 to 3 of its standard deviations at a known hour.

It makes its own series: DIR, which all benchmarks take, is not read.

Prints a line per kind of series and one JSON line last: `false_onset_ar05` and `false_onset_ar08` are the shares of
series without a change in which an onset was found, `coverage` the share of the onsets found in changed series whose
interval holds the true hour, `coverage_min` the same of the worst noise and shape, `power` the share of the changed
series in which one was found, and `width_h` the median width of the intervals in hours.
"""

import argparse
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from scipy.signal import lfilter

from tools.records import Cube, MetricRole, Window
from tools.stats.blocks import HOUR_S
from tools.stats.contrast_onset import LEAD_H, ContrastOnset, contrast_onset
from tools.stats.panel import Floats

NULLS, PER_CELL = 600, 60
MEMORIES = (0.5, 0.8)
RAMPS_H = (0, 6, 12)
SIZES = (1.0, 2.0, 3.0)
FIRST = datetime(2013, 4, 10, 11, tzinfo=UTC)
BASELINE = Window(start=FIRST, end=FIRST + timedelta(days=14))
WINDOW = Window(start=BASELINE.end, end=BASELINE.end + timedelta(hours=21))
HOURS = 14 * 24 + 21
EARLIEST, LATEST = HOURS - 21 - LEAD_H // 2, HOURS - 9
"""Changes set in from half a day before the window on, and leave nine hours to be seen in."""
NOISE = 0.1
"""A standard deviation of the contrast is a tenth of the log loss."""


@dataclass(frozen=True)
class Trial:
    """A changed series: whether an onset was found, whether its interval holds the true one, and how wide it is."""

    found: bool
    covers: bool
    width_h: int


def main(seed: int) -> None:
    """Print one JSON line."""
    rng = np.random.default_rng(seed)
    false = {memory: false_onsets(memory, rng) for memory in MEMORIES}
    trials = {
        (memory, ramp_h, size): [trial(memory, ramp_h, size, rng) for _ in range(PER_CELL)]
        for memory in MEMORIES
        for ramp_h in RAMPS_H
        for size in SIZES
    }
    for (memory, ramp_h, size), cell in trials.items():
        shape = f"ramp of {ramp_h} h" if ramp_h else "step"
        print(f"AR({memory}), {shape} of {size:.0f} deviations: {json.dumps(_summary(cell))}", flush=True)
    by_shape = [
        _summary([t for size in SIZES for t in trials[memory, ramp_h, size]])["coverage"]
        for memory in MEMORIES
        for ramp_h in RAMPS_H
    ]
    changed = [t for cell in trials.values() for t in cell]
    figures = {"false_onset_ar05": false[0.5], "false_onset_ar08": false[0.8], **_summary(changed)}
    print(json.dumps({**figures, "coverage_min": min(by_shape), "n_null": NULLS, "n": len(changed)}))


def false_onsets(memory: float, rng: np.random.Generator) -> float:
    """The share of unchanged series with an onset."""
    found = [find(autoregressive(memory, rng)) for _ in range(NULLS)]
    return round(sum(o is not None and o.found for o in found) / NULLS, 4)


def trial(memory: float, ramp_h: int, size: float, rng: np.random.Generator) -> Trial:
    """One series that changes by `size` deviations within `ramp_h` hours (at once where 0)."""
    start = int(rng.integers(EARLIEST, LATEST + 1))
    since = np.arange(HOURS) - start
    shift = np.clip((since + 1) / ramp_h, 0, 1) if ramp_h else (since >= 0).astype(float)
    found = find(autoregressive(memory, rng) + size * shift)
    if found is None or not found.found:
        return Trial(False, False, 0)
    hour = int(BASELINE.start.timestamp()) // HOUR_S + start
    return Trial(True, found.low <= hour <= found.high, found.high - found.low)


def find(series: Floats) -> ContrastOnset | None:
    """What the shipped function says of float64[HOURS] as the contrast of one of two models."""
    ts = np.repeat(int(BASELINE.start.timestamp()) + HOUR_S * np.arange(HOURS), 2)
    model = np.tile(np.array(["changing", "steady"]), HOURS)
    shown = np.full(2 * HOURS, 1000.0)
    loss = shown * np.where(model == "changing", np.exp(NOISE * np.repeat(series, 2)), 1.0)
    cube = Cube(ts, {"model": model}, loss, shown)
    return contrast_onset(cube, MetricRole.log_loss, "high", "changing", WINDOW, BASELINE)


def autoregressive(memory: float, rng: np.random.Generator) -> Floats:
    """Stationary AR(1) noise of deviation 1, float64[HOURS]."""
    warm_up = 200
    steps = rng.normal(size=HOURS + warm_up) * np.sqrt(1 - memory**2)
    noise: Floats = lfilter([1.0], [1.0, -memory], steps)[warm_up:]
    return noise


def _summary(trials: list[Trial]) -> dict[str, float]:
    found = [t for t in trials if t.found]
    return {
        "coverage": round(sum(t.covers for t in found) / max(len(found), 1), 4),
        "power": round(len(found) / len(trials), 4),
        "width_h": float(np.median([t.width_h for t in found])) if found else float("nan"),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--seed", type=int, default=1)
    main(parser.parse_args().seed)
