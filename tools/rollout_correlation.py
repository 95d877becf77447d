"""Which snapshot rollout, if any, does a model's fall go back to?

Every day a snapshot rolls out, and at the same hours, so coincidence in time proves nothing. A rollout is judged by the
new snapshot against the others of the same model in the same hours, as all earlier rollouts of the model were; and by
how the model's contrast with the other models follows the share of the new snapshot. When neither stands out, none
explains it.

A rollout that only some places or arms received is judged by the model there against elsewhere, as on earlier days. One
that began after the fall, or was over before it, or was taken back in vain, is ruled out by that.
"""

from collections.abc import Sequence
from dataclasses import replace

from tools.contract import Facts, Finding, Params, Result, Status, Tool
from tools.evidence import Estimate, Evidence, Source, SourceKind
from tools.numbers import Num
from tools.ports import Ports
from tools.records import Cube, Metric, MetricRole, Model, Product, Snapshot, Utc, Window
from tools.stats.blocks import HOUR_S
from tools.stats.multiplicity import probability_of_effect
from tools.stats.robust import Tail
from tools.stats.rollback import rollback_target, staleness, why_no_target
from tools.stats.rollout_case import case_of
from tools.stats.rollout_caveats import caveats, elsewhere
from tools.stats.rollout_evidence import evidence
from tools.stats.rollout_look import RolloutLook
from tools.stats.rollout_report import charts, estimate, headline, not_checked, ruled_out, span, would_settle
from tools.stats.rollout_timeline import Rollout, Timeline, sound, time_of, timeline
from tools.stats.rollout_verdict import SURE_ENOUGH, clearances, guilty, precedes
from tools.stats.rollouts import RolloutTest
from tools.stats.suspects import MODEL

LOOKBACK_H = 24
"""Rollouts whose share grew, or was taken back, up to this long before the window are candidates too."""


class RolloutCorrelationParams(Params):
    product: str
    metric: str
    model: str
    window: Window
    baseline: Window


class RolloutCorrelationFacts(Facts):
    """`explains` is false only where each rollout has a reason why it cannot have made half of the model's fall.
    `confidence` goes with `explains`; see `tools.stats.rollout_verdict`."""

    explains: bool | None = None
    snapshot: str | None = None
    confidence: Num | None = None
    onset_found: bool | None = None
    precedes_every_rollout: bool | None = None
    latest_snapshot: str | None = None
    rollback_target: str | None = None


class RolloutRow(Result):
    """One rollout on one metric: `concurrent` is the new snapshot against the others of its model in the same hours, or
    where `place` is set the model there against elsewhere, beyond what `against` shows; `dose` the slope of the
    model's contrast with the other models on the snapshot's share. `share` is its part of the model's traffic in the
    hours that were looked at."""

    snapshot: str
    role: str
    started_at: Utc
    full_at: Utc | None
    gone_at: Utc | None
    share: Num
    hours_compared: int
    against: str
    place: str | None
    concurrent: Estimate
    p_value: Num
    q_value: Num
    dose: Estimate
    dose_p_value: Num


