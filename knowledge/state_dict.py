"""Reads a `state_dict` that torch.save has written (`.pt`, `.pth`), with torch's own reader for weights only.

That reader unpickles with a short list of harmless types, and maps the tensors into memory. It is the one format here
that torch itself reads, so torch is loaded for it.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from knowledge.stored_tensor import CLAIM_FACTOR, ITEMSIZE, NUMPY, Weights, plain_name
from tools.ports import UnreadableArtifact

if TYPE_CHECKING:
    from torch import Tensor

INSIDE = ("state_dict", "model_state_dict", "model")
"""Where training programs put the weights of a checkpoint that holds other things too."""


def read_state_dict(path: Path) -> Mapping[str, np.ndarray]:
    """Tensor name → array, in the order of the file, as `knowledge.pt2.read_pt2` gives them.

    Raises `UnreadableArtifact` with the reason, among others for a file that holds more than tensors, numbers and
    texts, and for one of the format before torch 1.6, which cannot be mapped.
    """
    import torch

    try:
        held = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        tensors = _tensors(held)
        _refuse_unfit(tensors, path.stat().st_size)
        return Weights(tensors, _array)
    except pickle.UnpicklingError:
        reason = "it holds Python objects besides tensors, and unpickling them would run code"
    except (OSError, RuntimeError, ValueError, TypeError, LookupError, EOFError, AttributeError) as error:
        reason = str(error).strip().split("\n", 1)[0]
    raise UnreadableArtifact(
        f"{path.name} is refused: {reason}. Publish the snapshot again with torch.save(model.state_dict(), ...)"
    )


def _tensors(held: Any) -> "dict[str, Tensor]":
    import torch

    for key in INSIDE:
        if isinstance(held, Mapping) and isinstance(held.get(key), Mapping):
            held = held[key]
    if not isinstance(held, Mapping):
        raise ValueError("it is no state_dict: it must map names to tensors")
    tensors = {name: tensor for name, tensor in held.items() if isinstance(tensor, torch.Tensor)}
    if not tensors or not all(isinstance(name, str) and plain_name(name) for name in tensors):
        raise ValueError("it is no state_dict: it must map names to tensors")
    return tensors


def _refuse_unfit(tensors: "Mapping[str, Tensor]", size: int) -> None:
    for name, tensor in tensors.items():
        if str(tensor.layout) != "torch.strided":
            raise ValueError(f"the tensor {name!r} is of the layout {tensor.layout}, which is not supported")
        if _dtype(tensor) not in ITEMSIZE or tensor.is_quantized:
            raise ValueError(f"the tensor {name!r} is of the type {_dtype(tensor)}, which is not supported")
    if sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) > CLAIM_FACTOR * size:
        raise ValueError(f"its tensors claim more than {CLAIM_FACTOR} times the size of the file")


def _dtype(tensor: "Tensor") -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _array(tensor: "Tensor") -> np.ndarray:
    """Types that numpy lacks become float32, which holds every value of them."""
    wide = tensor if _dtype(tensor) in NUMPY else tensor.float()
    array: np.ndarray = wide.detach().numpy()
    array.flags.writeable = False
    return array
