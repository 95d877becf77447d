"""The tensors of a `.pt2` file: JSON that says what each looks like, checked against the raw bytes there are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from knowledge.pt2.archive import Archive, Refused, Strict

if TYPE_CHECKING:
    from torch import Tensor

# torch._export.serde.schema.ScalarType gives the numbers; numpy has no type for the last ones.
DTYPES: dict[int, tuple[str, str | None]] = {
    1: ("uint8", "<u1"),
    2: ("int8", "<i1"),
    3: ("int16", "<i2"),
    4: ("int32", "<i4"),
    5: ("int64", "<i8"),
    6: ("float16", "<f2"),
    7: ("float32", "<f4"),
    8: ("float64", "<f8"),
    12: ("bool", "|b1"),
    28: ("uint16", "<u2"),
    34: ("uint32", "<u4"),
    35: ("uint64", "<u8"),
    13: ("bfloat16", None),
    29: ("float8_e4m3fn", None),
    30: ("float8_e5m2", None),
    31: ("float8_e4m3fnuz", None),
    32: ("float8_e5m2fnuz", None),
}
STRIDED = 7
FOLDERS = (("data/weights/", "_weights_config.json"), ("data/constants/", "_constants_config.json"))
CLAIM_FACTOR = 8  # tensors that share bytes may together claim so many times the size of the file

Whole = Annotated[int, Field(ge=0, le=2**62, strict=True)]


class _Size(Strict):
    """A symbolic size would come as another key: a weight has none."""

    as_int: Whole


class _Meta(Strict):
    dtype: Whole
    layout: Whole
    sizes: list[_Size] = Field(max_length=64)
    strides: list[_Size] = Field(max_length=64)
    storage_offset: _Size


class _Payload(Strict):
    path_name: str
    use_pickle: bool = Field(strict=True)
    tensor_meta: _Meta | None = None


class _Config(Strict):
    config: dict[str, _Payload]


@dataclass(frozen=True)
class StoredTensor:
    """A tensor whose sizes, strides and offset (in elements) stay within its bytes."""

    dtype: str
    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    raw: NDArray[np.uint8]

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return itemsize(self.dtype)

    @property
    def elements(self) -> int:
        """How many elements it claims, which may be more than there are bytes for where strides are zero."""
        return int(np.prod(self.sizes, dtype=object)) if self.sizes else 1

    def as_tensor(self) -> "Tensor":
        """The tensor as a view of the mapped file. Writing to it leaves the file as it is."""
        import torch

        dtype = getattr(torch, self.dtype)
        if 0 in self.sizes:
            return torch.empty(self.sizes, dtype=dtype)
        raw, count = self.raw, len(self.raw) // self.itemsize
        if raw.ctypes.data % self.itemsize:
            raw = raw.copy()  # torch writes tensors at multiples of 64; some other writer did not
        flat = torch.frombuffer(raw, dtype=dtype, count=count)
        return torch.as_strided(flat, self.sizes, self.strides, self.offset)


def itemsize(dtype: str) -> int:
    """Bytes of one element of a dtype, by torch's name for it."""
    if dtype == "bfloat16":
        return 2
    return 1 if dtype.startswith("float8") or dtype == "bool" else np.dtype(dtype).itemsize


def read_tensors(archive: Archive) -> Iterator[tuple[str, StoredTensor]]:
    """Name → tensor, weights first and then constants, each in the order of the file. Raises `Refused`."""
    left = CLAIM_FACTOR * len(archive.raw)
    seen: set[str] = set()
    for folder, suffix in FOLDERS:
        entry = archive.only(folder, suffix)
        if entry is None and folder == FOLDERS[0][0]:
            raise Refused(folder, "it must describe one model, and describes 0")
        for name, payload in archive.json_of(entry, _Config).config.items() if entry else ():
            if name in seen:
                raise Refused(entry or "", f"the tensor {name!r} is there twice")
            seen.add(name)
            tensor = _tensor(archive, folder + payload.path_name, name, payload)
            left -= tensor.elements * tensor.itemsize
            if left < 0:
                raise Refused(entry or "", f"its tensors claim more than {CLAIM_FACTOR} times the size of the file")
            yield name, tensor


def _tensor(archive: Archive, entry: str, name: str, payload: _Payload) -> StoredTensor:
    meta = payload.tensor_meta
    if payload.use_pickle or meta is None:
        raise Refused(entry, f"the tensor {name!r} is pickled; unpickling runs code")
    if meta.layout != STRIDED or meta.dtype not in DTYPES:
        raise Refused(entry, f"the tensor {name!r} has layout {meta.layout}, dtype {meta.dtype}: not supported")
    sizes, strides = tuple(s.as_int for s in meta.sizes), tuple(s.as_int for s in meta.strides)
    if len(sizes) != len(strides):
        raise Refused(entry, f"the tensor {name!r} has {len(sizes)} sizes and {len(strides)} strides")
    raw, dtype = archive.bytes_of(entry), DTYPES[meta.dtype][0]
    tensor = StoredTensor(dtype, sizes, strides, meta.storage_offset.as_int, raw)
    # Python's integers do not overflow, so the reach of hostile sizes and strides is computed as it is.
    reach = tensor.offset + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True)) + 1
    if 0 not in sizes and reach * tensor.itemsize > len(raw):
        raise Refused(entry, f"the tensor {name!r} reaches to byte {reach * tensor.itemsize} of {len(raw)}")
    return tensor
