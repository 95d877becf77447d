"""Models with several outputs, and pairs of towers."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from tests.models.layers import Tables, tower


class MixtureOfExperts(nn.Module):
    """MMoE (Ma et al. 2018): experts shared by tasks, a gate for each task. Two outputs."""

    def __init__(self, dense: int = 6, experts: int = 3, tasks: int = 2) -> None:
        super().__init__()
        self.experts = nn.ModuleList(tower(dense, 12, 8) for _ in range(experts))
        self.gates = nn.ModuleList(nn.Linear(dense, experts) for _ in range(tasks))
        self.heads = nn.ModuleList(tower(8, 4, 1) for _ in range(tasks))

    def forward(self, dense: Tensor) -> tuple[Tensor, ...]:
        known = torch.stack([expert(dense) for expert in self.experts], 1)
        mixed = [(torch.softmax(gate(dense), 1).unsqueeze(2) * known).sum(1) for gate in self.gates]
        return tuple(torch.sigmoid(head(x)).squeeze(1) for head, x in zip(self.heads, mixed, strict=True))


class ExtractionLevel(nn.Module):
    """One level of PLE: each task sees its own experts and the shared ones, the shared state sees all."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.click, self.buy, self.shared = (nn.ModuleList(tower(width_in, width) for _ in range(2)) for _ in range(3))
        self.gates = nn.ModuleList(nn.Linear(width_in, size) for size in (4, 4, 6))

    def forward(self, states: list[Tensor]) -> list[Tensor]:
        groups = (self.click, self.buy, self.shared)
        click, buy, shared = ([expert(x) for expert in group] for group, x in zip(groups, states, strict=True))
        seen = (click + shared, buy + shared, click + buy + shared)
        weights = [torch.softmax(gate(x), 1).unsqueeze(2) for gate, x in zip(self.gates, states, strict=True)]
        return [(weight * torch.stack(told, 1)).sum(1) for weight, told in zip(weights, seen, strict=True)]


class LayeredExtraction(nn.Module):
    """PLE (Tang et al. 2020): two levels of experts of each task and shared ones. A dict of outputs."""

    def __init__(self, dense: int = 6, width: int = 6) -> None:
        super().__init__()
        self.levels = nn.ModuleList([ExtractionLevel(dense, width), ExtractionLevel(width, width)])
        self.heads = nn.ModuleDict({name: nn.Linear(width, 1) for name in ("click", "buy")})

    def forward(self, dense: Tensor) -> dict[str, Tensor]:
        states = [dense, dense, dense]
        for level in self.levels:
            states = level(states)
        told = zip(self.heads.items(), states, strict=False)
        return {name: torch.sigmoid(head(state)).squeeze(1) for (name, head), state in told}


class EntireSpace(nn.Module):
    """ESMM (Ma et al. 2018, arXiv:1804.07931): P(click and buy) = P(click) · P(buy | click), shared embeddings."""

    def __init__(self, fields: int = 4, vocabulary: int = 20, width: int = 5) -> None:
        super().__init__()
        self.tables = Tables(fields, vocabulary, width)
        self.click, self.buy = tower(fields * width, 8, 1), tower(fields * width, 8, 1)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        x = self.tables(ids).flatten(1)
        click = torch.sigmoid(self.click(x)).squeeze(1)
        return click, click * torch.sigmoid(self.buy(x)).squeeze(1)


class TwoTowers(nn.Module):
    """Two towers with in-batch scores (Yi et al. 2019). Inputs come as one dict; rows are mixed in `scores`."""

    def __init__(self, dense: int = 3, vocabulary: int = 20, width: int = 6) -> None:
        super().__init__()
        self.users, self.goods = nn.Embedding(vocabulary, width), nn.Embedding(vocabulary, width)
        self.user, self.item = tower(width + dense, 8, 4), tower(width, 8, 4)
        self.temperature = nn.Parameter(torch.tensor(0.1))

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        user = normalize(self.user(torch.cat([self.users(batch["user"]), batch["context"]], 1)), dim=1)
        item = normalize(self.item(self.goods(batch["item"])), dim=1)
        scores = user @ item.T / self.temperature
        return {"match": scores.diagonal(), "scores": scores.log_softmax(1)}
