"""Sampled rows as the input tensors of a program."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tools.program.columns import Filler, UnfitRows, as_numbers
from tools.program.graph import Program
from tools.records import Samples

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """`inputs` in the order of the program's; `samples` are the rows in them, in the same order.

    The order is by time and then by value, whatever the order of the samples was, so that every figure that is computed
    from the rows is the same to the last bit. `caveats` say what had to be made up, in words.
    """

    inputs: "tuple[Tensor, ...]"
    samples: Samples
    caveats: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)


def to_rows(program: Program, samples: Samples) -> Rows:
    """The samples as input tensors. Raises `UnfitRows`.

    A missing value becomes what its column says that serving gives for it; else NaN, or for an id the baseline. A
    feature that no sample has takes its baseline. Without columns, a sample's feature must have the name of an input
    (for all of its columns) or be called `input.place`.
    """
    samples = _as_many_as_fit(program, in_order(samples))
    filler = Filler(program, samples)
    arrays = {tensor.name: filler.fill(tensor) for tensor in program.inputs}
    if not filler.used:
        raise UnfitRows(
            f"none of the samples' {len(samples.features)} features is an input of the snapshot; "
            "look at the names in its features.json and at those in the samples"
        )
    inputs = tuple(_tensor(arrays[tensor.name], tensor.dtype) for tensor in program.inputs)
    return Rows(inputs, samples, filler.caveats())


def in_order(samples: Samples) -> Samples:
    """The samples by time, and those of one moment by their values. `samples` itself is left as it is."""
    keys = [samples.prediction]
    for name in sorted(samples.features):
        values = as_numbers(samples.features[name])
        if values is not None and values.size:
            keys += list(values.reshape(len(samples), -1).T)
    order = np.lexsort([*keys, samples.ts])
    features = {name: np.asarray(values)[order] for name, values in samples.features.items()}
    return Samples(
        samples.ts[order], samples.snapshot[order], features, samples.prediction[order], samples.label[order]
    )


def fixed_batch(program: Program) -> int | None:
    """The number of rows that the program was exported for; None where it takes any number."""
    bags = {column.input for column in program.columns if column.kind == "bag"}
    sizes = {tensor.sizes[0] for tensor in program.inputs if tensor.sizes and tensor.name not in bags}
    fixed = sorted(size for size in sizes if size is not None)
    return fixed[0] if fixed else None


def _as_many_as_fit(program: Program, samples: Samples) -> Samples:
    """All samples, or the newest ones where the program takes a fixed number of rows."""
    fixed = fixed_batch(program)
    if not len(samples):
        raise UnfitRows("there are no samples to run the snapshot on; send samples of the model's predictions")
    if fixed is None:
        return samples
    if len(samples) < fixed:
        raise UnfitRows(
            f"the snapshot was exported for exactly {fixed} rows, and there are {len(samples)} samples; "
            "publish it with an open number of rows, or send more samples"
        )
    return samples.where(np.arange(len(samples)) >= len(samples) - fixed)


def _tensor(values: np.ndarray, dtype: str) -> "Tensor":
    import torch

    return torch.from_numpy(np.array(values, order="C")).to(getattr(torch, dtype))
