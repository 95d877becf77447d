"""How often a sound daily partition of 50 columns is accused, and which faults of one partition are found.

    python -m tests.benchmarks.partitions [STREAMS] [FIRST_SEED]

Each stream is 42 days of history and a month of 28 sound days, judged one by one by the shipped tool with its defaults.
Into six days of the month each fault is planted, one at a time. No threshold was set on these seeds: p values come from
the errors of each history; what was looked at while this was written are seeds from 1000 on. Keys:
`false_alarms_per_month` (partitions accused), `found` by kind, `seconds_per_partition`.
"""

import json
import sys
import time
from datetime import timedelta
from typing import Any

import numpy as np
from scipy import stats

from tests.benchmarks.daily_partitions import FAULTS, MONDAY, Profiles, Stream
from tests.tools.ports import InMemoryPorts
from tools.contract import Finding
from tools.records import Model, PartitionRead, Snapshot, TrainingRun, Window
from tools.training_data import TOOL, TrainingDataParams

HISTORY, MONTH, PLANTED = 42, 28, 6


def main(streams: int, first: int) -> dict[str, Any]:
    """Judges every day, and counts."""
    alarms, seconds, asked = 0, 0.0, 0
    found = {fault.kind: 0 for fault in FAULTS}
    for seed in range(first, first + streams):
        profiles = Profiles(Stream(seed, HISTORY + MONTH))
        days = [profiles.of(day) for day in range(HISTORY + MONTH)]
        for day in range(HISTORY, HISTORY + MONTH):
            begun = time.perf_counter()
            finding = judged(days[: day + 1])
            seconds, asked = seconds + time.perf_counter() - begun, asked + 1
            alarms += finding.interesting
            if finding.interesting:
                print(f"false alarm, seed {seed}, day {day}: {finding.headline}")
        for fault in FAULTS:
            rng = np.random.default_rng([seed, 3])
            for day in HISTORY + rng.choice(MONTH, PLANTED, replace=False):
                finding = judged([*days[:day], profiles.of(int(day), fault)])
                found[fault.kind] += finding.interesting
                if not finding.interesting:
                    print(f"missed, seed {seed}, day {day}: {fault.kind}")
    planted = streams * PLANTED
    return {
        "months": streams,
        "false_alarms_per_month": alarms / streams,
        "false_alarms_interval": [
            round(float(stats.chi2.ppf(level, df)) / 2 / streams, 2) if df else 0.0
            for level, df in ((0.025, 2 * alarms), (0.975, 2 * alarms + 2))
        ],
        "found": {kind: [round(count / planted, 3), *_interval(count, planted)] for kind, count in found.items()},
        "planted": planted,
        "seconds_per_partition": round(seconds / asked, 3),
    }


def _interval(count: int, of: int) -> tuple[float, float]:
    told = stats.binomtest(count, of).proportion_ci()
    return round(float(told.low), 3), round(float(told.high), 3)


def judged(days: list[PartitionRead]) -> Finding:
    """What the tool says of the snapshot that was trained on the last of these days; each had a run of its own."""
    ports = InMemoryPorts()
    for number, partition in enumerate(days):
        begun = MONDAY + timedelta(days=number + 1, hours=4)
        run = TrainingRun(run=f"run/{number:03d}", model="m", started_at=begun, partitions=(partition,))
        ports.training.by_run[run.run] = run
    ports.models.by_name["m"] = Model(model="m", product="p", title="m")
    published = begun + timedelta(hours=1)
    ports.models.all_snapshots.append(
        Snapshot(snapshot="m/new", model="m", published_at=published, training_run=run.run)
    )
    window = Window(start=begun, end=published)
    before = Window(start=begun - timedelta(days=14), end=begun)
    return TOOL.run(TrainingDataParams(snapshot="m/new", product="p", window=window, baseline=before), ports)


if __name__ == "__main__":
    asked_for = [int(argument) for argument in sys.argv[1:3]]
    print(json.dumps(main(*(asked_for + [4, 0][len(asked_for) :]))))
