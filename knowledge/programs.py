"""The computation of snapshots, from files below the configured roots, examined in a process of its own."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tools.ports import UnreadableArtifact

T = TypeVar("T")


class SnapshotPrograms:
    """Implements `tools.ports.ProgramsPort`."""

    def examine(self, analysis: Callable[..., T], snapshots: Sequence[str], *arguments: Any) -> T:  # noqa: ARG002
        """See `tools.ports.ProgramsPort`."""
        raise UnreadableArtifact("running a snapshot's graph is not available in this version")
