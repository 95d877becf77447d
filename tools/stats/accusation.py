"""Who is accused: the rules that turn tests of the level, the mix and the contrasts into a factor, and how sure it
is.

`confidence` is formed like this. For an accusation it is `probability_of_effect` of the smallest q value (p value for
the mix) that speaks for it: a bound on what a p value can do to even odds, at most 0.99. A clearance ("none",
"shared") is as sure as the power of the models' contrasts to see a model that would matter, (1 - alpha) / (1 - alpha
+ 1 - power), less what their own smallest q value leaves open; for "shared" times the probability that the drop is
real.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tools.records import MetricRole
from tools.stats.mix import MixShift
from tools.stats.multiplicity import probability_of_effect
from tools.stats.newcomers import Newcomer
from tools.stats.robust import Departure
from tools.stats.suspects import Suspect

Factor = Literal["model", "segment", "infra", "traffic", "shared", "none"]

ALPHA = 0.01
"""The level at which somebody is accused, of q values and of the mix's p value."""
ALPHA_LEVEL = 0.05
SMALL = 0.2
"""What a group adds must be at least this share of the drop."""
MATTERS = 0.05
"""A drop of this share of the usual level is one that nobody would want to miss."""
SMALLEST = 0.005
"""And at least this share of the top line's usual level."""
MOST = 0.5
MOVED = 0.1
"""At least this share of the traffic must have moved along some dimension for the traffic to be a factor."""
MOST_SURE = 0.99
LARGE_LOG_RATIO = 0.3
"""A log loss that left the others' by more than this (35%) shows broken predictions by itself."""
DEGRADING = (MetricRole.topline, MetricRole.log_loss)
"""The roles that say that a model is worse; the others say that it is different."""


@dataclass(frozen=True)
class Case:
    """What the decision looks at. `sign` turns a change of the top line into "how much worse"."""

    raw: Departure
    adjusted: Departure
    mix: MixShift
    suspects: Sequence[Suspect]
    drop: float
    sign: float
    usual: float

    def worse(self, suspect: Suspect) -> float:
        """How much a top-line suspect adds to the drop."""
        return self.sign * suspect.contribution

    @property
    def floor(self) -> float:
        """What a group must add to matter: a fifth of the drop, or of the part that the label rate leaves open."""
        drop = max(self.drop, 0.0)
        if self.adjusted.known:
            drop = min(drop, max(self.sign * self.adjusted.effect, 0.0))
        return max(SMALL * drop, SMALLEST * abs(self.usual))


def decide_factor(
    case: Case, accused: Sequence[Suspect], infra: Suspect | None, segment: Suspect | None, checked: Sequence[str]
) -> tuple[Factor | None, bool | None]:
    """The factor, and whether the drop is real: it is also where its level alone is lost among the swings of the days
    but a part of it stands out by itself."""
    sizes: list[tuple[float, Factor]] = []
    if accused:
        sizes.append((_added_by(case, accused), "model"))
    if infra is not None:
        sizes.append((case.worse(infra), "infra"))
    if _mix_explains(case):
        sizes.append((case.sign * case.mix.split.mix, "traffic"))
    if sizes:
        return max(sizes)[1], True
    if not case.raw.known:
        return None, None
    if not _level_fell(case):
        return "none", False
    if segment is not None:
        return "segment", True
    return ("shared" if len(checked) > 1 else None), True


def could_be_new(case: Case, new: Sequence[Newcomer]) -> list[Newcomer]:
    """The newcomers that may make enough of the drop: nobody is accused of being new, but with them about nothing is
    "shared" by all, and not nothing is found."""
    return [n for n in new if n.p_value * len(new) < ALPHA and n.adds(case.sign) > case.floor]


def _level_fell(case: Case) -> bool:
    fell = case.raw.p_value < ALPHA_LEVEL or (case.adjusted.known and case.adjusted.p_value < ALPHA)
    return case.drop > 0 and fell


def _mix_explains(case: Case) -> bool:
    """The mix moved for the worse by more than on baseline days, and it is most of the drop or leaves an ordinary
    day."""
    mix, size = case.mix.mix, case.sign * case.mix.split.mix
    if not (mix.known and mix.p_value < ALPHA and mix.beyond and size > case.floor and _traffic_moved(case.mix)):
        return False
    return size > MOST * case.drop or not case.mix.within.p_value < ALPHA_LEVEL


def _traffic_moved(mix: MixShift) -> bool:
    """A weekend or a holiday moves a little of the traffic; another kind of traffic moves much of it."""
    return any(m.distance > MOVED and m.departure.beyond and m.departure.p_value < ALPHA for m in mix.moved.values())


