"""What a search of combinations adds to a decision: when one is named, and when it overrules what was decided."""

import math
from collections.abc import Callable
from dataclasses import replace

from tools.stats.accusation import ALPHA, MOST, SMALL, SMALLEST, Factor
from tools.stats.attribution import Attribution
from tools.stats.combination_effects import CombinationEffect, Combinations
from tools.stats.cuboids import Combination, text
from tools.stats.multiplicity import probability_of_effect
from tools.stats.suspects import MODEL

Agrees = Callable[[Combination], bool]
"""Whether another figure says, too, that a model is worse at the places of a combination."""


def named(found: Attribution, searched: Combinations) -> tuple[CombinationEffect, ...]:
    """The combinations that are the cause beyond doubt and do not contradict the factor: of a model, only those that
    hold it."""
    causes = _standing_out(searched)
    if found.factor == "model":
        return tuple(t for t in causes if _model_of(t.combination) == found.model)
    return causes if found.factor in (None, "segment", "infra") else ()


def settled_by(found: Attribution, searched: Combinations, agrees: Agrees) -> Attribution:
    """The attribution, with the factor that only combinations could tell. Where the baseline holds too few whole days
    for anything else, one that stands out suffices. A place whose fault is only that of an accused model there gives
    way to the model. A combination overrules "none", "shared" and an open answer where it makes
    most of the drop, and enough of the usual level to matter."""
    causes = _standing_out(searched)
    if causes and found.factor in ("infra", "segment") and _narrowed_to_model(found, causes):
        return replace(found, factor="model", confidence=_confidence(causes))
    if not causes or found.factor not in (None, "none", "shared"):
        return found
    if found.raw.known and not _overrules(found, causes):
        return found
    factor = _factor(causes)
    if factor is None or (factor == "model" and not all(agrees(t.combination) for t in causes)):
        return found
    settled = replace(
        found,
        factor=factor,
        drop=found.drop if math.isfinite(found.drop) else abs(searched.change),
        drop_is_real=True,
        segment=cause_text(causes) if factor == "segment" else None,
        infra=cause_text(causes) if factor == "infra" else None,
        confidence=_confidence(causes),
    )
    return _of_model(settled, causes) if factor == "model" else settled


def cause_text(causes: tuple[CombinationEffect, ...]) -> str | None:
    """`cdn=a & isp=b`, several joined by `or`; None where there is none."""
    return " or ".join(text(t.combination) for t in causes) or None


def _standing_out(searched: Combinations) -> tuple[CombinationEffect, ...]:
    """The best of the ranking (several where they are it together), where they stand out and make enough of the
    drop."""
    cause = [t for t in searched.tested if t.combination in searched.cause]
    return tuple(t for t in cause if t.q_value < ALPHA and t.departure.beyond and t.share >= SMALL)


def _narrowed_to_model(found: Attribution, causes: tuple[CombinationEffect, ...]) -> bool:
    """Whether a place is bad only where it serves the model that is accused, too."""
    return found.model_degraded is True and {_model_of(t.combination) for t in causes} == {found.model}


def _confidence(causes: tuple[CombinationEffect, ...]) -> float:
    return min(probability_of_effect(t.q_value) for t in causes)


def _overrules(found: Attribution, causes: tuple[CombinationEffect, ...]) -> bool:
    share = sum(t.share for t in causes)
    return share >= MOST and share * found.drop > SMALLEST * abs(found.usual_level)


def _factor(causes: tuple[CombinationEffect, ...]) -> Factor | None:
    """What the combinations are of; None where they are of several models, or of one and of none."""
    models = {_model_of(t.combination) for t in causes}
    if models != {None}:
        return "model" if len(models) == 1 else None
    infra = all(name.startswith("infra.") for t in causes for name, _ in t.combination)
    return "infra" if infra else "segment"


def _model_of(combination: Combination) -> str | None:
    return dict(combination).get(MODEL)


def _of_model(found: Attribution, causes: tuple[CombinationEffect, ...]) -> Attribution:
    """With the model of the combinations first, and where it is worse."""
    model = _model_of(causes[0].combination)
    places = [text(tuple(p for p in t.combination if p[0] != MODEL)) for t in causes]
    return replace(
        found,
        model=model,
        second_model=found.model if found.model != model else found.second_model,
        model_degraded=True,
        segment=" or ".join(p for p in places if p) or None,
    )
