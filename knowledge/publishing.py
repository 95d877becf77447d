"""Publishing a snapshot: a stripped copy of its artifact below a snapshot root, where it stays as it is.

The copy is written whole or not at all, and a snapshot that is there is never replaced by another one.
"""

import filecmp
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from knowledge.files import move, replaced
from knowledge.pt2 import read_program
from knowledge.stripping import strip
from knowledge.weights import READERS


class NotPublished(Exception):
    """The snapshot is not published; the message says why and what to do."""


@dataclass(frozen=True)
class Published:
    """Where the copy lies, as a path below the snapshot root, and what of the file was left out."""

    artifact: str
    left_out: tuple[str, ...]


def publish(file: Path, root: Path, model: str, snapshot: str) -> Published:
    """Copy an artifact, and the `features.json` beside it, to its place below `root`; the same again changes nothing.

    Raises `UnreadableArtifact` for a file that is refused, and `NotPublished` where it is not there, cannot be written,
    or where another file was published under this name.
    """
    if file.suffix not in READERS:
        raise NotPublished(f"{file.name} is no artifact: they end in {', '.join(READERS)}")
    if not file.is_file():
        raise NotPublished(f"there is no file {file}")
    READERS[file.suffix](file)
    if file.suffix == ".pt2":
        read_program(file)
    artifact = place_of(model, snapshot, file.suffix)
    path = root / artifact
    beside = path.with_name(f"{uuid4().hex}.new")
    try:
        with replaced(beside) as out:
            left_out = strip(file, out)
        try:
            is_put = _put(file, beside, path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise NotPublished(f"cannot write {path}: {error.strerror}") from None
    if not is_put:
        raise NotPublished(
            f"another file was published as {snapshot} before. A snapshot is never changed: choose another id"
        )
    return Published(artifact, left_out)


def place_of(model: str, snapshot: str, suffix: str) -> str:
    """Where a snapshot's copy lies below a root: no two snapshots share a place, and none leads out of it."""
    return f"model={quote(model, safe='')}/{quote(snapshot, safe='')}{suffix}"


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
