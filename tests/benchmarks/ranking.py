"""From stored profiles to a ranked list: `python -m tests.benchmarks.ranking [--features 5000] [--rounds 5]`.

Stores a week of hourly profiles of a model in a temporary folder, on 256 bins a feature, with 20 features that shift on
the last day. What is timed is what the shipped tool does when it is asked: read the profiles of the week through the
shipped store, judge and rank all features. Reading and judging are also told apart.

Prints a line a round and one JSON line last: `seconds` is the median.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from knowledge.profiles import BINS, Baseline, Folded, ProfileStore
from tests.tools.ports import InMemoryProfiles
from tests.tools.wide import MODEL, Served, ports, profiles
from tools.contract import Status
from tools.feature_ranking import TOOL, FeatureRankingParams
from tools.records import Window
from tools.stats.profile import Profile

SHIFTED = 20


@dataclass
class Timed(InMemoryProfiles):
    """A port of profiles that counts the time spent in it."""

    store: ProfileStore | None = None
    seconds: list[float] = field(default_factory=list)

    def profiles(self, model: str, window: Window, snapshot: str | None = None) -> Sequence[Profile]:
        begun = time.perf_counter()
        found = self.store.profiles(model, window, snapshot) if self.store else []
        self.seconds.append(time.perf_counter() - begun)
        return found


def main(features: int, rounds: int) -> None:
    """Print one JSON line."""
    served = Served(features, bins=BINS, memory=0.0, swing=0.0)
    with tempfile.TemporaryDirectory(prefix="hawkeye-ranking-") as folder:
        store = _stored(served, Path(folder))
        took = [_round(served, store) for _ in range(rounds)]
    print(json.dumps({"seconds": round(float(np.median(took)), 2)}))


def _stored(served: Served, folder: Path) -> ProfileStore:
    rng = np.random.default_rng(1)
    levels = served.levels(rng)
    levels[-24:, :SHIFTED] += 0.5
    found = profiles(served, levels, rng)
    store = ProfileStore(folder)
    store.fix(MODEL, {name: Baseline(found[0].edges[i], settled=True) for i, name in enumerate(found[0].features)})
    for day in sorted({profile.window.start.date() for profile in found}):
        of_day = [Folded(p, np.arange(p.rows, dtype=np.uint64)) for p in found if p.window.start.date() == day]
        store.update(MODEL, day, lambda _, new=of_day: new)  # type: ignore[misc]
    return store


def _round(served: Served, store: ProfileStore) -> float:
    timed, whole = Timed(store=store), Window(start=served.baseline.start, end=served.window.end)
    platform = replace(ports(list(store.profiles(MODEL, whole)[:1])), profiles=timed)
    params = FeatureRankingParams(model=MODEL, window=served.window, baseline=served.baseline)
    begun = time.perf_counter()
    finding = TOOL.run(params, platform)
    took = time.perf_counter() - begun
    if finding.status is not Status.answered or not 18 <= int(finding.facts["shifted"] or 0) <= SHIFTED + 1:
        raise SystemExit(f"the answer is not what was planted: {finding.headline}")
    print(f"{took:.2f} s, of which {sum(timed.seconds):.2f} s of reading: {finding.headline}")
    return took


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    main(arguments.features, arguments.rounds)
