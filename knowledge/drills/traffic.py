"""Search pages: who searches when, and which six flights the page shows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knowledge.drills.calendar import ARMS
from knowledge.drills.features import MODELS
from knowledge.drills.flights import Columns, take
from knowledge.drills.practice import Practice
from knowledge.drills.randomness import hash_share, stream

FLIGHTS_PER_PAGE = 6
_USERS = 60_000
_EARLY_SHARE = 0.3
_LEAD_MIN_S, _LEAD_MAX_S = 3600, 4 * 3600


@dataclass(frozen=True)
class Pages:
    """n pages of one day in order of time: `ts` unix s, `user`, `model` and `arm` as places in MODELS and ARMS,
    `region` 0 or 1, `bucket` in [0, 1) for the rollout, and `flights` int64[n, 6]."""

    day: int
    ts: NDArray[np.int64]
    user: NDArray[np.int64]
    model: NDArray[np.int64]
    arm: NDArray[np.int64]
    region: NDArray[np.int64]
    bucket: NDArray[np.float64]
    flights: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ts)

    def before(self, ts: int) -> "Pages":
        """The pages that were shown before a time (unix s)."""
        kept = self.ts < ts
        return Pages(day=self.day, **{name: value[kept] for name, value in vars(self).items() if name != "day"})


def pages(day: int, count: int, flights: Columns, practice: Practice) -> Pages:
    """The pages of a local day. A search looks for flights one to four hours ahead; how many there are at which hour
    follows the timetable. All flights within that span are shown with equal chance, but for the practice's `appeal`."""
    chance = stream(practice.seed, "pages", day)
    today = np.flatnonzero(flights["day"] == day)
    departure = flights["sched_dep"][today]  # ascending: flights are ordered by departure
    wanted = chance.choice(departure, count)
    ts = np.sort(wanted - chance.integers(_LEAD_MIN_S, _LEAD_MAX_S + 1, count))
    user = chance.integers(0, _USERS, count)
    first = np.searchsorted(departure, ts + _LEAD_MIN_S, side="left")
    last = np.searchsorted(departure, ts + _LEAD_MAX_S, side="right")
    shown = _choose(first, last, practice.appeal(ts, take(flights, today)), chance)
    full = last - first >= FLIGHTS_PER_PAGE
    user = user[full]
    return Pages(
        day=day,
        ts=ts[full],
        user=user,
        model=(hash_share(user, "model") * len(MODELS)).astype(np.int64),
        arm=np.where(hash_share(user, "arm") < _EARLY_SHARE, ARMS.index("early"), ARMS.index("broad")),
        region=(hash_share(user, "region") < 0.5).astype(np.int64),
        bucket=hash_share(user, "rollout"),
        flights=today[shown[full]],
    )


def _choose(
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    appeal: NDArray[np.float64] | None,
    chance: np.random.Generator,
) -> NDArray[np.int64]:
    """Six distinct places of [first, last) for each page, weighted, by the Gumbel top-k trick (Vieira 2014)."""
    width = int((last - first).max(initial=FLIGHTS_PER_PAGE))
    place = first[:, None] + np.arange(width)
    score = chance.gumbel(size=place.shape)
    inside = place < last[:, None]
    if appeal is not None:
        at = np.minimum(place, appeal.shape[1] - 1)
        score += np.log(np.take_along_axis(appeal, at, axis=1))
    score[~inside] = -np.inf
    best = np.argsort(-score, axis=1, kind="stable")[:, :FLIGHTS_PER_PAGE]
    chosen: NDArray[np.int64] = np.minimum(np.take_along_axis(place, best, axis=1), np.maximum(last[:, None] - 1, 0))
    return chosen
