"""What was known of carriers, airports and tails at the top of an hour. Nothing here may look past that hour."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowledge.drills.flights import Columns

HOUR_S = 3600
DAY_S = 24 * HOUR_S
_PRIOR_SHARE, _PRIOR_WEIGHT = 0.22, 4.0  # the share of late departures of a quiet year, worth four flights
_MAX_DELAY_MIN = 180.0


class Ledger:
    """Events (key, time, value) that answer "how many, and how much, of this key in (since, until]"."""

    def __init__(self, key: NDArray[np.int64], at: NDArray[np.int64], value: NDArray[np.float64]) -> None:
        order = np.lexsort((at, key))
        self._place = _composite(key[order], at[order])
        self._sum = np.concatenate([[0.0], np.cumsum(value[order])])

    def window(
        self, key: NDArray[np.int64], since: NDArray[np.int64], until: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Counts and sums of the events of each `key` after `since` and up to `until` (unix s, all of one length)."""
        first = np.searchsorted(self._place, _composite(key, since), side="right")
        last = np.searchsorted(self._place, _composite(key, until), side="right")
        return last - first, self._sum[last] - self._sum[first]

    def share(self, key: NDArray[np.int64], until: NDArray[np.int64], span_s: int) -> NDArray[np.float64]:
        """The mean value over the last `span_s` seconds, drawn towards the prior where there were few events."""
        count, total = self.window(key, until - span_s, until)
        smoothed: NDArray[np.float64] = (total + _PRIOR_SHARE * _PRIOR_WEIGHT) / (count + _PRIOR_WEIGHT)
        return smoothed


def _composite(key: NDArray[np.int64], at: NDArray[np.int64]) -> NDArray[np.int64]:
    return key.astype(np.int64) * (1 << 34) + at


class History:
    """Histories over cleaned flights (see `transforms.clean_flights`), asked as of the top of an hour."""

    def __init__(self, flights: Columns) -> None:
        self._flights = flights
        dep_late, late = flights["dep_late"].astype(np.float64), flights["late"].astype(np.float64)
        departed = np.isfinite(flights["dep_delay"])
        delay = np.clip(flights["dep_delay"][departed], -10.0, _MAX_DELAY_MIN)
        known_at, label_at = flights["departure_known_at"], flights["label_at"]
        self._departures = Ledger(flights["origin_id"], known_at, dep_late)
        self._delays = Ledger(flights["origin_id"][departed], flights["departed_at"][departed], delay)
        self._carriers = Ledger(flights["carrier_id"], label_at, late)
        self._carriers_here = Ledger(_carrier_here(flights), known_at, dep_late)
        self._routes = Ledger(flights["route_id"], label_at, late)
        self._numbers = Ledger(flights["number_id"], label_at, late)
        self._dests = Ledger(flights["dest_id"], label_at, late)
        self._slots = Ledger(_slot(flights), label_at, late)
        self._previous_leg = _previous_leg(flights)

    def at(self, flight: NDArray[np.int64], hour: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """The history columns for rows (flight index, hours since 1970), each float64[n]."""
        flights, until = self._flights, hour * HOUR_S
        origin, carrier = flights["origin_id"][flight], flights["carrier_id"][flight]
        departed, delay_sum = self._delays.window(origin, until - 3 * HOUR_S, until)
        return {
            "origin_late_share_3h": self._departures.share(origin, until, 3 * HOUR_S),
            "origin_delay_3h": delay_sum / np.maximum(departed, 1),
            "carrier_here_late_share_4h": self._carriers_here.share(_carrier_here(flights)[flight], until, 4 * HOUR_S),
            "carrier_late_share_7d": self._carriers.share(carrier, until, 7 * DAY_S),
            "dest_late_share_6h": self._dests.share(flights["dest_id"][flight], until, 6 * HOUR_S),
            "route_late_share_21d": self._routes.share(flights["route_id"][flight], until, 21 * DAY_S),
            "flight_late_share_21d": self._numbers.share(flights["number_id"][flight], until, 21 * DAY_S),
            "slot_late_share_14d": self._slots.share(_slot(flights)[flight], until, 14 * DAY_S),
            "tail_delay": self._tail_delay(flight, until),
        }

    def _tail_delay(self, flight: NDArray[np.int64], until: NDArray[np.int64]) -> NDArray[np.float64]:
        """Minutes by which the aircraft's previous leg left late, or is overdue by now; 0 without such a leg."""
        flights, previous = self._flights, self._previous_leg[flight]
        overdue_min = (until - flights["sched_dep"][previous]) / 60.0
        left = flights["departed_at"][previous] <= until
        delay = np.where(left, np.nan_to_num(flights["dep_delay"][previous]), overdue_min)
        return np.where(previous < 0, 0.0, np.clip(delay, 0.0, _MAX_DELAY_MIN))


def _carrier_here(flights: Columns) -> NDArray[np.int64]:
    place: NDArray[np.int64] = flights["carrier_id"] * 8 + flights["origin_id"]
    return place


def _slot(flights: Columns) -> NDArray[np.int64]:
    slot: NDArray[np.int64] = flights["origin_id"] * 24 + flights["sched_hour"]
    return slot


def _previous_leg(flights: Columns) -> NDArray[np.int64]:
    """The index of the aircraft's previous departure from the city within a day, or -1."""
    order = np.lexsort((flights["sched_dep"], flights["tailnum"]))
    tail, when = flights["tailnum"][order], flights["sched_dep"][order]
    same = np.zeros(len(order), dtype=bool)
    same[1:] = (tail[1:] == tail[:-1]) & (tail[1:] != "") & (when[1:] - when[:-1] < DAY_S)
    previous = np.full(len(order), -1, dtype=np.int64)
    previous[order[1:]] = np.where(same[1:], order[:-1], -1)
    return previous
