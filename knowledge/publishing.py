"""Publishing a snapshot: a copy of its artifact below a snapshot root, without what is nobody else's business.

A `.pt2` file may hold the rows that a model was exported with, the paths of its author's machine, and files that
somebody added. The copy holds the graph and the tensors only. It is written whole or not at all, and a snapshot that is
there is never replaced by another one.
"""

import filecmp
import json
import re
import shutil
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from knowledge.files import move, replaced
from knowledge.pt2 import read_program, read_pt2

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


class NotPublished(Exception):
    """The snapshot is not published; the message says why and what to do."""


@dataclass(frozen=True)
class Published:
    """Where the copy lies, as a path below the snapshot root, and which entries of the file were left out."""

    artifact: str
    left_out: tuple[str, ...]


def publish(file: Path, root: Path, model: str, snapshot: str) -> Published:
    """Copy an artifact, and the `features.json` beside it, to its place below `root`; the same again changes nothing.

    Raises `UnreadableArtifact` for a file that is refused, and `NotPublished` where it is not there, cannot be written,
    or where another file was published under this name.
    """
    if file.suffix != ".pt2":
        raise NotPublished(f"{file.name} is not a .pt2 file; write it with torch.export.save")
    if not file.is_file():
        raise NotPublished(f"there is no file {file}")
    read_pt2(file)
    read_program(file)
    artifact = place_of(model, snapshot)
    path = root / artifact
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.new")
        with replaced(beside) as out:
            left_out = strip(file, out)
        try:
            if not _put(file, beside, path):
                raise NotPublished(
                    f"another file was published as {snapshot} before; a snapshot is never changed, so choose another id"
                )
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise NotPublished(f"cannot write {path}: {error.strerror}") from None
    return Published(artifact, left_out)


def place_of(model: str, snapshot: str) -> str:
    """Where a snapshot's copy lies below a root: no two snapshots share a place, and none leads out of it."""
    return f"model={quote(model, safe='')}/{quote(snapshot, safe='')}.pt2"


def strip(file: Path, out: BinaryIO) -> tuple[str, ...]:
    """Write the graph and the tensors of a `.pt2` file, and nothing else; answers with what was left out.

    Of a node's place in the source, the name of the file stays and its folder goes. `file` must have been read by
    `knowledge.pt2` before: nothing is checked here.
    """
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


def _put(file: Path, new: Path, path: Path) -> bool:
    """Move the copy to its place, what is said of its columns first: where an artifact is, all of it is.

    False where something else is there.
    """
    columns, target = file.with_name(f"{file.stem}.features.json"), path.with_name(f"{path.stem}.features.json")
    said = columns.read_bytes() if columns.is_file() else None
    if path.exists():
        there = target.read_bytes() if target.is_file() else None
        return filecmp.cmp(new, path, shallow=False) and said == there
    if said is not None:
        with replaced(target) as out:
            out.write(said)
    move(new, path)
    return True


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
