"""One block of variants carried through the graph, side by side, by rules where they fit and by full runs where not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tools.program.ablation.linear import LINEAR, Layer, Layers, linear
from tools.program.ablation.merging import NOWHERE, moved, together, without_gaps
from tools.program.ablation.movement import JOINS, MOVES, Moves, moves_of, recipe
from tools.program.ablation.pointwise import NORM, POINTWISE, batch_norm, pointwise
from tools.program.ablation.products import BATCHED, batched_product
from tools.program.ablation.reference import NotByRow, Reference, called
from tools.program.ablation.spread import PRODUCTS, SUMS, SpreadRules
from tools.program.ablation.states import (
    Ints,
    Places,
    Spread,
    State,
    Whole,
    as_places,
    as_whole,
    gathered,
    on_device,
    settled,
)
from tools.program.graph import Ref
from tools.program.steps import UNSET, Frame, Step

if TYPE_CHECKING:
    from torch import Tensor

EMBEDDINGS = ("aten.embedding.default",)
TABLES = ("aten.embedding.default", "aten.embedding_bag.padding_idx", "aten.embedding_bag.default")
_FEATURE_STILL = POINTWISE | MOVES | JOINS | {NORM}
"""What comes out of these is still the feature itself."""
Weight = tuple[str, tuple[int, ...] | None]
"""A weight that a feature meets first: its name, and the inputs of it that are the feature's; None for a table."""


@dataclass(frozen=True)
class _Shift:
    """From and to which place of the frame, whether all stays as it is, and which places (bool[N]) go anywhere."""

    source: int
    target: int
    still: bool
    kept: NDArray[np.bool_]


class Engine:
    """Runs blocks against one plain run. What is found out about the graph is kept for the next block."""

    def __init__(self, reference: Reference, rules: bool, variants: int) -> None:
        """Without `rules`, all that a variant changes is run in full: for programs that mix rows. `variants` is how
        many there will be in all blocks together."""
        self.reference, self.rules = reference, rules
        self.layers = Layers(reference)
        self.spread = SpreadRules(reference, variants)
        self._moves: dict[int, tuple[Moves | None, ...] | None] = {}
        self._alike: dict[tuple[object, ...], tuple[Moves | None, ...] | None] = {}
        self._shifts: dict[int, _Shift | None] = {}
        self._affected: dict[frozenset[int], list[tuple[Step, tuple[int, ...]]]] = {}
        self._scratch = reference.layout.initial.copy()

    def run(self, variants: int, states: Mapping[int, State]) -> "Block":
        """The block after all steps; `states` are those of the inputs, by place."""
        block = Block(self, variants, dict(states))
        for step, last in self._downstream(frozenset(states)):
            if not step.reads.isdisjoint(block.states):
                block.take(step)
            for place in last:
                block.forget(place)
        return block

    def _downstream(self, places: frozenset[int]) -> list[tuple[Step, tuple[int, ...]]]:
        """The steps that these places may change, with what nothing reads after each: all others are passed over."""
        if places not in self._affected:
            seen, found = set(places), []
            for step, last in zip(self.reference.steps, self.reference.last, strict=True):
                if not step.reads.isdisjoint(seen):
                    seen.update(step.gives)
                    found.append((step, last))
            self._affected[places] = found
        return self._affected[places]

    def moves(self, step: Step) -> tuple[Moves | None, ...] | None:
        """The moves of a step, found once; those of one tensor once for all steps that move it alike."""
        if step.node.index not in self._moves:
            known = recipe(self.reference, step)
            if known is None or known not in self._alike:
                found = moves_of(self.reference, step)
                if known is not None:
                    self._alike[known] = found
            else:
                found = self._alike[known]
            self._moves[step.node.index] = found
        return self._moves[step.node.index]

    def shift(self, step: Step) -> "_Shift | None":
        """Of a step that moves one tensor to one other; None for any other step."""
        if step.node.index not in self._shifts:
            self._shifts[step.node.index] = self._shift(step)
        return self._shifts[step.node.index]

    def _shift(self, step: Step) -> "_Shift | None":
        moved = step.node.arguments[0] if step.node.operator in MOVES else None
        if not isinstance(moved, Ref) or step.output is None:
            return None
        moves = self.moves(step)
        if moves is None or moves[0] is None:
            return None
        source = self.reference.layout.places[moved.name]
        kept = (moves[0].to_of(source) != NOWHERE).any(axis=1)
        return _Shift(source, step.output, moves[0].still, kept)

    def scratch(self, values: Mapping[int, Any]) -> Frame:
        """A frame with these values, to be used at once."""
        for place, value in values.items():
            self._scratch[place] = value
        return self._scratch

    def clear(self, places: Sequence[int]) -> None:
        for place in places:
            self._scratch[place] = UNSET


