"""One check of a training against what came before it."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from tools.stats.curve_symptoms import SymptomName
from tools.stats.partition_figures import Figure

Against = Literal["label_rate", "auc_before", "rows", "nulls", "learning_rate", "loss", "gradient_norm", "steps"]
"""Checks of a run against earlier runs; the others are figures of partitions, and symptoms of the run's own curves."""
Together = Literal[
    "nulls_together", "distinct_together", "mean_together", "spread_together", "least_together", "most_together",
    "rank_together", "shape_together", "correlation_together",
]  # fmt: skip
"""The figure of the same name, over all columns of a partition at once."""
Check = Against | Figure | Together | SymptomName | Literal["copied", "missing"]


Family = Literal["run", "partition", "together", "nulls", "size", "columns"]
MAX_Q: dict[Family, float] = {
    "run": 0.01, "partition": 0.04, "together": 0.003, "nulls": 0.01, "size": 0.01, "columns": 0.03,
}  # fmt: skip
"""The share of false discoveries in a family, before an effect must be large as well; the few figures of a whole
partition have the largest smallest effects."""


def family(outcome: "Outcome") -> Family:
    """What an outcome is corrected with: the nulls of a column with those of all columns, and so on."""
    if outcome.partition is None:
        return "run"
    if outcome.check in get_args(Together):
        return "together"
    if outcome.column is None or outcome.check == "label_share":
        return "partition"
    return outcome.check if outcome.check in ("nulls", "size") else "columns"


@dataclass(frozen=True)
class Outcome:
    """One check: `usual` and `now` in its own unit (see `tools.stats.training_report.UNITS`), the interval of their
    difference, and whether that is beyond the smallest difference that matters and beyond earlier runs.

    `column` and `partition` are set where it is about one. `history` holds the earlier figures, oldest first, NaN where
    unknown. `said` is the outcome in words, where the check itself says it.
    """

    check: Check
    usual: float
    now: float
    low: float
    high: float
    p_value: float
    runs: int
    large: bool
    history: tuple[float, ...]
    column: str | None = None
    q_value: float = math.nan
    partition: str | None = None
    said: str = ""
    method: str = ""

    @property
    def found(self) -> bool:
        return self.large and self.q_value <= MAX_Q[family(self)]
