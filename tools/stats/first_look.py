"""In which order the models behind a product are looked at, also where they could not be compared: predictions that are
no numbers leave points that are none, and then there is nothing to compare."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tools.evidence import Estimate, Evidence, Source, SourceKind
from tools.records import Cube, MetricRole, Window
from tools.stats.panel import sound_points
from tools.stats.suspects import MODEL

LEAST_SHARE = 0.01
LEVEL = 0.95


@dataclass(frozen=True)
class Unusable:
    """Points of a model that are no numbers: `bad` of `points` in the window, `bad_before` of `points_before`."""

    model: str
    role: MetricRole
    bad: int
    points: int
    bad_before: int
    points_before: int

    @property
    def share(self) -> float:
        return self.bad / self.points

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, over points: it takes them as independent, so it is narrow."""
        return _wilson(self.bad, self.points)

    @property
    def is_new(self) -> bool:
        """More than a hundredth of the points, and surely more than before."""
        usual = _wilson(self.bad_before, self.points_before)[1] if self.points_before else 0.0
        return self.share > LEAST_SHARE and self.interval[0] > usual


def unusable(cubes: Mapping[MetricRole, Cube], window: Window, baseline: Window) -> tuple[Unusable, ...]:
    """The models that newly have points without a number, in their worst metric; the largest share first."""
    worst: dict[str, Unusable] = {}
    for role, cube in sorted(cubes.items()):
        if MODEL not in cube.dims:
            continue
        broken = ~sound_points(cube)
        now, before = _within(cube, window), _within(cube, baseline)
        for model in sorted(set(cube.dims[MODEL][now & broken].tolist()) - {""}):
            mine = cube.dims[MODEL] == model
            counts = [int((mine & part).sum()) for part in (now & broken, now, before & broken, before)]
            one = Unusable(model, role, *counts)
            if one.is_new and (model not in worst or one.share > worst[model].share):
                worst[model] = one
    return tuple(sorted(worst.values(), key=lambda u: (-u.share, u.model)))


def in_order(ranked: Sequence[str | None], sure: bool, found: Sequence[Unusable], others: Sequence[str]) -> list[str]:
    """The models to look at, each once: those `ranked` by comparison first where that is `sure`, else those that newly
    have points without a number, then the ranked and the `others`."""
    broken = [u.model for u in found]
    first = [*ranked, *broken] if sure else [*broken, *ranked]
    return list(dict.fromkeys(name for name in (*first, *sorted(others)) if name))


def unusable_evidence(
    found: Sequence[Unusable], product: str, names: Mapping[MetricRole, str], window: Window
) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(
            claim=f"{u.bad} of {u.points} points of {names[u.role]} of model {u.model} are no numbers; before, "
            f"{u.bad_before} of {u.points_before} were",
            effect=Estimate(value=u.share, low=u.interval[0], high=u.interval[1], level=LEVEL, unit="share of points"),
            method="Wilson's interval over points",
            n=u.points,
            window=window,
            sources=(Source(kind=SourceKind.metric, ref=f"{product}/{names[u.role]}"),),
        )
        for u in found
    )


def _within(cube: Cube, window: Window) -> np.ndarray:
    return (cube.ts >= window.start.timestamp()) & (cube.ts < window.end.timestamp())


def _wilson(count: int, n: int) -> tuple[float, float]:
    interval = stats.binomtest(count, n).proportion_ci(LEVEL, method="wilson")
    return float(interval.low), float(interval.high)
