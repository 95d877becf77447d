"""Networks for tables of numbers and categories."""

import torch
from torch import Tensor, nn


class FeatureTransformer(nn.Module):
    """FT-Transformer (Gorishniy et al. 2021, arXiv:2106.11959): every feature is a token, [CLS] answers."""

    def __init__(self, dense: int = 4, sizes: tuple[int, ...] = (5, 7), width: int = 8, layers: int = 2) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.randn(dense, width)), nn.Parameter(torch.randn(dense, width))
        self.categories = nn.Embedding(sum(sizes), width)
        self.register_buffer("starts", torch.tensor([0, *sizes]).cumsum(0)[:-1])
        self.starts: Tensor
        self.answer = nn.Parameter(torch.randn(1, 1, width))
        layer = nn.TransformerEncoderLayer(width, 2, 16, 0.1, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, dense: Tensor, ids: Tensor) -> Tensor:
        numbers = dense.unsqueeze(2) * self.scale + self.shift
        tokens = torch.cat([self.answer.expand(len(dense), -1, -1), numbers, self.categories(ids + self.starts)], 1)
        return self.head(self.encoder(tokens)[:, 0]).squeeze(1)


def sparsemax(scores: Tensor) -> Tensor:
    """Martins and Astudillo 2016 (arXiv:1602.02068): the projection of each row onto the simplex."""
    ordered, _ = scores.sort(dim=1, descending=True)
    places = torch.arange(1, scores.shape[1] + 1, dtype=scores.dtype)
    sums = ordered.cumsum(1) - 1
    kept = (places * ordered > sums).sum(1, keepdim=True)
    return torch.clamp(scores - sums.gather(1, kept - 1) / kept, min=0)


class TabNet(nn.Module):
    """TabNet (Arik and Pfister 2019, arXiv:1908.07442): steps of sparse attention over the features."""

    def __init__(self, dense: int = 6, width: int = 4, steps: int = 3) -> None:
        super().__init__()
        self.normal = nn.BatchNorm1d(dense, momentum=0.01)
        self.shared = nn.Linear(dense, 4 * width)
        self.transform = nn.ModuleList(nn.Linear(2 * width, 4 * width) for _ in range(steps + 1))
        self.attend = nn.ModuleList(nn.Linear(width, dense) for _ in range(steps))
        self.norms = nn.ModuleList(nn.BatchNorm1d(dense) for _ in range(steps))
        self.out = nn.Linear(width, 1)
        self.width = width

    def features(self, x: Tensor, step: int) -> tuple[Tensor, Tensor]:
        x = nn.functional.glu(self.shared(x), 1)
        x = (x + nn.functional.glu(self.transform[step](x), 1)) * 0.5**0.5
        decided, attended = x.chunk(2, 1)
        return torch.relu(decided), attended

    def forward(self, dense: Tensor) -> tuple[Tensor, Tensor]:
        x = self.normal(dense)
        prior, total = torch.ones_like(x), torch.zeros(len(x), self.width)
        _, attended = self.features(x, 0)
        entropy = torch.zeros(())
        for step, (attend, norm) in enumerate(zip(self.attend, self.norms, strict=True), start=1):
            mask = sparsemax(norm(attend(attended)) * prior)
            entropy = entropy - (mask * torch.log(mask + 1e-10)).sum(1).mean()
            prior = prior * (1.3 - mask)
            decided, attended = self.features(mask * x, step)
            total = total + decided
        return torch.sigmoid(self.out(total)).squeeze(1), entropy
