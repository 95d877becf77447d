"""The tensors of a `.pt2` file: JSON that says what each looks like, checked against the raw bytes there are."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from knowledge.pt2.archive import Archive, Refused, Strict
from knowledge.stored_tensor import CLAIM_FACTOR, Misfit, StoredTensor, plain_name

# torch._export.serde.schema.ScalarType gives the numbers.
DTYPES = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
    29: "float8_e4m3fn",
    30: "float8_e5m2",
    31: "float8_e4m3fnuz",
    32: "float8_e5m2fnuz",
    34: "uint32",
    35: "uint64",
}
STRIDED = 7
WEIGHTS, CONSTANTS = "data/weights/", "data/constants/"
CONFIGS = {WEIGHTS: "_weights_config.json", CONSTANTS: "_constants_config.json"}

Whole = Annotated[int, Field(ge=0, le=2**62)]


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
    use_pickle: bool
    tensor_meta: _Meta | None = None


class _Config(Strict):
    config: dict[str, _Payload]


def read_tensors(archive: Archive) -> Iterator[tuple[str, StoredTensor]]:
    """Name → tensor, weights first and then constants, each in the order of the file. Raises `Refused`."""
    left = CLAIM_FACTOR * len(archive.raw)
    seen: set[str] = set()
    for folder, suffix in CONFIGS.items():
        entry = archive.only(folder, suffix)
        if entry is None:
            if folder == WEIGHTS:
                raise Refused(folder, "it must describe one model, and describes 0")
            continue
        for name, payload in archive.json_of(entry, _Config).config.items():
            if not plain_name(name):
                raise Refused(entry, f"the name {name[:40]!r} is not a plain one")
            if name in seen:
                raise Refused(entry, f"the tensor {name!r} is there twice")
            seen.add(name)
            tensor = _tensor(archive, folder + payload.path_name, name, payload)
            left -= tensor.claimed_bytes
            if left < 0:
                raise Refused(entry, f"its tensors claim more than {CLAIM_FACTOR} times the size of the file")
            yield name, tensor


def _tensor(archive: Archive, entry: str, name: str, payload: _Payload) -> StoredTensor:
    meta = payload.tensor_meta
    if payload.use_pickle or meta is None:
        raise Refused(entry, f"the tensor {name!r} is pickled; unpickling runs code")
    if meta.layout != STRIDED or meta.dtype not in DTYPES:
        raise Refused(entry, f"the tensor {name!r} has layout {meta.layout}, dtype {meta.dtype}: not supported")
    sizes, strides = tuple(s.as_int for s in meta.sizes), tuple(s.as_int for s in meta.strides)
    try:
        return StoredTensor(DTYPES[meta.dtype], sizes, strides, meta.storage_offset.as_int, archive.bytes_of(entry))
    except Misfit as misfit:
        raise Refused(entry, f"the tensor {name!r} does not fit: {misfit}") from None
