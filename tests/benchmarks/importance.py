"""Normal days of a model that is trained day by day: `python -m tests.benchmarks.importance [SEED ...]`.

For each seed (0 to 4 where none is named) the small DLRM of `training_world` learns for 25 days; 15 of its snapshots
are stable, and the next 5 normal days are asked about, each with the 15 snapshots before it, on 512 rows of the day.
Then one table of the newest snapshot is set anew. The stage is asked as feature ranking asks it.

Keys: `changed`, the share of features on normal days whose importance is said to have changed (the aim is 1% at most);
`days_called`, the share of normal days of which the fact says so; `by_bootstrap`, the share that the interval over rows
alone would call; `reset_found`, the share of reset tables that are named. The exit status is 1 where `changed` is above
1%.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import torch

from tests.benchmarks.training_world import DENSE, TABLES, Dlrm, Rows, State, Trainer
from tests.tools.ports import InMemoryModels, InMemoryPorts, InMemoryPrograms, InMemorySamples, InMemoryWeights
from tests.tools.program.exported import export
from tests.tools.walked import with_state
from tools.program.graph import Column, Program
from tools.records import Samples, Snapshot, Standing, Window
from tools.stats.importance_stage import Confirmation, confirm

WARM_UP, STABLE, NORMAL_DAYS, ROWS = 10, 15, 5, 512
START = datetime(2013, 5, 1, 9, tzinfo=UTC)
MOST_CHANGED = 0.01


@dataclass(frozen=True)
class Outcome:
    """Of one seed: for each normal day the shares of features, and whether the day was called; whether the reset table
    was named."""

    changed: list[float]
    by_bootstrap: list[float]
    called: list[bool]
    reset_found: bool


def main(seeds: list[int]) -> None:
    """A line for each seed, and one JSON line."""
    torch.set_num_threads(1)
    program = _program()
    outcomes = []
    for seed in seeds:
        outcomes.append(study(seed, program))
        print(f"seed {seed}: {outcomes[-1]}", flush=True)
    changed = float(np.mean([share for one in outcomes for share in one.changed]))
    summary = {
        "changed": round(changed, 4),
        "days_called": round(float(np.mean([called for one in outcomes for called in one.called])), 4),
        "by_bootstrap": round(float(np.mean([share for one in outcomes for share in one.by_bootstrap])), 4),
        "reset_found": round(float(np.mean([one.reset_found for one in outcomes])), 4),
        "normal_days": sum(len(one.called) for one in outcomes),
        "seeds": len(seeds),
    }
    print(json.dumps(summary))
    sys.exit(0 if changed <= MOST_CHANGED else 1)


def study(seed: int, program: Program, normal_days: int = NORMAL_DAYS) -> Outcome:
    """One world."""
    trainer, rng = Trainer.start(seed), np.random.default_rng([seed, 2])
    states = [trainer.day() for _ in range(WARM_UP + STABLE)][WARM_UP:]
    changed, by_bootstrap, called = [], [], []
    for _ in range(normal_days):
        states.append(trainer.day())
        told = ask(program, states[-STABLE - 1 :], trainer.stream.rows(ROWS))
        features = told.features.values()
        changed.append(float(np.mean([one.changed for one in features])))
        by_bootstrap.append(float(np.mean([one.low > 0 or one.high < 0 for one in features])))
        called.append(bool(told.changed))
    table = f"tables.{rng.integers(TABLES)}.weight"
    spoiled = {**states[-1], table: (0.05 * rng.normal(size=states[-1][table].shape)).astype(np.float32)}
    told = ask(program, [*states[-STABLE - 1 : -1], spoiled], trainer.stream.rows(ROWS))
    named = f"s{table.split('.')[1]}"
    return Outcome(changed, by_bootstrap, called, bool(told.changed) and told.furthest == named)


def ask(program: Program, states: Sequence[State], rows: Rows) -> Confirmation:
    """What the stage says about the newest of these snapshots; all before it are stable."""
    names = [f"dlrm/{day:03}" for day in range(len(states))]
    snapshots = [
        Snapshot(snapshot=name, model="dlrm", published_at=START + timedelta(days=day), standing=Standing.stable)
        for day, name in enumerate(names)
    ]
    snapshots[-1] = snapshots[-1].model_copy(update={"standing": Standing.candidate})
    end = START + timedelta(days=len(states))
    ts = int(end.timestamp()) - 1 - 60 * np.arange(len(rows.dense))[::-1]
    features = {f"d{place}": rows.dense[:, place].astype(np.float64) for place in range(DENSE)}
    features |= {f"s{place}": rows.ids[:, place].astype(np.float64) for place in range(TABLES)}
    samples = Samples(ts, np.full(len(ts), names[-1]), features, np.full(len(ts), np.nan))
    programs = {name: with_state(program, _tensors(state)) for name, state in zip(names, states, strict=True)}
    ports = InMemoryPorts(
        models=InMemoryModels(all_snapshots=snapshots),
        programs=InMemoryPrograms(programs),
        samples=InMemorySamples({"dlrm": samples}),
        weights=InMemoryWeights({name: dict(state) for name, state in zip(names, states, strict=True)}),
    )
    told = confirm(ports, "dlrm", Window(start=end - timedelta(hours=10), end=end), ())
    assert isinstance(told, Confirmation), told
    return told


def _tensors(state: State) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.asarray(value)) for name, value in state.items()}


def _program() -> Program:
    columns = [Column("dense", place, f"d{place}", "dense", 0.0) for place in range(DENSE)]
    columns += [Column("ids", place, f"s{place}", "categorical", 0.0) for place in range(TABLES)]
    inputs = torch.zeros(4, DENSE), torch.zeros(4, TABLES, dtype=torch.int64)
    with tempfile.TemporaryDirectory() as folder:
        return export(Dlrm().eval(), inputs, Path(folder), columns=columns)


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or list(range(5)))
