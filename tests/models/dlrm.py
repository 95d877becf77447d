"""DLRM: dense features through a tower, ids through tables, and all pairwise dot products of the results."""

import torch
from torch import Tensor, nn

from tests.models.layers import tower


class DLRM(nn.Module):
    """Naumov et al. 2019, arXiv:1906.00091. Takes `dense` float32[rows, dense] and `ids` int64[rows, fields]."""

    pairs: Tensor

    def __init__(
        self,
        dense: int = 4,
        fields: int = 3,
        vocabulary: int = 20,
        width: int = 4,
        bottom: tuple[int, ...] = (8,),
        top: tuple[int, ...] = (8,),
    ) -> None:
        super().__init__()
        self.bottom = tower(dense, *bottom, width)
        self.tables = nn.ModuleList(nn.Embedding(vocabulary, width) for _ in range(fields))
        vectors = fields + 1
        self.top = tower(width + vectors * (vectors - 1) // 2, *top, 1)
        self.register_buffer("pairs", torch.triu_indices(vectors, vectors, 1))

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        bottom = self.bottom(torch.log1p(dense.clamp(min=0)))
        vectors = torch.stack([bottom, *(table(ids[:, place]) for place, table in enumerate(self.tables))], 1)
        products = torch.bmm(vectors, vectors.transpose(1, 2))[:, self.pairs[0], self.pairs[1]]
        return torch.sigmoid(self.top(torch.cat([bottom, products], 1))).squeeze(1)
