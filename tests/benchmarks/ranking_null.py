"""Nothing is planted, and who is accused? And a fifth of a standard deviation planted, and who is found?

    python -m tests.benchmarks.ranking_null [--runs 150] [--wide 6] [--planted 20] [--seed 701]

The shipped tool with its defaults on the profiles of sound worlds (see `ranking_world`): 200 features each, and a few
worlds of 5,000, of all baselines, windows and weekdays. An accusation is `broken` or any `suspects`. Planted: 20 of 200
features move by 0.2 standard deviations in the window, 100,000 rows in all, where hours differ by nothing but their
rows and where they swing (AR .7, a twentieth of a standard deviation). What was looked at while rules were made are
seeds below 700 and from 1000 on, and not these.

Prints each accusation, and one JSON line last: `accused` of `runs` with the exact 95% interval of the rate (Clopper &
Pearson 1934), the same of `wide` worlds, `shifted_runs` (runs in which any feature is said to have moved),
`shifted_features` (the share of features), `found` and `false` of the planted, the worst run of each.
"""

import argparse
import json
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tests.benchmarks.ranking_world import MODEL, Change, Rows, World, ports, served
from tools.contract import Finding, Status
from tools.feature_ranking import TOOL, FeatureRankingParams

PLANTED, SIZE, ROWS = 20, 0.2, 100_000


@dataclass
class Counted:
    """What was said in so many runs."""

    runs: int = 0
    accused: int = 0
    shifted_runs: int = 0
    shifted: int = 0
    features: int = 0

    def add(self, world: World, finding: Finding) -> None:
        self.runs, self.features = self.runs + 1, self.features + world.features
        self.shifted_runs += bool(finding.facts["shifted"])
        self.shifted += int(finding.facts["shifted"] or 0)
        if finding.facts["broken"] or finding.facts["suspects"]:
            self.accused += 1
            print(f"{world}: {finding.headline}", flush=True)

    def told(self) -> dict[str, object]:
        low, high = exact_interval(self.accused, self.runs)
        return {
            "runs": self.runs,
            "accused": self.accused,
            "accused_low": round(low, 4),
            "accused_high": round(high, 4),
            "shifted_runs": self.shifted_runs,
            "shifted_features": round(self.shifted / max(self.features, 1), 5),
        }


def main(runs: int, wide: int, planted: int, seed: int) -> None:
    """Print one JSON line."""
    many, few = Counted(), Counted()
    for s in range(seed, seed + runs):
        many.add(world := null_world(s), answer(world))
    for s in range(seed, seed + wide):
        few.add(world := null_world(s, features=5000), answer(world))
    found: dict[str, object] = {**many.told(), "wide": few.told()}
    for name, swing in (("planted", 0.0), ("planted_with_memory", 0.05)):
        told = [planted_run(s, swing) for s in range(seed, seed + planted)]
        found[name] = {
            "runs": planted,
            "found_least": min((hits for hits, _ in told), default=None),
            "false_most": max((false for _, false in told), default=None),
            "found_mean": float(np.mean([hits for hits, _ in told])) if told else None,
            "false_mean": float(np.mean([false for _, false in told])) if told else None,
        }
    print(json.dumps(found))


def null_world(seed: int, features: int = 200) -> World:
    """A world of some baseline, window and weekday; a wide one has a week and few rows, to fit the memory."""
    rng = np.random.default_rng([seed, 2])
    days, hours = (int(rng.choice(some)) for some in ((7, 14, 21), (6, 13, 24, 36)))
    weekday, per_hour = int(rng.integers(7)), float(rng.choice([15.0, 60.0]))
    if features > 200:
        days, per_hour = 7, 15.0
    return World(seed, features, days, hours, weekday, per_hour)


def planted_run(seed: int, swing: float) -> tuple[int, int]:
    """How many of the planted features are said to have moved, and how many others."""
    days = 7
    world = World(seed, 200, days, 24, per_hour=ROWS / (24 * (days + 1)), kinds=("plain",))
    rng = np.random.default_rng([seed, 3])
    chosen = rng.choice(world.features, PLANTED, replace=False)
    levels = swing * rng.normal(0, 1, (world.length, world.features))

    def move(rows: Rows, hour: np.ndarray, first: int) -> None:
        for t in range(1, world.length):
            levels[t] = 0.7 * levels[t - 1] + np.sqrt(1 - 0.7**2) * levels[t]
        rows[:, :-1] += levels[hour]
        rows[np.ix_(hour >= first, chosen)] += SIZE

    finding = answer(world, move)
    assert finding.result is not None
    moved = {state["feature"] for state in finding.result["features"] if state["shifted"] or state["broken"]}
    true = {f"plain_{i:04d}" for i in chosen}
    return len(moved & true), len(moved - true)


def answer(world: World, change: Change | None = None) -> Finding:
    """What the shipped tool says of a world."""
    found = served(world, change)
    params = FeatureRankingParams(model=MODEL, window=world.window, baseline=world.baseline)
    finding = TOOL.run(params, ports(found))
    if finding.status is not Status.answered:
        raise SystemExit(f"{world} was not answered: {finding.headline}")
    return finding


def exact_interval(hits: int, runs: int, sure: float = 0.95) -> tuple[float, float]:
    """The interval of a rate (Clopper & Pearson 1934)."""
    tail = (1 - sure) / 2
    low = float(stats.beta.ppf(tail, hits, runs - hits + 1)) if hits else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, runs - hits)) if hits < runs else 1.0
    return low, high


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=150)
    parser.add_argument("--wide", type=int, default=6)
    parser.add_argument("--planted", type=int, default=20)
    parser.add_argument("--seed", type=int, default=701)
    arguments = parser.parse_args()
    main(arguments.runs, arguments.wide, arguments.planted, arguments.seed)
