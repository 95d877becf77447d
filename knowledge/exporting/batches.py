"""Two batches of different size: the dimensions in which they differ are the ones that an export has to leave open."""

import itertools
from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.export import Dim
from torch.utils import _pytree as pytree

Inputs = tuple[Any, ...] | Mapping[str, Any]
"""What a module is called with: by place (a tuple) or by name (a mapping). Tensors may be nested in lists and dicts."""


class UnusableInputs(ValueError):
    """The example inputs do not say what an export needs; the message says what is missing."""


def called_with(inputs: Inputs) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The positional and the named arguments of a call."""
    return ((), dict(inputs)) if isinstance(inputs, Mapping) else (tuple(inputs), {})


def tensors(inputs: Inputs) -> list[Tensor]:
    """All tensors of a call, in the order in which torch.export numbers them."""
    return [leaf for leaf in pytree.tree_leaves(called_with(inputs)) if isinstance(leaf, Tensor)]


def one_row_less(inputs: Inputs) -> Inputs:
    """The same batch without its last row, in every tensor that is as long as the first one.

    With EmbeddingBag's flat ids give the second batch yourself: their number is not the number of rows.
    """
    rows = next((len(tensor) for tensor in tensors(inputs) if tensor.dim() > 0), 0)
    if rows < 3:
        raise UnusableInputs(
            f"the example inputs have {rows} rows; give at least 3 (sizes of 0 and 1 are special to torch.export)"
        )

    def cut(leaf: Any) -> Any:
        return leaf[:-1] if isinstance(leaf, Tensor) and leaf.dim() > 0 and len(leaf) == rows else leaf

    shorter: Inputs = pytree.tree_map(cut, inputs)
    return shorter


def open_dimensions(inputs: Inputs, other: Inputs) -> list[tuple[int, ...]]:
    """For each tensor of a call, the dimensions in which the second batch differs. Raises `UnusableInputs`."""
    ours, theirs = tensors(inputs), tensors(other)
    if pytree.tree_structure(called_with(inputs)) != pytree.tree_structure(called_with(other)):
        raise UnusableInputs("the second batch is not nested as the first one: give the same inputs with other rows")
    different: list[tuple[int, ...]] = []
    for place, (one, two) in enumerate(zip(ours, theirs, strict=True)):
        if one.dim() != two.dim() or one.dtype != two.dtype:
            raise UnusableInputs(
                f"tensor {place} of the second batch has {two.dim()} dimensions of {two.dtype}, the first batch has "
                f"{one.dim()} of {one.dtype}"
            )
        different.append(tuple(d for d, (a, b) in enumerate(zip(one.shape, two.shape, strict=True)) if a != b))
    if not any(different):
        raise UnusableInputs("both batches have the same sizes, so that nothing says which dimension holds the rows")
    return different


def dynamic_shapes(inputs: Inputs, opened: list[tuple[int, ...]]) -> Any:
    """torch.export's `dynamic_shapes` that leaves these dimensions open and fixes all others."""
    places = itertools.count()

    def shape(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return None
        dimensions = opened[next(places)]
        return {d: Dim.AUTO if d in dimensions else Dim.STATIC for d in range(leaf.dim())}

    return pytree.tree_map(shape, dict(inputs) if isinstance(inputs, Mapping) else tuple(inputs))
