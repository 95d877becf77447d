"""Factorization machines and what has grown from them: each models how pairs of fields act together."""

import torch
from torch import Tensor, nn

from tests.models.layers import Tables, tower


def pair_sum(embedded: Tensor) -> Tensor:
    """The sum of the products of all pairs of fields: float[rows, fields, width] → float[rows, width]."""
    return 0.5 * (embedded.sum(1).square() - embedded.square().sum(1))


class FactorizationMachine(nn.Module):
    """FM (Rendle 2010)."""

    def __init__(self, fields: int = 5, vocabulary: int = 20, width: int = 6) -> None:
        super().__init__()
        self.linear, self.tables = Tables(fields, vocabulary, 1), Tables(fields, vocabulary, width)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, ids: Tensor) -> Tensor:
        first = self.linear(ids).sum((1, 2))
        return torch.sigmoid(self.bias + first + pair_sum(self.tables(ids)).sum(1))


class FieldAwareMachine(nn.Module):
    """FFM (Juan et al. 2016): every field has another embedding for each field that it meets."""

    def __init__(self, fields: int = 4, vocabulary: int = 20, width: int = 3) -> None:
        super().__init__()
        self.meets = nn.ModuleList(Tables(fields, vocabulary, width) for _ in range(fields))
        self.linear = Tables(fields, vocabulary, 1)

    def forward(self, ids: Tensor) -> Tensor:
        seen = [table(ids) for table in self.meets]
        fields = ids.shape[1]
        pairs = [(seen[j][:, i] * seen[i][:, j]).sum(1) for i in range(fields) for j in range(i + 1, fields)]
        return torch.sigmoid(self.linear(ids).sum((1, 2)) + torch.stack(pairs, 1).sum(1))


class AttentionalMachine(nn.Module):
    """AFM (Xiao et al. 2017, arXiv:1708.04617): pairs are weighted by attention."""

    def __init__(self, fields: int = 5, vocabulary: int = 20, width: int = 6) -> None:
        super().__init__()
        self.linear, self.tables = Tables(fields, vocabulary, 1), Tables(fields, vocabulary, width)
        self.attention = nn.Sequential(nn.Linear(width, 4), nn.ReLU(), nn.Linear(4, 1, bias=False))
        self.out = nn.Linear(width, 1, bias=False)
        self.dropout = nn.Dropout(0.2)
        self.left, self.right = torch.triu_indices(fields, fields, 1)  # plain attributes, as papers' code has them

    def forward(self, ids: Tensor) -> Tensor:
        embedded = self.tables(ids)
        pairs = embedded[:, self.left] * embedded[:, self.right]
        weight = torch.softmax(self.attention(pairs), 1)
        pooled = self.dropout((weight * pairs).sum(1))
        return torch.sigmoid(self.linear(ids).sum((1, 2)) + self.out(pooled).squeeze(1))


class NeuralMachine(nn.Module):
    """NFM (He and Chua 2017, arXiv:1708.05027): a tower over the pooled pairs."""

    def __init__(self, fields: int = 5, vocabulary: int = 20, width: int = 6) -> None:
        super().__init__()
        self.tables = Tables(fields, vocabulary, width)
        self.deep = nn.Sequential(nn.BatchNorm1d(width), nn.Dropout(0.1), tower(width, 12, 1, inplace=True))

    def forward(self, ids: Tensor) -> Tensor:
        return torch.sigmoid(self.deep(pair_sum(self.tables(ids)))).squeeze(1)


class DeepFM(nn.Module):
    """DeepFM (Guo et al. 2017, arXiv:1703.04247): the machine and a tower over the same embeddings."""

    def __init__(self, dense: int = 4, fields: int = 5, vocabulary: int = 20, width: int = 6) -> None:
        super().__init__()
        self.linear, self.tables = Tables(fields, vocabulary, 1), Tables(fields, vocabulary, width)
        self.numbers = nn.Linear(dense, 1)
        self.deep = tower(dense + fields * width, 16, 8, 1)

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        embedded = self.tables(ids)
        first = self.linear(ids).sum((1, 2)) + self.numbers(dense).squeeze(1)
        deep = self.deep(torch.cat([dense, embedded.flatten(1)], 1)).squeeze(1)
        return torch.sigmoid(first + pair_sum(embedded).sum(1) + deep)


class ProductNetwork(nn.Module):
    """PNN (Qu et al. 2016, arXiv:1611.00144), with inner and outer products."""

    def __init__(self, fields: int = 4, vocabulary: int = 20, width: int = 5, units: int = 8) -> None:
        super().__init__()
        self.tables = Tables(fields, vocabulary, width)
        self.plain = nn.Linear(fields * width, units, bias=False)
        self.inner = nn.Parameter(torch.randn(units, fields) * 0.1)
        self.outer = nn.Parameter(torch.randn(units, width, width) * 0.1)
        self.deep = tower(3 * units, 12, 1)

    def forward(self, ids: Tensor) -> Tensor:
        embedded = self.tables(ids)
        mixed = torch.einsum("uf,rfw->ruw", self.inner, embedded)
        inner = mixed.square().sum(2)
        pooled = embedded.sum(1)
        outer = torch.einsum("rw,uwv,rv->ru", pooled, self.outer, pooled)
        return torch.sigmoid(self.deep(torch.relu(torch.cat([self.plain(embedded.flatten(1)), inner, outer], 1))))
