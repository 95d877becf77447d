"""One check of a training against what came before it."""

import math
from dataclasses import dataclass
from typing import Literal

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

MAX_Q = 0.01


def family(outcome: "Outcome") -> Literal["run", "partition", "columns"]:
    """What an outcome is corrected with: a single column's figure with those of all columns, and so on. Each of the
    three families is held at one in a hundred."""
    if outcome.partition is None:
        return "run"
    return "partition" if outcome.column is None or outcome.check == "label_share" else "columns"


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
        return self.large and self.q_value <= MAX_Q
