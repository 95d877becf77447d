"""Models that torch.export cannot take with open rows, or not at all: they are the ladder's lower steps."""

import torch
from torch import Tensor, nn

from tests.models.layers import tower


class FixedRows(nn.Module):
    """Written for one batch size: the reshape names it."""

    def __init__(self, rows: int, dense: int = 4) -> None:
        super().__init__()
        self.rows, self.deep = rows, tower(dense, 8, 1)

    def forward(self, dense: Tensor) -> Tensor:
        return self.deep(dense).view(self.rows)


class Branching(nn.Module):
    """Takes another path when the batch looks unusual: a condition on values."""

    def __init__(self, dense: int = 4) -> None:
        super().__init__()
        self.usual, self.unusual = tower(dense, 8, 1), tower(dense, 4, 1)

    def forward(self, dense: Tensor) -> Tensor:
        if float(dense.abs().max()) > 100:
            return torch.sigmoid(self.unusual(dense.clamp(-100, 100))).squeeze(1)
        x = dense.clone()
        x[:, 0] = x[:, 0] * 2
        return torch.sigmoid(self.usual(x)).squeeze(1)


class ThroughNumpy(nn.Module):
    """Leaves torch on the way, so that what follows no longer depends on the inputs as far as torch can see."""

    def __init__(self, dense: int = 4) -> None:
        super().__init__()
        self.deep = tower(dense, 8, 1)

    def forward(self, dense: Tensor) -> Tensor:
        ranks = torch.from_numpy(dense.detach().numpy().argsort(axis=0).astype("float32"))
        if float(ranks.max()) < 0:
            return ranks.sum(1)
        return self.deep(ranks).squeeze(1)
