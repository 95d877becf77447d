"""Fault (e): the publishing job writes a shard of an embedding table that it never received."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from knowledge.drills.calendar import iso, snapshot_id
from knowledge.drills.features import FEATURES
from knowledge.drills.practice import Practice, Truth

if TYPE_CHECKING:
    from torch import Tensor

_MODEL = "badge_dcn"
_TABLES = ("carrier", "dest")
_SHARDS = 3


class BrokenTable(Practice):
    """One of three shards of an embedding table is missing when the snapshot is written, and its rows are NaN.

    The training itself was sound, and the next one goes on from its weights.
    """

    name = "broken_table"
    description = "a shard of an embedding table is NaN in one published snapshot"

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.feature = self.draw("table with a missing shard", _TABLES)
        self.shard = int(self.draw("missing shard", tuple(map(str, range(_SHARDS)))))

    def published(self, model: str, day: int, state: Mapping[str, "Tensor"]) -> Mapping[str, "Tensor"]:
        if (model, day) != (_MODEL, self.incident):
            return state
        name = f"embeddings.{FEATURES[_MODEL].categorical.index(self.feature)}.weight"
        table = state[name].clone()
        table[self.shard :: _SHARDS] = float("nan")  # rows are dealt to shards in turn
        return {**state, name: table}

    def truth(self) -> Truth:
        return Truth(
            cause="snapshot.broken_weights",
            targets=(snapshot_id(_MODEL, self.incident),),
            explanation=(
                f"A shard of the embedding table of {self.feature} was missing when {_MODEL} was published on "
                f"{iso(self.incident)}: a third of its rows are NaN."
            ),
        )
