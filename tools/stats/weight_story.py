"""What happened to a snapshot's weights, told from how each tensor changed now and on the days before."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tools.stats.novelty import MIN_HISTORY, Novelty, novelties
from tools.stats.tensor_change import TensorChange

StoryName = Literal[
    "diverged", "table_reset", "partial_load", "stale", "non_finite", "cast", "architecture", "ordinary"
]
WHOLE = "all moving weights"
SMALLEST = 8  # elements; the relative update of a tensor of one or two numbers says nothing near zero
FLOOR = math.log(3.0)  # an update must be three times the largest one ever seen: storms move weights too
LEVEL = 0.01  # of the false discovery rate over the tensors
CAST_SHARE, CAST_SHARE_BEFORE, CAST_ELEMENTS = 0.99, 0.5, 32
WIDE = 0.5  # of the tensors: a training that went wrong moves most of them, one odd batch moves one
RESET_COSINE, KEPT_COSINE, RESET_GROWTH = 0.3, 0.7, 2.0

Changes = Mapping[str, TensorChange]


@dataclass(frozen=True)
class Story:
    """`tensors` are those it happened to, the worst first; `unusual` is None where history is too short to say."""

    name: StoryName | None
    unusual: bool | None
    tensors: tuple[str, ...]
    why: str
    novelty: Mapping[str, Novelty]


def tell(current: Changes, past: Sequence[Changes]) -> Story:
    """The story of `current` (tensor → change) against `past`, the changes between earlier snapshots, oldest first.

    A broken number goes before a missing update, and that before the size of the updates. "diverged" and
    "table_reset" need both a q value below 1% and an update three times the largest of the history; "diverged" needs
    also that half of the tensors moved further than ever.
    """
    moving = _moving(current, past)
    novelty = _novelty(current, past, moving)
    structural = _non_finite(current) or _cast(current) or _missing(current, past, moving)
    if structural:
        name, tensors, why = structural
        return Story(name, True, tensors, why, novelty)
    if not novelty:
        why = f"{len(past)} earlier updates are too few to say what is usual; {MIN_HISTORY} are needed"
        return Story(None, None, (), why, novelty)
    large = tuple(name for name in by_novelty(novelty) if is_large(novelty[name]))
    if not large:
        return Story("ordinary", False, (), "no tensor moved more than its own past allows", novelty)
    return _of_large_updates(current, past, large, novelty)


def is_large(found: Novelty) -> bool:
    """Both improbable and, whatever the probabilities say, far beyond everything seen before."""
    return found.q_value < LEVEL and found.above_all >= FLOOR


def by_novelty(novelty: Mapping[str, Novelty]) -> list[str]:
    """Names by how far the update lies outside of its past, in scales; the furthest first."""
    return sorted(novelty, key=lambda name: (-novelty[name].z, name))


def _moving(current: Changes, past: Sequence[Changes]) -> list[str]:
    """The tensors that training updates: those that changed in at least half of the earlier steps, or change now."""
    moving = []
    for name in sorted(current):
        steps = [step[name].changed > 0 for step in past if name in step]
        if (sum(steps) * 2 >= len(steps)) if steps else current[name].changed > 0:
            moving.append(name)
    return moving


def _novelty(current: Changes, past: Sequence[Changes], moving: Sequence[str]) -> dict[str, Novelty]:
    judged = [name for name in moving if current[name].elements >= SMALLEST]
    history = {name: [_log_update(step[name]) for step in past if name in step] for name in judged}
    now = {name: _log_update(current[name]) for name in judged}
    history[WHOLE] = [_whole(step, moving) for step in past]
    now[WHOLE] = _whole(current, moving)
    kinds = {name: name.rsplit(".", 1)[-1] for name in judged}
    return novelties(history, now, kinds)


def _log_update(change: TensorChange) -> float:
    relative = change.relative_update
    return math.log(relative) if relative > 0 else math.nan if math.isnan(relative) else -math.inf


def _whole(step: Changes, moving: Sequence[str]) -> float:
    parts = [step[name] for name in moving if name in step]
    update, norm = math.hypot(*(p.update for p in parts)), math.hypot(*(p.norm_before for p in parts))
    return math.log(update / norm) if update > 0 and 0 < norm < math.inf else -math.inf


Found = tuple[StoryName, tuple[str, ...], str]


def _non_finite(current: Changes) -> Found | None:
    broken = [name for name, change in current.items() if change.non_finite > change.non_finite_before]
    broken.sort(key=lambda name: (-current[name].non_finite, name))
    if not broken:
        return None
    count = sum(current[name].non_finite for name in broken)
    return "non_finite", tuple(broken), f"{count} weights of {len(broken)} tensors are NaN or infinite"


def _cast(current: Changes) -> Found | None:
    names = [
        name
        for name, change in sorted(current.items())
        if change.retyped
        or (
            change.elements >= CAST_ELEMENTS
            and change.rounded >= CAST_SHARE
            and change.rounded_before < CAST_SHARE_BEFORE
        )
    ]
    if not names:
        return None
    return "cast", tuple(names), f"the values of {len(names)} tensors went through another number type"


def _missing(current: Changes, past: Sequence[Changes], moving: Sequence[str]) -> Found | None:
    """Nothing moved, or some tensors that moved in every earlier step did not."""
    still = [
        name
        for name in moving
        if current[name].changed == 0 and all(step[name].changed > 0 for step in past if name in step)
    ]
    if not any(change.changed for change in current.values()):
        names = still or sorted(current)
        return "stale", tuple(names), "no weight differs from the snapshot before"
    if not still or len(past) < MIN_HISTORY:
        return None
    why = f"{len(still)} of {len(moving)} tensors kept their old values, which they never did before"
    return "partial_load", tuple(still), why


def _of_large_updates(
    current: Changes, past: Sequence[Changes], large: tuple[str, ...], novelty: Mapping[str, Novelty]
) -> Story:
    named = [name for name in large if name != WHOLE]
    reset = tuple(name for name in named if _is_reset(current[name], [s[name] for s in past if name in s]))
    others = [name for name in novelty if name != WHOLE and name not in reset]
    if reset and not any(name in large for name in others) and len(reset) <= len(others):
        why = f"{len(reset)} tensors lost what they had learnt while the others moved as usual"
        return Story("table_reset", True, reset, why, novelty)
    judged = [name for name in novelty if name != WHOLE]
    further = sum(novelty[name].above_all > 0 for name in judged)
    if further < WIDE * len(judged):
        why = f"{len(named)} of {len(judged)} tensors moved in a burst, but the others as usual: training was the same"
        return Story("ordinary", False, tuple(named), why, novelty)
    why = f"{further} of {len(judged)} tensors moved further than on any day before, {len(named)} of them by far"
    return Story("diverged", True, tuple(named) or (WHOLE,), why, novelty)


def _is_reset(change: TensorChange, past: Sequence[TensorChange]) -> bool:
    """Unlike its old self where it used to stay alike, and no larger than it was: set anew, not driven away."""
    usual = [step.cosine for step in past if math.isfinite(step.cosine)]
    alike = abs(change.cosine) if math.isfinite(change.cosine) else 0.0
    stayed = bool(usual) and float(np.median(usual)) > KEPT_COSINE
    return stayed and alike < RESET_COSINE and change.norm <= RESET_GROWTH * change.norm_before
