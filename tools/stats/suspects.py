"""Every value of every dimension under the same suspicion: its concurrent contrast against its own history."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tools.records import MetricRole
from tools.stats.contrast import Contrast, Kind, contrast
from tools.stats.multiplicity import benjamini_hochberg
from tools.stats.panel import Panel, Sums
from tools.stats.robust import UNKNOWN, Departure, Tail, departure

MODEL = "model"
MIN_DENOMINATOR = 50.0
"""A group with less than this in the current block is too small to say anything about."""

MAX_CELLS = 2_000_000
"""The strata of the models' contrasts, over all blocks, may be so many cells; as many are compared at once."""

SuspectKind = Literal["model", "model_segment", "infra", "segment"]


@dataclass(frozen=True)
class Suspect:
    """One group, one metric: `model`, and `dimension` = `value` where the group is narrower or another one than a
    model.

    `departure` is the group's contrast against the rest now, less what its baseline contrasts predict; `weight` is
    its share of the metric's denominators now, so effect x weight is what it adds to the whole.
    """

    kind: SuspectKind
    role: MetricRole
    model: str | None
    dimension: str | None
    value: str | None
    contrast: Contrast
    departure: Departure
    weight: float
    q_value: float = float("nan")

    @property
    def name(self) -> str:
        place = f"{self.dimension}={self.value}" if self.dimension else ""
        return f"{self.model} in {place}" if self.model and place else self.model or place

    @property
    def contribution(self) -> float:
        return self.departure.effect * self.weight


def find_suspects(
    panels: Mapping[MetricRole, Panel],
    tails: Mapping[MetricRole, Tail],
    segments: Sequence[str],
    places: Sequence[str],
    infra: Sequence[str],
) -> list[Suspect]:
    """The contrasts of all groups in a fixed order, with Benjamini-Hochberg q values.

    Models, and models within `places` (segments and arms), are compared on every metric; models in strata of segment
    and hour, so that other traffic than before does not show as another model. Arms are no strata of models: in an
    experiment each may be served by one of them. Infrastructure and places are compared on the top line, in strata of
    model and hour so that a fault of one model does not show as one of the places that it serves most.
    """
    found: list[Suspect] = []
    for role, panel in panels.items():
        found += _models(panel, role, tails[role], segments)
        for name in places:
            found += _models_within(panel, role, tails[role], name)
    topline = panels[MetricRole.topline]
    for name in infra:
        found += _places(topline, "infra", tails[MetricRole.topline], name)
    for name in places:
        found += _places(topline, "segment", tails[MetricRole.topline], name)
    return _with_q_values(found)


def _with_q_values(found: Sequence[Suspect]) -> list[Suspect]:
    """One family for the models, the first question, and one for all the places: many places must not blunt it."""
    q = np.full(len(found), np.nan)
    for family in ({"model"}, {"model_segment", "infra", "segment"}):
        members = [i for i, s in enumerate(found) if s.kind in family]
        q[members] = benjamini_hochberg([found[i].departure.p_value for i in members])
    return [replace(s, q_value=float(q[i])) for i, s in enumerate(found)]


def kind_of(role: MetricRole) -> Kind:
    """Differences in the top line's own unit; ratios for figures of models, which grow with the level of the day."""
    return "difference" if role is MetricRole.topline else "log_ratio"


def judged(found: Contrast, tail: Tail) -> Departure:
    """A contrast's last block against its earlier ones, at comparable levels of the others and with their noise."""
    return departure(
        found.effect[:-1],
        float(found.effect[-1]),
        tail,
        conditions=found.level[:-1],
        now=float(found.level[-1]),
        noise=found.noise[:-1],
        noise_now=float(found.noise[-1]),
    )


def _models(panel: Panel, role: MetricRole, tail: Tail, segments: Sequence[str] = ()) -> Iterator[Suspect]:
    sums = stratified(panel, segments)
    for i, against in _compared(sums, kind_of(role)):
        model = panel.coded(MODEL).names[i]
        if model:
            yield Suspect("model", role, model, None, None, against, judged(against, tail), float(against.weight[-1]))


