"""Copies of artifacts that hold the graph and the tensors, and nothing that is somebody's own business.

A `.pt2` file may hold the rows that a model was exported with, the paths of its author's machine, and files that
somebody added; a `.safetensors` file may hold any text. What is copied must have been read safely before
(`knowledge.weights`): nothing is checked here.
"""

import json
import re
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from knowledge.safetensors import LENGTH_BYTES, METADATA

FOLDER = "archive"
_KEPT = (
    re.compile(r"(archive_format|archive_version|byteorder|\.data/version|\.data/serialization_id)"),
    re.compile(r"models/[^/]+\.json"),
    re.compile(r"data/(weights|constants)/.+"),
)
_EXAMPLES = "data/sample_inputs/"
_PLACE = re.compile(r'File "[^"]*[\\/]')
_FOLDERS = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?(?:[\\/][^\\/\s\"':,;]+)+[\\/](?=[^\\/\s])")
_ALIGNED = 64  # torch maps tensors into memory, and wants them where its own writer puts them
_PADDING = b"FB"
_CHUNK = 1 << 22


def strip(file: Path, out: BinaryIO) -> tuple[str, ...]:
    """Write the copy of an artifact; answers with the names of what was left out.

    Of a node's place in the source, the name of the file stays and its folder goes. A state_dict (`.pt`, `.pth`) holds
    tensors by name and nothing else, and is copied as it is.
    """
    match file.suffix:
        case ".pt2":
            return _strip_program(file, out)
        case ".safetensors":
            return _strip_header(file, out)
    with file.open("rb") as source:
        shutil.copyfileobj(source, out, _CHUNK)
    return ()


def _strip_header(file: Path, out: BinaryIO) -> tuple[str, ...]:
    """The header without its free text, as long as before, so that the tensors stay where they are."""
    with file.open("rb") as source:
        length = int.from_bytes(source.read(LENGTH_BYTES), "little")
        header = json.loads(source.read(length))
        left_out = (METADATA,) if header.pop(METADATA, None) else ()
        out.write(length.to_bytes(LENGTH_BYTES, "little"))
        out.write(json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(length))
        shutil.copyfileobj(source, out, _CHUNK)
    return left_out


def _strip_program(file: Path, out: BinaryIO) -> tuple[str, ...]:
    left_out = []
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        for entry in source.infolist():
            name = entry.filename.partition("/")[2]
            if not any(kept.fullmatch(name) for kept in _KEPT):
                left_out += [name] if entry.file_size else []
                if name.startswith(_EXAMPLES):  # torch.export.load wants the entry, and takes an empty one
                    _opened(target, name, 0).close()
            elif name.startswith("models/"):
                text = json.dumps(_without_places(json.loads(source.read(entry)))).encode()
                with _opened(target, name, len(text)) as copy:
                    copy.write(text)
            else:
                with source.open(entry) as original, _opened(target, name, entry.file_size) as copy:
                    shutil.copyfileobj(original, copy, _CHUNK)
    return tuple(left_out)


def _opened(target: zipfile.ZipFile, name: str, size: int) -> Any:
    """An entry to write to, whose bytes begin at a multiple of 64, as torch's own writer has it."""
    entry = zipfile.ZipInfo(f"{FOLDER}/{name}")
    entry.file_size, entry.compress_size, entry.CRC = size, 0, 0
    assert target.fp is not None
    is_large = size * 1.05 > zipfile.ZIP64_LIMIT  # the rule of `ZipFile.open`, which then has a longer header
    bare = target.fp.tell() + len(entry.FileHeader(is_large)) + len(_PADDING) + 2
    padding = -bare % _ALIGNED
    entry.extra = _PADDING + struct.pack("<H", padding) + b"Z" * padding
    return target.open(entry, "w")


def _without_places(value: Any, key: str = "") -> Any:
    """The graph without its guards, which torch runs as code, and without folders in what is said of its nodes.

    `key` is that of the innermost table that is about a node's origin, and empty outside of such tables.
    """
    if isinstance(value, dict):
        return {
            name: [] if name == "guards_code" else _without_places(inner, name if key or name == "metadata" else "")
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_without_places(inner, key) for inner in value]
    if not key or not isinstance(value, str):
        return value
    named = _PLACE.sub('File "', value)
    return named if key == "stack_trace" else _FOLDERS.sub("", named)
