"""What the confirming stage adds to a finding of `feature_ranking`: facts, evidence, and what could not be checked."""

import math
from collections.abc import Collection, Sequence

from tools.contract import Facts, Finding, Result
from tools.evidence import Estimate, Evidence, Source, SourceKind
from tools.numbers import Num
from tools.ports import Ports
from tools.records import Window
from tools.stats.importance_stage import Confirmation, Importance, confirm
from tools.stats.multiplicity import probability_of_effect

MOST_SHOWN = 3


class ImportanceFacts(Facts):
    """`importance_changed_without_drift`: a feature counts for more or less than it did in the last stable snapshot, by
    more than on any earlier day, while its own distribution is as it was: `importance_feature`, with
    `importance_confidence` (what `tools.stats.multiplicity.probability_of_effect` makes of how often an ordinary day
    looks like that). `ablated_share`: the share of the shift of the mean prediction that goes away with `feature`.
    `unused`: the snapshot hardly uses any of the accused features. All None where it was not checked."""

    importance_changed_without_drift: bool | None = None
    importance_feature: str | None = None
    importance_confidence: Num | None = None
    ablated_share: Num | None = None
    unused: bool | None = None


class ImportanceRow(Result):
    """A feature's importance, the mean absolute change of the prediction when it is taken away, in `against` (before)
    and in `snapshot` (now) on the same rows; [low, high] is the 95% interval of the difference over rows, `z` and `q`
    say where it stands against the feature's own past. `amount` is what it adds to the shift of the mean prediction,
    with its 95% interval over hours, `explains` the same as a share. `update` is the norm of the update of the weights
    that it meets first, `update_z` how far that lies from its own past."""

    feature: str
    before: Num
    now: Num
    low: Num
    high: Num
    z: Num
    q_value: Num
    changed: bool
    amount: Num
    amount_low: Num
    amount_high: Num
    explains: Num
    ruling: str
    update: Num
    update_z: Num


def facts_of(
    confirmed: Confirmation, feature: str | None, accused: Collection[str], drifted: Collection[str]
) -> dict[str, object]:
    """The facts by name, for the model's `feature`, the `accused` ones and all that `drifted`."""
    without = confirmed.without_drift(drifted)
    named = confirmed.features.get(feature or "")
    judged = [confirmed.features[name] for name in accused if name in confirmed.features]
    share = named.explains if named and math.isfinite(named.explains) else None
    return {
        "importance_changed_without_drift": without,
        "importance_feature": confirmed.furthest if without else None,
        "importance_confidence": probability_of_effect(confirmed.p_day) if without else None,
        "ablated_share": share,
        "unused": _unused(judged, len(accused)),
    }


def _unused(judged: Sequence[Importance], accused: int) -> bool | None:
    if not accused or len(judged) < accused:
        return None
    return all(one.ruling == "cleared" for one in judged)


def rows_of(confirmed: Confirmation, shortlist: Sequence[str]) -> tuple[ImportanceRow, ...]:
    """The shortlist first, then the others by how far their importance went."""
    listed = [name for name in shortlist if name in confirmed.features]
    rest = sorted(
        confirmed.features.keys() - set(listed),
        key=lambda name: (-_size(confirmed.features[name]), -confirmed.features[name].now, name),
    )
    return tuple(_row(confirmed.features[name]) for name in (*listed, *rest))


def _row(one: Importance) -> ImportanceRow:
    return ImportanceRow(
        feature=one.feature,
        before=one.before,
        now=one.now,
        low=one.low,
        high=one.high,
        z=one.z,
        q_value=one.q,
        changed=one.changed,
        amount=one.amount,
        amount_low=one.amount_low,
        amount_high=one.amount_high,
        explains=one.explains,
        ruling=one.ruling,
        update=one.update,
        update_z=one.update_z,
    )


def _size(one: Importance) -> float:
    return abs(one.z) if math.isfinite(one.z) else 0.0


