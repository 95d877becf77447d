"""Which model, segment, part of the infrastructure or move of the traffic does a drop belong to, and is it a drop at
all?

The top line of one day against another proves little here: the world moves it by itself. So three things are asked of
the same additive points. How does the window lie among the same hours of the baseline days? How much of the change is
the mix of the traffic, exactly? And who fell *against the others in the same hours*, by more than such contrasts
moved on baseline days? Every test takes whole blocks of the window's hours as its unit, so swings within a day cannot
pose as evidence."""

from collections.abc import Mapping

from tools.contract import Facts, Finding, Params, Result, Status, Tool
from tools.numbers import Num
from tools.ports import Ports
from tools.records import Cube, Metric, MetricRole, Product, Window
from tools.stats.accusation import Factor
from tools.stats.attribution import NOT_SEGMENTS, Attribution, attribute
from tools.stats.attribution_report import charts, evidence, headline, ruled_out
from tools.stats.blocks import HOUR_S, Blocks, aligned
from tools.stats.combination_effects import (
    CombinationEffect,
    Combinations,
    combinations_in_blocks,
    combinations_in_steps,
)
from tools.stats.combination_report import cause_text, combination_evidence, named, settled_by
from tools.stats.panel import Panel
from tools.stats.robust import MIN_HISTORY, Tail
from tools.stats.settled import settled
from tools.stats.suspects import Suspect


class ModelIsolationParams(Params):
    product: str
    metric: str
    window: Window
    baseline: Window


class ModelIsolationFacts(Facts):
    """`drop` is how much worse the metric is than its baseline, in its own unit. `model` is the model that is most
    degraded against the others in the same hours, `second_model` the next; whether the first is degraded at all says
    `model_degraded`. `combination` is the smallest combination of attributes that explains the drop, as
    `cdn=a & isp=b`, where one stands out and no model or traffic is the factor. `confidence` is the probability that
    `factor` is right; see `tools.stats.accusation`."""

    drop_is_real: bool | None = None
    drop: Num | None = None
    factor: Factor | None = None
    model: str | None = None
    second_model: str | None = None
    model_degraded: bool | None = None
    segment: str | None = None
    combination: str | None = None
    infra: str | None = None
    mix_share: Num | None = None
    models_checked: int = 0
    confidence: Num | None = None


class ContrastRow(Result):
    """One group against the rest in the same hours, less what its baseline contrasts predict."""

    kind: str
    group: str
    role: str
    effect: Num
    low: Num
    high: Num
    p_value: Num
    q_value: Num
    weight: Num


class CombinationRow(Result):
    """One combination of attributes, dimension → value. `effect` is its move against the rest, `share` what of the
    drop would not be there had it kept its rate. `within` (its own rate) + `others` (that of the rest) + `mix`
    (traffic between the two) is the whole change over the time that was compared, exactly."""

    combination: dict[str, str]
    effect: Num
    low: Num
    high: Num
    p_value: Num
    q_value: Num
    share: Num
    within: Num
    others: Num
    mix: Num


class ModelIsolationResult(Result):
    """`blocks` baseline blocks were compared with. `mix_effect` + `within_effect` is the whole change, exactly.
    `combinations` are ranked, best explanation first; their q values pay for all `combinations_looked_at`."""

    blocks: int
    window: Window
    baseline_level: Num
    current_level: Num
    mix_effect: Num
    within_effect: Num
    mix_by_dimension: dict[str, Num]
    contrasts: tuple[ContrastRow, ...]
    combinations: tuple[CombinationRow, ...] = ()
    combinations_looked_at: int = 0


def run(params: ModelIsolationParams, ports: Ports) -> Finding:
    """Gather the cubes of the product's metrics, and attribute the drop."""
    product = ports.metrics.product(params.product)
    if product is None:
        return _no_data(f"no product is called {params.product!r}; check the alert's product label")
    metric = next((m for m in product.metrics if m.name == params.metric), None)
    if metric is None:
        known = ", ".join(m.name for m in product.metrics) or "none"
        return _no_data(f"product {product.product!r} has no metric {params.metric!r}; it has: {known}")
    names = _names(product, metric)
    cubes = _cubes(ports, product.product, names, params)
    blocks = aligned(params.window, params.baseline, hourly=not (cubes[MetricRole.topline].ts % HOUR_S).any())
    panels = _panels(cubes, blocks)
    if not panels[MetricRole.topline].sums().den[-1].sum() > 0:
        return _no_data(
            f"{metric.name} has no points in {params.window}; check the window, or that metrics still arrive"
        )
    models = tuple(model.model for model in ports.models.models(product.product))
    found = attribute(panels, _tails(metric), models)
    searched = _combinations(cubes[MetricRole.topline], panels[MetricRole.topline], found, metric, params)
    return _answer(metric, settled_by(found, searched), searched, params, names)


def _combinations(
    cube: Cube, panel: Panel, found: Attribution, metric: Metric, params: ModelIsolationParams
) -> Combinations:
    """Over whole days where the baseline holds enough of them, else at the grain of the points."""
    tail = _tails(metric)[MetricRole.topline]
    dimensions = [name for name in panel.dimensions if name not in NOT_SEGMENTS]
    if found.raw.known:
        return combinations_in_blocks(panel, dimensions, tail)
    return combinations_in_steps(cube, dimensions, params.window, params.baseline, tail)


