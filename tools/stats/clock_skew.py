"""Clocks that differ between sources: the traffic of one model, host or metric runs through its day hours before or
after its usual time while the others' keeps its own. Its hours can then not be compared with theirs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tools.records import Cube, MetricRole
from tools.stats.panel import Floats, Panel
from tools.stats.robust import MIN_HISTORY
from tools.stats.suspects import MIN_DENOMINATOR, MODEL

METRIC = "metric"
MOST_H = 6
LEAST_HOURS = 12
CLEARER = 2.5
"""So many times better must the shifted course fit, and so many times better than on any baseline day."""
ALIKE = 0.85
"""The share of the variance of the hours that the shifted course must explain."""


@dataclass(frozen=True)
class Skew:
    """A source whose points are stamped about `hours` late (negative: early) against its own usual course."""

    dimension: str
    value: str
    hours: int

    @property
    def text(self) -> str:
        when = "after" if self.hours > 0 else "before"
        return (
            f"{self.dimension} {self.value}: its traffic runs {abs(self.hours)} h {when} its usual course and the "
            "others' does not, so its clock may be off; check its time stamps, then ask again"
        )


def skews(panels: Mapping[MetricRole, Panel]) -> tuple[Skew, ...]:
    """The sources with a shifted course: values of model, arm and infra.* on the top line, models on the other
    metrics, and whole metrics. Nothing is said of fewer than 12 hours, nor where everything shifted (a change to
    summer time)."""
    topline = panels[MetricRole.topline]
    if topline.blocks.history < MIN_HISTORY or topline.blocks.hours < LEAST_HOURS:
        return ()
    common = shifted(topline.sums().den)
    found: dict[Skew, None] = {}
    for role, panel in sorted(panels.items()):
        if panel.dropped and role is not MetricRole.topline:
            continue  # the course of what is left of its points is not that of its traffic
        whole = shifted(panel.sums().den)
        if role is not MetricRole.topline and whole not in (common, 0):
            found[Skew(METRIC, role.value, whole)] = None
            continue
        for skew in _sources(panel, role):
            if skew.hours not in (whole, 0):
                found[skew] = None
    return tuple(found)


def without(cubes: Mapping[MetricRole, Cube], skewed: Sequence[Skew]) -> dict[MetricRole, Cube]:
    """The cubes without the skewed sources: neither they nor the others against them can be compared by the hour. A
    cube of nothing else stays as it is."""
    left: dict[MetricRole, Cube] = {}
    for role, cube in cubes.items():
        mine = [s for s in skewed if s.dimension in cube.dims]
        rows = np.ones(len(cube), dtype=np.bool_)
        for skew in mine:
            rows &= cube.dims[skew.dimension] != skew.value
        if Skew(METRIC, role.value, 0) not in {replace(s, hours=0) for s in skewed}:
            left[role] = cube.where(rows) if rows.any() else cube
    return left


def _sources(panel: Panel, role: MetricRole) -> Iterator[Skew]:
    for name in panel.dimensions:
        if name == MODEL or (role is MetricRole.topline and (name == "arm" or name.startswith("infra."))):
            courses = panel.sums((name,)).den
            for value, course in zip(panel.coded(name).names, courses, strict=True):
                if value and len(courses) > 1:
                    yield Skew(name, value, shifted(course))


def shifted(course: Floats) -> int:
    """By how many hours the last block of a course float64[K+1, H] is late; 0 where no shift is clear."""
    days = course[course.sum(1) >= MIN_DENOMINATOR]
    if len(days) <= MIN_HISTORY or course[-1].sum() < MIN_DENOMINATOR:
        return 0
    gain, lag, alike = _gain(days[-1], days[:-1].mean(0))
    if alike < ALIKE or gain <= CLEARER:
        return 0
    ordinary = max(_gain(day, np.delete(days[:-1], k, axis=0).mean(0))[0] for k, day in enumerate(days[:-1]))
    return lag if gain > CLEARER * ordinary else 0


def _gain(day: Floats, usual: Floats) -> tuple[float, int, float]:
    """How many times smaller the squared misfit of a day is when its usual course is moved by the best lag, that lag,
    and the share of the variance that it explains then."""
    best = (1.0, 0, 0.0)
    hours = len(day)
    for lag in (*range(-MOST_H, 0), *range(1, MOST_H + 1)):
        at = np.arange(max(lag, 0), hours + min(lag, 0))
        still, moved = _misfit(day[at], usual[at]), _misfit(day[at], usual[at - lag])
        spread = float(((day[at] - day[at].mean()) ** 2).sum())
        if moved > 0 and spread > 0 and still / moved > best[0]:
            best = (still / moved, lag, 1 - moved / spread)
    return best


def _misfit(day: Floats, usual: Floats) -> float:
    """The squared misfit after the best scale."""
    energy = float(usual @ usual)
    left = day - (float(day @ usual) / energy if energy > 0 else 0.0) * usual
    return float(left @ left)
