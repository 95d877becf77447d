"""A wide cube of minutes: `python -m tests.benchmarks.isolation_wide [DIR] [--rows 1000000]`.

Ten dimensions of fifty values, the model among them, over seven days of minutes, with uneven traffic. In the last day
one combination of two values loses half of its good outcomes. model_isolation gets the cube as it is.

It makes its own points: DIR, which all benchmarks take, is not read.

Prints one JSON line: `seconds` of the tool, `x_read` the same as a multiple of summing the cube by minute once, and
`found`, whether the fact `combination` is the planted one.
"""

import argparse
import json
import time
from datetime import UTC, datetime, timedelta

import numpy as np

from tests.tools.ports import InMemoryPorts
from tools.model_isolation import TOOL, ModelIsolationParams
from tools.records import Cube, Metric, MetricRole, Model, Product, Window

VALUES = np.array([f"v{i:02d}" for i in range(50)])
SEGMENTS = tuple(f"d{i}" for i in range(9))
DAYS, MINUTES = 7, 1440
FIRST = datetime(2024, 3, 1, tzinfo=UTC)
BASELINE = Window(start=FIRST, end=FIRST + timedelta(days=DAYS - 1))
WINDOW = Window(start=BASELINE.end, end=FIRST + timedelta(days=DAYS))
PLANTED = {"d1": "v02", "d3": "v01"}
PRODUCT, TOPLINE = "shop", "good_share"


def main(rows: int, seed: int) -> None:
    """Print one JSON line."""
    points = wide(rows, np.random.default_rng(seed))
    ports = InMemoryPorts()
    metric = Metric(name=TOPLINE, role=MetricRole.topline, better="higher", title="good outcomes")
    ports.metrics.products[PRODUCT] = Product(product=PRODUCT, title="shop", metrics=(metric,))
    ports.metrics.cubes[PRODUCT, TOPLINE] = points
    ports.models.by_name |= {str(name): Model(model=str(name), product=PRODUCT, title=str(name)) for name in VALUES}
    params = ModelIsolationParams(product=PRODUCT, metric=TOPLINE, window=WINDOW, baseline=BASELINE)
    begun = time.perf_counter()
    for weights in (points.numerator, points.denominator):
        np.bincount((points.ts - points.ts[0]) // 60, weights=weights)
    read = time.perf_counter()
    facts = TOOL.run(params, ports).facts
    took = time.perf_counter() - read
    found = facts["combination"] == " & ".join(f"{name}={value}" for name, value in PLANTED.items())
    print(json.dumps({"seconds": round(took, 2), "x_read": round(took / (read - begun), 1), "found": found}))


def wide(rows: int, rng: np.random.Generator) -> Cube:
    """The points, by time."""
    ts = np.sort(int(FIRST.timestamp()) + 60 * rng.integers(0, DAYS * MINUTES, rows))
    dims = {name: VALUES[np.minimum((rng.pareto(1, rows) * 3).astype(int), 49)] for name in SEGMENTS}
    dims["model"] = VALUES[rng.integers(0, len(VALUES), rows)]
    shown = rng.poisson(30, rows)
    bad = ts >= WINDOW.start.timestamp()
    for name, value in PLANTED.items():
        bad &= dims[name] == value
    good = rng.binomial(shown, np.where(bad, 0.1, 0.3))
    return Cube(ts, dims, good.astype(float), shown.astype(float))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    main(given.rows, given.seed)