def _names(product: Product, metric: Metric) -> dict[MetricRole, str]:
    """The metric of each role; the alerted one is the top line."""
    names = {MetricRole.topline: metric.name}
    for other in sorted(product.metrics, key=lambda m: m.name):
        if other.name != metric.name and other.role is not MetricRole.topline:
            names.setdefault(other.role, other.name)
    return names


def _cubes(
    ports: Ports, product: str, names: Mapping[MetricRole, str], params: ModelIsolationParams
) -> dict[MetricRole, Cube]:
    """One cube per role, over everything from the baseline to the window's end."""
    span = Window(
        start=min(params.baseline.start, params.window.start), end=max(params.baseline.end, params.window.end)
    )
    return {role: ports.metrics.cube(product, name, span) for role, name in names.items()}


def _panels(cubes: Mapping[MetricRole, Cube], blocks: Blocks) -> dict[MetricRole, Panel]:
    labels, traffic = cubes.get(MetricRole.label_rate), cubes.get(MetricRole.prediction_mean)
    if labels is not None and traffic is not None:
        blocks = settled(labels, traffic, blocks)
    panels = {role: Panel(cube, blocks) for role, cube in cubes.items()}
    return {role: panel for role, panel in panels.items() if len(panel) or role is MetricRole.topline}


def _tails(metric: Metric) -> dict[MetricRole, Tail]:
    """The bad direction of each role. A model's predictions may go wrong either way."""
    topline: dict[str, Tail] = {"higher": "low", "lower": "high", "neither": "both"}
    return {
        MetricRole.topline: topline[metric.better],
        MetricRole.log_loss: "high",
        MetricRole.calibration: "both",
        MetricRole.prediction_mean: "both",
        MetricRole.label_rate: "both",
    }


def _no_data(message: str) -> Finding:
    return TOOL.finding(Status.no_data, message, would_settle=(message,))


def _answer(
    metric: Metric,
    found: Attribution,
    searched: Combinations,
    params: ModelIsolationParams,
    names: Mapping[MetricRole, str],
) -> Finding:
    causes = named(found, searched)
    facts = ModelIsolationFacts(
        drop_is_real=found.drop_is_real,
        drop=found.drop,
        factor=found.factor,
        model=found.model,
        second_model=found.second_model,
        model_degraded=found.model_degraded,
        segment=found.segment,
        combination=cause_text(causes),
        infra=found.infra,
        mix_share=found.mix_share,
        models_checked=len(found.models_checked),
        confidence=found.confidence,
    )
    return TOOL.finding(
        Status.inconclusive if found.factor is None else Status.answered,
        headline(metric, found),
        facts=facts,
        result=_result(found, searched, params),
        interesting=found.factor not in (None, "none"),
        evidence=(
            *evidence(params.product, metric, found, params.window, names),
            *combination_evidence(found, searched, causes, f"{params.product}/{metric.name}", params.window),
        ),
        ruled_out=ruled_out(found),
        not_checked=found.not_checked,
        would_settle=_would_settle(found),
        charts=charts(metric, found),
    )


def _would_settle(found: Attribution) -> tuple[str, ...]:
    if found.factor is not None:
        return ()
    if found.blocks < MIN_HISTORY:
        return (f"a baseline that holds at least {MIN_HISTORY} days with the window's hours (it holds {found.blocks})",)
    return ("more hours of data in the window, or more traffic: the contrasts are too noisy to name or clear a factor",)


def _result(found: Attribution, searched: Combinations, params: ModelIsolationParams) -> ModelIsolationResult:
    return ModelIsolationResult(
        blocks=found.blocks,
        window=params.window,
        baseline_level=found.usual_level,
        current_level=found.levels[-1],
        mix_effect=found.mix.split.mix,
        within_effect=found.mix.split.within,
        mix_by_dimension={name: split.mix for name, split in found.mix.by_dimension.items()},
        contrasts=tuple(_row(s) for s in found.suspects),
        combinations=tuple(_combination_row(t) for t in searched.tested),
        combinations_looked_at=searched.looked,
    )


def _row(suspect: Suspect) -> ContrastRow:
    return ContrastRow(
        kind=suspect.kind,
        group=suspect.name,
        role=suspect.role,
        effect=suspect.departure.effect,
        low=suspect.departure.low,
        high=suspect.departure.high,
        p_value=suspect.departure.p_value,
        q_value=suspect.q_value,
        weight=suspect.weight,
    )


def _combination_row(tested: CombinationEffect) -> CombinationRow:
    return CombinationRow(
        combination=dict(tested.combination),
        effect=tested.departure.effect,
        low=tested.departure.low,
        high=tested.departure.high,
        p_value=tested.departure.p_value,
        q_value=tested.q_value,
        share=tested.share,
        within=tested.within,
        others=tested.others,
        mix=tested.mix,
    )


TOOL: Tool[ModelIsolationParams, ModelIsolationFacts, ModelIsolationResult] = Tool(
    name="model_isolation",
    question="Is the drop real, and which model, segment, infrastructure or traffic does it belong to?",
    params=ModelIsolationParams,
    facts=ModelIsolationFacts,
    result=ModelIsolationResult,
    run=run,
)
