"""What most recommenders share: tables of embeddings and a tower of dense layers."""

import itertools

import torch
from torch import Tensor, nn


def tower(*sizes: int, inplace: bool = False) -> nn.Sequential:
    """Dense layers of these sizes with ReLU between them, and none after the last."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU(inplace=inplace)]
    return nn.Sequential(*layers[:-1])


class Tables(nn.Module):
    """One table of embeddings for each column of ids: int[rows, fields] → float[rows, fields, width]."""

    def __init__(self, fields: int, vocabulary: int, width: int) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(vocabulary, width) for _ in range(fields))

    def forward(self, ids: Tensor) -> Tensor:
        return torch.stack([table(ids[:, place]) for place, table in enumerate(self.tables)], 1)
