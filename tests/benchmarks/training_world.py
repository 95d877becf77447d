"""A small DLRM that learns forward day by day from a stream with a weekly cycle and drift.

The model is that of Naumov et al. 2019 ("Deep Learning Recommendation Model") in small: embedding tables, a bottom net
for the dense columns, their inner products, and a top net. It is trained with Adam on one day's rows at a time, warm
from the day before, optimiser and all.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

DENSE, TABLES, IDS, WIDTH = 20, 30, 1000, 8
BATCH, STEPS, RATE = 256, 80, 1e-3
WEEK = 7

State = dict[str, NDArray[np.float32]]


class Dlrm(nn.Module):
    """Logits of `dense` float32[n, 20] and `ids` int64[n, 30]."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList([nn.Embedding(IDS, WIDTH) for _ in range(TABLES)])
        for table in self.tables:
            nn.init.normal_(table.get_parameter("weight"), std=0.05)
        self.bottom = nn.Sequential(nn.Linear(DENSE, 32), nn.ReLU(), nn.Linear(32, WIDTH), nn.ReLU())
        pairs = (TABLES + 1) * TABLES // 2
        self.top = nn.Sequential(
            nn.Linear(WIDTH + pairs, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1)
        )
        self._pairs = torch.triu_indices(TABLES + 1, TABLES + 1, 1)

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        low = self.bottom(dense)
        vectors = torch.stack([low, *(table(ids[:, place]) for place, table in enumerate(self.tables))], dim=1)
        products = torch.bmm(vectors, vectors.transpose(1, 2))[:, self._pairs[0], self._pairs[1]]
        logits: Tensor = self.top(torch.cat([low, products], dim=1)).squeeze(1)
        return logits


@dataclass
class Rows:
    """A day's training rows: `dense` float32[n, 20], `ids` int64[n, 30], `labels` float32[n]."""

    dense: NDArray[np.float32]
    ids: NDArray[np.int64]
    labels: NDArray[np.float32]


class Stream:
    """What is clicked: coefficients that drift from day to day, dense columns whose means wander, ids by a power law,
    a base rate and an amount of traffic that follow the week, and some larger days."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        rng = self.rng
        self._today = 0
        self._dense = 0.3 * rng.normal(size=DENSE)
        self._tables = 0.4 * rng.normal(size=(TABLES, IDS))
        self._means = np.zeros(DENSE)
        self._crossed = [(rng.integers(TABLES), rng.integers(DENSE), 0.2 * rng.normal(size=IDS)) for _ in range(10)]
        popularity = np.arange(1, IDS + 1) ** -1.1
        self._popularity = np.cumsum(popularity / popularity.sum())

    def next_day(self) -> None:
        """A day passes: the coefficients drift."""
        rng = self.rng
        self._today += 1
        self._dense += 0.02 * rng.normal(size=DENSE)
        self._means += 0.03 * rng.normal(size=DENSE)
        for table in self._tables:
            table[rng.integers(0, IDS, 20)] += 0.2 * rng.normal(size=20)

    def steps(self) -> int:
        """How many batches today has: a fifth more or less over the week, and a few by chance."""
        return int(STEPS * (1 + 0.2 * self._wave())) + int(self.rng.integers(-6, 7))

    def rows(self, count: int) -> Rows:
        """Today's rows."""
        rng = self.rng
        dense = (rng.normal(size=(count, DENSE)) + self._means).astype(np.float32)
        ids = np.minimum(np.searchsorted(self._popularity, rng.random((count, TABLES))), IDS - 1)
        logit = -1 + 0.2 * self._wave() + dense @ self._dense
        logit += 0.5 * sum(self._tables[place][ids[:, place]] for place in range(TABLES))
        logit += sum(by_id[ids[:, table]] * dense[:, column] for table, column, by_id in self._crossed)
        labels = (rng.random(count) < 1 / (1 + np.exp(-logit))).astype(np.float32)
        return Rows(dense, ids, labels)

    def _wave(self) -> float:
        return float(np.sin(2 * np.pi * self._today / WEEK))


def _nothing(*_: object) -> None:
    """Leaves things as they are."""


@dataclass(frozen=True)
class Training:
    """How a day is trained: times the usual learning rate, on a share of the steps, with the tensors whose names start
    with one of `frozen` left out. `rows` may spoil the day's rows and `optimiser` its state before the first step."""

    rate: float = 1.0
    share_of_steps: float = 1.0
    frozen: tuple[str, ...] = ()
    rows: Callable[[Rows, np.random.Generator], None] = _nothing
    optimiser: Callable[[torch.optim.Adam], None] = _nothing


USUAL = Training()


@dataclass
class Trainer:
    """The stream, the model and its optimiser, as they stand at the end of a day."""

    stream: Stream
    model: Dlrm
    optimiser: torch.optim.Adam

    @classmethod
    def start(cls, seed: int) -> "Trainer":
        """Before the first day."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = Dlrm()
        return cls(Stream(seed), model, torch.optim.Adam(model.parameters(), lr=RATE))

    def branch(self) -> "Trainer":
        """A copy that goes its own way from here."""
        return copy.deepcopy(self)

    def day(self, training: Training = USUAL) -> State:
        """Trains on the next day's rows and answers with the weights."""
        self.stream.next_day()
        steps = self.stream.steps()
        rows = self.stream.rows(steps * BATCH)
        training.rows(rows, self.stream.rng)
        training.optimiser(self.optimiser)
        self._fit(rows, max(1, round(steps * training.share_of_steps)), training)
        return {name: value.detach().numpy().copy() for name, value in self.model.state_dict().items()}

    def _fit(self, rows: Rows, steps: int, training: Training) -> None:
        dense, ids, labels = (torch.from_numpy(part) for part in (rows.dense, rows.ids, rows.labels))
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(not name.startswith(training.frozen))
        for group in self.optimiser.param_groups:
            group["lr"] = RATE * training.rate
        for batch in torch.split(torch.arange(steps * BATCH), BATCH):
            self.optimiser.zero_grad(set_to_none=True)
            loss = nn.functional.binary_cross_entropy_with_logits(self.model(dense[batch], ids[batch]), labels[batch])
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
