"""Where the files of snapshots lie: below the configured roots, and nowhere else."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from tools.ports import ModelsPort, UnreadableArtifact

LARGEST_BYTES = 256 << 30
"""A larger file is refused before anything of it is read: it would take longer than anybody waits for an answer."""


class Artifacts:
    """A snapshot's artifact is a path below one of `roots`; the first that has it is used. Nothing outside them is
    read, whatever the record says and wherever a link points."""

    def __init__(self, roots: Sequence[Path], models: ModelsPort) -> None:
        self._roots = tuple(roots)
        self._models = models

    def of(self, snapshot: str) -> Path | None:
        """The file of a snapshot; None for an unknown snapshot or one without an artifact.

        Raises `UnreadableArtifact` for a path that is not below a root, or where no file is.
        """
        record = self._models.snapshot(snapshot)
        return None if record is None or record.artifact is None else self.find(record.artifact)

    def model_of(self, snapshot: str) -> str | None:
        """The model that a snapshot is of; None for an unknown one."""
        record = self._models.snapshot(snapshot)
        return None if record is None else record.model

    def find(self, artifact: str) -> Path:
        """The file of an artifact. Raises `UnreadableArtifact` as `of` does."""
        parts = PurePosixPath(artifact.replace("\\", "/")).parts
        if not parts or Path(artifact).is_absolute() or ".." in parts or "\0" in artifact:
            raise UnreadableArtifact(
                f"the artifact {artifact!r} is refused: it must be a path below a snapshot root, without '..'"
            )
        for root in self._roots:
            path = root.joinpath(*parts)
            if not path.is_file():
                continue
            if not path.resolve().is_relative_to(root.resolve()):
                raise UnreadableArtifact(f"the artifact {artifact!r} is refused: a link leads out of the snapshot root")
            if (size := path.stat().st_size) > LARGEST_BYTES:
                raise UnreadableArtifact(
                    f"the artifact {artifact!r} is refused: it has {size} bytes, and up to {LARGEST_BYTES} are read"
                )
            return path.resolve()
        roots = ", ".join(map(str, self._roots)) or "no folder at all"
        raise UnreadableArtifact(
            f"the artifact {artifact!r} is not below a snapshot root; looked in {roots}. "
            "Copy it there, or add its folder to the snapshot roots of the settings"
        )
