"""The weights of snapshots, from files below the configured roots."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from knowledge.artifacts import Artifacts
from knowledge.pt2 import read_pt2
from knowledge.safetensors import read_safetensors
from knowledge.state_dict import read_state_dict
from tools.ports import UnreadableArtifact

READERS = {
    ".pt2": read_pt2,
    ".safetensors": read_safetensors,
    ".pt": read_state_dict,
    ".pth": read_state_dict,
}


class SnapshotFiles:
    """Implements `tools.ports.WeightsPort`: the ending of the file says which reader it is for."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    def weights(self, snapshot: str) -> Mapping[str, np.ndarray] | None:
        """Tensor name → array; None for an unknown snapshot or one without an artifact. Raises `UnreadableArtifact`."""
        path = self._artifacts.of(snapshot)
        if path is None:
            return None
        return read_weights(path)


def read_weights(path: Path) -> Mapping[str, np.ndarray]:
    """Tensor name → array, of any kind of file that holds weights. Raises `UnreadableArtifact`."""
    if path.suffix not in READERS:
        raise UnreadableArtifact(
            f"{path.name} is refused: snapshots are files that end in {', '.join(READERS)}. "
            "Publish the snapshot again as one of them"
        )
    return READERS[path.suffix](path)
