"""What moved all series of a day together, and which one moved apart from the others: each against its own past."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from tools.stats.false_alarm import chance
from tools.stats.robust_scale import (
    HEAVIEST_DF,
    Floats,
    Groups,
    deviations,
    groups_of,
    medians,
    moderated,
)


@dataclass(frozen=True)
class Apart:
    """A departure from the past. `place` is the series that departs, None for all of them together.

    `shift` is by how much, with its 95% interval; `z` the same in scales of its own past; `limit` the largest |z| of an
    earlier day held against the others; `p_value` the chance of a |z| as large on an ordinary day; `days` the history.
    """

    place: int | None
    shift: float
    low: float
    high: float
    z: float
    limit: float
    p_value: float
    days: int

    @property
    def beyond(self) -> bool:
        """Whether it departs further than every earlier day did from the others."""
        return abs(self.z) > self.limit


def apart(history: Floats, now: Floats, kinds: Sequence[Hashable], floor: float) -> tuple[Apart, Apart]:
    """The departure of all series together, and that of the series that departs furthest from the rest.

    `history` float64[n, K] is a row per earlier day and a column per series, NaN where unknown; `now` float64[K] is
    finite. Each series is taken from its own median; the median over the series of a day is what they have in
    common, and what is left belongs to the series. Scales are MADs, at least `floor`, drawn towards those of the same
    kind. The false-alarm limit of either comes from the same figures of each
    earlier day held against the other days.
    """
    groups = groups_of(kinds)
    now_apart = _depart(history, now, groups, floor)
    earlier = [_depart(np.delete(history, day, 0), history[day], groups, floor) for day in range(len(history))]
    return _together(now_apart, earlier), _furthest(now_apart, earlier)


def _together(now: "_Departed", earlier: Sequence["_Departed"]) -> Apart:
    """One number a day: beside its false-alarm limit, which knows only the size of z, Student's prediction interval."""
    days = len(earlier)
    scale = now.common_scale * math.sqrt(1 + 1 / days)
    found = _apart(None, now.common, scale, now.common_z, np.abs([one.common_z for one in earlier]))
    shifts = np.array([one.common for one in earlier])
    widest = max(math.sqrt(float(np.mean(shifts**2))) * math.sqrt(1 + 1 / days), scale)
    by_interval = float(2 * stats.t.sf(abs(now.common) / widest, min(days - 1.0, HEAVIEST_DF)))
    return replace(found, p_value=min(found.p_value, by_interval))


def _furthest(now: "_Departed", earlier: Sequence["_Departed"]) -> Apart:
    """The furthest of many: its false-alarm limit is what the furthest was on the earlier days, whichever it was."""
    place = int(np.argmax(np.abs(now.z)))
    furthest = np.array([np.nanmax(np.abs(one.z)) for one in earlier])
    scale = float(now.scales[place]) * math.sqrt(1 + 1 / len(earlier))
    return _apart(place, float(now.shift[place]), scale, float(now.z[place]), furthest)


def _apart(place: int | None, shift: float, scale: float, z: float, ordinary: Floats) -> Apart:
    days = len(ordinary)
    half = float(stats.t.isf(0.025, min(days - 1.0, HEAVIEST_DF))) * scale
    return Apart(
        place=place,
        shift=shift,
        low=shift - half,
        high=shift + half,
        z=z,
        limit=float(ordinary.max()),
        p_value=chance(abs(z), ordinary),
        days=days,
    )


@dataclass(frozen=True)
class _Departed:
    """Shift, scale and z of each series apart from the rest, and the shift that all have in common."""

    shift: Floats
    scales: Floats
    z: Floats
    common: float
    common_scale: float

    @property
    def common_z(self) -> float:
        return self.common / self.common_scale


def _depart(history: Floats, now: Floats, groups: Groups, floor: float) -> _Departed:
    usual = medians(history)
    rest, rest_now = history - usual, now - usual
    common, common_now = medians(rest.T), float(medians(rest_now[:, None])[0])
    own, own_now = rest - common[:, None], rest_now - common_now
    scales = np.maximum(moderated(deviations(own), len(history), groups), floor)
    shift = own_now - medians(own)
    common_scale = max(float(deviations(common[:, None])[0]), floor)
    return _Departed(shift, scales, shift / scales, common_now - float(np.median(common)), common_scale)
