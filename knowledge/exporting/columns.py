"""What the input columns of a model mean, for `features.json`: one function for each kind of input.

`sample` gives each column's baseline, the value that stands for "nothing special" when a walk takes a feature away:
the mean of a number, the commonest of ids. Give some thousands of ordinary rows.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from tools.program.graph import Column


class UnusableColumns(ValueError):
    """The description does not fit the model's inputs; the message says which part."""


def dense(input_name: str, features: Sequence[str], sample: Tensor, missing: float | None = None) -> list[Column]:
    """Numbers, float[rows, features] or, a list of numbers for each feature, float[rows, positions, features];
    `missing` is what serving gives in place of a missing one.

    The mean is over the finite values of a column; a column without any has baseline 0.
    """
    rows = _sampled(input_name, features, sample).double()
    finite = rows.isfinite()
    means = rows.where(finite, 0.0).sum(0) / finite.sum(0).clamp(min=1)
    return [
        Column(input_name, place, feature, "dense", mean, missing=missing)
        for place, (feature, mean) in enumerate(zip(features, means.tolist(), strict=True))
    ]


def categorical(input_name: str, features: Sequence[str], sample: Tensor, missing: float | None = None) -> list[Column]:
    """Ids, int[rows, features]."""
    rows = _sampled(input_name, features, sample)
    return [
        Column(input_name, place, feature, "categorical", _commonest(rows[:, place]), missing=missing)
        for place, feature in enumerate(features)
    ]


def bag(input_name: str, feature: str, offsets: str, sample: Tensor) -> list[Column]:
    """All ids of all rows one after another, int[ids], as EmbeddingBag takes them; `offsets` names the input that
    says where each row begins."""
    return [Column(input_name, 0, feature, "bag", _commonest(sample.flatten()), offsets=offsets)]


def sequence(input_name: str, feature: str, sample: Tensor) -> list[Column]:
    """One feature for all that an input holds of a row: an id per position, int[rows, positions], or numbers,
    float[rows, …], as of an image; a sample has them as one list, the last dimension's neighbours side by side."""
    if sample.is_floating_point():
        return [Column(input_name, 0, feature, "sequence", float(sample.double().nanmean().nan_to_num()))]
    return [Column(input_name, 0, feature, "sequence", _commonest(sample.flatten()))]


def _sampled(input_name: str, features: Sequence[str], sample: Tensor) -> Tensor:
    rows = sample[:, None] if sample.dim() == 1 else sample
    if rows.dim() < 2 or rows.shape[-1] != len(features):
        raise UnusableColumns(
            f"input {input_name!r} is described with {len(features)} features and a sample of sizes "
            f"{list(sample.shape)}: give one feature for each column"
        )
    return rows.flatten(0, -2)


def _commonest(ids: Tensor) -> float:
    if not len(ids):
        return 0.0
    values, counts = torch.unique(ids, return_counts=True)
    return float(values[counts.argmax()])
