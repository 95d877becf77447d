"""What was computed of two snapshots' weights, kept in files: history would be read again for every new snapshot."""

import hashlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from knowledge.artifacts import Artifacts
from knowledge.files import replaced
from knowledge.weights import SnapshotFiles

Weights = Mapping[str, np.ndarray]


class ComparedWeights(SnapshotFiles):
    """Implements `tools.ports.WeightsPort` and keeps every comparison below `folder`, one file each.

    The file's name holds which function compared, in which version, and which two artifacts: their places, sizes and
    times of writing. So nothing that is kept is ever used for another file. The folder can be deleted at any time.
    """

    def __init__(self, artifacts: Artifacts, folder: Path) -> None:
        super().__init__(artifacts)
        self._of, self._folder = artifacts.of, folder
        self._writing = threading.Lock()

    def compared(
        self, before: str, after: str, analysis: Callable[[Weights, Weights], str], version: int
    ) -> str | None:
        """See `tools.ports.WeightsPort.compared`."""
        old_file, new_file = self._of(before), self._of(after)
        if old_file is None or new_file is None:
            return None
        told = (analysis.__module__, analysis.__qualname__, version, _identity(old_file), _identity(new_file))
        kept = self._folder / f"{hashlib.sha256(repr(told).encode()).hexdigest()}.json"
        if kept.exists():
            return kept.read_text(encoding="utf-8")
        old, new = self.weights(before), self.weights(after)
        if not old or not new:
            return None
        answer = analysis(old, new)
        with self._writing, replaced(kept) as file:
            file.write(answer.encode())
        return answer


def _identity(file: Path) -> tuple[str, int, int]:
    seen = file.stat()
    return str(file), seen.st_size, seen.st_mtime_ns
