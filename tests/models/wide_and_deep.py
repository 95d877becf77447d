"""Wide & Deep (Cheng et al. 2016, arXiv:1606.07792)."""

import torch
from torch import Tensor, nn

from tests.models.layers import Tables, tower


class WideAndDeep(nn.Module):
    """A linear model over crossed ids beside a tower over embeddings and numbers, added before the sigmoid."""

    def __init__(self, dense: int = 4, fields: int = 3, vocabulary: int = 20, width: int = 6) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.wide = nn.EmbeddingBag(vocabulary * fields + 101, 1, mode="sum")
        self.tables = Tables(fields, vocabulary, width)
        self.deep = tower(dense + fields * width, 16, 8, 1)

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        shifted = ids + self.vocabulary * torch.arange(ids.shape[1])
        crossed = (ids[:, :1] * 31 + ids[:, 1:2] * 17) % 101 + self.vocabulary * ids.shape[1]
        wide = self.wide(torch.cat([shifted, crossed], 1))
        deep = self.deep(torch.cat([dense, self.tables(ids).flatten(1)], 1))
        return torch.sigmoid(wide + deep).squeeze(1)
