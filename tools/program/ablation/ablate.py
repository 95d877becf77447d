"""What each feature, taken away, does to every prediction: f(x) - f(x with the feature at its baseline).

The figures are those of captum's `FeatureAblation` (Kokhlikyan et al. 2020, arXiv:2009.07896) with the features as
masks over all input tensors. They are computed from the graph: only what a feature changes is run, many features side
by side, and in front of the first layers only the difference that it makes.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tools.program.ablation.block import Block, Engine, Weight
from tools.program.ablation.features import Feature, features_of, side_by_side, signature, taken_away, with_states
from tools.program.ablation.functional import functional
from tools.program.ablation.reference import NotByRow, Reference
from tools.program.ablation.states import as_whole, on_device
from tools.program.batch import Batch
from tools.program.columns import UnfitRows, listed
from tools.program.graph import Program
from tools.program.interpreter import FAILURES, Interpreter, RunFailed

if TYPE_CHECKING:
    from torch import Tensor

FIRST_BLOCK = 8
MOST_VARIANTS = 512
SOME_ROWS = 8
BLOCK_BYTES = 4 << 20
"""About the largest tensor of a block: larger ones leave the cache, and their memory is had anew each time; smaller
ones are many."""
ALIKE = 1e-6
"""How far a block may be from a full run, relative to the largest prediction (and at least to 1)."""


@dataclass(frozen=True)
class Ablation:
    """`features` by name; `predictions` [rows, width], `differences` [features, rows, width].

    `weights`: the weights that each feature meets first. `notes` say what had to be run one by one.
    """

    features: tuple[str, ...]
    predictions: "Tensor"
    differences: "Tensor"
    weights: Mapping[str, frozenset[Weight]]
    notes: tuple[str, ...] = ()


def ablate(program: Program, inputs: Sequence["Tensor"], chosen: Collection[str] | None = None) -> Ablation:
    """Take away the `chosen` features (by name; all where none are named), one at a time.

    A column that `features.json` does not name is called `input.column`. Where its baseline is not told either, it is
    the median of the rows, or the commonest id. All is computed on the device of the inputs, where the program's
    weights must be. Raises `UnfitRows` and `RunFailed`.
    """
    import torch

    device = inputs[0].device if inputs else torch.get_default_device()
    here = device == torch.get_default_device()
    with torch.inference_mode(), nullcontext() if here else device:
        return _Ablator(program, inputs).all(chosen)


class _Ablator:
    """The plain run, and all that is needed to run variants of it."""

    def __init__(self, program: Program, inputs: Sequence["Tensor"]) -> None:
        self._source = program
        self._program = functional(program.on(inputs))
        self._batch = Batch(self._program, inputs)
        self._features = features_of(self._batch)
        starts = [bag.starts for bag in self._batch.bags]
        self._reference = Reference(self._program, inputs, self._batch.rows, starts)
        self._interpreter = self._reference.interpreter
        self._output = self._choose_output()
        self._by_row = not self._interpreter.random and self._rows_stand_alone()
        self._weights: dict[str, set[Weight]] = {}
        self._anew: list[str] = []

    def all(self, chosen: Collection[str] | None) -> Ablation:
        import torch

        features = [one for one in self._features if chosen is None or one.name in chosen]
        engine = Engine(self._reference, rules=self._by_row, variants=len(features))
        predictions = self._numbers(self._reference.frame[self._reference.layout.places[self._output]])
        differences = torch.zeros(len(features), *predictions.shape, dtype=predictions.dtype)
        groups: dict[object, list[int]] = {}
        for place, one in enumerate(features):
            groups.setdefault(signature(one, self._batch), []).append(place)
        for places in groups.values():
            for part, changed in self._group(engine, [features[place] for place in places]):
                at = torch.tensor([places[number] for number in part])
                differences[at] = predictions - changed
        return Ablation(
            features=tuple(one.name for one in features),
            predictions=predictions,
            differences=differences,
            weights={name: frozenset(met) for name, met in self._weights.items()},
            notes=self._notes(),
        )

    def _group(self, engine: Engine, features: Sequence[Feature]) -> "Iterator[tuple[range, Tensor]]":
        """Ranges of the features and the predictions without each of them, [V, rows, width].

        The last feature of the first block is run in full as well: where the two differ, all are.
        """
        most = MOST_VARIANTS if self._by_row and self._reference.open and side_by_side(features[0], self._batch) else 1
        done, size, proven = 0, min(FIRST_BLOCK, most), False
        while done < len(features):
            part = range(done, min(done + size, len(features)))
            some = [features[number] for number in part]
            block = self._block(engine, some)
            if block is None and most > 1:
                most = size = 1
                continue
            values = None if block is None else self._predictions(block, len(some))
            if block is None or values is None or not (proven or self._is_right(some[-1], values[-1])):
                yield range(done, len(features)), self._one_by_one(features[done:])
                return
            yield part, values
            done, proven = part.stop, True
            size = int(np.clip(BLOCK_BYTES * len(some) // max(block.bytes, 1), 1, most))

    def _block(self, engine: Engine, features: Sequence[Feature]) -> Block | None:
        """The features taken away side by side; None where they have to be run one by one, or in full."""
        if self._interpreter.random or self._interpreter.writes:
            return None
        states = with_states(features, self._batch, self._reference)
        try:
            block = engine.run(len(features), states)
        except (NotByRow, *FAILURES):
            return None
        for number, feature in enumerate(features):
            self._weights.setdefault(feature.name, set()).update(block.met.get(number, ()))
        return block

    def _predictions(self, block: Block, variants: int) -> "Tensor":
        """[V, rows, width]: the outputs of a block; those of the plain run where nothing changes them."""
        place = self._reference.layout.places[self._output]
        plain = self._reference.frame[place]
        expected = self._numbers(plain)
        values = expected.expand(variants, *expected.shape).clone()
        state = block.states.get(place)
        if state is not None:
            whole = as_whole(state, plain)
            values[on_device(whole.variants, plain)] = whole.values.reshape(len(whole.variants), *expected.shape)
        return values

    def _is_right(self, feature: Feature, value: "Tensor") -> bool:
        """Against a full run; on some of the rows where rows stand alone."""
        if not self._by_row or self._batch.fixed:
            return _close(value, self._in_full(feature))
        rows = self._some_rows()
        inputs = Batch(self._program, taken_away([feature], self._batch)).select(rows)
        return _close(value[rows], self._interpreter.run(inputs)[self._output].reshape(len(rows), -1))

    def _some_rows(self) -> "Tensor":
        """A few rows, evenly."""
        import torch

        rows = self._batch.rows
        chosen: Tensor = torch.linspace(0, rows - 1, min(SOME_ROWS, rows)).long().unique()  # type: ignore[no-untyped-call]
        return chosen

    def _one_by_one(self, features: Sequence[Feature]) -> "Tensor":
        import torch

        self._anew += [feature.name for feature in features]
        return torch.stack([self._in_full(feature) for feature in features])

    def _in_full(self, feature: Feature) -> "Tensor":
        outputs = self._interpreter.run(taken_away([feature], self._batch))
        return self._numbers(outputs[self._output])

    def _numbers(self, output: "Tensor") -> "Tensor":
        return output.reshape(self._batch.rows, -1)

    def _choose_output(self) -> str:
        """The first output with one number for each row; else the first one with several."""
        import torch

        layout, rows = self._reference.layout, self._batch.rows
        values = {name: self._reference.frame[layout.places[name]] for name in self._program.outputs}
        fitting = [
            name
            for name, value in values.items()
            if isinstance(value, torch.Tensor) and value.is_floating_point() and value.dim() and len(value) == rows
        ]
        if not fitting:
            raise UnfitRows("the snapshot has no output with numbers for each row, so no feature can be taken away")
        single = [name for name in fitting if values[name].numel() == rows]
        return (single or fitting)[0]

    def _rows_stand_alone(self) -> bool:
        """Whether a row's prediction is the same whatever the other rows are.

        Learnt from a second run, on some of the rows and as many with all features taken away.
        """
        import torch

        if self._batch.fixed and self._source.recorder is None:
            return False
        some = self._some_rows()
        others = Batch(self._program, taken_away(self._features, self._batch))
        count = 2 * len(some) + (2 * len(some) == self._batch.rows)
        more = torch.cat([some, some])[: count - len(some)]
        inputs = _joined(self._batch, self._batch.select(some), others.select(more))
        try:
            recorded = self._source.recorder is not None
            interpreter = Interpreter(functional(self._source.on(inputs))) if recorded else self._interpreter
            outputs = self._reference.compare(interpreter, inputs, count)
        except (NotByRow, RunFailed):
            return False
        value = outputs[self._output]
        plain = self._reference.frame[self._reference.layout.places[self._output]]
        if value.shape != (count, *plain.shape[1:]):
            return False
        return _close(value[: len(some)].reshape(len(some), -1), self._numbers(plain)[some])

    def _notes(self) -> tuple[str, ...]:
        if not self._anew:
            return ()
        return (f"run one by one, in full: {listed(self._anew)}",)


def _joined(batch: Batch, first: "Sequence[Tensor]", second: "Sequence[Tensor]") -> "list[Tensor]":
    """Two sets of inputs as one batch."""
    import torch

    ragged = {place for bag in batch.bags for place in (bag.ids, bag.weights) if place is not None}
    joined = [
        torch.cat([one, other]) if place in batch.by_row or place in ragged else one
        for place, (one, other) in enumerate(zip(first, second, strict=True))
    ]
    for bag in batch.bags:
        starts = first[bag.starts]
        joined[bag.starts] = torch.cat([starts[:-1] if bag.ends else starts, second[bag.starts] + len(first[bag.ids])])
    return joined


def _close(value: "Tensor", expected: "Tensor") -> bool:
    import torch

    finite = expected[expected.isfinite()]
    size = max(float(finite.abs().max()) if len(finite) else 0.0, 1.0)
    return bool(torch.allclose(value, expected, rtol=0.0, atol=ALIKE * size, equal_nan=True))
