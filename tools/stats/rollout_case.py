"""All that is measured about a fall and the rollouts that may explain it, before anything is decided."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tools.records import Cube, MetricRole, Window
from tools.stats.blocks import HOUR_S, aligned
from tools.stats.contrast_onset import ContrastOnset, contrast_onset
from tools.stats.panel import Panel
from tools.stats.robust import UNKNOWN, Departure, Tail
from tools.stats.rollout_reversal import reversals
from tools.stats.rollout_timeline import Rollout, Timeline
from tools.stats.rollout_verdict import Case
from tools.stats.rollouts import rollout_tests
from tools.stats.suspects import model_departure


def case_of(
    cubes: Mapping[MetricRole, Cube],
    tails: Mapping[MetricRole, Tail],
    known: Timeline,
    candidates: Sequence[Rollout],
    model: str,
    window: Window,
    baseline: Window,
) -> Case:
    """Test the candidates, and measure the model's fall, its onset, and what rollbacks did."""
    first, end = int(window.start.timestamp()) // HOUR_S, -(-int(window.end.timestamp()) // HOUR_S)
    return Case(
        tests=rollout_tests(cubes, candidates, known, model, end, tails),
        candidates=candidates,
        tails=tails,
        falls={role: _fall(cubes[role], role, tail, model, window, baseline) for role, tail in tails.items()},
        shares={r.snapshot: known.served.share(r.snapshot, first, end) for r in candidates},
        onset=_onset(cubes, tails, model, window, baseline),
        reversals=reversals(cubes, candidates, known.served, model, end, tails),
    )


def _fall(cube: Cube, role: MetricRole, tail: Tail, model: str, window: Window, baseline: Window) -> Departure:
    """How far the model fell against the other models in the window."""
    panel = Panel(cube, aligned(window, baseline))
    return model_departure(panel, role, tail, model) if len(panel) else UNKNOWN


def _onset(
    cubes: Mapping[MetricRole, Cube], tails: Mapping[MetricRole, Tail], model: str, window: Window, baseline: Window
) -> ContrastOnset | None:
    """The clearer of the onsets in the log loss and in the top line, its p value that of the better of so many."""
    found = [
        contrast_onset(cubes[role], role, tails[role], model, window, baseline)
        for role in (MetricRole.log_loss, MetricRole.topline)
        if role in tails
    ]
    clear = [o for o in found if o is not None]
    best = min(clear, key=lambda o: o.p_value, default=None)
    return None if best is None else replace(best, p_value=min(best.p_value * len(clear), 1.0))