class StalenessRow(Result):
    """What going back to the rollback target is expected to cost: a day's decay, old against new, times the days that
    it is older."""

    role: str
    snapshots_back: int
    days_older: Num
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
    cubes = _cubes(ports, product, metric, params)
    topline = cubes.get(MetricRole.topline)
    if topline is None or not (topline.within(params.window).dims[MODEL] == model.model).any():
        return _no_data(
            f"{metric.name} has no points of {model.model} in {params.window} that are numbers; check the window and "
            "what is sent"
        )
    points = ports.models.rollouts(model.model)
    known = timeline(points, topline, model.model)
    end = -(-int(params.window.end.timestamp()) // HOUR_S)
    since = int(params.window.start.timestamp()) // HOUR_S - LOOKBACK_H
    candidates = known.around(since, end - 1)
    if not candidates:
        return _nothing_moved(params, metric, known, end)
    tails = {role: tail for role, tail in _tails(metric).items() if role in cubes}
    case = case_of(cubes, tails, known, candidates, model.model, params.window, params.baseline)
    snapshots = ports.models.snapshots(model.model)
    accused = guilty(case)
    others = {m.model: ports.models.rollouts(m.model) for m in ports.models.models(product.product) if m != model}
    found = RolloutLook(
        product=product.product,
        metric=metric.name,
        model=model.model,
        window=params.window,
        tests=tuple(case.tests),
        candidates=tuple(candidates),
        accused=tuple(accused),
        clearances=tuple(c for c in clearances(case) if c.rollout not in {t.rollout for t in accused}),
        reversals=tuple(case.reversals),
        shares=case.shares,
        fell=case.any_fall,
        onset=case.onset,
        precedes=precedes(case.onset, candidates),
        latest=_latest(snapshots, candidates),
        elsewhere=() if accused else elsewhere(others, topline, model.model, case.onset, since, end),
        caveats=caveats(known, candidates, points, since, end),
    )
    return _answer(_with_way_back(found, snapshots, known))


def _nothing_moved(params: RolloutCorrelationParams, metric: Metric, known: Timeline, end: int) -> Finding:
    """Without a rollout in the hours in question none explains anything, if the points show that the same snapshots
    served throughout."""
    first = int(params.window.start.timestamp()) // HOUR_S
    serving = [r.snapshot for r in known.rollouts if known.served.share(r.snapshot, first, end) > 0]
    serving += [n for n in known.served.names if n and n not in serving and known.served.share(n, first, end) > 0]
    when = f"from {LOOKBACK_H} h before {params.window} on"
    if not serving:
        return _no_data(
            f"no snapshot of {params.model} rolled out {when} that is known of; check that rollouts are sent, and that "
            f"the points of {metric.name} name the snapshot"
        )
    facts = RolloutCorrelationFacts(explains=False, confidence=SURE_ENOUGH, latest_snapshot=serving[-1])
    claim = f"no snapshot of {params.model} was rolled out or back {when}: {', '.join(serving)} served throughout"
    source = Source(kind=SourceKind.metric, ref=f"{params.product}/{metric.name}")
    return TOOL.finding(
        Status.answered,
        claim,
        facts=facts,
        evidence=(Evidence(claim=claim, bearing="against", window=params.window, sources=(source,)),),
    )


def _with_way_back(found: RolloutLook, snapshots: Sequence[Snapshot], known: Timeline) -> RolloutLook:
    """With the snapshot to go back to, and what that is expected to cost."""
    served = {name for name in known.served.names if name} | {r.snapshot for r in known.rollouts}
    accused = {t.rollout.snapshot for t in found.accused}
    target = rollback_target(snapshots, found.leaving, served, accused)
    if target is None:
        return replace(found, no_target=why_no_target(snapshots, found.leaving))
    names = [s.snapshot for s in snapshots]
    tests = [t for t in found.tests if t.rollout.snapshot == found.leaving]
    costs = tuple(cost for t in tests if (cost := staleness(t, snapshots, target)) is not None)
    back = names.index(found.leaving) - names.index(target.snapshot)
    no_cost = "" if costs else "fewer than 4 earlier rollouts have new and old snapshot side by side"
    return replace(found, target=target.snapshot, back=back, costs=costs, no_cost=no_cost)


def _answer(found: RolloutLook) -> Finding:
    explains = found.explains
    sure = probability_of_effect(found.accused[0].q_value) if found.accused else found.clearance
    facts = RolloutCorrelationFacts(
        explains=explains,
        snapshot=found.snapshot,
        confidence=None if explains is None else sure,
        onset_found=None if found.onset is None else found.onset.found,
        precedes_every_rollout=found.precedes,
        latest_snapshot=found.latest,
        rollback_target=found.target,
    )
    return TOOL.finding(
        Status.inconclusive if explains is None else Status.answered,
        headline(found),
        facts=facts,
        result=_result(found),
        interesting=bool(found.accused),
        evidence=evidence(found),
        ruled_out=ruled_out(found),
        not_checked=not_checked(found),
        would_settle=would_settle(found),
        charts=charts(found),
    )


def _cubes(ports: Ports, product: Product, metric: Metric, params: RolloutCorrelationParams) -> dict[MetricRole, Cube]:
    """The top line and the log loss, which has more power; over all models, from the baseline to the window's end. A
    metric that has no sound point in the window is left out."""
    span = Window(
        start=min(params.baseline.start, params.window.start), end=max(params.baseline.end, params.window.end)
    )
    names = {MetricRole.topline: metric.name}
    for other in sorted(product.metrics, key=lambda m: m.name):
        if other.role is MetricRole.log_loss and other.name != metric.name:
            names.setdefault(MetricRole.log_loss, other.name)
    cubes = {role: sound(ports.metrics.cube(product.product, name, span)) for role, name in names.items()}
    return {role: cube for role, cube in cubes.items() if MODEL in cube.dims and len(cube.within(params.window))}


def _tails(metric: Metric) -> dict[MetricRole, Tail]:
    bad: dict[str, Tail] = {"higher": "low", "lower": "high", "neither": "both"}
    return {MetricRole.topline: bad[metric.better], MetricRole.log_loss: "high"}


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
            StalenessRow(role=c.role.value, snapshots_back=found.back, days_older=c.days, cost=c.cost)
            for c in found.costs
        ),
    )


def _row(test: RolloutTest) -> RolloutRow:
    rollout = test.rollout
    return RolloutRow(
        snapshot=rollout.snapshot,
        role=test.role.value,
        started_at=time_of(rollout.start),
        full_at=None if rollout.full is None else time_of(rollout.full),
        gone_at=None if rollout.gone is None else time_of(rollout.gone),
        share=test.share,
        hours_compared=test.compared,
        against=test.yardstick.value,
        place=None if test.place is None else str(test.place),
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
