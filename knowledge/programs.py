"""The computation of snapshots, from files below the configured roots, examined in a process of its own."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from knowledge.artifacts import Artifacts
from knowledge.pt2 import read_program
from knowledge.weights import read_weights
from knowledge.worker import Worker
from tools.ports import UnreadableArtifact
from tools.program.graph import Program

T = TypeVar("T")
Source = tuple[Path, str | None]
"""A file, and the function that makes its module, where one is configured."""

TIMEOUT_S = 120.0
MEMORY_BYTES = 4 << 30


class SnapshotPrograms:
    """Implements `tools.ports.ProgramsPort`. The files are opened in the worker, by their paths."""

    def __init__(
        self,
        artifacts: Artifacts,
        factories: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        """`memory_bytes` is what a call may take besides the files that it maps. `factories` are model → function that
        makes its module (`package.module:function`), for snapshots that are weights alone."""
        self._artifacts, self._factories = artifacts, dict(factories or {})
        self._worker = Worker(timeout_s, memory_bytes)

    def examine(self, analysis: Callable[..., T], snapshots: Sequence[str], *arguments: Any) -> T:
        """See `tools.ports.ProgramsPort`."""
        sources: list[Source] = []
        for snapshot in snapshots:
            path = self._artifacts.of(snapshot)
            if path is None:
                raise UnreadableArtifact(f"the snapshot {snapshot!r} has no artifact: publish it with one")
            sources.append((path, self._factories.get(self._artifacts.model_of(snapshot) or "")))
        mapped = sum(path.stat().st_size for path, _ in sources)
        answer: T = self._worker.call(examine_files, analysis, sources, arguments, extra_bytes=mapped)
        return answer

    def close(self) -> None:
        """Stop the worker. Nothing is left running."""
        self._worker.close()


def examine_files(analysis: Callable[..., T], sources: Sequence[Source], arguments: Sequence[Any]) -> T:
    """`analysis(programs, *arguments)` with the programs of these files: what runs in the worker."""
    return analysis([open_program(*source) for source in sources], *arguments)


def open_program(path: Path, factory: str | None = None) -> Program:
    """The program of an artifact, or of weights with the factory of their model.

    Raises `UnreadableArtifact` for a file that holds no computation and has no factory.
    """
    if path.suffix == ".pt2":
        return read_program(path)
    if factory is None:
        raise UnreadableArtifact(
            f"{path.name} holds no computation, only weights: export the model as a .pt2 to run it, or name the "
            "function that makes its module in the setting `factories`"
        )
    from knowledge.exporting.factories import program_from  # with torch, which only the worker loads

    return program_from(factory, read_weights(path), path)
