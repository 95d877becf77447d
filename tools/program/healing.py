"""Bad values replaced by usual ones, to see what they do to the predictions."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tools.program.badness import Badness
from tools.program.downstream import Effect, effect, hold
from tools.program.graph import Program
from tools.program.runs import Run
from tools.program.slices import gives, reads
from tools.program.yardstick import FACTOR, Yardstick

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Healer:
    """Replaces values by the stable snapshot's on the same rows where these are good, or else holds them within what
    is usual."""

    now: Run
    stable: Run | None
    yardstick: Yardstick | None

    def effect(self, badness: Badness, values: tuple[str, ...]) -> Effect | None:
        """What these values together do to the predictions: nothing, if they stay as they are when these are healed.

        Predictions that are no numbers count as moved even where replacing the values does not heal them.
        """
        own = self.now.interpreter.run(self.now.rows.inputs, keep=values)
        other = self._stable_values(values)
        given, by = {}, ""
        for value in values:
            twin = other.get(value)
            if twin is not None and twin.shape == own[value].shape and not _bad(badness, value, twin):
                given[value], by = twin, "the stable snapshot's values on the same rows"
            elif own[value].is_floating_point():
                low, high = self._usual(badness, value, own[value])
                given[value], by = hold(own[value], low, high), f"its values held within [{low:.3g}, {high:.3g}]"
        if not given:
            return None
        after = self.now.interpreter.run(self.now.rows.inputs, given=given)
        return effect(self.now.outputs, after, len(self.now.rows), ", ".join(given), by)

    def _stable_values(self, values: tuple[str, ...]) -> "dict[str, Tensor]":
        if self.stable is None or self.yardstick is None or len(self.stable.rows) != len(self.now.rows):
            return {}
        inputs = {tensor.name for tensor in self.now.program.inputs}  # the same rows: the same values
        twins = {
            name: self.yardstick.twin[name] for name in values if name in self.yardstick.twin and name not in inputs
        }
        found = self.stable.interpreter.run(self.stable.rows.inputs, keep=list(twins.values()))
        return {name: found[twin] for name, twin in twins.items()}

    def _usual(self, badness: Badness, value: str, own: "Tensor") -> tuple[float, float]:
        """What is usual of an extreme value, by the yardstick; of others the range of the finite part, or zero."""
        if badness.problem == "extreme" and value in badness.limits:
            low, high = badness.limits[value]
            return low / FACTOR, high / FACTOR
        finite = own[own.isfinite()]
        return (float(finite.min()), float(finite.max())) if finite.numel() else (0.0, 0.0)


def _bad(badness: Badness, name: str, value: "Tensor") -> bool:
    """A value without limits (a weight that is seen from another side) is not judged, so it is not bad."""
    return badness.judges(name, value) and badness.anywhere(name, value)


def ends(program: Program, bad: Collection[str]) -> tuple[str, ...]:
    """The bad values that lead to an output, and of which no bad value is made."""
    leads, followed = set(program.outputs), set[str]()
    for node in reversed(program.nodes):
        given = gives(node)
        if not leads.isdisjoint(given):
            leads.update(reads(node))
        if not followed.isdisjoint(given) or not set(bad).isdisjoint(given):
            followed.update(reads(node))
    return tuple(name for name in _order(program) if name in bad and name in leads and name not in followed)


def starts(program: Program, bad: Collection[str]) -> tuple[str, ...]:
    """The bad inputs and values that are made of no bad value."""
    spoiled = {tensor.name for tensor in program.inputs} & set(bad)
    found = set(spoiled)
    for node in program.nodes:
        if not spoiled.isdisjoint(reads(node)):
            spoiled.update(gives(node))
        elif not set(bad).isdisjoint(gives(node)):
            found.update(set(bad).intersection(gives(node)))
            spoiled.update(gives(node))
    return tuple(name for name in _order(program) if name in found)


def _order(program: Program) -> list[str]:
    return [*(tensor.name for tensor in program.inputs), *(name for node in program.nodes for name in gives(node))]
