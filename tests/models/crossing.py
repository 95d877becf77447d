"""Networks that cross features layer by layer."""

import torch
from torch import Tensor, nn

from tests.models.layers import Tables, tower


class CrossNetwork(nn.Module):
    """DCN (Wang et al. 2017, arXiv:1708.05123): x' = x0 (x · w) + b + x."""

    def __init__(self, dense: int = 4, fields: int = 3, vocabulary: int = 20, width: int = 4, layers: int = 3) -> None:
        super().__init__()
        size = dense + fields * width
        self.tables = Tables(fields, vocabulary, width)
        self.weights = nn.ParameterList(nn.Parameter(torch.randn(size) * 0.1) for _ in range(layers))
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(size)) for _ in range(layers))
        self.deep = tower(size, 16, 8)
        self.out = nn.Linear(size + 8, 1)

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        first = crossed = torch.cat([dense, self.tables(ids).flatten(1)], 1)
        for weight, bias in zip(self.weights, self.biases, strict=True):
            crossed = first * (crossed @ weight).unsqueeze(1) + bias + crossed
        return torch.sigmoid(self.out(torch.cat([crossed, self.deep(first)], 1))).squeeze(1)


class CrossNetworkV2(nn.Module):
    """DCN-V2 (Wang et al. 2020, arXiv:2008.13535), with a mixture of low-rank crosses."""

    def __init__(self, dense: int = 4, fields: int = 3, vocabulary: int = 20, width: int = 4, experts: int = 2) -> None:
        super().__init__()
        size, rank = dense + fields * width, 3
        self.tables = Tables(fields, vocabulary, width)
        self.inward = nn.Parameter(torch.randn(2, experts, size, rank) * 0.1)
        self.within = nn.Parameter(torch.randn(2, experts, rank, rank) * 0.1)
        self.outward = nn.Parameter(torch.randn(2, experts, rank, size) * 0.1)
        self.gates = nn.ModuleList(nn.Linear(size, experts) for _ in range(2))
        self.out = nn.Linear(size, 1)

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        first = crossed = torch.cat([dense, self.tables(ids).flatten(1)], 1)
        for layer, gate in enumerate(self.gates):
            low = torch.tanh(torch.einsum("rs,esk->rek", crossed, self.inward[layer]))
            low = torch.tanh(torch.einsum("rek,ekl->rel", low, self.within[layer]))
            back = torch.einsum("rek,eks->res", low, self.outward[layer])
            crossed = (first.unsqueeze(1) * back * torch.softmax(gate(crossed), 1).unsqueeze(2)).sum(1) + crossed
        return torch.sigmoid(self.out(crossed)).squeeze(1)


class ExtremeDeepFM(nn.Module):
    """xDeepFM (Lian et al. 2018, arXiv:1803.05170): a compressed interaction network beside a tower."""

    def __init__(self, fields: int = 4, vocabulary: int = 20, width: int = 5, maps: int = 6) -> None:
        super().__init__()
        self.linear, self.tables = Tables(fields, vocabulary, 1), Tables(fields, vocabulary, width)
        self.filters = nn.ModuleList([nn.Conv1d(fields * fields, maps, 1), nn.Conv1d(fields * maps // 2, maps, 1)])
        self.deep = tower(fields * width, 16, 1)
        self.out = nn.Linear(maps // 2 + maps, 1)

    def forward(self, ids: Tensor) -> Tensor:
        embedded = hidden = self.tables(ids)
        kept = []
        for place, conv in enumerate(self.filters):
            pairs = torch.einsum("riw,rjw->rijw", hidden, embedded).flatten(1, 2)
            maps = torch.relu(conv(pairs))
            hidden, direct = maps.chunk(2, 1) if place == 0 else (maps, maps)
            kept.append(direct.sum(2))
        total = self.linear(ids).sum((1, 2)) + self.out(torch.cat(kept, 1)).squeeze(1)
        return torch.sigmoid(total + self.deep(embedded.flatten(1)).squeeze(1))


class AutoInt(nn.Module):
    """AutoInt (Song et al. 2018, arXiv:1810.11921): self-attention over fields with a residual."""

    def __init__(self, fields: int = 5, vocabulary: int = 20, width: int = 8, layers: int = 2) -> None:
        super().__init__()
        self.tables = Tables(fields, vocabulary, width)
        self.attention = nn.ModuleList(nn.MultiheadAttention(width, 2, batch_first=True) for _ in range(layers))
        self.residual = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.out = nn.Linear(fields * width, 1)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tables(ids)
        for attention, residual in zip(self.attention, self.residual, strict=True):
            x = torch.relu(attention(x, x, x, need_weights=False)[0] + residual(x))
        return torch.sigmoid(self.out(x.flatten(1))).squeeze(1)


class FiBiNet(nn.Module):
    """FiBiNET (Huang et al. 2019, arXiv:1905.09433): squeeze and excitation, then bilinear pairs."""

    def __init__(self, fields: int = 4, vocabulary: int = 20, width: int = 5) -> None:
        super().__init__()
        self.tables = Tables(fields, vocabulary, width)
        self.excite = nn.Sequential(nn.Linear(fields, 2), nn.ReLU(), nn.Linear(2, fields), nn.ReLU())
        self.bilinear = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(fields))
        self.deep = tower(fields * (fields - 1) * width, 12, 1)

    def forward(self, ids: Tensor) -> Tensor:
        plain = self.tables(ids)
        excited = plain * self.excite(plain.mean(2)).unsqueeze(2)
        pairs = []
        for embedded in (plain, excited):
            left = [layer(field) for layer, field in zip(self.bilinear, embedded.unbind(1), strict=True)]
            right = embedded.unbind(1)
            pairs += [left[i] * right[j] for i in range(len(left)) for j in range(i + 1, len(right))]
        return torch.sigmoid(self.deep(torch.cat(pairs, 1))).squeeze(1)
