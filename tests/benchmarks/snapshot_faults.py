"""Twenty kinds of fault in a model's daily training: `python -m tests.benchmarks.snapshot_faults [SEED ...]`.

For each seed (0 to 9 where none is named) a small DLRM learns forward for 10 days and 15 more, which are published as
stable snapshots: 14 earlier updates. The next day goes wrong in each of twenty ways, and without any fault the training
goes on for 10 days, each of which is asked about with the 15 snapshots before it. The shipped tool is asked as it is.

Prints a line per kind and one JSON line last: `detected` is the number of the 20 kinds found to be unusual, on average
over the seeds (a kind with two variants counts each as a half); `localised` the share of those detected, of the faults
that are in one place, whose right tensor comes first, and the right column where it is a column; `false_alarms` the
share of the normal days that are called unusual.
"""

import json
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch

from tests.benchmarks.training_faults import Fault, history
from tests.benchmarks.training_world import State
from tests.tools.ports import InMemoryModels, InMemoryPorts, InMemoryWeights
from tools.contract import Scalar
from tools.records import Snapshot, Standing
from tools.snapshot_diff import TOOL, SnapshotDiffParams

WARM_UP, DAYS, NORMAL_DAYS = 10, 15, 10
START = datetime(2013, 5, 1, 9, tzinfo=UTC)


class Answer(NamedTuple):
    """What the tool said of one fault; `located` is None where the fault is in no particular place."""

    kind: str
    variant: str
    detected: bool
    located: bool | None
    story: Scalar
    tensor: Scalar


class Trial(NamedTuple):
    """All answers of a seed, and which of its normal days were called unusual."""

    answers: list[Answer]
    alarms: list[bool]


def main(seeds: list[int]) -> None:
    """Run the seeds, two at a time."""
    with ProcessPoolExecutor(2) as pool:
        trials = list(pool.map(trial, seeds))
    answers = [answer for one in trials for answer in one.answers]
    for (kind, variant), of_kind in groupby(sorted(answers), key=lambda answer: (answer.kind, answer.variant)):
        print(_line(f"{kind} {variant}".strip(), list(of_kind)))
    alarms = [alarm for one in trials for alarm in one.alarms]
    located = [answer.located for answer in answers if answer.detected and answer.located is not None]
    summary = {
        "detected": round(sum(_share_of_kind(answers, kind) for kind in {answer.kind for answer in answers}), 2),
        "localised": round(float(np.mean(located)), 4),
        "false_alarms": round(float(np.mean(alarms)), 4),
        "kinds": len({answer.kind for answer in answers}),
        "seeds": len(seeds),
        "normal_days": len(alarms),
    }
    print(json.dumps(summary))


def _share_of_kind(answers: list[Answer], kind: str) -> float:
    return float(np.mean([answer.detected for answer in answers if answer.kind == kind]))


def _line(name: str, answers: list[Answer]) -> str:
    detected = [answer for answer in answers if answer.detected]
    stories = sorted({str(answer.story) for answer in detected})
    line = f"{name:<28} {len(detected):>3} of {len(answers)}"
    located = [answer.located for answer in detected if answer.located is not None]
    return f"{line}  {f'{sum(located)} at its place' if located else '':<16} {', '.join(stories)}"


def trial(seed: int) -> Trial:
    """One world: its faults and its normal days."""
    torch.set_num_threads(1)
    world = history(seed, WARM_UP, DAYS, NORMAL_DAYS)
    answers = [_of_fault(fault, ask([*world.states, state])) for fault, state in world.faulty]
    line = [*world.states, *world.normal]
    alarms = [ask(line[day - DAYS : day + 1])["unusual"] is True for day in range(DAYS, len(line))]
    return Trial(answers, alarms)


def _of_fault(fault: Fault, facts: Mapping[str, Scalar]) -> Answer:
    tensor, column = str(facts["tensor"]), facts["column"]
    located = None
    if fault.tensors:
        located = tensor.startswith(fault.tensors) and (fault.column is None or fault.column == column)
    return Answer(fault.kind, fault.variant, facts["unusual"] is True, located, facts["story"], tensor)


def ask(states: list[State]) -> Mapping[str, Scalar]:
    """The facts of the shipped tool about the newest of these snapshots; all before it are stable."""
    names = [f"dlrm/{day:03}" for day in range(len(states))]
    snapshots = [
        Snapshot(snapshot=name, model="dlrm", published_at=START + timedelta(days=day), standing=Standing.stable)
        for day, name in enumerate(names)
    ]
    snapshots[-1] = snapshots[-1].model_copy(update={"standing": Standing.candidate})
    weights = InMemoryWeights({name: dict(state) for name, state in zip(names, states, strict=True)})
    ports = InMemoryPorts(models=InMemoryModels(all_snapshots=snapshots), weights=weights)
    return TOOL.run(SnapshotDiffParams(snapshot=names[-1]), ports).facts


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or list(range(10)))
