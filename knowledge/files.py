"""Files that are there whole or not at all: written beside their place, synced, and renamed over it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of `path` at the end of the block. Durable after it.

    Where the block raises, what stood at `path` stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".writing")
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        move(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def move(source: Path, path: Path) -> None:
    """Put a file that is on disk in its place, in the same file system. Durable on return."""
    source.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
