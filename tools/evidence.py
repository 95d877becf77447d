"""Evidence: one sentence that a person can check, with its figures and where they came from."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tools.numbers import Num
from tools.records import Window


class SourceKind(StrEnum):
    """The record family that a claim was computed from."""

    metric = "metric"
    profile = "profile"
    snapshot = "snapshot"
    rollout = "rollout"
    lineage = "lineage"
    training_run = "training_run"
    pipeline = "pipeline"


class Source(BaseModel):
    """A reference that finds the data again: the kind of record and its id, or ids joined by a comma."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: SourceKind
    ref: str


class Estimate(BaseModel):
    """An effect with its interval. `level` is the coverage of [low, high]; NaN bounds mean that none could be had."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    value: Num
    low: Num
    high: Num
    level: float = 0.95
    unit: str = ""


class Evidence(BaseModel):
    """One checkable claim. `bearing` says whether it speaks for a fault, against one, or only describes."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    claim: str
    bearing: Literal["for", "against", "context"] = "context"
    effect: Estimate | None = None
    method: str | None = None
    p_value: Num | None = None
    q_value: Num | None = None
    n: int | None = None
    n_effective: Num | None = None
    window: Window | None = None
    sources: tuple[Source, ...]


class Chart(BaseModel):
    """A small series for the eye: values in order, drawn as a sparkline; the incident starts at index `mark`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    title: str
    values: tuple[Num, ...]
    labels: tuple[str, ...] = ()
    mark: int | None = None
    unit: str = ""
