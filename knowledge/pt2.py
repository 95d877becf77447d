"""Reads the tensors of a `.pt2` file (torch.export.save) without torch, without pickle, without running anything of it.

The file is a zip whose entries are stored, not compressed: JSON that says what each tensor looks like, and the raw
bytes of each. Whatever does not fit that description is refused: nothing is guessed, and no entry is trusted to be as
large as it says.
"""

import json
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tools.ports import UnreadableArtifact

# torch.export.pt2_archive and torch._export.serde.schema.ScalarType give the names and the numbers.
DTYPES = {
    1: "<u1",
    2: "<i1",
    3: "<i2",
    4: "<i4",
    5: "<i8",
    6: "<f2",
    7: "<f4",
    8: "<f8",
    12: "|b1",
    13: "<u2",
    28: "<u2",
    34: "<u4",
    35: "<u8",
}
BFLOAT16 = 13
STRIDED = 7
CONFIGS = (("weights", "_weights_config.json"), ("constants", "_constants_config.json"))
REFUSED = (("aotinductor/", "compiled code"), ("custom_obj_", "a pickled object"), ("opaque_obj_", "an opaque object"))
JSON_LIMIT_BYTES = 64 << 20
CLAIM_FACTOR = 8  # tensors that share bytes may together claim so many times the size of the file
LOCAL_HEADER = struct.Struct("<4sHHHHHIIIHH")
ENCRYPTED = 0x1

