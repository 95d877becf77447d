"""What an inspection answers with."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class ColumnView(_Model):
    """A column of an input, as `features.json` describes it."""

    column: int
    feature: str
    kind: str
    baseline: float
    missing: float | None
    offsets: str | None


class InputView(_Model):
    """An input tensor; None stands for an open size, the number of rows as a rule."""

    name: str
    dtype: str
    sizes: tuple[int | None, ...]
    columns: tuple[ColumnView, ...]


class TensorView(_Model):
    """A stored tensor: a parameter, a buffer or a constant."""

    name: str
    dtype: str
    sizes: tuple[int, ...]
    bytes: int


class ModuleView(_Model):
    """A module with all that is below it: how many operators the graph has from it, and how many values it holds."""

    path: str
    module_class: str | None
    operators: int
    values: int


class Inspection(_Model):
    """`refused` has every reason found why the file cannot be used, `private` what publishing leaves out of it."""

    file: str
    bytes: int
    kind: Literal["program", "weights"]
    torch_version: str | None = None
    inputs: tuple[InputView, ...] = ()
    outputs: tuple[str, ...] = ()
    tensors: tuple[TensorView, ...] = ()
    modules: tuple[ModuleView, ...] = ()
    operators: dict[str, int] = {}
    notes: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
