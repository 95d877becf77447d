"""A weight story as headline, evidence and charts."""

import math
from collections.abc import Mapping, Sequence

from scipy import stats

from tools.evidence import Chart, Estimate, Evidence, Source, SourceKind
from tools.stats.multiplicity import probability_of_effect
from tools.stats.novelty import Novelty
from tools.stats.tensor_change import TensorChange
from tools.stats.weight_pattern import COLUMN, Departure
from tools.stats.weight_story import Story, StoryName

SURE = 0.99
CLEAR_BUT_RAISED = 0.7
MOST_DEPARTURES = 4
METHOD = (
    "difference from the median of earlier updates, scaled by a moderated MAD; its false-alarm limit from each earlier "
    "update held against the others, Student's t; Benjamini-Hochberg"
)
CONFIRM: Mapping[StoryName, str] = {
    "non_finite": "the loss and gradient norms of the training run, and the log of the publishing job",
    "cast": "the number type that the publishing job writes, and its last change",
    "stale": "whether the training ran at all, and which checkpoint the publishing job took",
    "partial_load": "which tensors the publishing job loaded and skipped, and which parts are frozen on purpose",
    "architecture": "the change of the model's code, and that serving has the same one",
    "table_reset": "the start of the training run (which checkpoint it took), and whether the vocabulary was rebuilt",
    "diverged": "the learning rate, loss and gradient norms of the training run",
    "small_updates": "the learning rate, the number of steps and of skipped batches of the training run",
    "feature_scale": "the mean and deviation of this input in the data partition, against the days before",
    "one_tensor": "the inputs that feed this tensor in the data partition, and whether it is loaded on its own",
    "other_pattern": "labels and features of the data partition, and the optimiser state that the training began with",
}
UNSEEN = (
    "what leaves no trace in the weights, as a feature that is constant or an optimiser that starts anew often do: the "
    "profiles of the features and the curves of the training run show that"
)


def headline(snapshot: str, against: str, model: str, story: Story, feature: str | None) -> str:
    """One sentence with the story."""
    if story.unusual is None:
        return f"Whether {snapshot} is unusual cannot be said: {story.why}"
    if not story.unusual:
        return f"{snapshot} differs from {against} as snapshots of {model} usually do"
    fed = f" (it takes in {feature})" if feature else ""
    return f"{snapshot} is unusual ({story.name}): {story.why}{fed}{_worst(story)}"


def _worst(story: Story) -> str:
    """The worst tensor and how far it moved, which says nothing where something was counted in it."""
    worst = story.tensors[0] if story.tensors else ""
    if story.counted:
        return f"; first in {worst}" if worst and worst not in story.why else ""
    found = story.novelty.get(worst)
    return f"; {worst} moved {math.exp(found.value - found.typical):.3g} times as far as usual" if found else ""


def confidence(story: Story) -> float | None:
    """The probability that `story.unusual` is right: what is counted is sure, what is estimated is as sure as its q
    value allows (Sellke, Bayarri & Berger 2001), and what is ordinary is n / (n + 1) over n earlier updates."""
    if story.unusual is None:
        return None
    if story.counted:
        return SURE
    if story.unusual and story.lead:
        return probability_of_effect(min(one.q_value for one in story.departures if one.counts))
    days = min(one.days for one in story.departures)
    return min(days / (days + 1), CLEAR_BUT_RAISED) if story.raised else days / (days + 1)


def evidence(snapshot: str, against: str, story: Story) -> tuple[Evidence, ...]:
    """What was counted, the departures that count or else the likeliest one, and the update of the worst tensor."""
    source = Source(kind=SourceKind.snapshot, ref=f"{against},{snapshot}")
    items = []
    if story.counted:
        items.append(Evidence(claim=f"{story.why}: {', '.join(story.tensors[:5])}", bearing="for", sources=(source,)))
    counting = [one for one in story.departures if one.counts]
    told = dict.fromkeys([story.lead] if story.lead else []) | dict.fromkeys(counting or story.departures[:1])
    items += [_of_departure(one, source) for one in [*told][:MOST_DEPARTURES]]
    worst = story.tensors[0] if story.tensors else next(iter(_by_update(story.novelty)), None)
    if worst is not None and worst in story.novelty:
        items.append(_of_update(worst, story.novelty[worst], source))
    if story.untrained:
        names = ", ".join(story.untrained[:5])
        claim = f"{len(story.untrained)} tensors changed that did not change in most updates before: {names}"
        items.append(Evidence(claim=claim, sources=(source,)))
    return tuple(items) or (Evidence(claim=story.why, sources=(source,)),)


def charts(
    story: Story, current: Mapping[str, TensorChange], past: Sequence[Mapping[str, TensorChange]]
) -> tuple[Chart, ...]:
    """The relative updates of the worst tensor, oldest first, this one last."""
    name = story.tensors[0] if story.tensors else next(iter(_by_update(story.novelty)), None)
    if name is None or not past:
        return ()
    values = [step[name].relative_update for step in past if name in step]
    mark = len(values) if story.unusual else None
    return (Chart(title=f"relative update of {name}", values=(*values, current[name].relative_update), mark=mark),)


def _by_update(novelty: Mapping[str, Novelty]) -> list[str]:
    return sorted(novelty, key=lambda name: (-abs(novelty[name].z), name))


def _of_departure(found: Departure, source: Source) -> Evidence:
    where = "all tensors together" if found.tensor is None else f"{found.tensor} against the other tensors"
    if found.measure == COLUMN:
        where = f"column {found.column} of {found.tensor}"
    what, unit = ("times its usual value", "times") if found.ratio else ("from its usual value", "")
    value, low, high = (_read(found, bound) for bound in (found.shift, found.low, found.high))
    return Evidence(
        claim=(
            f"{where}: {found.says} is {value:.3g} {what}; that is {abs(found.z):.3g} scales of its past, and on "
            f"{found.days} days before it was {found.limit:.3g} at most"
        ),
        bearing="for" if found.counts else "against",
        effect=Estimate(value=value, low=low, high=high, unit=unit),
        method=METHOD,
        p_value=found.p_value,
        q_value=found.q_value,
        n=found.days,
        sources=(source,),
    )


def _read(found: Departure, bound: float) -> float:
    """A logarithm as a ratio; at most e^700, which is as good as without a bound."""
    return math.exp(min(bound, 700.0)) if found.ratio else bound


def _of_update(name: str, found: Novelty, source: Source) -> Evidence:
    """The ratio to the typical update, with the interval that the spread of the history gives it."""
    half = float(stats.t.isf(0.025, found.df)) * found.scale
    ratio = found.value - found.typical
    return Evidence(
        claim=(
            f"{name}: the relative update ||Δ||/||w|| is {math.exp(found.value):.3g}, usually "
            f"{math.exp(found.typical):.3g}, and {math.exp(found.above_all):.2g} times the largest of {found.n} before"
        ),
        effect=Estimate(value=math.exp(ratio), low=math.exp(ratio - half), high=math.exp(ratio + half), unit="times"),
        method="log relative update against its own past: median and moderated MAD, Student's t, Benjamini-Hochberg",
        p_value=found.p_value,
        q_value=found.q_value,
        n=found.n,
        sources=(source,),
    )
