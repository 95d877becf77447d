"""Lines of daily snapshots of small real models, trained forward, exported, and walked on samples of their rows."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tests.models.dlrm import DLRM
from tests.tools.ports import InMemoryModels, InMemoryPorts, InMemoryPrograms, InMemorySamples
from tests.tools.program.exported import export
from tools.contract import Finding
from tools.graph_walk import TOOL, GraphWalkParams
from tools.program.graph import Column, Program
from tools.records import Samples, Snapshot, Standing

START = datetime(2013, 5, 1, 9, tzinfo=UTC)
DENSE, FIELDS, VOCABULARY = 4, 3, 20
STEPS, BATCH = 20, 128

State = Mapping[str, Tensor]


class Normalised(nn.Module):
    """A tower over a logarithm and the batch's own deviations: what divides by a statistic of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(VOCABULARY, 4)
        self.hidden = nn.Linear(2 * DENSE + 4, 16)
        self.out = nn.Linear(16, 1)

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        deviations = (dense - dense.mean(0)) / (dense.std(0) + 1e-6)
        looked_up = self.table(ids).mean(1)
        hidden = torch.relu(self.hidden(torch.cat([torch.log(dense), deviations, looked_up], 1)))
        return torch.sigmoid(self.out(hidden)).squeeze(1)


class Crossing(nn.Module):
    """Two cross layers (Wang et al. 2017, DCN), whose values grow with the third power of what goes in."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(VOCABULARY, 4) for _ in range(FIELDS))
        width = DENSE + 4 * FIELDS
        self.cross = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.out = nn.Linear(width, 1)

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        first = torch.cat([dense, *(table(ids[:, at]) for at, table in enumerate(self.tables))], 1)
        last = first
        for layer in self.cross:
            last = first * layer(last) + last
        return torch.sigmoid(self.out(last)).squeeze(1)


MODELS: dict[str, Callable[[], nn.Module]] = {"dlrm": DLRM, "normalised": Normalised, "crossing": Crossing}


@dataclass(frozen=True)
class Line:
    """A model's days: the program of its architecture, the weights of each day, and the stream that it learns."""

    program: Program
    states: Sequence[State]
    seed: int

    def rows(self, day: int, n: int = 256) -> tuple[np.ndarray, np.ndarray]:
        """Dense float64[n, 4], log-normal, and ids int64[n, 3] of a day."""
        return draw(self.seed, 10_000 + day, n)

    def at(self, day: int, fault: Callable[[dict[str, Tensor]], None] | None = None) -> Program:
        """The program with the weights of a day; `fault` changes a copy of them in place."""
        state = {name: value.clone() for name, value in self.states[day].items()}
        if fault is not None:
            fault(state)
        return with_state(self.program, state)


def with_state(program: Program, state: State) -> Program:
    """The program with other weights; buffers that are no part of a state stay."""
    weights = {value: state.get(program.weight_names[value], stored) for value, stored in program.weights.items()}
    return replace(program, weights=weights)


def draw(seed: int, day: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a day: dense float64[n, 4] that drift and follow the week, ids int64[n, 3] by a power law."""
    rng = np.random.default_rng((seed, day))
    swing = 0.2 * np.sin(2 * np.pi * day / 7) + 0.1 * np.random.default_rng((seed, day, 1)).normal(size=DENSE)
    dense = np.exp(rng.normal(size=(n, DENSE)) * 0.7 + swing)
    ids = np.minimum(rng.zipf(1.5, size=(n, FIELDS)) - 1, VOCABULARY - 1)
    return dense, ids


@cache
def line(model: str, days: int, seed: int) -> Line:
    """Train a model forward, day by day, on labels that depend on its features."""
    torch.manual_seed(seed)
    module = MODELS[model]()
    optimiser = torch.optim.Adam(module.parameters(), lr=3e-3)
    truth = np.random.default_rng(seed)
    dense_truth, id_truth = truth.normal(size=DENSE) * 0.5, truth.normal(size=(FIELDS, VOCABULARY)) * 0.5
    states = []
    for day in range(days):
        dense_truth += truth.normal(size=DENSE) * 0.05
        dense, ids = draw(seed, day, STEPS * BATCH)
        logit = np.log(dense) @ dense_truth + sum(id_truth[at][ids[:, at]] for at in range(FIELDS)) - 0.5
        labels = torch.from_numpy((truth.random(len(logit)) < 1 / (1 + np.exp(-logit))).astype(np.float32))
        given = torch.from_numpy(dense.astype(np.float32)), torch.from_numpy(ids)
        for step in range(STEPS):
            part = slice(step * BATCH, (step + 1) * BATCH)
            loss = nn.functional.binary_cross_entropy(module(given[0][part], given[1][part]), labels[part])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        states.append({name: value.detach().clone() for name, value in module.state_dict().items()})
    return Line(exported(module), states, seed)


def exported(module: nn.Module, fields: int = FIELDS) -> Program:
    """The module as a program, its columns named `dense_0`, … and `id_0`, …"""
    inputs = (torch.ones(4, DENSE), torch.zeros(4, fields, dtype=torch.int64))
    columns = [Column("dense", at, f"dense_{at}", "dense", 1.0) for at in range(DENSE)]
    columns += [Column("ids", at, f"id_{at}", "categorical", 0.0) for at in range(fields)]
    with tempfile.TemporaryDirectory() as folder:
        return export(module.eval(), inputs, Path(folder), columns=columns)


def samples(dense: np.ndarray, ids: np.ndarray, start: datetime = START, snapshot: str = "m/00") -> Samples:
    """A sample a minute."""
    ts = int(start.timestamp()) + 60 * np.arange(len(dense))
    features = {f"dense_{at}": dense[:, at].copy() for at in range(dense.shape[1])}
    features |= {f"id_{at}": ids[:, at].astype(np.float64) for at in range(ids.shape[1])}
    return Samples(ts, np.full(len(ts), snapshot), features, np.full(len(ts), np.nan))


def joined(*parts: Samples) -> Samples:
    """Samples one after the other."""
    features = {name: np.concatenate([part.features[name] for part in parts]) for name in parts[0].features}
    return Samples(
        np.concatenate([part.ts for part in parts]),
        np.concatenate([part.snapshot for part in parts]),
        features,
        np.concatenate([part.prediction for part in parts]),
    )


def ports(programs: Sequence[Program], rows: Samples) -> InMemoryPorts:
    """A model `m` with a snapshot a day, `m/00` and on, all stable, and its samples."""
    names = [f"m/{day:02}" for day in range(len(programs))]
    snapshots = [
        Snapshot(snapshot=name, model="m", published_at=START + timedelta(days=day), standing=Standing.stable)
        for day, name in enumerate(names)
    ]
    return InMemoryPorts(
        models=InMemoryModels(all_snapshots=snapshots),
        programs=InMemoryPrograms(dict(zip(names, programs, strict=True))),
        samples=InMemorySamples({"m": rows}),
    )


def ask(programs: Sequence[Program], given: Samples, /, **params: object) -> Finding:
    """Walk the last of the programs."""
    question = GraphWalkParams(snapshot=f"m/{len(programs) - 1:02}", **{"rows": 256, **params})
    return TOOL.run(question, ports(programs, given))