def evidence_of(confirmed: Confirmation, shortlist: Sequence[str], drifted: Collection[str]) -> tuple[Evidence, ...]:
    """What the stage claims: of the first suspects, and of the change of importance."""
    told = [confirmed.features[name] for name in shortlist if name in confirmed.features][:MOST_SHOWN]
    claims = [_of_suspect(one, confirmed) for one in told if math.isfinite(one.amount_low)]
    if confirmed.changed is not None and confirmed.furthest is not None and confirmed.against is not None:
        claims.append(_of_change(confirmed, confirmed.features[confirmed.furthest], drifted))
    return tuple(claims)


def _of_suspect(one: Importance, confirmed: Confirmation) -> Evidence:
    share = f", {one.explains:.0%} of its shift" if math.isfinite(one.explains) else ""
    says = {
        "confirmed": f"{one.feature} moves the mean prediction by {one.amount:+.3g}{share}",
        "cleared": f"{confirmed.snapshot} hardly uses {one.feature}: without it the predictions are as they are",
        "open": f"{one.feature} adds {one.amount:+.3g} to the mean prediction{share}; that settles nothing",
    }
    return Evidence(
        claim=says[one.ruling],
        bearing={"confirmed": "for", "cleared": "against"}.get(one.ruling, "context"),
        effect=Estimate(value=one.amount, low=one.amount_low, high=one.amount_high),
        method="feature ablation, now against before the window; intervals over hours",
        n=confirmed.rows,
        sources=(Source(kind=SourceKind.snapshot, ref=confirmed.snapshot),),
    )


def _of_change(confirmed: Confirmation, one: Importance, drifted: Collection[str]) -> Evidence:
    drift = "and so did its values" if one.feature in drifted else "and its values are as they were"
    claim = (
        f"how far predictions move when a feature is taken away changed for none of {confirmed.looked} features by "
        f"more than from day to day; most for {one.feature}, from {one.before:.3g} to {one.now:.3g}"
    )
    if confirmed.changed:
        claim = (
            f"how far predictions move when {one.feature} is taken away went from {one.before:.3g} in "
            f"{confirmed.against} to {one.now:.3g} in {confirmed.snapshot} on the same rows, further than any on "
            f"{confirmed.days} earlier days, {drift}"
        )
    return Evidence(
        claim=claim,
        bearing="for" if confirmed.changed else "against",
        effect=Estimate(value=one.now - one.before, low=one.low, high=one.high),
        method="feature ablation; z against the feature's own past",
        p_value=confirmed.p_day,
        q_value=one.q,
        n=confirmed.rows,
        n_effective=float(confirmed.days),
        sources=(Source(kind=SourceKind.snapshot, ref=f"{confirmed.against},{confirmed.snapshot}"),),
    )


def with_importance(finding: Finding, ports: Ports, model: str, window: Window, everything: bool) -> Finding:
    """The real-time part's finding with what taking features away says about it, in its facts, `importances` and
    evidence. A finding without a result stays as it is. `everything` asks for all features."""
    if finding.result is None:
        return finding
    states = finding.result["features"]
    accused = [state["feature"] for state in states if state["broken"]]
    drifted = [state["feature"] for state in states if state["broken"] or state["shifted"]]
    confirmed = confirm(ports, model, window, drifted, everything)
    if isinstance(confirmed, str):
        return finding.model_copy(update={"not_checked": (*finding.not_checked, confirmed)})
    feature = finding.facts.get("feature")
    facts = facts_of(confirmed, feature if isinstance(feature, str) else None, accused, drifted)
    left = confirmed.known - confirmed.looked
    more = (f"what {left} of {confirmed.known} features count for: ask for all of them",) if left > 0 else ()
    return finding.model_copy(
        update={
            "facts": {**finding.facts, **facts},
            "result": {
                **finding.result,
                "importances": [one.model_dump(mode="json") for one in rows_of(confirmed, drifted)],
            },
            "interesting": finding.interesting or bool(facts["importance_changed_without_drift"]),
            "evidence": (*finding.evidence, *evidence_of(confirmed, drifted, drifted)),
            "not_checked": (*finding.not_checked, *confirmed.not_checked, *more),
            "would_settle": (*finding.would_settle, *confirmed.would_settle),
        }
    )
