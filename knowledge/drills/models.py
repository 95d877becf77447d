"""The two models: what they compute. Both take raw-scale inputs and answer with the probability of a late arrival."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_FAR = 8.0
"""Standardised inputs are kept within so many deviations: one cloudburst must not throw the crossed features."""


class Standardise(nn.Module):
    """Subtracts the mean and divides by the deviation seen at the bootstrap; both are stored with the weights."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("deviation", torch.ones(columns))

    def fit(self, dense: NDArray[np.float32]) -> None:
        """Takes mean and deviation from `dense` float32[n, F]."""
        deviation = dense.std(axis=0, dtype=np.float64)
        self.mean.copy_(torch.from_numpy(dense.mean(axis=0, dtype=np.float64).astype(np.float32)))
        self.deviation.copy_(torch.from_numpy(np.maximum(deviation, 1e-3).astype(np.float32)))

    def forward(self, dense: Tensor) -> Tensor:
        return ((dense - self.mean) / self.deviation).clamp(-_FAR, _FAR)


class Cross(nn.Module):
    """A cross layer of DCN v2 (Wang et al. 2021): x0 * (W x + b) + x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weigh = nn.Linear(width, width)
        nn.init.normal_(self.weigh.weight, std=0.02)

    def forward(self, first: Tensor, x: Tensor) -> Tensor:
        crossed: Tensor = first * self.weigh(x) + x
        return crossed


class BadgeDcn(nn.Module):
    """Embeddings and dense columns through two cross layers and a small deep part."""

    def __init__(self, dense: int, cardinalities: Sequence[int], embedding: int = 6) -> None:
        super().__init__()
        width = dense + embedding * len(cardinalities)
        self.standardise = Standardise(dense)
        self.embeddings = nn.ModuleList([_embedding(size, embedding) for size in cardinalities])
        self.cross = nn.ModuleList([Cross(width), Cross(width)])
        self.deep = nn.Sequential(nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU())
        self.head = nn.Linear(width + 16, 1)

    def forward(self, dense: Tensor, categorical: Tensor) -> Tensor:
        columns = [table(categorical[:, place]) for place, table in enumerate(self.embeddings)]
        first = torch.cat([self.standardise(dense), *columns], dim=1)
        x = first
        for layer in self.cross:
            x = layer(first, x)
        score: Tensor = self.head(torch.cat([x, self.deep(first)], dim=1))
        return torch.sigmoid(score[:, 0])


def _embedding(size: int, width: int) -> nn.Embedding:
    table = nn.Embedding(size, width)
    nn.init.normal_(table.weight, std=0.1)
    return table


class BadgeMlp(nn.Module):
    """A plain dense network; its categorical input has no columns."""

    def __init__(self, dense: int) -> None:
        super().__init__()
        self.standardise = Standardise(dense)
        self.layers = nn.Sequential(nn.Linear(dense, 48), nn.ReLU(), nn.Linear(48, 24), nn.ReLU(), nn.Linear(24, 1))

    def forward(self, dense: Tensor, categorical: Tensor) -> Tensor:  # noqa: ARG002 - every model is called alike
        score: Tensor = self.layers(self.standardise(dense))
        return torch.sigmoid(score[:, 0])
