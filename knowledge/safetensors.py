"""Reads a `.safetensors` file: the length of a JSON header, the header, and the raw bytes of the tensors.

The format is Hugging Face's; the checks are those of its own reader: offsets that begin at zero, follow each other
without a hole, and end with the file.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from knowledge.stored_tensor import ITEMSIZE, StoredTensor, Weights, plain_name
from tools.ports import UnreadableArtifact

LENGTH_BYTES = 8
HEADER_LIMIT_BYTES = 64 << 20
METADATA = "__metadata__"
DTYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
}

Whole = Annotated[int, Field(ge=0, le=2**62)]


class _Tensor(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    dtype: str
    shape: list[Whole] = Field(max_length=64)
    data_offsets: list[Whole] = Field(min_length=2, max_length=2)


_HEADER = TypeAdapter(dict[str, _Tensor])


class _Refused(Exception):
    pass


def read_safetensors(path: Path) -> Mapping[str, np.ndarray]:
    """Tensor name → array, in the order of the file, as `knowledge.pt2.read_pt2` gives them.

    Raises `UnreadableArtifact` naming the tensor and the reason.
    """
    try:
        return Weights(_tensors(path), StoredTensor.as_array)
    except (_Refused, OSError, ValueError) as error:
        raise UnreadableArtifact(
            f"{path.name} is refused: {error}. Publish the snapshot again, or name another one"
        ) from None


def _tensors(path: Path) -> dict[str, StoredTensor]:
    size = path.stat().st_size
    if size < LENGTH_BYTES:
        raise _Refused("it is too short to be a safetensors file")
    raw = np.memmap(path, dtype=np.uint8, mode="r")
    length = int.from_bytes(raw[:LENGTH_BYTES].tobytes(), "little")
    if length > min(HEADER_LIMIT_BYTES, size - LENGTH_BYTES):
        raise _Refused(f"its header claims {length} bytes of {size}; it may be truncated")
    data = raw[LENGTH_BYTES + length :]
    header = _header(raw[LENGTH_BYTES : LENGTH_BYTES + length].tobytes())
    tensors, end = {}, 0
    for name in header:
        if not plain_name(name):
            raise _Refused(f"the name {name[:40]!r} is not a plain one")
    for name, said in sorted(header.items(), key=lambda item: item[1].data_offsets):
        start, stop = said.data_offsets
        if start != end or stop < start or stop > len(data):
            raise _Refused(
                f"the tensor {name!r} lies at {start} to {stop} of {len(data)}, after one that ends at {end}"
            )
        tensors[name], end = _tensor(name, said, data[start:stop]), stop
    if end != len(data):
        raise _Refused(f"its tensors end at byte {end} of {len(data)}")
    return {name: tensors[name] for name in header}


def _header(text: bytes) -> dict[str, _Tensor]:
    try:
        said = json.loads(text)
        if isinstance(said, dict):
            said.pop(METADATA, None)
        return _HEADER.validate_python(said)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise _Refused(f"header, {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise _Refused(f"its header is not JSON ({error})") from None


def _tensor(name: str, said: _Tensor, raw: np.ndarray) -> StoredTensor:
    if said.dtype not in DTYPES:
        raise _Refused(f"the tensor {name!r} is of the type {said.dtype!r}, which is not supported")
    dtype = DTYPES[said.dtype]
    strides, elements = [], 1
    for size in reversed(said.shape):
        strides.append(elements)
        elements *= size
    if elements * ITEMSIZE[dtype] != len(raw):
        raise _Refused(f"the tensor {name!r} has {elements} elements of {said.dtype}, and {len(raw)} bytes")
    return StoredTensor(dtype, tuple(said.shape), tuple(reversed(strides)), 0, raw)
