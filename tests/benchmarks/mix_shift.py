"""Forty models whose traffic moves, one of them worse: `python -m tests.benchmarks.mix_shift [DIR] [--seed 1]`.

Every model serves three segments with base rates of 60, 75 and 90 in 100, each of which swings from day to day and
remembers. How a model's traffic splits over the segments wanders by the day, and in the window it moves strongly and
for each model differently. In half of the trials one model loses 10 in 100 of its good outcomes in the window; in the
others nothing is planted. model_isolation gets the top line and the registered models, and nothing else.

It makes its own traffic: DIR, which all benchmarks take, is not read.

Prints one JSON line: `top1` is the share of planted trials whose fact `model` is the planted one, `found` the share in
which that model is accused too, `accused_null` the share of the others in which anybody is (a factor of "model", or
model_degraded), and `within_z_top1` how often the worst z score within segments, before against after, names the
planted one.
"""

import argparse
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from scipy.signal import lfilter

from tests.tools.ports import InMemoryPorts
from tools.model_isolation import TOOL, ModelIsolationParams
from tools.records import Cube, Metric, MetricRole, Model, Product, Window
from tools.stats.panel import Floats

TRIALS = 150
MODELS = tuple(f"m{i:02d}" for i in range(40))
SEGMENTS, RATES = ("gold", "silver", "tin"), np.array([0.9, 0.75, 0.6])
LOSS = 0.1
DAYS, HOURS = 14, 24
FIRST = datetime(2013, 4, 10, tzinfo=UTC)
BASELINE = Window(start=FIRST, end=FIRST + timedelta(days=DAYS))
WINDOW = Window(start=BASELINE.end, end=BASELINE.end + timedelta(days=1))
PRODUCT, TOPLINE = "shop", "good_share"
MEMORY, SWING = 0.7, 0.2
"""What a day keeps of the last one's swing, and the deviation of the swings in log odds."""
USUAL_MIX, WINDOW_MIX = 0.3, 1.5
"""Deviations of the log weights of the segments in a model's traffic: day by day, and of the move in the window."""
PER_HOUR = 100.0


@dataclass(frozen=True)
class Counts:
    """Good and all outcomes, float64[models, segments, days, hours]; the last day is the window."""

    good: Floats
    shown: Floats


def main(seed: int) -> None:
    """Print one JSON line."""
    rng = np.random.default_rng(seed)
    hits = {"top1": 0, "found": 0, "within_z_top1": 0}
    accused = 0
    for _ in range(TRIALS):
        bad = int(rng.integers(len(MODELS)))
        counts = simulate(bad, rng)
        model, is_accused = isolate(counts)
        hits["top1"] += model == MODELS[bad]
        hits["found"] += model == MODELS[bad] and is_accused
        hits["within_z_top1"] += int(np.argmin(within_z(counts))) == bad
        accused += isolate(simulate(None, rng))[1]
    shares = {name: round(count / TRIALS, 4) for name, count in hits.items()}
    print(json.dumps({**shares, "accused_null": round(accused / TRIALS, 4), "n": TRIALS, "n_null": TRIALS}))


def simulate(bad: int | None, rng: np.random.Generator) -> Counts:
    """One history of all models; `bad` is the index of the planted one."""
    shape = (len(MODELS), len(SEGMENTS), DAYS + 1, HOURS)
    mix = USUAL_MIX * _remembering((*shape[:2], DAYS + 1), rng)
    mix[..., -1] += WINDOW_MIX * rng.normal(size=shape[:2])
    share = np.exp(mix) / np.exp(mix).sum(axis=1, keepdims=True)
    of_day = 0.4 + np.sin(np.pi * np.arange(HOURS) / HOURS)
    size = PER_HOUR * rng.lognormal(0, 0.5, len(MODELS))[:, None, None, None]
    shown = rng.poisson(size * share[..., None] * of_day).astype(float)
    day = SWING * _remembering((1, len(SEGMENTS), DAYS + 1), rng)
    own = SWING / 5 * _remembering((*shape[:2], DAYS + 1), rng)
    rate = 1 / (1 + np.exp(-(np.log(RATES / (1 - RATES))[:, None] + day + own)))[..., None] * np.ones(shape)
    if bad is not None:
        rate[bad, :, -1] *= 1 - LOSS
    return Counts(rng.binomial(shown.astype(np.int64), rate).astype(float), shown)


def isolate(counts: Counts) -> tuple[str | None, bool]:
    """The fact `model`, and whether a model is accused."""
    params = ModelIsolationParams(product=PRODUCT, metric=TOPLINE, window=WINDOW, baseline=BASELINE)
    facts = TOOL.run(params, ports_of(counts)).facts
    model = facts["model"]
    return (str(model) if model else None), facts["factor"] == "model" or facts["model_degraded"] is True


def ports_of(counts: Counts) -> InMemoryPorts:
    """The cube of the counts behind in-memory ports, sorted as the contract says."""
    day, hour, model, segment = (a.ravel() for a in np.indices((DAYS + 1, HOURS, len(MODELS), len(SEGMENTS))))
    good, shown = (np.moveaxis(a, (0, 1), (2, 3)).ravel() for a in (counts.good, counts.shown))
    ts = int(FIRST.timestamp()) + 3600 * (HOURS * day + hour)
    dims = {"model": np.array(MODELS)[model], "segment": np.array(SEGMENTS)[segment]}
    ports = InMemoryPorts()
    metric = Metric(name=TOPLINE, role=MetricRole.topline, better="higher", title="good outcomes")
    ports.metrics.products[PRODUCT] = Product(product=PRODUCT, title="shop", metrics=(metric,))
    ports.metrics.cubes[PRODUCT, TOPLINE] = Cube(ts, dims, good, shown).where(shown > 0)
    for name in MODELS:
        ports.models.by_name[name] = Model(model=name, product=PRODUCT, title=name)
    return ports


def within_z(counts: Counts) -> Floats:
    """The reference, float64[models]: the change of the rates within segments in binomial standard errors, each
    segment weighing as the model's traffic of the window does."""
    good, shown = counts.good.sum(-1), counts.shown.sum(-1)
    before, now = good[..., :-1].sum(-1) / shown[..., :-1].sum(-1), good[..., -1] / np.maximum(shown[..., -1], 1)
    weight = shown[..., -1] / shown[..., -1].sum(1, keepdims=True)
    variance = before * (1 - before) * (1 / np.maximum(shown[..., -1], 1) + 1 / shown[..., :-1].sum(-1))
    z: Floats = (weight * (now - before)).sum(1) / np.sqrt((weight**2 * variance).sum(1))
    return z


def _remembering(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """AR(1) noise of deviation 1 along the last axis, the days."""
    warm_up = 30
    steps = rng.normal(size=(*shape[:-1], shape[-1] + warm_up)) * np.sqrt(1 - MEMORY**2)
    noise: Floats = lfilter([1.0], [1.0, -MEMORY], steps, axis=-1)[..., warm_up:]
    return noise


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--seed", type=int, default=1)
    main(parser.parse_args().seed)
