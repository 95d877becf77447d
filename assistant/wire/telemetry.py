"""What became of the samples, labels, training runs and announcements that a platform sent."""

from typing import Annotated

from pydantic import Field

from assistant.wire.common import Wire


class RefusedRows(Wire):
    """Rows of a batch that were not taken, and why; `first` are the places of the first of them, from 0."""

    reason: str
    rows: int
    first: tuple[int, ...]


class SamplesTaken(Wire):
    """What became of a batch of samples or labels: `taken` rows are on disk, those `refused` are for good."""

    taken: int
    refused: tuple[RefusedRows, ...]


class RunStored(Wire):
    """A training run that is kept now, and how much of it there is."""

    run: str
    model: str
    curves: int
    partitions: int


class MlflowRun(Wire):
    """A run of the MLflow server by its id there, the model that it trained, and the snapshot that it made."""

    run: Annotated[str, Field(min_length=1, max_length=200)]
    model: Annotated[str, Field(min_length=1, max_length=200)]
    snapshot: Annotated[str, Field(min_length=1, max_length=200)] | None = None


class Announced(Wire):
    """What a registry's webhook led to: the snapshot that is registered now, or why none is."""

    snapshot: str | None = None
    detail: str