Whole = Annotated[int, Field(ge=0, le=2**62, strict=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Size(_Strict):
    """A symbolic size would come as another key: a weight has none."""

    as_int: Whole


class _Tensor(_Strict):
    dtype: Whole
    layout: Whole
    sizes: list[_Size] = Field(max_length=64)
    strides: list[_Size] = Field(max_length=64)
    storage_offset: _Size


class _Payload(_Strict):
    path_name: str
    use_pickle: bool = Field(strict=True)
    tensor_meta: _Tensor | None = None


class _Config(_Strict):
    config: dict[str, _Payload]


class _Refused(Exception):
    """An entry and the reason; `read_pt2` adds the file and what to do."""

    def __init__(self, entry: str, reason: str) -> None:
        super().__init__(f"entry {entry!r}: {reason}" if entry else reason)


@dataclass(frozen=True)
class _Archive:
    """The bytes of the file, and where in them each entry lies: name below the root → (start, length)."""

    raw: NDArray[np.uint8]
    places: dict[str, tuple[int, int]]

    def bytes_of(self, entry: str) -> NDArray[np.uint8]:
        if entry not in self.places:
            raise _Refused(entry, "it is named but it is not in the file")
        start, length = self.places[entry]
        return self.raw[start : start + length]


def read_pt2(path: Path) -> dict[str, np.ndarray]:
    """Tensor name → array, weights first and then constants, each in the order of the file.

    The arrays are read-only views of the file, mapped into memory and read when they are looked at; bfloat16 becomes
    float32, which holds every value of it. A file must not be changed in place while it is looked at: publish a new
    one instead. Raises `UnreadableArtifact` naming the entry and the reason.
    """
    try:
        with path.open("rb") as file:
            archive = _open(file)
        return dict(_tensors(archive))
    except _Refused as refused:
        reason = str(refused)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        reason = f"it is not a whole zip file ({error})"
    except (OSError, ValueError, OverflowError) as error:
        reason = f"it cannot be read ({error})"
    raise UnreadableArtifact(
        f"{path.name} is refused: {reason}. Publish the snapshot again with torch.export.save, or name another one"
    )


def _open(file: BinaryIO) -> _Archive:
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
    raw = np.memmap(file, dtype=np.uint8, mode="r")
    places: dict[str, tuple[int, int]] = {}
    roots = {PurePosixPath(entry.filename).parts[:1] for entry in entries}
    if len(roots) != 1:
        raise _Refused("", f"its entries must lie in one folder, and lie in {len(roots)}")
    for entry in entries:
        name = entry.filename.partition("/")[2]
        if name in places:
            raise _Refused(entry.filename, "it is there twice")
        places[name] = _place(raw, entry)
    _refuse_overlaps(places)
    archive_read = _Archive(raw, places)
    for name, expected in (("archive_format", b"pt2"), ("byteorder", b"little")):
        said = archive_read.bytes_of(name)[:16].tobytes()
        if said != expected:
            raise _Refused(name, f"it says {said!r} and not {expected!r}")
    return archive_read


def _place(raw: NDArray[np.uint8], entry: zipfile.ZipInfo) -> tuple[int, int]:
    """Where the bytes of an entry lie, by the directory and the entry's own header, which must agree."""
    name = entry.filename
    parts = name.split("/")
    if ".." in parts or "" in parts[:-1] or "\\" in name:
        raise _Refused(name, "its name is not a plain path")
    for mark, what in REFUSED:
        if mark in name:
            raise _Refused(name, f"it is {what}, which is never loaded here")
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & ENCRYPTED:
        raise _Refused(name, "it is compressed or encrypted; tensors are stored as they are")
    if entry.file_size != entry.compress_size:
        raise _Refused(name, f"it claims {entry.file_size} bytes and holds {entry.compress_size}")
    header_end = entry.header_offset + LOCAL_HEADER.size
    if entry.header_offset < 0 or header_end > len(raw):
        raise _Refused(name, "its header lies outside the file")
    signature, _, _, method, *_, name_length, extra_length = LOCAL_HEADER.unpack(
        raw[entry.header_offset : header_end].tobytes()
    )
    own_name = raw[header_end : header_end + name_length].tobytes()
    if signature != b"PK\x03\x04" or method != zipfile.ZIP_STORED or own_name != entry.orig_filename.encode():
        raise _Refused(name, "its header does not agree with the directory of the file")
    start = header_end + name_length + extra_length
    if start + entry.file_size > len(raw):
        raise _Refused(name, f"it claims {entry.file_size} bytes, but the file ends before; it may be truncated")
    return start, entry.file_size


def _refuse_overlaps(places: dict[str, tuple[int, int]]) -> None:
    end, last = 0, ""
    for (start, length), name in sorted((place, name) for name, place in places.items()):
        if start < end:
            raise _Refused(name, f"it shares bytes with {last!r}")
        end, last = start + length, name


def _tensors(archive: _Archive) -> Iterator[tuple[str, np.ndarray]]:
    left = CLAIM_FACTOR * len(archive.raw)
    seen: set[str] = set()
    for folder, suffix in CONFIGS:
        found = sorted(name for name in archive.places if name.startswith(f"data/{folder}/") and name.endswith(suffix))
        if len(found) > 1 or (folder == "weights" and not found):
            raise _Refused(f"data/{folder}", f"it must describe one model, and describes {len(found)}")
        for entry in found:
            for name, payload in _config(archive, entry).config.items():
                if name in seen:
                    raise _Refused(entry, f"the tensor {name!r} is there twice")
                seen.add(name)
                tensor = _tensor(archive, f"data/{folder}/{payload.path_name}", name, payload)
                left -= tensor.nbytes
                if left < 0:
                    raise _Refused(entry, f"its tensors claim more than {CLAIM_FACTOR} times the size of the file")
                yield name, _widened(tensor, payload)


def _config(archive: _Archive, entry: str) -> _Config:
    text = archive.bytes_of(entry)
    if len(text) > JSON_LIMIT_BYTES:
        raise _Refused(entry, f"it is larger than {JSON_LIMIT_BYTES} bytes")
    try:
        return _Config.model_validate(json.loads(text.tobytes()))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise _Refused(entry, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise _Refused(entry, f"it is not JSON ({error})") from None


def _tensor(archive: _Archive, entry: str, name: str, payload: _Payload) -> np.ndarray:
    meta = payload.tensor_meta
    if payload.use_pickle or meta is None:
        raise _Refused(entry, f"the tensor {name!r} is pickled; unpickling runs code")
    if meta.layout != STRIDED or meta.dtype not in DTYPES:
        raise _Refused(entry, f"the tensor {name!r} has layout {meta.layout}, dtype {meta.dtype}: not supported")
    sizes, strides = [s.as_int for s in meta.sizes], [s.as_int for s in meta.strides]
    if len(sizes) != len(strides):
        raise _Refused(entry, f"the tensor {name!r} has {len(sizes)} sizes and {len(strides)} strides")
    dtype, raw = np.dtype(DTYPES[meta.dtype]), archive.bytes_of(entry)
    if 0 in sizes:
        return np.empty(sizes, dtype)
    # Python's integers do not overflow, so the reach of hostile sizes and strides is computed as it is.
    reach = meta.storage_offset.as_int + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True)) + 1
    if reach * dtype.itemsize > len(raw):
        raise _Refused(entry, f"the tensor {name!r} reaches to byte {reach * dtype.itemsize} of {len(raw)}")
    steps = [step * dtype.itemsize for step in strides]
    return np.ndarray(sizes, dtype, raw.data, meta.storage_offset.as_int * dtype.itemsize, steps)


def _widened(tensor: np.ndarray, payload: _Payload) -> np.ndarray:
    """bfloat16 is the upper half of float32's bits."""
    if payload.tensor_meta is None or payload.tensor_meta.dtype != BFLOAT16:
        return tensor
    wide: np.ndarray = (tensor.astype(np.uint32) << 16).view(np.float32)
    return wide
