"""Which features each model reads, in the order of its input columns."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from knowledge.drills.flights import Columns
from knowledge.drills.transforms import WEATHER

_SCHEDULE = ("sched_hour", "distance", "lead_h")
_HISTORY = (
    "origin_late_share_3h",
    "origin_delay_3h",
    "carrier_here_late_share_4h",
    "carrier_late_share_7d",
    "dest_late_share_6h",
    "route_late_share_21d",
    "flight_late_share_21d",
    "slot_late_share_14d",
    "tail_delay",
)
_AIRCRAFT = ("plane_age", "seats")


@dataclass(frozen=True)
class FeatureSet:
    """The input columns of a model: floats on the raw scale, and integer ids."""

    dense: tuple[str, ...]
    categorical: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return self.dense + self.categorical

    def kind(self, feature: str) -> Literal["dense", "categorical"]:
        return "categorical" if feature in self.categorical else "dense"


FEATURES = {
    "badge_dcn": FeatureSet(_SCHEDULE + WEATHER + _HISTORY + _AIRCRAFT, ("origin", "carrier", "dest", "weekday")),
    "badge_mlp": FeatureSet((*_SCHEDULE, "weekday", *_HISTORY, *_AIRCRAFT), ()),
}
"""Model → its features. `badge_mlp` knows neither the weather nor who flies where, only how that went lately."""

MODELS = tuple(sorted(FEATURES))


@dataclass(frozen=True)
class Inputs:
    """What a model is given: `dense` float32[n, F] and `categorical` int64[n, C]."""

    dense: NDArray[np.float32]
    categorical: NDArray[np.int64]

    def rows(self, index: NDArray[np.int64]) -> "Inputs":
        return Inputs(self.dense[index], self.categorical[index])


def inputs_of(model: str, table: Columns) -> Inputs:
    """The input columns of a model. A missing value becomes 0 on the raw scale, as a serving system in a hurry has it:
    no model was taught what a pressure of 0 hPa means."""
    features, n = FEATURES[model], len(table["sched_hour"])
    dense = [np.nan_to_num(table[name], nan=0.0) for name in features.dense]
    ids = [table[name] for name in features.categorical]
    return Inputs(
        np.stack(dense, axis=1).astype(np.float32),
        np.stack(ids, axis=1).astype(np.int64) if ids else np.zeros((n, 0), dtype=np.int64),
    )
