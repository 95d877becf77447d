"""Models of what a user has done before: histories of ids, padded with 0."""

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from tests.models.layers import tower


class InterestNetwork(nn.Module):
    """DIN (Zhou et al. 2018, arXiv:1706.06978): attention of the candidate over the history, with Dice's shape."""

    def __init__(self, items: int = 30, width: int = 6) -> None:
        super().__init__()
        self.items = nn.Embedding(items, width, padding_idx=0)
        self.attention = nn.Sequential(nn.Linear(4 * width, 8), nn.PReLU(), nn.Linear(8, 1))
        self.normal = nn.BatchNorm1d(2 * width, affine=False)
        self.slope = nn.Parameter(torch.zeros(2 * width))
        self.deep = tower(2 * width, 8, 1)

    def forward(self, candidate: Tensor, history: Tensor) -> Tensor:
        wanted, done = self.items(candidate), self.items(history)
        query = wanted.unsqueeze(1).expand_as(done)
        weight = self.attention(torch.cat([query, done, query - done, query * done], 2)).squeeze(2)
        weight = weight.masked_fill(history == 0, 0.0)
        x = torch.cat([wanted, (weight.unsqueeze(2) * done).sum(1)], 1)
        gate = torch.sigmoid(self.normal(x))
        return torch.sigmoid(self.deep(gate * x + (1 - gate) * self.slope * x)).squeeze(1)


class InterestEvolution(nn.Module):
    """DIEN (Zhou et al. 2018, arXiv:1809.03672): a GRU over the history, then one whose update attention scales."""

    def __init__(self, items: int = 30, width: int = 6) -> None:
        super().__init__()
        self.items = nn.Embedding(items, width, padding_idx=0)
        self.interest = nn.GRU(width, width, batch_first=True)
        self.cell = nn.GRUCell(width, width)
        self.deep = tower(2 * width, 8, 1)

    def forward(self, candidate: Tensor, history: Tensor) -> Tensor:
        wanted = self.items(candidate)
        states, _ = self.interest(self.items(history))
        scores = (states @ wanted.unsqueeze(2)).squeeze(2).masked_fill(history == 0, -1e9)
        weight = torch.softmax(scores, 1)
        state = torch.zeros_like(wanted)
        for step in range(history.shape[1]):
            moved = self.cell(states[:, step], state)
            state = torch.lerp(state, moved, weight[:, step : step + 1])
        return torch.sigmoid(self.deep(torch.cat([wanted, state], 1))).squeeze(1)


class BehaviourTransformer(nn.Module):
    """BST (Chen et al. 2019, arXiv:1905.06874): one transformer layer over the history and the candidate."""

    def __init__(self, items: int = 30, width: int = 8, positions: int = 7, dense: int = 3) -> None:
        super().__init__()
        self.items, self.positions = nn.Embedding(items, width), nn.Embedding(positions, width)
        self.layer = nn.TransformerEncoderLayer(width, 2, 16, batch_first=True, dropout=0.1)
        self.deep = tower(positions * width + dense, 12, 1)

    def forward(self, candidate: Tensor, history: Tensor, dense: Tensor) -> Tensor:
        ids = torch.cat([history, candidate.unsqueeze(1)], 1)
        x = self.layer(self.items(ids) + self.positions(torch.arange(ids.shape[1])))
        return torch.sigmoid(self.deep(torch.cat([x.flatten(1), dense], 1))).squeeze(1)


class SequentialAttention(nn.Module):
    """SASRec (Kang and McAuley 2018, arXiv:1808.09781): causal attention; scores of all items, tied to their table."""

    def __init__(self, items: int = 30, width: int = 8, longest: int = 12) -> None:
        super().__init__()
        self.items, self.places = nn.Embedding(items, width, padding_idx=0), nn.Embedding(longest, width)
        self.attention = nn.MultiheadAttention(width, 1, batch_first=True)
        self.forward_layers = nn.Sequential(nn.Conv1d(width, width, 1), nn.ReLU(), nn.Conv1d(width, width, 1))
        self.register_buffer("hidden", torch.ones(longest, longest).triu(1).bool())
        self.hidden: Tensor

    def forward(self, history: Tensor) -> Tensor:
        length = history.shape[1]
        x = self.items(history) + self.places.weight[:length]
        x = x * (history != 0).unsqueeze(2)
        query = layer_norm(x, x.shape[-1:])
        x = query + self.attention(query, x, x, attn_mask=self.hidden[:length, :length], need_weights=False)[0]
        x = x + self.forward_layers(x.transpose(1, 2)).transpose(1, 2)
        return x[:, -1] @ self.items.weight.T


class ClickSequence(nn.Module):
    """GRU4Rec's kin with an LSTM (Hidasi et al. 2015, arXiv:1511.06939), for numbers per step."""

    def __init__(self, width: int = 4, hidden: int = 6) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, hidden, num_layers=2, batch_first=True, bidirectional=True, dropout=0.1)
        self.out = nn.Linear(2 * hidden, 1)

    def forward(self, steps: Tensor) -> Tensor:
        states, (_last, _cell) = self.lstm(steps)
        return torch.sigmoid(self.out(states[:, -1])).squeeze(1)
