"""Which model, segment, part of the infrastructure or move of the traffic does a drop belong to, and is it a drop at
all?

The top line of one day against another proves little here: the world moves it by itself. So three things are asked of
the same additive points. How does the window lie among the same hours of the baseline days? How much of the change is
the mix of the traffic, exactly? And who fell *against the others in the same hours*, by more than such contrasts
moved on baseline days? Every test takes whole blocks of the window's hours as its unit, so swings within a day cannot
pose as evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tools.contract import Facts, Finding, Params, Result, Status, Tool
from tools.numbers import Num
from tools.ports import Ports
from tools.records import Cube, Metric, MetricRole, Window
from tools.stats.accusation import Factor
from tools.stats.attribution import SNAPSHOT, Attribution, attribute, segments_of
from tools.stats.attribution_report import charts, evidence, headline, ruled_out
from tools.stats.block_judge import BlockJudge, agreed
from tools.stats.blocks import HOUR_S, Blocks, aligned
from tools.stats.clock_skew import skews, without
from tools.stats.combination_effects import (
    Combinations,
    combinations_in_blocks,
    combinations_in_steps,
)
from tools.stats.combination_factor import cause_text, named, settled_by
from tools.stats.combination_report import combination_evidence
from tools.stats.first_look import Unusable, in_order, unusable, unusable_evidence
from tools.stats.isolation_rows import (
    CombinationRow,
    ContrastRow,
    LagRow,
    NewcomerRow,
    PartRow,
    combination_row,
    contrast_rows,
    lag_row,
    newcomer_row,
    part_rows,
)
from tools.stats.lag import Lags, prediction_lags
from tools.stats.newcomers import unseen
from tools.stats.not_checked import new_places
from tools.stats.panel import Panel
from tools.stats.robust import MIN_HISTORY, Tail
from tools.stats.roles import role_names, role_tails
from tools.stats.settled import settled
from tools.stats.suspects import MODEL
from tools.stats.timing_report import lag_evidence, newcomer_evidence


class ModelIsolationParams(Params):
    product: str
    metric: str
    window: Window
    baseline: Window


class ModelIsolationFacts(Facts):
    """`drop` is how much worse the metric is than its baseline, in its own unit. `model` is the model to look at first:
    one that newly has points without a number, else the one that is most degraded against the others in the same hours.
    `second_model` is the next; whether the first is degraded at all says `model_degraded`. `combination` is the
    smallest combination of attributes that explains the drop, as `cdn=a & isp=b`, where one stands out; for the factor
    "model" only one that holds it. `confidence` is the probability that `factor` is right."""

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
    models: int = 0
    models_checked: int = 0
    confidence: Num | None = None


class ModelIsolationResult(Result):
    """`blocks` baseline blocks were compared with. `mix_effect` + `within_effect` is the whole change, exactly; bounds
    are NaN where there is no interval, and `interval_from` says what the others rest on. `parts` split the change by
    the values of every dimension. `contrasts` are those of all models and of the places that stand out most; their q
    values pay for all `contrasts_looked_at`. `combinations` are ranked, best explanation first; their q values pay for
    all `combinations_looked_at`."""

    blocks: int
    window: Window
    baseline_level: Num
    current_level: Num
    mix_effect: Num
    mix_low: Num
    mix_high: Num
    within_effect: Num
    within_low: Num
    within_high: Num
    interval_from: str
    mix_by_dimension: dict[str, Num]
    contrasts: tuple[ContrastRow, ...]
    contrasts_looked_at: int
    parts: tuple[PartRow, ...] = ()
    newcomers: tuple[NewcomerRow, ...] = ()
    lags: tuple[LagRow, ...] = ()
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
    names, tails = role_names(product, metric), role_tails(metric)
    cubes = _cubes(ports, product.product, names, params)
    panels = _panels(cubes, params)
    if not panels[MetricRole.topline].sums().den[-1].sum() > 0:
        return _no_data(
            f"{metric.name} has no points in {params.window}; check the window, or that metrics still arrive"
        )
    models = tuple(model.model for model in ports.models.models(product.product))
    skewed = skews(panels)
    sound = without(cubes, skewed)
    comparable = _laid_out(sound, panels[MetricRole.topline].blocks) if skewed else panels
    found = attribute(panels, comparable, tails, models, skewed)
    lags = prediction_lags(sound, found.suspects, tails, params.window, params.baseline)
    if found.raw.known:  # whole days, where the baseline holds enough of them
        found, searched = _with_blocks(found, panels, tails, settle=not skewed)
    else:
        found, searched = _with_steps(found, cubes[MetricRole.topline], tails[MetricRole.topline], params)
    broken = unusable(cubes, params.window, params.baseline)
    everybody = {*models, *panels[MetricRole.topline].coded(MODEL).names} - {""}
    order = in_order((found.model, found.second_model), found.factor == "model", broken, sorted(everybody))
    return _answer(metric, found, searched, lags, params, names, broken, order)


def _with_blocks(
    found: Attribution, panels: Mapping[MetricRole, Panel], tails: Mapping[MetricRole, Tail], settle: bool
) -> tuple[Attribution, Combinations]:
    """The combinations of whole days, and what they settle; nothing where hours cannot be compared."""
    judges = {role: BlockJudge(panel, role, tails[role], segments_of(panel)) for role, panel in panels.items()}
    topline, tail = panels[MetricRole.topline], tails[MetricRole.topline]
    dimensions = [name for name in topline.dimensions if name != SNAPSHOT]
    searched = combinations_in_blocks(topline, dimensions, tail, judges[MetricRole.topline])
    settled = settled_by(found, searched, lambda combination: agreed(judges, combination)) if settle else found
    return settled, searched


def _with_steps(
    found: Attribution, topline: Cube, tail: Tail, params: ModelIsolationParams
) -> tuple[Attribution, Combinations]:
    """The combinations at the grain of the points, what they settle, and the values that are new."""
    dimensions = [name for name in sorted(topline.dims) if name != SNAPSHOT]
    searched = combinations_in_steps(topline, dimensions, params.window, params.baseline, tail)
    if not found.newcomers:
        new = unseen(topline, dimensions, params.window, params.baseline)
        found = replace(found, newcomers=new, not_checked=(*new_places(new), *found.not_checked))
    return settled_by(found, searched, lambda _: True), searched


def _cubes(
    ports: Ports, product: str, names: Mapping[MetricRole, str], params: ModelIsolationParams
) -> dict[MetricRole, Cube]:
    """One cube per role, over everything from the baseline to the window's end."""
    span = Window(
        start=min(params.baseline.start, params.window.start), end=max(params.baseline.end, params.window.end)
    )
    return {role: ports.metrics.cube(product, name, span) for role, name in names.items()}


