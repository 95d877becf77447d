"""The features of a batch, what is in their place when they are taken away, and a block's states to begin with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tools.program.ablation.reference import Reference
from tools.program.ablation.states import Ints, Places, State, Whole, on_device
from tools.program.batch import Batch
from tools.program.columns import UnfitRows
from tools.program.units import Units

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Feature:
    """A feature with the places in a row of each input that are its own (int64[m], by the input's number), and what
    stands there without it. A bag is all of its input, whatever the lengths of its rows."""

    name: str
    places: Mapping[int, Ints]
    baselines: Mapping[int, "Tensor"]
    bag: bool = False


def features_of(batch: Batch) -> list[Feature]:
    """All features, in the order of inputs and columns. One in several inputs is taken away from all of them.

    A column that is not named is called `input.column`. Baselines that the columns do not tell are medians, or the
    commonest ids, of the rows. The ids of a bag are replaced one by one, so that its lengths stay. Raises `UnfitRows`
    for a baseline of an id that is no whole number.
    """
    import torch

    _refuse_broken_ids(batch)
    units = Units(batch, torch.ones(batch.rows, dtype=torch.bool))
    bags = {bag.ids for bag in batch.bags}
    rows = {
        place: units.at_baseline(place, batch.inputs[place][:1]).reshape(-1)
        for place in batch.by_row
        if place not in bags
    }
    found = []
    for unit, columns_of in zip(units.all, units.columns(), strict=True):
        places: dict[int, Ints] = {}
        baselines: dict[int, Tensor] = {}
        for place, columns in columns_of.items():
            if place in bags:
                places[place] = np.zeros(1, dtype=np.int64)
                baselines[place] = torch.tensor([units.baseline_of(place)]).to(batch.inputs[place].dtype)
                continue
            lines = np.arange(0, len(rows[place]), units.width(place))
            places[place] = (lines[:, None] + np.array(columns)).reshape(-1)
            baselines[place] = rows[place][torch.from_numpy(places[place])]
        name = unit.feature or f"{batch.program.inputs[unit.input].name}.{unit.columns[0]}"
        found.append(Feature(name, places, baselines, not bags.isdisjoint(places)))
    return found


def _refuse_broken_ids(batch: Batch) -> None:
    inputs = {tensor.name: place for place, tensor in enumerate(batch.program.inputs)}
    for column in batch.program.columns:
        value = batch.inputs[inputs[column.input]]
        if not value.is_floating_point() and not value.is_complex() and column.baseline != round(column.baseline):
            raise UnfitRows(
                f"the baseline of {column.feature} is {column.baseline:g}, and the input {column.input!r} takes whole "
                "numbers: give an id as its baseline in features.json"
            )


def side_by_side(feature: Feature, batch: Batch) -> bool:
    """Whether the feature can share a block with others like it: a bag cannot."""
    return not feature.bag and all(place in batch.by_row for place in feature.places)


def signature(feature: Feature, batch: Batch) -> tuple[object, ...]:
    """What features have in common that can share a block."""
    if not side_by_side(feature, batch):
        return (feature.name,)
    return tuple(sorted((place, len(own)) for place, own in feature.places.items()))


def taken_away(features: Sequence[Feature], batch: Batch) -> list["Tensor"]:
    """The inputs without these features."""
    import torch

    inputs = list(batch.inputs)
    for feature in features:
        for place, own in feature.places.items():
            value = inputs[place]
            if feature.bag or place not in batch.by_row:
                inputs[place] = feature.baselines[place].expand_as(value).clone()
                continue
            if value is batch.inputs[place]:
                value = value.clone()
            value.reshape(len(value), -1)[:, torch.from_numpy(own)] = feature.baselines[place]
            inputs[place] = value
    return inputs


def with_states(features: Sequence[Feature], batch: Batch, reference: Reference) -> dict[int, State]:
    """The states of the inputs in a block that takes one of these features away in each variant."""
    import torch

    variants = np.arange(len(features))
    states: dict[int, State] = {}
    for place in features[0].places:
        value = batch.inputs[place]
        at = reference.inputs_at[place]
        if not side_by_side(features[0], batch):
            states[at] = Whole(variants, features[0].baselines[place].expand_as(value))
            continue
        index = np.stack([feature.places[place] for feature in features])
        held = torch.stack([feature.baselines[place] for feature in features])[:, None, :]
        state = Places(variants, index, held.expand(-1, len(value), -1))
        width = value[:1].numel()
        if index.shape[1] == width:
            whole = state.values.gather(2, on_device(np.argsort(index, 1), held)[:, None, :].expand(state.values.shape))
            states[at] = Whole(variants, whole.reshape(len(features) * len(value), *value.shape[1:]))
        else:
            states[at] = state
    return states
