"""Compares a tensor with an earlier version of itself: one pass over both, a chunk at a time, in parts."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tools.stats.tensor_change import TensorChange
from tools.stats.tensor_pass import CHUNK, Pass, row_width

if TYPE_CHECKING:
    from torch import Tensor

CHUNKS_IN_A_PART = 64
MARK_BLOCKS, MARK_BYTES = 16, 4096


def compare(before: np.ndarray, after: np.ndarray) -> TensorChange:
    """Compare two arrays of one shape, any real number type.

    float16 and float32 are added up in float32 within a chunk, other types and chunks that overflow in float64, and
    chunks always in float64. Memory: a few chunks. Raises `ValueError` where the shapes differ.
    """
    if before.shape != after.shape:
        raise ValueError(f"the shapes differ: {before.shape} and {after.shape}")
    return merged(before, after, [part(before, after, number) for number in range(parts(before))])


def parts(array: np.ndarray) -> int:
    """In how many parts a tensor is compared: always the same ones, so that the sums are the same on every machine."""
    return math.ceil(array.size / row_width(array.shape) / (_step(array) * CHUNKS_IN_A_PART))


def part(before: np.ndarray, after: np.ndarray, number: int) -> Pass:
    """The sums of one part. Parts can be asked for in any order, and at the same time."""
    old, new = _in_rows(before), _in_rows(after)
    step, first = _step(before), number * CHUNKS_IN_A_PART
    dtype = _working_type(before, after)
    sums = Pass(before, after, first * step)
    for chunk in range(first, first + CHUNKS_IN_A_PART):
        rows = slice(chunk * step, (chunk + 1) * step)
        if len(old[rows]):
            sums.add(chunk, _tensor(old[rows], dtype), _tensor(new[rows], dtype))
    return sums.done()


def merged(before: np.ndarray, after: np.ndarray, sums: Sequence[Pass]) -> TensorChange:
    """The change of a tensor from the sums of all its parts, in their order."""
    whole = Pass(before, after)
    for one in sums:
        whole.merge(one)
    return whole.result(mark(before), mark(after))


def _step(array: np.ndarray) -> int:
    """Rows in a chunk."""
    return max(1, CHUNK // row_width(array.shape))


def _in_rows(array: np.ndarray) -> np.ndarray:
    """Flat where there are no rows, or where one is larger than a chunk."""
    flat = array.ndim == 0 or (array.ndim > 1 and row_width(array.shape) == 1)
    return array.reshape(-1) if flat else array


def _working_type(before: np.ndarray, after: np.ndarray) -> "np.dtype[Any]":
    single = {before.dtype, after.dtype} <= {np.dtype(np.float32), np.dtype(np.float16)}
    return np.dtype(np.float32 if single else np.float64)


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
