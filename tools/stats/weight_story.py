"""What happened to a snapshot's weights, told from how each tensor changed now and on the days before."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tools.stats.novelty import MIN_HISTORY, Novelty, novelties
from tools.stats.tensor_change import TensorChange
from tools.stats.weight_measures import log_update
from tools.stats.weight_pattern import COLUMN, SMALLEST, Departure, departures, kind_of, moving
from tools.stats.weight_structure import StructureName, broken, old_values

StoryName = Literal[
    StructureName,
    "architecture",
    "table_reset",
    "diverged",
    "small_updates",
    "feature_scale",
    "one_tensor",
    "other_pattern",
    "ordinary",
]
WIDE = 0.5  # of the tensors: a training that went wrong moves most of them, one odd batch moves one
RESET_COSINE, KEPT_COSINE, RESET_GROWTH = 0.3, 0.7, 2.0
RAISED = 0.05
LARGE = math.log(1.5)

Changes = Mapping[str, TensorChange]


@dataclass(frozen=True)
class Story:
    """`tensors` are those it happened to, the worst first; `unusual` is None where history is too short to say.

    `departures` are all that was looked at, the most improbable first, and `lead` the one that tells the story;
    `novelty` is each tensor's update against its own past. `counted` says that the story was counted and not
    estimated; `untrained` names the tensors that moved and never did before.
    """

    name: StoryName | None
    unusual: bool | None
    tensors: tuple[str, ...]
    why: str
    novelty: Mapping[str, Novelty]
    departures: tuple[Departure, ...]
    lead: Departure | None = None
    counted: bool = False
    untrained: tuple[str, ...] = ()

    @property
    def raised(self) -> bool:
        """Whether something was improbable that did not count."""
        return any(one.q_value < RAISED for one in self.departures)


def tell(current: Changes, past: Sequence[Changes], copies: Mapping[str, str]) -> Story:
    """The story of `current` (tensor → change) against `past`, the changes between earlier snapshots, oldest first.

    `copies` names the tensors that equal those of an older snapshot. What can be counted goes first: a broken number
    before old values in the place of new ones. Everything else has to be improbable, corrected for all that was looked
    at, and beyond every earlier day.
    """
    trained = moving(current, past)
    judged = [name for name in trained if current[name].elements >= SMALLEST]
    found = tuple(departures(current, past, judged))
    novelty = _novelty(current, past, judged)
    untrained = tuple(name for name in sorted(current) if current[name].changed and name not in trained)
    structure = broken(current) or old_values(current, past, trained, copies)
    if structure:
        kind, tensors, why = structure
        return Story(kind, True, tensors, why, novelty, found, counted=True, untrained=untrained)
    if not found:
        why = f"{len(past)} earlier updates are too few to say what is usual; {MIN_HISTORY} are needed"
        return Story(None, None, (), why, novelty, found, untrained=untrained)
    lead = next((one for one in found if one.counts), None)
    if lead is None:
        why = "nothing about the update lies outside of what the days before showed"
        return Story("ordinary", False, (), why, novelty, found, untrained=untrained)
    name, tensors, why, lead = _unusual(current, past, novelty, found, lead)
    return Story(name, True, tensors, why, novelty, found, lead, untrained=untrained)


def strangers(current: Changes, past: Sequence[Changes]) -> tuple[str, ...]:
    """The tensors that are unlike their old selves where they used to stay alike, and no larger than they were: set
    anew, not driven away. The least alike come first."""
    names = [name for name in current if _is_reset(current[name], [step[name] for step in past if name in step])]
    return tuple(sorted(names, key=lambda name: (abs(current[name].cosine), name)))


def _novelty(current: Changes, past: Sequence[Changes], judged: Sequence[str]) -> dict[str, Novelty]:
    history = {name: [log_update(step[name]) for step in past if name in step] for name in judged}
    return novelties(history, {name: log_update(current[name]) for name in judged}, {n: kind_of(n) for n in judged})


_Told = tuple[StoryName, tuple[str, ...], str, Departure]


def _unusual(
    current: Changes,
    past: Sequence[Changes],
    novelty: Mapping[str, Novelty],
    found: Sequence[Departure],
    lead: Departure,
) -> _Told:
    """The story that fits best: the narrowest place first, since it explains what is seen behind it."""
    counting = [one for one in found if one.counts]
    reset = [name for name in strangers(current, past) if name in novelty]
    ranked = by_departure(counting, novelty)
    together = _together(found, counting)
    if reset and not together and len(reset) * 2 <= len(novelty):
        why = f"{_tensors(len(reset))} lost what had been learnt while the others moved as usual"
        own = next((one for one in counting if one.tensor in reset), lead)
        return "table_reset", tuple(reset), why, own
    column = next((one for one in counting if one.measure == COLUMN), None)
    if column and column.tensor:
        why = f"column {column.column} of {column.tensor} moved apart from the other columns as never before"
        return "feature_scale", (column.tensor, *(n for n in ranked if n != column.tensor)), why, column
    if together:
        return _of_all(together, novelty, ranked)
    if lead.tensor:
        why = f"{lead.tensor} moved apart from the other tensors as never before"
        return "one_tensor", tuple(ranked), why, lead
    return "other_pattern", tuple(ranked), f"{lead.says} is unlike that of all days before, in most tensors", lead


def _together(found: Sequence[Departure], counting: Sequence[Departure]) -> Departure | None:
    """The update that all tensors have in common, where it counts, or where another common measure counts and it is
    large; a small one only where nothing else leads."""
    update = next((one for one in found if one.measure == "update" and one.tensor is None), None)
    if update is None or update in counting:
        return update
    leads, common = counting[0].tensor is None, any(one.tensor is None for one in counting)
    large = (common and update.shift >= LARGE) or (leads and update.shift <= -LARGE)
    return update if large else None


def _of_all(together: Departure, novelty: Mapping[str, Novelty], ranked: Sequence[str]) -> _Told:
    if together.shift < 0:
        why = f"the tensors together moved {math.exp(together.shift):.2g} times as far as usual"
        return "small_updates", tuple(ranked), why, together
    further = sum(one.above_all > 0 for one in novelty.values())
    why = f"{further} of {_tensors(len(novelty))} moved further than on any day before"
    name: StoryName = "diverged" if further >= WIDE * len(novelty) else "other_pattern"
    return name, tuple(ranked), why, together


def by_departure(counting: Sequence[Departure], novelty: Mapping[str, Novelty]) -> list[str]:
    """The tensors that departures name, the most improbable first, and then the others by how far their update lies
    outside of its past."""
    named = dict.fromkeys(one.tensor for one in counting if one.tensor)
    rest = sorted(novelty, key=lambda name: (-abs(novelty[name].z), name))
    return [*named, *(name for name in rest if name not in named)]


def _tensors(count: int) -> str:
    return f"{count} tensor" + "s" * (count != 1)


def _is_reset(change: TensorChange, past: Sequence[TensorChange]) -> bool:
    usual = [step.cosine for step in past if math.isfinite(step.cosine)]
    alike = abs(change.cosine) if math.isfinite(change.cosine) else 1.0
    stayed = len(usual) >= MIN_HISTORY and float(np.median(usual)) > KEPT_COSINE
    return stayed and alike < RESET_COSINE and change.norm <= RESET_GROWTH * change.norm_before
