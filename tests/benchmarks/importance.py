"""Normal days of a model that is trained day by day: `python -m tests.benchmarks.importance [SEED ...]`.

For each seed (40 and 41 where none is named; nothing was tuned on them) the small DLRM of `training_world` learns for
25 days; 15 of its snapshots are stable, and the next normal days are asked about, each with the 15 snapshots before it,
on 512 rows of the day. On each of these days three changes are planted in turn in the newest snapshot: a table is set
anew, a table is doubled, and a column of the first layer is doubled, as a feature at half its scale in training would
have it. The stage is asked as feature ranking asks it.

Keys: `changed`, the share of features on normal days whose importance is said to have changed (the aim is 1% at most),
with `changed_high`, the upper end of its exact 95% interval (Clopper and Pearson 1934) as if all feature-days were
independent; `days_called` and `days_called_high`, the same of normal days for which the fact says so; `by_bootstrap`,
the share that the interval over rows alone would call. `found` holds for each kind of planted change the share that is
named by the fact, and `flagged` the share of which the feature's own row says so. The exit status is 1 where `changed`
is above 1%.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from tests.benchmarks.training_world import DENSE, TABLES, Dlrm, Rows, State, Trainer
from tests.tools.ports import InMemoryModels, InMemoryPorts, InMemoryPrograms, InMemorySamples
from tests.tools.program.exported import export
from tests.tools.walked import with_state
from tools.program.graph import Column, Program
from tools.records import Samples, Snapshot, Standing, Window
from tools.stats.importance_stage import Confirmation, confirm

T = TypeVar("T")
WARM_UP, STABLE, NORMAL_DAYS, ROWS = 10, 15, 15, 512
START = datetime(2013, 5, 1, 9, tzinfo=UTC)
MOST_CHANGED = 0.01
KINDS = ("table set anew", "table doubled", "column doubled")


@dataclass
class Outcome:
    """Of one seed: for each normal day which features are said to have changed (bool[F]), which the bootstrap alone
    would call, and whether the day was called; for each kind whether the planted changes were named, and flagged."""

    changed: list[list[bool]] = field(default_factory=list)
    by_bootstrap: list[list[bool]] = field(default_factory=list)
    called: list[bool] = field(default_factory=list)
    found: dict[str, list[bool]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    flagged: dict[str, list[bool]] = field(default_factory=lambda: {kind: [] for kind in KINDS})


@dataclass
class Remembered(InMemoryPrograms):
    """Runs each snapshot once: all that is asked of one of these is on the same rows."""

    known: dict[tuple[object, ...], Any] = field(default_factory=dict)

    def examine(self, analysis: Callable[..., T], snapshots: Sequence[str], *arguments: Any) -> T:
        key = (analysis, *snapshots)
        if key not in self.known:
            self.known[key] = super().examine(analysis, snapshots, *arguments)
        answer: T = self.known[key]
        return answer


def main(seeds: list[int]) -> None:
    """A line for each seed, and one JSON line."""
    torch.set_num_threads(1)
    program = _program()
    outcomes = []
    for seed in seeds:
        outcomes.append(one := study(seed, program))
        named = {kind: sum(found) for kind, found in one.found.items()}
        print(
            f"seed {seed}: {np.sum(one.changed)} of {np.size(one.changed)} feature-days, {sum(one.called)} of "
            f"{len(one.called)} days; named {named}",
            flush=True,
        )
    changed, days = [np.concatenate([getattr(one, what) for one in outcomes]) for what in ("changed", "called")]
    summary = {
        "changed": round(float(changed.mean()), 4),
        "changed_high": _highest(changed),
        "days_called": round(float(days.mean()), 4),
        "days_called_high": _highest(days),
        "by_bootstrap": round(float(np.mean([one.by_bootstrap for one in outcomes])), 4),
        "found": {kind: _share([one.found[kind] for one in outcomes]) for kind in KINDS},
        "flagged": {kind: _share([one.flagged[kind] for one in outcomes]) for kind in KINDS},
        "feature_days": changed.size,
        "normal_days": days.size,
        "seeds": len(seeds),
    }
    print(json.dumps(summary))
    sys.exit(0 if changed.mean() <= MOST_CHANGED else 1)


def _share(found: list[list[bool]]) -> float:
    return round(float(np.mean(found)), 3)


def _highest(called: NDArray[np.bool_]) -> float:
    interval = stats.binomtest(int(called.sum()), called.size).proportion_ci(0.95, method="exact")
    return round(float(interval.high), 4)


def study(seed: int, program: Program, normal_days: int = NORMAL_DAYS) -> Outcome:
    """One world."""
    trainer, rng, outcome = Trainer.start(seed), np.random.default_rng([seed, 2]), Outcome()
    states = [trainer.day() for _ in range(WARM_UP + STABLE)][WARM_UP:]
    for _ in range(normal_days):
        states = [*states[-STABLE:], trainer.day()]
        ask = _Question(program, states, trainer.stream.rows(ROWS))
        told = ask.about(states[-1], "normal")
        outcome.changed.append([one.changed for one in told.features.values()])
        outcome.by_bootstrap.append([one.low > 0 or one.high < 0 for one in told.features.values()])
        outcome.called.append(bool(told.changed))
        for kind in KINDS:
            spoiled, feature = planted(kind, states[-1], rng)
            told = ask.about(spoiled, kind)
            outcome.found[kind].append(bool(told.changed) and told.furthest == feature)
            outcome.flagged[kind].append(told.features[feature].changed)
    return outcome


def planted(kind: str, state: State, rng: np.random.Generator) -> tuple[State, str]:
    """The weights with one change of this kind, and the feature that it is of."""
    if kind == "column doubled":
        place, name = int(rng.integers(DENSE)), "bottom.0.weight"
        weights = state[name].copy()
        weights[:, place] *= 2
        return {**state, name: weights}, f"d{place}"
    place = int(rng.integers(TABLES))
    name = f"tables.{place}.weight"
    anew = (0.05 * rng.normal(size=state[name].shape)).astype(np.float32)
    return {**state, name: 2 * state[name] if kind == "table doubled" else anew}, f"s{place}"


class _Question:
    """What the stage says on the rows of one day, of which all snapshots but the newest are stable."""

    def __init__(self, program: Program, states: Sequence[State], rows: Rows) -> None:
        self._program = program
        names = [f"dlrm/{day:03}" for day in range(len(states))]
        self._earlier = [
            Snapshot(snapshot=name, model="dlrm", published_at=START + timedelta(days=day), standing=Standing.stable)
            for day, name in enumerate(names[:-1])
        ]
        self._end = START + timedelta(days=len(states))
        self._ts = int(self._end.timestamp()) - 1 - 60 * np.arange(len(rows.dense))[::-1]
        self._features = {f"d{place}": rows.dense[:, place].astype(np.float64) for place in range(DENSE)}
        self._features |= {f"s{place}": rows.ids[:, place].astype(np.float64) for place in range(TABLES)}
        self._programs = Remembered(
            {name: with_state(program, _tensors(state)) for name, state in zip(names[:-1], states[:-1], strict=True)}
        )

    def about(self, state: State, name: str) -> Confirmation:
        newest = self._earlier[-1].model_copy(
            update={"snapshot": name, "published_at": self._end - timedelta(days=1), "standing": Standing.candidate}
        )
        self._programs.by_snapshot[name] = with_state(self._program, _tensors(state))
        served = np.full(len(self._ts), name)
        samples = Samples(self._ts, served, self._features, np.full(len(self._ts), np.nan))
        ports = InMemoryPorts(
            models=InMemoryModels(all_snapshots=[*self._earlier, newest]),
            programs=self._programs,
            samples=InMemorySamples({"dlrm": samples}),
        )
        told = confirm(ports, "dlrm", Window(start=self._end - timedelta(hours=10), end=self._end), ())
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
    main([int(seed) for seed in sys.argv[1:]] or [40, 41])
