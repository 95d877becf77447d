"""Whether a verdict is right, given what was planted."""

from assistant.wire import Verdict
from knowledge.drills.practice import Truth

_ACCUSES_NOBODY = "none."
INCONCLUSIVE = "inconclusive"


def is_correct(truth: Truth, verdict: Verdict) -> bool:
    """Cause and target must both be right. Where nothing was planted, every verdict that accuses nobody is."""
    if truth.cause.startswith(_ACCUSES_NOBODY):
        return verdict.cause.startswith(_ACCUSES_NOBODY) or verdict.cause == INCONCLUSIVE
    named = verdict.targets or (verdict.target,)
    right_target = not truth.targets or all(target in truth.targets for target in named)
    return verdict.cause == truth.cause and right_target
