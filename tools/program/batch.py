"""The rows of a batch: chosen, and with some of their features replaced by a baseline."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from tools.program.graph import Program, Ref

if TYPE_CHECKING:
    from torch import Tensor

    from tools.program.units import Units


@dataclass(frozen=True)
class Bag:
    """Where the ids of an EmbeddingBag stand among the inputs: its ids, where each row's start, and their weights.

    `ends` says that the starts have one entry more: where the last row ends.
    """

    ids: int
    starts: int
    weights: int | None
    ends: bool


class Batch:
    """The inputs of a run, seen as rows.

    An input whose first size is the number of rows belongs to them; the ids of a bag belong to them by its offsets;
    any other input is the same for all rows. A program that was exported for a fixed number of rows is always given
    so many: copies of the first row fill the rest up, and what they give is to be ignored.
    """

    def __init__(self, program: Program, inputs: Sequence["Tensor"]) -> None:
        self.program, self.inputs = program, tuple(inputs)
        self.bags = bags_of(program)
        ragged = {place for bag in self.bags for place in (bag.ids, bag.starts, bag.weights) if place is not None}
        own = [place for place, value in enumerate(inputs) if place not in ragged and value.dim()]
        if own:
            self.rows = inputs[own[0]].shape[0]
        elif self.bags:
            self.rows = inputs[self.bags[0].starts].shape[0] - self.bags[0].ends
        else:
            self.rows = 1
        self.by_row = tuple(place for place in own if inputs[place].shape[0] == self.rows)
        self.fixed = any(program.inputs[place].sizes[0] is not None for place in self.by_row)

    def least(self) -> int:
        """The fewest rows that a run may have: a graph that was exported for several rows may not do one."""
        return self.rows if self.fixed else min(2, self.rows)

    def lengths(self, bag: Bag) -> tuple["Tensor", "Tensor"]:
        """Where each row's ids start, and how many there are."""
        import torch

        starts = self.inputs[bag.starts].long()
        if bag.ends:
            return starts[:-1], starts.diff()
        total = starts.new_tensor([self.inputs[bag.ids].shape[0]])
        return starts, torch.cat([starts, total]).diff()

    def select(self, rows: "Tensor", replaced: "Tensor | None" = None, units: "Units | None" = None) -> list["Tensor"]:
        """The inputs for these rows (indices, any number, repeated as one likes).

        `replaced` (rows × units) says which features stand at their baseline.
        """
        import torch

        if len(rows) < self.least():
            more = torch.zeros(self.least() - len(rows), dtype=torch.long)
            rows = torch.cat([rows, rows[more]])
            replaced = None if replaced is None else torch.cat([replaced, replaced[more]])
        chosen = list(self.inputs)
        for place in self.by_row:
            chosen[place] = self.inputs[place][rows]
            if replaced is not None and units is not None:
                chosen[place] = units.replace(place, chosen[place], replaced)
        for bag in self.bags:
            self._select_bag(bag, rows, chosen, replaced, units)
        return chosen

    def _select_bag(
        self, bag: Bag, rows: "Tensor", chosen: list["Tensor"], replaced: "Tensor | None", units: "Units | None"
    ) -> None:
        """A bag at its baseline holds one id, with weight 1: an empty bag has to be mended, too."""
        import torch

        starts, lengths = (part[rows] for part in self.lengths(bag))
        mended, baseline = torch.zeros(len(rows), dtype=torch.bool), 0.0
        if replaced is not None and units is not None and (unit := units.of_input(bag.ids)) is not None:
            mended, baseline = replaced[:, unit], units.baseline_of(bag.ids)
        lengths = torch.where(mended, 1, lengths)
        ends = lengths.cumsum(0)
        row = torch.repeat_interleave(torch.arange(len(rows)), lengths)
        source = starts[row] + torch.arange(len(row)) - (ends - lengths)[row]
        for place, value in ((bag.ids, baseline), (bag.weights, 1.0)):
            if place is not None:
                values = self.inputs[place]
                inside = source.clamp(max=max(len(values) - 1, 0))
                kept = values[inside] if len(values) else values.new_zeros(len(row))
                chosen[place] = torch.where(mended[row], values.new_tensor(value), kept)
        offsets = torch.cat([ends.new_zeros(1), ends])
        chosen[bag.starts] = (offsets if bag.ends else offsets[:-1]).to(self.inputs[bag.starts].dtype)

    def digest(self, row: int) -> bytes:
        """A number for a row's content, so that rows can be chosen without regard to their order."""
        import torch

        text = blake2b(digest_size=16)
        for place, value in enumerate(self.select(torch.tensor([row]))):
            part = value[:1] if place in self.by_row else value
            text.update(part.reshape(-1).contiguous().view(torch.uint8).numpy().tobytes() if part.numel() else b"-")
        return text.digest()


def bags_of(program: Program) -> tuple[Bag, ...]:
    """The bags whose ids and offsets are inputs, as the operators read them."""
    places = {tensor.name: place for place, tensor in enumerate(program.inputs)}
    named = {column.input: column.offsets for column in program.columns if column.offsets is not None}
    found: dict[int, Bag] = {}
    for node in program.nodes:
        if "embedding_bag" not in node.operator:
            continue
        arguments = [*node.arguments, *[None] * 8]
        ids, starts, weights = (
            places.get(ref.name) if isinstance(ref, Ref) else None for ref in (arguments[1], arguments[2], arguments[6])
        )
        if ids is not None and starts is not None:
            found.setdefault(ids, Bag(ids, starts, weights, arguments[7] is True))
    for ids_name, starts_name in named.items():
        found.setdefault(places[ids_name], Bag(places[ids_name], places[starts_name], None, False))
    return tuple(found.values())
