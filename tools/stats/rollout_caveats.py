"""What is said besides: rollouts of other models in the same hours, and records and points that do not agree."""

from collections.abc import Mapping, Sequence

from tools.records import Cube, RolloutPoint
from tools.stats.contrast_onset import ContrastOnset
from tools.stats.rollout_timeline import SKEW_H, Rollout, Timeline, time_of, timeline, uneven_arms


def elsewhere(
    points: Mapping[str, Sequence[RolloutPoint]],
    cube: Cube,
    model: str,
    onset: ContrastOnset | None,
    first: int,
    last: int,
) -> tuple[str, ...]:
    """The rollouts of the other models, with their records, in the interval of the onset; without one, in the hours
    [first, last]. They are alternatives that nothing here rules out."""
    if onset is not None and onset.found:
        first, last = onset.low - SKEW_H, onset.high + SKEW_H
    return tuple(
        f"rollout of {r.snapshot}, a snapshot of {other}, at {time_of(r.start):%Y-%m-%d %H:%M} UTC: "
        f"not ruled out here, where only {model} was looked at"
        for other in sorted(points)
        for r in timeline(points[other], cube, other).around(first, last)
    )


def caveats(
    known: Timeline, candidates: Sequence[Rollout], points: Sequence[RolloutPoint], first: int, last: int
) -> tuple[str, ...]:
    """What records and points of the model do not agree about in the hours [first, last], and what was done."""
    said = []
    if not any(known.served.names):
        said.append("the points of the metric do not name the snapshot; send it as their dimension")
    for r in candidates:
        if r.snapshot in known.unrecorded:
            said.append(f"{r.snapshot} has no rollout record: when it served is read from the points of the metric")
        elif known.early.get(r.snapshot, 0) > 0:
            said.append(
                f"{r.snapshot} serves {known.early[r.snapshot]} h before its rollout record: the points of the metric "
                "count; check the clocks"
            )
    said += [
        f"the recorded shares of arm {arm} add up to {total:.2f} at {time_of(hour):%Y-%m-%d %H:%M} UTC: who served "
        "what is read from the points of the metric"
        for arm, total, hour in uneven_arms(points, first, last)
    ]
    return tuple(said)
