"""A snapshot's computation as plain data: its inputs, its nodes in the order of computation, and its outputs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor, device


@dataclass(frozen=True)
class Ref:
    """A value that an input, a weight or an earlier node has given."""

    name: str


@dataclass(frozen=True)
class Kind:
    """A constant that is no number and no text: a dtype, device, layout or memory format, by torch's name for it."""

    what: Literal["dtype", "device", "layout", "memory_format"]
    name: str


Argument = Ref | Kind | bool | int | float | str | None | tuple["Argument", ...]
Output = str | None | tuple["str | None", ...]
"""The value's name; None where it is not kept; a tuple where one output is a list of tensors."""


@dataclass(frozen=True)
class Node:
    """One operator call. `operator` is torch's full name, for example `aten.linear.default` or `operator.add`.

    `module` is the path of the module that the call came from (`deep.0`) and `module_class` its class; `source` is
    `file.py:line in function`, without the folder. All three are None where the file does not say.
    """

    index: int
    name: str
    operator: str
    arguments: tuple[Argument, ...]
    keywords: Mapping[str, Argument]
    outputs: tuple[Output, ...]
    module: str | None = None
    module_class: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class InputTensor:
    """An input that the caller gives. `sizes` holds None where the export left a size open (the rows, as a rule)."""

    name: str
    dtype: str
    sizes: tuple[int | None, ...]


@dataclass(frozen=True)
class Column:
    """What stands in one column of an input tensor: from `features.json` beside the artifact.

    `kind` is `dense` (a number), `categorical` (an id), `bag` (ids of an EmbeddingBag, with `offsets` in another
    input) or `sequence` (an id or a number per position: all positions are one feature); these two have their tensor
    for themselves, as column 0. `missing` is what the serving system gives in place of a missing value; where it is
    None, NaN is given as it is. `offsets` is the input that says where each row of a bag begins.
    """

    input: str
    column: int
    feature: str
    kind: Literal["dense", "categorical", "bag", "sequence"]
    baseline: float
    missing: float | None = None
    offsets: str | None = None


@dataclass(frozen=True)
class Program:
    """A snapshot that can be run. `weights` are by value name; `weight_names` gives each one's name in the model.

    `columns` is empty where no `features.json` stands beside the artifact: then columns are known by place only.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[InputTensor, ...]
    outputs: tuple[str, ...]
    weights: Mapping[str, "Tensor"]
    weight_names: Mapping[str, str]
    columns: tuple[Column, ...] = ()
    notes: tuple[str, ...] = field(default=())
    """What the reader of a finding should know of how this program was read or recorded."""
    recorder: "Callable[[Sequence[Tensor]], Program] | None" = None
    """Where the artifact holds weights and no computation: runs the model on inputs and records what it does."""

    def on(self, inputs: "Sequence[Tensor]") -> "Program":
        """The computation that these inputs go through: this program itself, or one that is recorded now.

        A recorded program holds for these inputs alone, and has no nodes before. Raises
        `tools.ports.UnreadableArtifact` where the model does not run on them.
        """
        return self if self.recorder is None else self.recorder(inputs)

    def moved_to(self, device: "device") -> "Program":
        """The same computation with its weights there; it is to be run on inputs that are there, too."""
        weights = {name: weight.to(device) for name, weight in self.weights.items()}
        if self.recorder is None:
            return replace(self, weights=weights)
        record = self.recorder
        return replace(
            self,
            weights=weights,
            recorder=lambda inputs: record([value.cpu() for value in inputs]).moved_to(device),
        )
