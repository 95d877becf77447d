"""Which snapshot rollout, if any, does a model's fall go back to?

Every day a snapshot rolls out, and at the same hours, so coincidence in time proves nothing. A rollout is judged by the
new snapshot against the others of the same model in the same hours, as all earlier rollouts of the model were; and by
how the model's contrast with the other models follows the share of the new snapshot. When neither stands out, none
explains it.
"""

from collections.abc import Sequence
from dataclasses import replace

from tools.contract import Facts, Finding, Params, Result, Status, Tool
from tools.evidence import Estimate
from tools.numbers import Num
from tools.ports import Ports
from tools.records import Cube, Metric, MetricRole, Model, Product, Snapshot, Utc, Window
from tools.stats.blocks import HOUR_S, aligned
from tools.stats.contrast_onset import ContrastOnset, contrast_onset
from tools.stats.multiplicity import probability_of_effect
from tools.stats.panel import Panel
from tools.stats.robust import Departure, Tail
from tools.stats.rollout_report import (
    RolloutLook,
    charts,
    estimate,
    evidence,
    headline,
    not_checked,
    ruled_out,
    span,
    time,
)
from tools.stats.rollout_verdict import cleared, guilty, precedes, rollback_target, staleness
from tools.stats.rollouts import PanelFactory, Rollout, RolloutTest, rollout_tests, rollouts_of
from tools.stats.suspects import MODEL, model_departure

LOOKBACK_H = 24
"""Rollouts that started up to this long before the window are candidates too."""
SURE_ENOUGH = 0.95


class RolloutCorrelationParams(Params):
    product: str
    metric: str
    model: str
    window: Window
    baseline: Window


class RolloutCorrelationFacts(Facts):
    """`explains` is false only where half of the model's fall is more than any rollout can have made.
    `confidence` goes with `explains`; see `tools.stats.rollout_verdict`."""

    explains: bool | None = None
    snapshot: str | None = None
    confidence: Num | None = None
    onset_found: bool | None = None
    precedes_every_rollout: bool | None = None
    latest_snapshot: str | None = None
    rollback_target: str | None = None


class RolloutRow(Result):
    """One rollout on one metric: `concurrent` is the new snapshot against the others of its model in the same hours,
    `dose` the slope of the model's contrast with the other models on its share; both beyond what earlier rollouts
    showed."""

    snapshot: str
    role: str
    started_at: Utc
    hours_compared: int
    concurrent: Estimate
    p_value: Num
    q_value: Num
    dose: Estimate
    dose_p_value: Num


class StalenessRow(Result):
    """What going back to the rollback target is expected to cost: old minus new, times the snapshots between."""

    role: str
    snapshots_back: int
    cost: Estimate


class RolloutCorrelationResult(Result):
    onset: Utc | None
    onset_low: Utc | None
    onset_high: Utc | None
    rollouts: tuple[RolloutRow, ...]
    staleness: tuple[StalenessRow, ...]


def run(params: RolloutCorrelationParams, ports: Ports) -> Finding:
    """Gather the cubes and rollouts of the model, test the rollouts, and choose where to go back to."""
    product, model = ports.metrics.product(params.product), ports.models.model(params.model)
    if product is None:
        return _no_data(f"no product is called {params.product!r}; check the alert's product label")
    if model is None:
        return _no_data(f"no model is called {params.model!r}; check its name, or that its snapshots are registered")
    metric = next((m for m in product.metrics if m.name == params.metric), None)
    if metric is None:
        known = ", ".join(m.name for m in product.metrics) or "none"
        return _no_data(f"product {product.product!r} has no metric {params.metric!r}; it has: {known}")
    return _look(params, ports, product, metric, model)


