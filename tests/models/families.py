"""Every family with how to make a model of it and a batch for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from tests.models.crossing import AutoInt, CrossNetwork, CrossNetworkV2, ExtremeDeepFM, FiBiNet
from tests.models.dlrm import DLRM
from tests.models.factorization import (
    AttentionalMachine,
    DeepFM,
    FactorizationMachine,
    FieldAwareMachine,
    NeuralMachine,
    ProductNetwork,
)
from tests.models.interest import (
    BehaviourTransformer,
    ClickSequence,
    InterestEvolution,
    InterestNetwork,
    SequentialAttention,
)
from tests.models.several_tasks import EntireSpace, LayeredExtraction, MixtureOfExperts, TwoTowers
from tests.models.signals import ConvolutionNet, EveryKind, FlatBags, SquareBags
from tests.models.tabular import FeatureTransformer, TabNet
from tests.models.wide_and_deep import WideAndDeep

Batch = Callable[[int, Generator], Any]


@dataclass(frozen=True)
class Family:
    """A model with random weights, and batches of it by number of rows: positional inputs, as a tuple."""

    make: Callable[[], nn.Module]
    batch: Batch


def numbers(width: int) -> Batch:
    return lambda rows, generator: torch.randn(rows, width, generator=generator)


def ids(*shape: int, below: int = 20) -> Batch:
    return lambda rows, generator: torch.randint(0, below, (rows, *shape), generator=generator)


def together(*parts: Batch) -> Batch:
    return lambda rows, generator: tuple(part(rows, generator) for part in parts)


def bags(rows: int, generator: Generator, below: int = 20) -> tuple[Tensor, Tensor]:
    """Flat ids, 4 rows + 1 of them, and the offsets of rows with 0 to 4 ids each, except the first with the rest."""
    lengths = torch.randint(0, 5, (rows,), generator=generator)
    lengths[0] = 4 * rows + 1 - lengths[1:].sum()
    return torch.randint(0, below, (int(lengths.sum()),), generator=generator), lengths.cumsum(0) - lengths


def flat_bags(rows: int, generator: Generator) -> Any:
    flat, offsets = bags(rows, generator, 30)
    return flat, offsets, torch.rand(len(flat), generator=generator)


def every_kind(rows: int, generator: Generator) -> Any:
    dense, history = numbers(3)(rows, generator), ids(6)(rows, generator)
    dense[0, 1] = float("nan")
    flag, count = torch.rand(rows, generator=generator) > 0.5, torch.arange(rows, dtype=torch.int32)
    return dense, ids(2)(rows, generator), *bags(rows, generator), history, flag, count


def pairs(rows: int, generator: Generator) -> Any:
    return ({"user": ids()(rows, generator), "item": ids()(rows, generator), "context": numbers(3)(rows, generator)},)


item = ids(below=30)
history = ids(6, below=30)

FAMILIES: dict[str, Family] = {
    "AFM": Family(AttentionalMachine, together(ids(5))),
    "AutoInt": Family(AutoInt, together(ids(5))),
    "BST": Family(BehaviourTransformer, together(item, history, numbers(3))),
    "convolution net": Family(ConvolutionNet, lambda n, g: (torch.randn(n, 3, 16, 16, generator=g),)),
    "DCN": Family(CrossNetwork, together(numbers(4), ids(3))),
    "DCN-V2": Family(CrossNetworkV2, together(numbers(4), ids(3))),
    "DeepFM": Family(DeepFM, together(numbers(4), ids(5))),
    "DIEN": Family(InterestEvolution, together(item, history)),
    "DIN": Family(InterestNetwork, together(item, history)),
    "DLRM": Family(DLRM, together(numbers(4), ids(3))),
    "EmbeddingBag, flat": Family(FlatBags, flat_bags),
    "EmbeddingBag, square": Family(SquareBags, together(ids(4, below=30))),
    "ESMM": Family(EntireSpace, together(ids(4))),
    "every kind of input": Family(EveryKind, every_kind),
    "FFM": Family(FieldAwareMachine, together(ids(4))),
    "FiBiNET": Family(FiBiNet, together(ids(4))),
    "FM": Family(FactorizationMachine, together(ids(5))),
    "FT-Transformer": Family(FeatureTransformer, together(numbers(4), ids(2, below=5))),
    "LSTM": Family(ClickSequence, lambda n, g: (torch.randn(n, 5, 4, generator=g),)),
    "MMoE": Family(MixtureOfExperts, together(numbers(6))),
    "NFM": Family(NeuralMachine, together(ids(5))),
    "PLE": Family(LayeredExtraction, together(numbers(6))),
    "PNN": Family(ProductNetwork, together(ids(4))),
    "SASRec": Family(SequentialAttention, together(history)),
    "TabNet": Family(TabNet, together(numbers(6))),
    "two towers": Family(TwoTowers, pairs),
    "Wide & Deep": Family(WideAndDeep, together(numbers(4), ids(3))),
    "xDeepFM": Family(ExtremeDeepFM, together(ids(4))),
}
