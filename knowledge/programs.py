"""The computation of snapshots, from files below the configured roots, examined in a process of its own."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from knowledge.artifacts import Artifacts
from knowledge.pt2 import read_program
from knowledge.worker import Worker
from tools.ports import UnreadableArtifact
from tools.program.graph import Program

T = TypeVar("T")

TIMEOUT_S = 120.0
MEMORY_BYTES = 4 << 30


class SnapshotPrograms:
    """Implements `tools.ports.ProgramsPort`. The files are opened in the worker, by their paths."""

    def __init__(self, artifacts: Artifacts, timeout_s: float = TIMEOUT_S, memory_bytes: int = MEMORY_BYTES) -> None:
        """`memory_bytes` is what a call may take besides the files that it maps."""
        self._artifacts = artifacts
        self._worker = Worker(timeout_s, memory_bytes)

    def examine(self, analysis: Callable[..., T], snapshots: Sequence[str], *arguments: Any) -> T:
        """See `tools.ports.ProgramsPort`."""
        paths = []
        for snapshot in snapshots:
            path = self._artifacts.of(snapshot)
            if path is None:
                raise UnreadableArtifact(f"the snapshot {snapshot!r} has no artifact: publish it with one")
            paths.append(path)
        mapped = sum(path.stat().st_size for path in paths)
        answer: T = self._worker.call(examine_files, analysis, paths, arguments, extra_bytes=mapped)
        return answer

    def close(self) -> None:
        """Stop the worker. Nothing is left running."""
        self._worker.close()


def examine_files(analysis: Callable[..., T], paths: Sequence[Path], arguments: Sequence[Any]) -> T:
    """`analysis(programs, *arguments)` with the programs of these files: what runs in the worker."""
    return analysis([open_program(path) for path in paths], *arguments)


def open_program(path: Path) -> Program:
    """The program of an artifact. Raises `UnreadableArtifact` for a file that holds no computation."""
    if path.suffix != ".pt2":
        raise UnreadableArtifact(
            f"{path.name} holds no computation, only weights: export the model as a .pt2 to run it"
        )
    return read_program(path)
