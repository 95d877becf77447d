"""Small trainings with torch, sound and with planted faults: which does the tool accuse, with no run to compare with?

    python -m tests.benchmarks.training_symptoms [CLEAN] [SEEDS_A_FAULT]

The thresholds come from the literature and were looked at on seeds from 1000 on; these are seeds from 0 on. Keys:
`clean`, `false_alarms`, `faulty`, `found`, and `found_by_fault`.
"""

import json
import sys
from typing import Any

import torch

from tests.benchmarks.small_trainings import FAULTS, recipe, trained
from tests.benchmarks.training_failures import answer


def main(clean: int, seeds: int) -> dict[str, Any]:
    """Trains and asks."""
    torch.set_num_threads(1)
    score: dict[str, Any] = {"clean": clean, "false_alarms": 0, "faulty": 0, "found": 0, "found_by_fault": {}}
    for seed in range(clean):
        finding = answer(trained(recipe(seed)))
        score["false_alarms"] += finding.interesting
        if finding.interesting:
            print(f"false alarm on seed {seed}: {finding.headline}")
    for fault, change in FAULTS.items():
        found = sum(answer(trained(change(recipe(seed)))).interesting for seed in range(seeds))
        score["found_by_fault"][fault] = f"{found} of {seeds}"
        score["faulty"] += seeds
        score["found"] += found
    return score


if __name__ == "__main__":
    asked = [int(argument) for argument in sys.argv[1:3]]
    print(json.dumps(main(*(asked + [28, 3][len(asked) :]))))
