"""Rollout timelines with a known truth: `python -m tests.benchmarks.rollouts [SEEDS] [--first 1]`.

Each scenario of `tests/tools/scenarios.py` (ramps over hours and days, rollbacks, two rollouts at once, one region, an
anomaly before the rollout or in other traffic, rollouts that nothing follows, …) is simulated on SEEDS seeds (20 unless
told otherwise) and asked of rollout_correlation as it is shipped.

Prints a line per scenario and one JSON line last: `right` is the share of right verdicts over all scenarios,
`accused_null` the share of timelines that nothing follows in which a rollout is accused, and `target_right` the share
of the rightly accused whose rollback target is the newest stable snapshot.
"""

import argparse
import json

from tests.tools.scenarios import SCENARIOS, Scenario
from tests.tools.timelines import BASELINE, PRODUCT, TOPLINE, build
from tools.contract import Finding
from tools.rollout_correlation import TOOL, RolloutCorrelationParams

SEEDS = 20


def main(first: int, seeds: int) -> None:
    """Print a line per scenario and one JSON line."""
    right, accused, targets = list[bool](), list[bool](), list[bool]()
    for name, scenario_of in SCENARIOS.items():
        cases = [scenario_of(seed) for seed in range(first, first + seeds)]
        found = [(case, ask(case)) for case in cases]
        verdicts = [case.right(finding) for case, finding in found]
        print(f"{name}: {sum(verdicts)} of {len(verdicts)} right", flush=True)
        right += verdicts
        accused += [f.facts["explains"] is True for case, f in found if case.follows_nothing]
        targets += [f.facts["rollback_target"] == case.target for case, f in found if case.guilty and case.right(f)]
    shares = {"right": right, "accused_null": accused, "target_right": targets}
    print(json.dumps({name: round(sum(values) / len(values), 4) for name, values in shares.items()}))


def ask(case: Scenario) -> Finding:
    """What the shipped tool says about the model."""
    params = RolloutCorrelationParams(
        product=PRODUCT, metric=TOPLINE, model="asked", window=case.plan.window, baseline=BASELINE
    )
    return TOOL.run(params, build(case.plan))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("seeds", nargs="?", type=int, default=SEEDS)
    parser.add_argument("--first", type=int, default=1)
    arguments = parser.parse_args()
    main(arguments.first, arguments.seeds)
