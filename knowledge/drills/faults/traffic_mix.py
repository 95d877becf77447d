"""Fault (d): traffic moves to riskier flights, and no model is at fault."""

import numpy as np
from numpy.typing import NDArray

from knowledge.drills.calendar import DAY_S, FIRST_STAGE_H, at, iso
from knowledge.drills.flights import Columns, load, take
from knowledge.drills.practice import Practice, Truth
from knowledge.drills.transforms import LATE_MIN

_BOOST = 25.0
_SHARE_OF_FLIGHTS = 0.25
_LOOK_BACK_DAYS = 21


class TrafficMix(Practice):
    """A fare sale draws searches to the carriers and origins that have been late most often in the last three weeks."""

    name = "traffic_mix"
    description = "searches move to routes that are late more often, and no model is at fault"

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.on_sale = self._riskiest()

    def appeal(self, ts: NDArray[np.int64], flights: Columns) -> NDArray[np.float64] | None:
        during_sale = ts >= at(self.incident, FIRST_STAGE_H)
        if not during_sale.any():
            return None
        on_sale = np.isin(_routes(flights), self.on_sale)
        return np.where(during_sale[:, None] & on_sale, _BOOST, 1.0)

    def _riskiest(self) -> list[str]:
        """Origin and carrier pairs, the most often late first, until they make up a quarter of the flights."""
        flights, end = load().flights, at(self.incident, 0) - DAY_S
        recent = (flights["sched_dep"] >= end - _LOOK_BACK_DAYS * DAY_S) & (flights["sched_dep"] < end)
        flights = take(flights, recent)
        routes, place, count = np.unique(_routes(flights), return_inverse=True, return_counts=True)
        late_share = np.bincount(place, ~(flights["arr_delay"] <= LATE_MIN)) / count
        order = np.lexsort((routes, -late_share))
        before = np.cumsum(count[order]) - count[order]
        return [str(routes[i]) for i in order[before < _SHARE_OF_FLIGHTS * count.sum()]]

    def truth(self) -> Truth:
        return Truth(
            cause="traffic.mix_shift",
            targets=(),
            explanation=(
                f"From {iso(self.incident)} {FIRST_STAGE_H}:00 UTC on, a fare sale draws searches to "
                f"{', '.join(self.on_sale)}, whose flights are late more often; both models rank as well as before."
            ),
        )


def _routes(flights: Columns) -> NDArray[np.str_]:
    return np.char.add(np.char.add(flights["origin"], " "), flights["carrier"])
