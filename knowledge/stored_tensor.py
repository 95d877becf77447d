"""A tensor as bytes of a mapped file, for every format that snapshots come in."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Held = TypeVar("Held")

CLAIM_FACTOR = 8
"""Tensors that share bytes may together claim so many times the size of their file."""

NAME_LIMIT = 1_000

NUMPY: dict[str, np.dtype] = {
    "bool": np.dtype("|b1"),
    "uint8": np.dtype("<u1"),
    "uint16": np.dtype("<u2"),
    "uint32": np.dtype("<u4"),
    "uint64": np.dtype("<u8"),
    "int8": np.dtype("<i1"),
    "int16": np.dtype("<i2"),
    "int32": np.dtype("<i4"),
    "int64": np.dtype("<i8"),
    "float16": np.dtype("<f2"),
    "float32": np.dtype("<f4"),
    "float64": np.dtype("<f8"),
}
EXPONENT_BIAS = {"float8_e4m3fn": 7, "float8_e4m3fnuz": 8, "float8_e5m2": 15, "float8_e5m2fnuz": 16}
ITEMSIZE = {name: dtype.itemsize for name, dtype in NUMPY.items()} | dict.fromkeys(EXPONENT_BIAS, 1) | {"bfloat16": 2}
"""The bytes of one element, by torch's name for the type: every type that is read."""


def plain_name(name: str) -> bool:
    """Whether a name from a file can be shown to a person as it is."""
    return 0 < len(name) <= NAME_LIMIT and name.isprintable()


class Misfit(ValueError):
    """What is said of a tensor does not fit the bytes there are."""


@dataclass(frozen=True)
class StoredTensor:
    """Sizes, strides and offset count elements of `dtype` (torch's name), in `raw`. Raises `Misfit` where it would
    reach beyond its bytes. Strides are never negative."""

    dtype: str
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    raw: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if len(self.sizes) != len(self.strides):
            raise Misfit(f"it has {len(self.sizes)} sizes and {len(self.strides)} strides")
        if 0 in self.sizes and math.prod(n for n in self.sizes if n) * self.itemsize >= 2**63:
            raise Misfit("it is empty, and yet its other sizes are too large")  # numpy makes no such array
        # Python's integers do not overflow, so the reach of hostile sizes and strides is computed as it is.
        last = self.offset + sum((n - 1) * step for n, step in zip(self.sizes, self.strides, strict=True))
        if 0 not in self.sizes and (last + 1) * self.itemsize > len(self.raw):
            raise Misfit(f"it reaches to byte {(last + 1) * self.itemsize} of {len(self.raw)}")

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return ITEMSIZE[self.dtype]

    @property
    def claimed_bytes(self) -> int:
        """The bytes of all elements, which may be more than there are where strides are zero."""
        return math.prod(self.sizes) * self.itemsize

    def as_tensor(self) -> "Tensor":
        """The tensor as a view of the mapped file."""
        import torch

        dtype = getattr(torch, self.dtype)
        if 0 in self.sizes:
            return torch.empty(self.sizes, dtype=dtype)
        raw = self.raw
        if raw.ctypes.data % self.itemsize:
            raw = raw.copy()  # torch writes tensors at multiples of 64; some other writer did not
        flat = torch.frombuffer(raw, dtype=dtype, count=len(raw) // self.itemsize)
        return torch.as_strided(flat, self.sizes, self.strides, self.offset)

    def as_array(self) -> np.ndarray:
        """A read-only array: a view of the mapped file, or float32 for types that numpy lacks."""
        if self.dtype == "bfloat16":
            array: np.ndarray = (self._view(NUMPY["uint16"]).astype(np.uint32) << 16).view(np.float32)
        elif self.dtype in EXPONENT_BIAS:
            array = float8_values(self.dtype)[self._view(NUMPY["uint8"])]
        else:
            array = self._view(NUMPY[self.dtype])
        array.flags.writeable = False
        return array

    def _view(self, dtype: np.dtype) -> np.ndarray:
        if 0 in self.sizes:
            return np.empty(self.sizes, dtype)
        steps = [step * dtype.itemsize for step in self.strides]
        return np.ndarray(self.sizes, dtype, self.raw.data, self.offset * dtype.itemsize, steps)


class Weights(Mapping[str, np.ndarray], Generic[Held]):
    """Tensor name → array, made when it is asked for: a type that becomes wider takes memory for one tensor at a time.

    Arrays of types that numpy has are views, so asking again costs nothing.
    """

    def __init__(self, held: Mapping[str, Held], as_array: Callable[[Held], np.ndarray]) -> None:
        self._held, self._as_array = held, as_array

    def __getitem__(self, name: str) -> np.ndarray:
        return self._as_array(self._held[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


def float8_values(dtype: str) -> np.ndarray:
    """float32[256]: the value of each byte (Micikevicius et al. 2022; the `fnuz` types have no -0 and no infinity)."""
    bits = 3 if "e4m3" in dtype else 2
    byte = np.arange(256)
    sign = np.where(byte & 0x80, -1.0, 1.0)
    exponent, fraction = (byte & 0x7F) >> bits, (byte & ((1 << bits) - 1)) / (1 << bits)
    power = 2.0 ** (np.maximum(exponent, 1) - EXPONENT_BIAS[dtype])
    values = sign * power * np.where(exponent == 0, fraction, 1 + fraction)
    if dtype.endswith("fnuz"):
        values[0x80] = np.nan
    elif dtype == "float8_e4m3fn":
        values[[0x7F, 0xFF]] = np.nan
    else:
        values[[0x7C, 0xFC]] = [np.inf, -np.inf]
        values[[0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF]] = np.nan
    narrow: np.ndarray = values.astype(np.float32)
    return narrow
