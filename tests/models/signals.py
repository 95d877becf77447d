"""Models that look at images and at bags of words, and one that takes inputs of every kind."""

import torch
from torch import Tensor, nn

from tests.models.layers import tower


class ConvolutionNet(nn.Module):
    """A residual convolution net (He et al. 2015, arXiv:1512.03385) with group norm and pooling."""

    def __init__(self, channels: int = 8, classes: int = 3) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, 2, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(True))
        self.block = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1), nn.GroupNorm(2, channels), nn.SiLU())
        self.pool, self.dropout = nn.MaxPool2d(2), nn.Dropout2d(0.2)
        self.head = nn.Linear(channels, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image)
        x = self.pool(x + self.dropout(self.block(x)))
        x += nn.functional.interpolate(nn.functional.avg_pool2d(x, 2), scale_factor=2, mode="nearest")
        return torch.log_softmax(self.head(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)), 1)


class FlatBags(nn.Module):
    """Bags of ids as EmbeddingBag takes them, flat with offsets, and weighted ones (fastText, arXiv:1607.01759)."""

    def __init__(self, vocabulary: int = 30, width: int = 5) -> None:
        super().__init__()
        self.mean = nn.EmbeddingBag(vocabulary, width, mode="mean")
        self.weighted = nn.EmbeddingBag(vocabulary, width, mode="sum")
        self.out = nn.Linear(2 * width, 2)

    def forward(self, ids: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
        return self.out(torch.cat([self.mean(ids, offsets), self.weighted(ids, offsets, weights)], 1))


class SquareBags(nn.Module):
    """Bags of the same length in two dimensions, with padding that counts for nothing."""

    def __init__(self, vocabulary: int = 30, width: int = 5) -> None:
        super().__init__()
        self.bags = nn.EmbeddingBag(vocabulary, width, mode="max", padding_idx=0)
        self.out = tower(width, 4, 1)

    def forward(self, ids: Tensor) -> Tensor:
        return self.out(self.bags(ids)).squeeze(1)


class EveryKind(nn.Module):
    """Numbers, ids, bags, sequences, flags and counts together; a buffer, tied weights, dropout, integer outputs."""

    def __init__(self, vocabulary: int = 20, width: int = 4) -> None:
        super().__init__()
        self.tables = nn.Embedding(vocabulary, width)
        self.bags = nn.EmbeddingBag(vocabulary, width, mode="sum")
        self.bags.weight = self.tables.weight
        self.register_buffer("means", torch.tensor([1.0, 2.0, 3.0]))
        self.means: Tensor
        self.dropout = nn.Dropout(0.5)
        self.deep = tower(3 + 3 * width + 2, 8, 1, inplace=True)

    def forward(
        self, dense: Tensor, ids: Tensor, bag: Tensor, offsets: Tensor, history: Tensor, flag: Tensor, count: Tensor
    ) -> dict[str, Tensor]:
        numbers = torch.nan_to_num(dense - self.means)
        numbers[:, 0] = numbers[:, 0].clamp(-3, 3)  # a write in place
        told = [self.tables(ids).sum(1), self.bags(bag, offsets), self.tables(history).mean(1)]
        extra = torch.stack([torch.where(flag, 1.0, -1.0), count.float().log1p()], 1)
        score = self.deep(self.dropout(torch.cat([numbers, *told, extra], 1))).squeeze(1)
        return {"score": torch.sigmoid(score), "high": score > 0, "bucket": (score * 10).round().long() % 7}