def _panels(cubes: Mapping[MetricRole, Cube], params: ModelIsolationParams) -> dict[MetricRole, Panel]:
    """The cubes over the window and its baseline blocks, without the hours whose labels are on their way."""
    hourly = not (cubes[MetricRole.topline].ts % HOUR_S).any()
    blocks = aligned(params.window, params.baseline, hourly)
    labels, traffic = cubes.get(MetricRole.label_rate), cubes.get(MetricRole.prediction_mean)
    if labels is not None and traffic is not None:
        blocks = settled(labels, traffic, blocks)
    return _laid_out(cubes, blocks)


def _laid_out(cubes: Mapping[MetricRole, Cube], blocks: Blocks) -> dict[MetricRole, Panel]:
    panels = {role: Panel(cube, blocks) for role, cube in cubes.items()}
    return {role: panel for role, panel in panels.items() if len(panel) or role is MetricRole.topline}


def _no_data(message: str) -> Finding:
    return TOOL.finding(Status.no_data, message, would_settle=(message,))


def _answer(
    metric: Metric,
    found: Attribution,
    searched: Combinations,
    lags: Lags,
    params: ModelIsolationParams,
    names: Mapping[MetricRole, str],
    broken: Sequence[Unusable],
    order: Sequence[str],
) -> Finding:
    """`order` are all models behind the product, those to look at first in front."""
    causes = named(found, searched)
    first, second, *_ = (*order, None, None)
    half_seen = {u.model for u in broken}
    cleared_or_not = found.model_degraded if first == found.model else None
    facts = ModelIsolationFacts(
        drop_is_real=found.drop_is_real,
        drop=found.drop,
        factor=found.factor,
        model=first,
        second_model=second,
        model_degraded=None if first in half_seen and not cleared_or_not else cleared_or_not,
        segment=found.segment,
        combination=cause_text(causes),
        infra=found.infra,
        mix_share=found.mix_share,
        models=len(order),
        models_checked=len(found.models_checked),
        confidence=found.confidence,
    )
    return TOOL.finding(
        Status.inconclusive if found.factor is None else Status.answered,
        headline(metric, found),
        facts=facts,
        result=_result(found, searched, lags, params),
        interesting=found.factor not in (None, "none"),
        evidence=(
            *evidence(params.product, metric, found, params.window, names),
            *combination_evidence(found, searched, causes, f"{params.product}/{metric.name}", params.window),
            *newcomer_evidence(found.newcomers, f"{params.product}/{metric.name}", params.window),
            *unusable_evidence(broken, params.product, names, params.window),
            *lag_evidence(lags.known, params.product, metric.name, names, params.window),
        ),
        ruled_out=ruled_out(found, half_seen),
        not_checked=(*found.not_checked, *lags.unknown),
        would_settle=_would_settle(found),
        charts=charts(metric, found),
    )