def stands_out(suspect: Suspect) -> bool:
    return suspect.departure.known and suspect.departure.beyond and suspect.q_value < ALPHA


def accused_models(case: Case) -> list[Suspect]:
    """The groups by which a model is found to be worse, in one of two ways. Its log loss left the others' by far. Or
    the top line or log loss did by less, the top line is worse by enough to matter, and a second figure says so too,
    since in a storm a single contrast may leave the range of all calmer days."""
    figures: dict[tuple[str | None, ...], list[Suspect]] = {}
    for s in case.suspects:
        if s.kind in ("model", "model_segment"):
            figures.setdefault((s.model, s.dimension, s.value), []).append(s)
    found: list[Suspect] = []
    for (model, *_), group in figures.items():
        heard = _matters(case, [*group, *figures.get((model, None, None), [])]) and _agree(group)
        found += [s for s in group if s.role in DEGRADING and stands_out(s) and (heard or _broken(s))]
    return found


def _broken(suspect: Suspect) -> bool:
    """Predictions so much worse than the others' that they are wrong whatever the top line made of them."""
    return suspect.role is MetricRole.log_loss and suspect.departure.effect > LARGE_LOG_RATIO


def _agree(group: Sequence[Suspect]) -> bool:
    """Whether at least two figures of a group moved, where it has two."""
    return sum(s.departure.p_value < ALPHA_LEVEL for s in group) >= min(2, len(group))


def _matters(case: Case, group: Sequence[Suspect]) -> bool:
    return any(s.role is MetricRole.topline and case.worse(s) > case.floor for s in group)


def _added_by(case: Case, accused: Sequence[Suspect]) -> float:
    """What the accused model adds to the drop: its own top-line contrast, or that of its worst segment if larger."""
    model = accused[0].model
    return max(
        case.worse(s)
        for s in case.suspects
        if s.role is MetricRole.topline and s.model == model and (s.kind == "model" or s in accused)
    )


def most_degraded(suspects: Sequence[Suspect], among: set[str]) -> str | None:
    """The model with the worst figures against the others: the sum of its standardised departures that mean "worse"."""
    score = dict.fromkeys(sorted(among), 0.0)
    for s in suspects:
        if s.kind == "model" and s.model in score and s.role in DEGRADING and s.departure.known:
            score[s.model] += _severity(s)
    return max(score, key=lambda name: score[name]) if score else None


def _severity(suspect: Suspect) -> float:
    """How far in the bad direction, in standard errors; negative where a one-sided p value says "better"."""
    size = abs(suspect.departure.effect) / suspect.departure.scale
    return size if suspect.departure.p_value < 0.5 else -size


def largest(case: Case, kind: str, least: float) -> Suspect | None:
    """The group of a kind that stands out and adds most, if that is at least this share of the drop."""
    found = [s for s in case.suspects if s.kind == kind and stands_out(s)]
    found = [s for s in found if case.worse(s) > max(case.floor, least * case.drop)]
    return max(found, key=lambda s: (case.worse(s), s.name)) if found else None


def confidence(
    found: Case,
    factor: Factor | None,
    accused: Sequence[Suspect],
    infra: Suspect | None,
    segment: Suspect | None,
) -> float | None:
    """How sure the factor is; see the module. None without a factor."""
    match factor:
        case "model":
            return probability_of_effect(min(s.q_value for s in accused))
        case "traffic":
            return probability_of_effect(found.mix.mix.p_value)
        case "infra" | "segment":
            suspect = infra if factor == "infra" else segment
            return None if suspect is None else probability_of_effect(suspect.q_value)
        case "none":
            return _cleared(found, MATTERS * abs(found.usual))
        case "shared":
            level = min((p for p in (found.raw.p_value, found.adjusted.p_value) if math.isfinite(p)), default=1.0)
            return probability_of_effect(level) * _cleared(found, MOST * found.drop)
    return None


def _cleared(case: Case, size: float) -> float:
    """How sure it is that no model adds `size` to the drop."""
    tests = [s for s in case.suspects if s.kind == "model" and s.role in DEGRADING and s.departure.known]
    topline = [s for s in tests if s.role is MetricRole.topline]
    if not topline:
        return 0.0
    power = min(s.departure.power(size / s.weight, ALPHA / len(topline)) for s in topline)
    open_still = 2 * (1 - probability_of_effect(min(s.q_value for s in tests)))
    return min((1 - ALPHA) / (1 - ALPHA + 1 - power), MOST_SURE) * open_still
