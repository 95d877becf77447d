"""Compares a tensor with an earlier version of itself: one pass over both, a chunk at a time."""

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tools.stats.tensor_change import TensorChange
from tools.stats.tensor_pass import CHUNK, Pass, row_width

if TYPE_CHECKING:
    from torch import Tensor

MARK_BLOCKS, MARK_BYTES = 16, 4096


def compare(before: np.ndarray, after: np.ndarray) -> TensorChange:
    """Compare two arrays of one shape, any real number type.

    float16 and float32 are added up in float32 within a chunk, other types and chunks that overflow in float64, and
    chunks always in float64. Memory: a few chunks. Raises `ValueError` where the shapes differ.
    """
    if before.shape != after.shape:
        raise ValueError(f"the shapes differ: {before.shape} and {after.shape}")
    one_pass = Pass(before, after)
    for number, (old, new) in enumerate(_chunks(before, after)):
        one_pass.add(number, old, new)
    return one_pass.result(mark(before), mark(after))


def _chunks(before: np.ndarray, after: np.ndarray) -> Iterator[tuple["Tensor", "Tensor"]]:
    """Both as flat tensors, whole rows at a time. Only chunks of another type or with odd strides are copied."""
    single = {before.dtype, after.dtype} <= {np.dtype(np.float32), np.dtype(np.float16)}
    dtype = np.dtype(np.float32 if single else np.float64)
    width = row_width(before.shape)
    if before.ndim == 0 or (width == 1 and before.ndim > 1):
        before, after = before.reshape(-1), after.reshape(-1)
    step = max(1, CHUNK // width)
    for start in range(0, len(before) if before.size else 0, step):
        yield _tensor(before[start : start + step], dtype), _tensor(after[start : start + step], dtype)


def _tensor(chunk: np.ndarray, dtype: "np.dtype[Any]") -> "Tensor":
    import torch

    plain = np.ascontiguousarray(chunk, dtype=dtype).reshape(-1)
    return torch.from_numpy(plain if plain.flags.writeable else np.asarray(_Shared(plain)))


class _Shared:
    """The memory of a read-only array for torch, which has no such tensors and warns. Nothing here writes into it."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        told = array.__array_interface__
        self.__array_interface__ = {**told, "data": (told["data"][0], False)}


def mark(array: np.ndarray) -> str:
    """A fingerprint of shape, number type and up to 16 evenly spaced blocks of 4 KB."""
    flat = np.ascontiguousarray(array).reshape(-1)
    digest = hashlib.blake2b(f"{array.dtype.str}{array.shape}".encode(), digest_size=16)
    length = MARK_BYTES // array.dtype.itemsize
    most = max(flat.size - length, 0)
    starts = range(0, flat.size, length) if flat.size <= MARK_BLOCKS * length else _spaced(most, MARK_BLOCKS)
    for start in starts:
        digest.update(flat[start : start + length].tobytes())
    return digest.hexdigest()


def _spaced(last: int, count: int) -> Iterator[int]:
    return (last * place // (count - 1) for place in range(count))
