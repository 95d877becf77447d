"""Which snapshot serves whom: the stages of a day's rollout, and the weekly deploy of the serving system's build."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowledge.drills.calendar import ARMS, STAGES, at, iso_time, snapshot_id
from knowledge.drills.randomness import stream
from knowledge.drills.traffic import Pages

REGIONS = ("east", "west")
_DEPLOY_H = 14
_FIRST_BUILD = 118


def rollout_points(model: str, day: int) -> list[dict[str, Any]]:
    """The rollout points of a day's snapshot, and those by which the snapshot before it goes out of service."""
    return [point for arm in sorted(STAGES) for stage in STAGES[arm] for point in _stage(model, day, arm, *stage)]


def _stage(model: str, day: int, arm: str, hour: int, share: float) -> Iterator[dict[str, Any]]:
    for snapshot_day, part in ((day, share), (day - 1, 1.0 - share)):
        snapshot, ts = snapshot_id(model, snapshot_day), iso_time(at(day, hour))
        yield {"model": model, "snapshot": snapshot, "arm": arm, "ts": ts, "share": part}


def first_points(model: str, day: int) -> list[dict[str, Any]]:
    """The first snapshot of all, in full service on both arms from the moment of its day's first stage."""
    snapshot, ts = snapshot_id(model, day), iso_time(at(day, STAGES["early"][0][0]))
    return [{"model": model, "snapshot": snapshot, "arm": arm, "ts": ts, "share": 1.0} for arm in ARMS]


def snapshot_days(pages: Pages) -> NDArray[np.int64]:
    """The day of the snapshot that serves each page: its own where the rollout has reached it, or the one before."""
    reached = np.zeros(len(pages))
    for arm, stages in STAGES.items():
        mine = pages.arm == ARMS.index(arm)
        for hour, share in stages:
            reached[mine & (pages.ts >= at(pages.day, hour))] = share
    return np.where(pages.bucket < reached, pages.day, pages.day - 1)


def builds(pages: Pages, seed: int) -> NDArray[np.int64]:
    """The number of the build that serves each page. A new one goes to the first region on one weekday at 14:00 UTC,
    and to the other a day later: it means nothing, and an investigation has to see that."""
    weekday = int(stream(seed, "deploy weekday").integers(7))
    ready = at(0, _DEPLOY_H) + pages.region * at(1, 0) + at(weekday, 0)
    week: NDArray[np.int64] = (pages.ts - ready) // at(7, 0)
    return _FIRST_BUILD + week - at(15706, 0) // at(7, 0)
