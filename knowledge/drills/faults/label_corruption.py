"""Fault (c): the labels of one training partition are the wrong way round."""

import numpy as np
from numpy.typing import NDArray

from knowledge.drills.calendar import iso, snapshot_id
from knowledge.drills.features import MODELS
from knowledge.drills.practice import Practice, Truth


class LabelCorruption(Practice):
    """The newest partition of one model's training dataset calls late flights on time, and the others late."""

    name = "label_corruption"
    description = "the labels of one model's newest training partition are inverted"

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.model = self.draw("model with the wrong labels", MODELS)

    def partition_labels(self, model: str, day: int, late: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return ~late if (model, day) == (self.model, self.incident - 1) else late

    def truth(self) -> Truth:
        partition = iso(self.incident - 1)
        return Truth(
            cause="training_data.label_corruption",
            targets=(f"flights:training_{self.model}/{partition}",),
            explanation=(
                f"The labels in the partition {partition} of training_{self.model} are inverted, and the snapshot "
                f"{snapshot_id(self.model, self.incident)} learned from it."
            ),
        )