def stratified(panel: Panel, segments: Sequence[str]) -> Sums:
    """Sums by model, float64[models, K+1, strata]. The strata are the segments, those with the fewest values
    first, as far as the cells are affordable, times the hours."""
    shape = (len(panel.coded(MODEL).names), len(panel.blocks.starts), panel.blocks.hours)
    kept, size = list[str](), math.prod(shape)
    for name in sorted(segments, key=lambda d: (len(panel.coded(d).names), d)):
        size *= len(panel.coded(name).names)
        if size <= MAX_CELLS:
            kept.append(name)
    sums = panel.sums((*kept, MODEL))
    by_model = [np.moveaxis(a.reshape(-1, *shape), 0, 2) for a in (sums.num, sums.den)]
    return Sums(*(a.reshape(*shape[:2], -1) for a in by_model))


def _models_within(panel: Panel, role: MetricRole, tail: Tail, dimension: str) -> Iterator[Suspect]:
    sums, models = panel.sums((dimension, MODEL)), panel.coded(MODEL).names
    total = float(sums.den[..., -1, :].sum())
    for v, value in enumerate(panel.coded(dimension).names):
        inside = Sums(sums.num[v], sums.den[v])
        for i, against in _compared(inside, kind_of(role)) if value else ():
            if models[i]:
                weight = float(inside.den[i, -1].sum()) / total
                yield Suspect(
                    "model_segment", role, models[i], dimension, value, against, judged(against, tail), weight
                )


def _places(panel: Panel, kind: SuspectKind, tail: Tail, dimension: str) -> Iterator[Suspect]:
    role, names = MetricRole.topline, panel.coded(dimension).names
    for v, against in _compared(by_place(panel, dimension), kind_of(role)):
        if names[v]:
            weight = float(against.weight[-1])
            yield Suspect(kind, role, None, dimension, names[v], against, judged(against, tail), weight)


def by_place(panel: Panel, dimension: str) -> Sums:
    """Sums by the values of a dimension, float64[values, K+1, models x hours]."""
    sums = panel.sums((dimension, MODEL))
    values, models, blocks, hours = sums.num.shape
    return Sums(*(np.moveaxis(a, 1, 2).reshape(values, blocks, models * hours) for a in (sums.num, sums.den)))


def _compared(sums: Sums, kind: Kind) -> Iterator[tuple[int, Contrast]]:
    """Each group along the first axis against all others, with its index; left out where either side is too small
    now."""
    num, den = sums.num.sum(0), sums.den.sum(0)
    now = sums.den[:, -1].sum(-1)
    large = np.flatnonzero((now >= MIN_DENOMINATOR) & (float(den[-1].sum()) - now >= MIN_DENOMINATOR))
    for at in np.array_split(large, max(1, len(large) * num.size // MAX_CELLS)):
        group = Sums(sums.num[at], sums.den[at])
        found = contrast(group, Sums(num - group.num, den - group.den), kind)
        for i, *columns in zip(at, found.effect, found.noise, found.level, found.weight, strict=True):
            yield int(i), Contrast(*columns)


def _compare(sums: Sums, index: int, kind: Kind) -> Contrast | None:
    """One group against all others, as above."""
    both = [np.stack([a[index], a.sum(0) - a[index]]) for a in (sums.num, sums.den)]
    return next((found for i, found in _compared(Sums(*both), kind) if i == 0), None)


def located(panel: Panel, role: MetricRole, tail: Tail, model: str, dimension: str, value: str) -> Departure:
    """Whether a model's contrast is worse inside a segment than outside of it: a difference of differences, per
    block."""
    names, models = panel.coded(dimension).names, panel.coded(MODEL).names
    if value not in names or model not in models:
        return UNKNOWN
    sums = panel.sums((dimension, MODEL))
    v, m = names.index(value), models.index(model)
    inside = _compare(Sums(sums.num[v], sums.den[v]), m, kind_of(role))
    outside = _compare(Sums(sums.num.sum(0) - sums.num[v], sums.den.sum(0) - sums.den[v]), m, kind_of(role))
    if inside is None or outside is None:
        return UNKNOWN
    apart = replace(inside, effect=inside.effect - outside.effect, noise=np.hypot(inside.noise, outside.noise))
    return judged(apart, tail)


def model_departure(panel: Panel, role: MetricRole, tail: Tail, model: str) -> Departure:
    """How far one model left the others in the current block."""
    return next((s.departure for s in _models(panel, role, tail) if s.model == model), UNKNOWN)
