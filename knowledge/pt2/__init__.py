"""Reads a `.pt2` file (torch.export.save) without pickle, without eval, without running anything of it.

The file is a zip whose entries are stored, not compressed: a JSON graph, JSON that says what each tensor looks like,
and the raw bytes of each. Whatever does not fit that description is refused by name: nothing is guessed, and no entry
is trusted to be as large as it says. Guards, sample inputs and the text of symbolic sizes are not looked at.
`torch.export.load` reads the same files, but runs code from a hostile one: it unpickles, and evaluates text.
"""

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from knowledge.pt2.archive import Archive, Refused, open_archive
from knowledge.pt2.columns import read_columns
from knowledge.pt2.program import program_of
from knowledge.pt2.tensors import read_tensors
from knowledge.stored_tensor import StoredTensor, Weights
from tools.ports import UnreadableArtifact
from tools.program.graph import Program

__all__ = ["read_program", "read_pt2"]

T = TypeVar("T")


def read_pt2(path: Path) -> Mapping[str, np.ndarray]:
    """Tensor name → array, weights first and then constants, each in the order of the file. Does not need torch.

    The arrays are read-only views of the file, mapped into memory and read when they are looked at; bfloat16 and
    float8 become float32, which holds every value of them. A file must not be changed in place while it is looked at:
    publish a new one instead. Raises `UnreadableArtifact` naming the entry and the reason.
    """
    return _read(path, lambda archive: Weights(dict(read_tensors(archive)), StoredTensor.as_array))


def read_program(path: Path) -> Program:
    """The computation of the file, with its weights mapped into memory, and what `<name>.features.json` beside it
    says of the input columns (`knowledge.pt2.columns` has the format).

    Raises `UnreadableArtifact` naming the entry, the node or the column, and the reason.
    """
    return _read(path, lambda archive: read_columns(path, program_of(archive)))


def _read(path: Path, read: Callable[[Archive], T]) -> T:
    try:
        with path.open("rb") as file:
            return read(open_archive(file))
    except Refused as refused:
        reason = str(refused)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        reason = f"it is not a whole zip file ({error})"
    except (OSError, ValueError, OverflowError) as error:
        reason = f"it cannot be read ({error})"
    raise UnreadableArtifact(
        f"{path.name} is refused: {reason}. Publish the snapshot again with torch.export.save, or name another one"
    )