def _look(params: RolloutCorrelationParams, ports: Ports, product: Product, metric: Metric, model: Model) -> Finding:
    rollouts = rollouts_of(ports.models.rollouts(model.model))
    cubes = _cubes(ports, product, metric, params)
    current = cubes[MetricRole.topline].within(params.window) if MetricRole.topline in cubes else None
    if current is None or not (current.dims[MODEL] == model.model).any():
        return _no_data(
            f"{metric.name} has no points of {model.model} in {params.window}; check the window and the model"
        )
    end = -(-int(params.window.end.timestamp()) // HOUR_S)
    since = int(params.window.start.timestamp()) // HOUR_S - LOOKBACK_H
    candidates = [r for r in rollouts if since <= r.start < end]
    if not candidates:
        return _no_data(f"no snapshot of {model.model} rolled out from {LOOKBACK_H} h before {params.window} on")
    tails = {role: tail for role, tail in _tails(metric).items() if role in cubes}
    tests = rollout_tests(PanelFactory(cubes), candidates, rollouts, model.model, end, tails)
    found = RolloutLook(
        product=product.product,
        metric=metric.name,
        model=model.model,
        window=params.window,
        tests=tuple(tests),
        candidates=tuple(candidates),
        accused=tuple(guilty(tests, tails)),
        clearance=cleared(tests, {role: _fall(cubes[role], role, tails[role], params) for role in cubes}, tails),
        onset=_onset(cubes, tails, params),
        latest=_latest(ports.models.snapshots(model.model), candidates),
    )
    return _answer(_with_way_back(found, ports.models.snapshots(model.model)))


def _with_way_back(found: RolloutLook, snapshots: Sequence[Snapshot]) -> RolloutLook:
    """With the snapshot to go back to, and what that is expected to cost."""
    leaving = found.snapshot or found.latest
    target = rollback_target(snapshots, leaving)
    if target is None:
        return found
    names = [s.snapshot for s in snapshots]
    tests = [t for t in found.tests if t.rollout.snapshot == leaving]
    costs = tuple(cost for t in tests if (cost := staleness(t.role, t.history)) is not None)
    back = names.index(leaving) - names.index(target.snapshot)
    return replace(found, target=target.snapshot, back=back, costs=costs)


def _answer(found: RolloutLook) -> Finding:
    explains = True if found.accused else False if found.clearance >= SURE_ENOUGH else None
    sure = probability_of_effect(found.accused[0].q_value) if found.accused else found.clearance
    facts = RolloutCorrelationFacts(
        explains=explains,
        snapshot=found.snapshot,
        confidence=None if explains is None else sure,
        onset_found=None if found.onset is None else found.onset.found,
        precedes_every_rollout=precedes(found.onset, found.candidates),
        latest_snapshot=found.latest,
        rollback_target=found.target,
    )
    return TOOL.finding(
        Status.inconclusive if explains is None else Status.answered,
        headline(found, explains),
        facts=facts,
        result=_result(found),
        interesting=bool(found.accused),
        evidence=evidence(found, bool(facts.precedes_every_rollout)),
        ruled_out=ruled_out(found) if explains is not None else (),
        not_checked=not_checked(found),
        would_settle=() if explains is not None else (_WOULD_SETTLE,),
        charts=charts(found),
    )


_WOULD_SETTLE = (
    "more hours in which the new snapshot and the one before serve side by side, for instance by holding the rollout"
)


def _cubes(ports: Ports, product: Product, metric: Metric, params: RolloutCorrelationParams) -> dict[MetricRole, Cube]:
    """The top line and the log loss, which has more power; over all models, from the baseline to the window's end."""
    span = Window(
        start=min(params.baseline.start, params.window.start), end=max(params.baseline.end, params.window.end)
    )
    names = {MetricRole.topline: metric.name}
    for other in sorted(product.metrics, key=lambda m: m.name):
        if other.role is MetricRole.log_loss and other.name != metric.name:
            names.setdefault(MetricRole.log_loss, other.name)
    cubes = {role: ports.metrics.cube(product.product, name, span) for role, name in names.items()}
    return {role: cube for role, cube in cubes.items() if len(cube) and MODEL in cube.dims}


def _tails(metric: Metric) -> dict[MetricRole, Tail]:
    bad: dict[str, Tail] = {"higher": "low", "lower": "high", "neither": "both"}
    return {MetricRole.topline: bad[metric.better], MetricRole.log_loss: "high"}


def _fall(cube: Cube, role: MetricRole, tail: Tail, params: RolloutCorrelationParams) -> Departure:
    """How far the model fell against the other models in the window."""
    return model_departure(Panel(cube, aligned(params.window, params.baseline)), role, tail, params.model)


def _onset(
    cubes: dict[MetricRole, Cube], tails: dict[MetricRole, Tail], params: RolloutCorrelationParams
) -> ContrastOnset | None:
    """The clearer of the onsets in the log loss and in the top line, its p value that of the better of so many."""
    found = [
        contrast_onset(cubes[role], role, tails[role], params.model, params.window, params.baseline)
        for role in (MetricRole.log_loss, MetricRole.topline)
        if role in cubes
    ]
    clear = [o for o in found if o is not None]
    best = min(clear, key=lambda o: o.p_value, default=None)
    return None if best is None else replace(best, p_value=min(best.p_value * len(clear), 1.0))


def _latest(snapshots: Sequence[Snapshot], candidates: Sequence[Rollout]) -> str:
    """The newest snapshot that serves in the window."""
    serving = {r.snapshot for r in candidates}
    published = [s.snapshot for s in snapshots if s.snapshot in serving]
    return published[-1] if published else candidates[-1].snapshot


def _result(found: RolloutLook) -> RolloutCorrelationResult:
    at, low, high = (None, None, None) if found.onset is None or not found.onset.found else span(found.onset)
    return RolloutCorrelationResult(
        onset=at,
        onset_low=low,
        onset_high=high,
        rollouts=tuple(_row(t) for t in found.tests),
        staleness=tuple(
            StalenessRow(role=c.role.value, snapshots_back=found.back, cost=c.times(found.back)) for c in found.costs
        ),
    )


def _row(test: RolloutTest) -> RolloutRow:
    return RolloutRow(
        snapshot=test.rollout.snapshot,
        role=test.role.value,
        started_at=time(test.rollout.start),
        hours_compared=test.compared,
        concurrent=estimate(test.concurrent, test.role),
        p_value=test.concurrent.p_value,
        q_value=test.q_value,
        dose=estimate(test.dose, test.role),
        dose_p_value=test.dose.p_value,
    )


def _no_data(message: str) -> Finding:
    return TOOL.finding(Status.no_data, message, would_settle=(message,))


TOOL: Tool[RolloutCorrelationParams, RolloutCorrelationFacts, RolloutCorrelationResult] = Tool(
    name="rollout_correlation",
    question="Which snapshot rollout, if any, does the model's fall go back to?",
    params=RolloutCorrelationParams,
    facts=RolloutCorrelationFacts,
    result=RolloutCorrelationResult,
    run=run,
)
