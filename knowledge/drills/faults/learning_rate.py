"""Fault (b): a snapshot is trained with a learning rate 50 times too large."""

from knowledge.drills.calendar import iso, snapshot_id
from knowledge.drills.features import MODELS
from knowledge.drills.practice import Practice, Truth

_FACTOR = 50


class LearningRate(Practice):
    """One training of one model runs with a learning rate that lost its decimal point and more."""

    name = "learning_rate"
    description = "one model's snapshot is trained with a learning rate 50 times too large"

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.model = self.draw("model with the wrong learning rate", MODELS)

    def learning_rate(self, model: str, day: int, usual: float) -> float:
        return usual * _FACTOR if (model, day) == (self.model, self.incident) else usual

    def truth(self) -> Truth:
        return Truth(
            cause="training.learning_rate",
            targets=(snapshot_id(self.model, self.incident),),
            explanation=f"{self.model} was trained on {iso(self.incident)} with {_FACTOR} times its learning rate.",
        )