def _would_settle(found: Attribution) -> tuple[str, ...]:
    if found.factor is not None:
        return ()
    if found.blocks < MIN_HISTORY:
        return (f"a baseline that holds at least {MIN_HISTORY} days with the window's hours (it holds {found.blocks})",)
    if found.suspicious_newcomers:
        names = ", ".join(n.name for n in found.suspicious_newcomers[:3])
        return (
            f"{MIN_HISTORY} days of {names}, or sending its traffic back for a while: the baseline does not know it",
        )
    return ("more hours of data in the window, or more traffic: the contrasts are too noisy to name or clear a factor",)


def _result(
    found: Attribution, searched: Combinations, lags: Lags, params: ModelIsolationParams
) -> ModelIsolationResult:
    return ModelIsolationResult(
        blocks=found.blocks,
        window=params.window,
        baseline_level=found.usual_level,
        current_level=found.levels[-1],
        mix_effect=found.mix.split.mix,
        mix_low=found.mix.mix_interval.low,
        mix_high=found.mix.mix_interval.high,
        within_effect=found.mix.split.within,
        within_low=found.mix.within_interval.low,
        within_high=found.mix.within_interval.high,
        interval_from=found.mix.interval_from,
        mix_by_dimension={name: split.mix for name, split in found.mix.by_dimension.items()},
        contrasts=contrast_rows(found.suspects),
        contrasts_looked_at=len(found.suspects),
        parts=part_rows(found.mix.parts),
        newcomers=tuple(newcomer_row(n) for n in found.newcomers),
        lags=tuple(lag_row(lag) for lag in lags.known),
        combinations=tuple(combination_row(t) for t in searched.tested),
        combinations_looked_at=searched.looked,
    )


TOOL: Tool[ModelIsolationParams, ModelIsolationFacts, ModelIsolationResult] = Tool(
    name="model_isolation",
    question="Is the drop real, and which model, segment, infrastructure or traffic does it belong to?",
    params=ModelIsolationParams,
    facts=ModelIsolationFacts,
    result=ModelIsolationResult,
    run=run,
)
