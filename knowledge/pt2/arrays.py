"""Stored tensors as numpy arrays: types that numpy lacks become float32, which holds every value of them."""

import numpy as np

from knowledge.pt2.tensors import DTYPES, StoredTensor

NUMPY = {name: np.dtype(numpy) for name, numpy in DTYPES.values() if numpy is not None}


def as_array(tensor: StoredTensor) -> np.ndarray:
    """A read-only array: a view of the mapped file, or a wider copy for bfloat16 and float8."""
    if tensor.dtype == "bfloat16":
        wide: np.ndarray = (_view(tensor, np.dtype("<u2")).astype(np.uint32) << 16).view(np.float32)
    elif tensor.dtype.startswith("float8"):
        wide = float8_values(tensor.dtype)[_view(tensor, np.dtype("u1"))]
    else:
        wide = _view(tensor, NUMPY[tensor.dtype])
    wide.flags.writeable = False
    return wide


def _view(tensor: StoredTensor, dtype: np.dtype) -> np.ndarray:
    if 0 in tensor.sizes:
        return np.empty(tensor.sizes, dtype)
    steps = [step * dtype.itemsize for step in tensor.strides]
    return np.ndarray(tensor.sizes, dtype, tensor.raw.data, tensor.offset * dtype.itemsize, steps)


def float8_values(dtype: str) -> np.ndarray:
    """float32[256]: the value of each byte (Micikevicius et al. 2022; `fnuz` has no -0 and no infinity)."""
    mantissa_bits = 3 if "e4m3" in dtype else 2
    bias = {"float8_e4m3fn": 7, "float8_e4m3fnuz": 8, "float8_e5m2": 15, "float8_e5m2fnuz": 16}[dtype]
    byte = np.arange(256)
    sign = np.where(byte & 0x80, -1.0, 1.0)
    exponent = (byte & 0x7F) >> mantissa_bits
    fraction = (byte & ((1 << mantissa_bits) - 1)) / (1 << mantissa_bits)
    values = sign * np.where(exponent == 0, fraction * 2.0 ** (1 - bias), (1 + fraction) * 2.0 ** (exponent - bias))
    if dtype.endswith("fnuz"):
        values[0x80] = np.nan
    elif dtype == "float8_e4m3fn":
        values[[0x7F, 0xFF]] = np.nan
    else:
        values[[0x7C, 0xFC]] = [np.inf, -np.inf]
        values[[0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF]] = np.nan
    return values.astype(np.float32)