class Block:
    """The states of a block so far. `bytes` is the size of the largest one; `met` says which weights each variant met
    first."""

    def __init__(self, engine: Engine, variants: int, states: dict[int, State]) -> None:
        self.states, self.bytes = states, 0
        self.met: dict[int, set[Weight]] = {}
        self._engine, self._reference = engine, engine.reference
        self._variants = variants
        self._direct = set(states)
        self._positions: dict[tuple[int, int], Any] = {}
        self._written_out: dict[int, Whole] = {}

    def take(self, step: Step) -> None:
        """One step, with the values that the variants change."""
        if self._engine.rules and self._passes(step):
            return
        touched = {place: self.states[place] for place in step.reads if place in self.states}
        direct = all(place in self._direct for place in touched)
        if direct and step.node.operator in TABLES:
            self._meet_table(step, touched)
        outcome = self._by_rule(step, touched) if self._engine.rules else None
        if outcome is None:
            self._in_full(step, touched)
            direct = direct and step.node.operator in _FEATURE_STILL
        for place in step.gives:
            if place in self.states:
                self._measure(self.states[place])
                if direct and step.node.operator not in LINEAR:
                    self._direct.add(place)

    def _passes(self, step: Step) -> bool:
        """Whether the step has left all that differs as it is, or out of its result. Most steps of a model with many
        tables do: each takes one column, and is done here quickly."""
        shift = self._engine.shift(step)
        if shift is None or isinstance(self.states[shift.source], Whole):
            return False
        state = self.states[shift.source]
        if not shift.still:
            return isinstance(state, Places) and not shift.kept[state.index].any()
        self.states[shift.target] = state
        if shift.source in self._direct:
            self._direct.add(shift.target)
        return True

    def forget(self, place: int) -> None:
        """Let go of a value that nothing reads any more."""
        if self.states.pop(place, None) is not None:
            self._written_out.pop(place, None)

    def _measure(self, state: State) -> None:
        values = [span.amounts for span in state.spans] if isinstance(state, Spread) else [state.values]
        for value in values:
            if hasattr(value, "nbytes"):
                self.bytes = max(self.bytes, value.nbytes)

    def _by_rule(self, step: Step, touched: Mapping[int, State]) -> bool | None:
        """Whether a rule took the step; None where none fits."""
        operator = step.node.operator
        if operator in LINEAR and (found := self._layer(step, touched)) is not None:
            return self._give(step, found)
        if operator in SUMS or operator in PRODUCTS:
            spread = self._engine.spread.elementwise(step, touched)
            if spread is not None:
                return self._give(step, spread)
        whole = all(isinstance(state, Whole) for state in touched.values())
        if operator in JOINS or (operator in MOVES and not whole):
            return self._move(step, touched)
        rule: Callable[[Reference, Step, Mapping[int, State]], Places | None] | None = None
        if operator in POINTWISE:
            rule = pointwise
        elif operator in BATCHED:
            rule = batched_product
        elif operator in EMBEDDINGS:
            rule = _looked_up
        elif operator == NORM:
            rule = batch_norm
        result = rule(self._reference, step, touched) if rule and not whole else None
        return None if result is None else self._give(step, result)

    def _layer(self, step: Step, touched: Mapping[int, State]) -> State | None:
        layer = self._engine.layers.of(step)
        if layer is None or list(touched) != [layer.given]:
            return None
        state = touched[layer.given]
        if not isinstance(state, Places):
            return self._engine.spread.layer(step, layer, state)
        self._meet_columns(layer, state)
        return linear(self._reference, step, layer, state)

    def _give(self, step: Step, state: State) -> bool:
        assert step.output is not None
        self.states[step.output] = settled(state, self._reference.frame[step.output])
        return True

    def _move(self, step: Step, touched: Mapping[int, State]) -> bool | None:
        moves = self._engine.moves(step)
        if moves is None or any(one is None for one in moves):
            return None
        outputs = [step.output] if step.output is not None else list(step.outputs)
        few = {at: state for at, state in touched.items() if not isinstance(state, Spread)}
        results: dict[int, State] = {}
        for place, one in zip(outputs, moves, strict=True):
            if place is None or one is None:
                continue
            if len(few) < len(touched):
                result: State | None = self._engine.spread.move(place, touched, one)
            else:
                carried = (moved(as_places(state, self._plain(at)), one.to_of(at)) for at, state in few.items())
                parts = [part for part in carried if part is not None]
                if not parts:
                    continue
                plain = self._plain(place)
                merged = without_gaps(together(parts), plain[:1].numel(), partial(gathered, plain))
                result = None if merged is None else settled(merged, plain)
            if result is None:
                return None
            results[place] = result
        self.states.update(results)
        return True

    def _plain(self, place: int) -> "Tensor":
        value: Tensor = self._reference.frame[place]
        return value

    def _meet_table(self, step: Step, touched: Mapping[int, State]) -> None:
        table = step.node.arguments[0]
        if isinstance(table, Ref) and table.name in self._reference.program.weights:
            for state in touched.values():
                for variant in state.variants.tolist():
                    self.met.setdefault(variant, set()).add((table.name, None))

    def _meet_columns(self, layer: Layer, state: Places) -> None:
        if layer.given not in self._direct:
            return
        for variant, index in zip(state.variants.tolist(), state.index.tolist(), strict=True):
            self.met.setdefault(variant, set()).add((layer.name, tuple(sorted(index))))

    def _in_full(self, step: Step, touched: Mapping[int, State]) -> None:
        """The operator on all that the variants change, their rows one after another."""
        states = list(touched.values())
        variants = states[0].variants
        if len(states) > 1:
            variants = np.unique(np.concatenate([state.variants for state in states]))
        values = {place: self._argument(place, variants) for place in step.reads}
        result = called(step, self._engine.scratch(values))
        self._engine.clear(list(values))
        single = step.output is not None
        outputs = [(step.output, result)] if single else zip(step.outputs, result or (), strict=True)
        for place, value in outputs:
            if place is not None:
                self._refuse_mixed(place, value, len(variants))
                self.states[place] = Whole(variants, value)

    def _refuse_mixed(self, place: int, value: Any, variants: int) -> None:
        if self._variants == 1:
            return
        plain = self._reference.frame[place]
        if self._reference.grows[place] is not True or value.shape != (variants * len(plain), *plain.shape[1:]):
            raise NotByRow("an operator puts rows together")

    def _argument(self, place: int, variants: Ints) -> Any:
        """What a step reads, for these variants: [V × rows, ...]."""
        state = self.states.get(place)
        if state is None:
            return self._same_for_all(place, len(variants))
        plain = self._reference.frame[place]
        if not isinstance(state, Whole):
            if place not in self._written_out:
                self._written_out[place] = as_whole(state, plain)
                self._measure(self._written_out[place])
            state = self._written_out[place]
        if len(state.variants) == len(variants):
            return state.values
        filled = plain.expand(len(variants), *plain.shape).clone()
        at = on_device(np.searchsorted(variants, state.variants), plain)
        filled[at] = state.values.reshape(len(state.variants), *plain.shape)
        return filled.reshape(-1, *plain.shape[1:])

    def _same_for_all(self, place: int, count: int) -> Any:
        """A value that no variant changes, once for each of them where it belongs to the rows."""
        import torch

        reference = self._reference
        value = reference.frame[place]
        if self._variants == 1:
            return value
        if not isinstance(value, torch.Tensor):
            return reference.numbers(count * reference.rows).get(place, value)
        if reference.grows[place] is False:
            return value
        if reference.grows[place] is None or place in reference.starts:
            raise NotByRow("a value is not one of the rows")
        if place not in reference.fed:
            return self._counted(place, count)
        return value.expand(count, *value.shape).reshape(-1, *value.shape[1:])

    def _counted(self, place: int, count: int) -> Any:
        """A value that is made of the number of rows alone, for as many rows as run side by side."""
        reference = self._reference
        if (place, count) not in self._positions:
            step = reference.producer(place)
            if step is None or step.output is None:
                raise NotByRow("a value is not one of the rows")
            values = {at: self._same_for_all(at, count) for at in step.reads}
            frame = reference.layout.initial.copy()
            for at, value in values.items():
                frame[at] = value
            self._positions[place, count] = called(step, frame)
        return self._positions[place, count]


def _looked_up(reference: Reference, step: Step, touched: Mapping[int, State]) -> Places | None:
    """The rows of a table for changed ids."""
    names = step.node.arguments[:2]
    if len(touched) != 1 or len(names) != 2 or not all(isinstance(name, Ref) for name in names):
        return None
    ((place, state),) = touched.items()
    if reference.layout.places[names[1].name] != place or not isinstance(state, Places):  # type: ignore[union-attr]
        return None
    frame = reference.layout.initial.copy()
    for at in step.reads:
        frame[at] = state.values if at == place else reference.frame[at]
    found = called(step, frame)  # [V, rows, m, width]
    variants, rows, count, width = found.shape
    index = (state.index[:, :, None] * width + np.arange(width)).reshape(variants, count * width)
    return Places(state.variants, index, found.reshape(variants, rows, count * width))
