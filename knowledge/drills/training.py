"""Daily forward training: each night a model learns from the newest partition and a replay of older ones, warm from
the weights of the day before."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from knowledge.drills.calendar import Period, at
from knowledge.drills.feature_jobs import ServingFeatures, Vocabulary
from knowledge.drills.features import FEATURES, Inputs, inputs_of
from knowledge.drills.flights import Columns
from knowledge.drills.models import BadgeDcn, BadgeMlp
from knowledge.drills.practice import Practice
from knowledge.drills.randomness import stream

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Recipe:
    """How a model is trained. `replay` is the number of replayed rows per row of the newest partition."""

    learning_rate: float
    momentum: float = 0.9
    clip_norm: float = 30.0
    batch: int = 256
    epochs: int = 4
    replay: float = 0.15


RECIPES = {"badge_dcn": Recipe(learning_rate=0.04), "badge_mlp": Recipe(learning_rate=0.1)}


@dataclass(frozen=True)
class Partition:
    """A day's training rows: places in the table of serving features, and the labels as they were written."""

    day: int
    rows: NDArray[np.int64]
    late: NDArray[np.bool_]


@dataclass(frozen=True)
class Trained:
    """What a training made and saw. The curves hold one value per step; the AUCs are those of the newest partition."""

    day: int
    state: State
    learning_rate: float
    newest: Partition
    replayed: tuple[Partition, ...]
    curves: dict[str, list[float]] = field(repr=False)


class Partitions:
    """The training partitions of a model, by local day."""

    def __init__(self, model: str, features: ServingFeatures, flights: Columns, practice: Practice) -> None:
        self._model, self._practice = model, practice
        flight = features.table["flight"]
        self._day, self._late = flights["day"][flight], flights["late"][flight]
        self._label_at = flights["label_at"][flight]
        self._made: dict[int, Partition] = {}

    def of(self, day: int) -> Partition:
        """The rows of a day whose label had arrived when the partition was written, at 06:00 UTC of the next day."""
        if day not in self._made:
            rows = np.flatnonzero((self._day == day) & (self._label_at <= at(day + 1, 6)))
            late = self._practice.partition_labels(self._model, day, self._late[rows])
            self._made[day] = Partition(day, rows, late)
        return self._made[day]


class Trainer:
    """Trains one model forward, day by day. Call `train` with consecutive days from the first snapshot's on."""

    def __init__(
        self, model: str, period: Period, features: ServingFeatures, flights: Columns, vocabulary: Vocabulary,
        practice: Practice,
    ) -> None:  # fmt: skip
        self.model, self._period, self._practice = model, period, practice
        self.partitions = Partitions(model, features, flights, practice)
        self._inputs = inputs_of(model, features.table)
        self._recipe = RECIPES[model]
        self.module = fresh_module(model, vocabulary.sizes, practice.seed)
        self._started = False

    def train(self, day: int) -> Trained:
        """The training that publishes the snapshot of `day`."""
        newest = self.partitions.of(day - 1)
        oldest = max(self._period.first_trained, day - 1 - self._period.bootstrap_days)
        older = tuple(self.partitions.of(d) for d in range(oldest, day - 1))
        before = self._auc(newest) if self._started else None
        rate = self._practice.learning_rate(self.model, day, self._recipe.learning_rate)
        rows, late = self._rows(day, newest, older)
        if not self._started:
            self.module.standardise.fit(self._inputs.dense[rows])
            self._started = True
        curves = self._fit(rows, late, rate, stream(self._practice.seed, f"batches of {self.model}", day))
        curves |= {"eval.auc_before": [before]} if before is not None else {}
        curves["eval.auc_after"] = [self._auc(newest)]
        state = {name: value.clone() for name, value in self.module.state_dict().items()}
        return Trained(day, state, rate, newest, older, curves)

    def _rows(
        self, day: int, newest: Partition, older: tuple[Partition, ...]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        rows, late = (np.concatenate([getattr(p, name) for p in older]) for name in ("rows", "late"))
        if self._started:
            count = min(len(rows), round(len(newest.rows) * self._recipe.replay))
            kept = stream(self._practice.seed, f"replay of {self.model}", day).choice(len(rows), count, replace=False)
            rows, late = rows[np.sort(kept)], late[np.sort(kept)]
        return np.concatenate([newest.rows, rows]), np.concatenate([newest.late, late])

    def _fit(
        self, rows: NDArray[np.int64], late: NDArray[np.bool_], rate: float, chance: np.random.Generator
    ) -> dict[str, list[float]]:
        """Stochastic gradient descent with momentum over mini-batches; answers with the curves."""
        recipe, inputs = self._recipe, self._inputs.rows(rows)
        dense, ids = torch.from_numpy(inputs.dense), torch.from_numpy(inputs.categorical)
        labels = torch.from_numpy(late.astype(np.float32))
        parameters = list(self.module.parameters())
        optimiser = torch.optim.SGD(parameters, lr=rate, momentum=recipe.momentum)
        loss_of = nn.BCELoss()
        losses, norms = [], []
        for _ in range(recipe.epochs):
            order = torch.from_numpy(chance.permutation(len(rows)))
            for batch in torch.split(order, recipe.batch):
                optimiser.zero_grad()
                loss = loss_of(self.module(dense[batch], ids[batch]), labels[batch])
                loss.backward()
                norms.append(float(nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)))
                optimiser.step()
                losses.append(float(loss.detach()))
        return {"loss": losses, "grad_norm": norms, "learning_rate": [rate] * len(losses)}

    def _auc(self, partition: Partition) -> float:
        return auc(predict(self.module, self._inputs.rows(partition.rows)), partition.late)


def fresh_module(model: str, sizes: Mapping[str, int], seed: int) -> BadgeDcn | BadgeMlp:
    """An untrained model with weights drawn by the seed."""
    features = FEATURES[model]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if features.categorical:
            return BadgeDcn(len(features.dense), [sizes[name] for name in features.categorical])
        return BadgeMlp(len(features.dense))


def predict(module: nn.Module, inputs: Inputs) -> NDArray[np.float32]:
    """The probability of a late arrival for each row, float32[n]."""
    with torch.no_grad():
        scored: NDArray[np.float32] = module(
            torch.from_numpy(inputs.dense), torch.from_numpy(inputs.categorical)
        ).numpy()
    return scored


def auc(prediction: NDArray[np.float32], late: NDArray[np.bool_]) -> float:
    """The area under the ROC curve by average ranks (Mann-Whitney); NaN where one of the classes is absent."""
    positives = int(late.sum())
    negatives = len(late) - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    _, place, count = np.unique(prediction, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((ranks[late].sum() - positives * (positives + 1) / 2) / (positives * negatives))
