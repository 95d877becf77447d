"""Fault (d): traffic moves to riskier flights, and no model is at fault."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from knowledge.drills.calendar import FIRST_STAGE_H, at, iso
from knowledge.drills.flights import Columns, load
from knowledge.drills.practice import FIRST_DAY, LAST_DAY, Practice, Truth
from knowledge.drills.randomness import stream
from knowledge.drills.transforms import LATE_MIN

_BOOST = 25.0
_SHARE_OF_FLIGHTS = 0.25
_LOOK_BACK_DAYS = 21
_RISKIER = 0.12
_LEAST, _MOST = -0.02, 0.06


class TrafficMix(Practice):
    """A fare sale draws searches to the carriers and origins that have been late most often in the last three weeks.

    The day is an ordinary one, on which these flights were late more often again: a storm would hide the sale, and a
    sale of flights that happened to be on time would hurt nobody.
    """

    name = "traffic_mix"
    description = "searches move to routes that are late more often, and no model is at fault"

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.on_sale = _riskiest(self.incident)

    def draw_incident(self) -> int:
        days = stream(self.seed, "incident day").permutation(np.arange(FIRST_DAY, LAST_DAY + 1))
        return next(int(day) for day in days if _hurts(int(day)))

    def appeal(self, ts: NDArray[np.int64], flights: Columns) -> NDArray[np.float64] | None:
        during_sale = ts >= at(self.incident, FIRST_STAGE_H)
        if not during_sale.any():
            return None
        on_sale = np.isin(_routes(flights), self.on_sale)
        return np.where(during_sale[:, None] & on_sale, _BOOST, 1.0)

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


@cache
def _late_counts() -> tuple[NDArray[np.str_], NDArray[np.int64], NDArray[np.int64], int]:
    """The pairs of origin and carrier, and int64[days, pairs] of flights and of late ones, from a first day on."""
    flights = load().flights
    routes, place = np.unique(_routes(flights), return_inverse=True)
    first = int(flights["day"].min())
    cell = (flights["day"] - first) * len(routes) + place
    shape = (int(flights["day"].max()) - first + 1, len(routes))
    size = shape[0] * shape[1]
    late = np.bincount(cell[~(flights["arr_delay"] <= LATE_MIN)], minlength=size)
    return routes, np.bincount(cell, minlength=size).reshape(shape), late.reshape(shape), first


def _riskiest(day: int) -> list[str]:
    """Origin and carrier pairs by their three weeks up to two days before, the most often late first, until they make
    up a quarter of the flights."""
    routes, flown, late, first = _late_counts()
    recent = slice(max(0, day - 1 - _LOOK_BACK_DAYS - first), day - 1 - first)
    count, late_count = flown[recent].sum(axis=0), late[recent].sum(axis=0)
    order = np.lexsort((routes, -late_count / np.maximum(count, 1)))
    before = np.cumsum(count[order]) - count[order]
    chosen = order[(before < _SHARE_OF_FLIGHTS * count.sum()) & (count[order] > 0)]
    return [str(routes[i]) for i in chosen]


def _hurts(day: int) -> bool:
    """Whether the day was as late as the two weeks before, and the flights on sale clearly later than the others."""
    routes, flown, late, first = _late_counts()
    today, weeks = day - first, slice(day - first - 14, day - first)
    on_sale = np.isin(routes, _riskiest(day))
    usual = late[weeks].sum() / flown[weeks].sum()
    whole = late[today].sum() / flown[today].sum()
    gap = _rate(late[today], flown[today], on_sale) - _rate(late[today], flown[today], ~on_sale)
    return bool(_LEAST < whole - usual < _MOST and gap > _RISKIER)


def _rate(late: NDArray[np.int64], flown: NDArray[np.int64], where: NDArray[np.bool_]) -> float:
    return float(late[where].sum() / max(flown[where].sum(), 1))
