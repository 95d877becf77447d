"""How long two tools take, as a ratio of the reading of their inputs once: `python -m tests.benchmarks.tools_speed`.

`isolation_x_read`: model_isolation on five cubes of about 500,000 rows, against summing those cubes by hour once.
`ranking_x_read`: feature_ranking on 50 features × 21 days of hourly profiles, against adding up their histograms once.
"""

import json
import time
from collections.abc import Callable

import numpy as np

from tests.tools.cubes import World, build
from tests.tools.served import served
from tests.tools.test_feature_ranking import answer, nulls
from tests.tools.test_model_isolation import isolate, map_cubes
from tools.records import Cube

HOSTS = np.array([f"b{i}" for i in range(5)])


def main() -> None:
    """Print one JSON line."""
    print(json.dumps({"isolation_x_read": round(_isolation(), 1), "ranking_x_read": round(_ranking(), 1)}))


def _isolation() -> float:
    ports = build(World(seed=1))
    map_cubes(ports, _on_five_hosts)
    cubes = list(ports.metrics.cubes.values())

    def read() -> None:
        for cube in cubes:
            hours = (cube.ts - cube.ts.min()) // 3600
            np.bincount(hours, weights=cube.numerator)
            np.bincount(hours, weights=cube.denominator)

    return _seconds(lambda: isolate(ports)) / _seconds(read)


def _ranking() -> float:
    profiles = served(50, 0, nulls, per_hour=4)
    return _seconds(lambda: answer(profiles)) / _seconds(lambda: sum(p.histogram for p in profiles))


def _on_five_hosts(cube: Cube) -> Cube:
    rows, copy = np.repeat(np.arange(len(cube)), 5), np.tile(np.arange(5), len(cube))
    bigger = cube.where(rows)
    return Cube(bigger.ts, {**bigger.dims, "infra.host": HOSTS[copy]}, bigger.numerator, bigger.denominator)


def _seconds(job: Callable[[], object]) -> float:
    """The best of three runs."""
    took = []
    for _ in range(3):
        begun = time.perf_counter()
        job()
        took.append(time.perf_counter() - begun)
    return min(took)


if __name__ == "__main__":
    main()
