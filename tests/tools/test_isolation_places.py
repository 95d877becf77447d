"""model_isolation on arms, combinations with a model, values that are new, and many days on which nothing is wrong."""

from collections import Counter

import numpy as np
import pytest

from tests.tools import cubes
from tests.tools.nulls import SHAPES, Plain, cube, isolate
from tests.tools.ports import sorted_cube
from tools.contract import Finding, Status
from tools.model_isolation import TOOL, ModelIsolationParams
from tools.records import Cube

START = Plain(0).window.start.timestamp()


def accuses(finding: Finding) -> bool:
    """Traffic did move where the shape is "mix"."""
    facts = finding.facts
    return facts["factor"] in ("model", "segment", "infra") or facts["model_degraded"] is True


def renamed(points: Cube, dimension: str, rows: np.ndarray, to: str) -> Cube:
    values = np.where(rows, to, points.dims[dimension])
    return sorted_cube(Cube(points.ts, {**points.dims, dimension: values}, points.numerator, points.denominator))


def test_nobody_is_accused_where_nothing_is_wrong() -> None:
    """100 cubes; at most 5 in 100 may be accused."""
    found = [(shape, isolate(Plain(100 + seed, shape))) for seed in range(25) for shape in SHAPES]
    assert sum(accuses(finding) for _, finding in found) <= 5
    assert not any(finding.facts["factor"] == "traffic" for shape, finding in found if shape != "mix")


def test_a_fault_of_one_arm_is_that_arm_and_no_model() -> None:
    found = Counter(
        (f["factor"], f["segment"], f["model_degraded"])
        for f in (isolate(Plain(s, where={"arm": "treatment"}, lost=0.25)).facts for s in range(10))
    )
    assert found["segment", "arm=treatment", False] >= 7


def test_a_model_that_is_bad_in_one_arm_is_named_with_the_arm() -> None:
    findings = [isolate(Plain(s, where={"model": "m1", "arm": "treatment"}, lost=0.3)) for s in range(10)]
    right = [f for f in findings if (f.facts["factor"], f.facts["model"]) == ("model", "m1")]
    assert len(right) >= 8
    assert sum(f.facts["segment"] == "arm=treatment" for f in right) >= 7
    assert sum(f.facts["combination"] == "arm=treatment & model=m1" for f in right) >= 4


@pytest.mark.parametrize("lost", [0.0, 0.3])
def test_a_model_that_serves_in_one_arm_alone_is_compared_with_the_others_all_the_same(lost: float) -> None:
    """An experiment: m3 against m1 and m2, each in an arm of its own."""
    right = 0
    for seed in range(6):
        points = cube(Plain(seed, where={"model": "m3"}, lost=lost))
        finding = isolate(
            Plain(seed), points.where((points.dims["model"] == "m3") == (points.dims["arm"] == "treatment"))
        )
        right += (finding.facts["factor"], finding.facts["model"]) == ("model", "m3") if lost else not accuses(finding)
        assert finding.facts["models_checked"] == 3
    assert right >= 5


def test_a_model_that_is_bad_in_one_region_is_named_with_the_smallest_combination() -> None:
    found = Counter(
        (f["factor"], f["model"], f["combination"])
        for f in (isolate(Plain(s, where={"model": "m2", "infra.region": "eu"}, lost=0.4)).facts for s in range(10))
    )
    assert sum(n for (factor, model, _), n in found.items() if (factor, model) == ("model", "m2")) >= 8
    assert found["model", "m2", "infra.region=eu & model=m2"] >= 7
    assert found["model", "m2", "model=m2"] == 0


def test_a_bad_model_is_no_smaller_combination() -> None:
    facts = isolate(Plain(4, where={"model": "m2"}, lost=0.3)).facts
    assert (facts["factor"], facts["combination"]) == ("model", "model=m2")


def test_what_stands_out_clearly_overrules_that_the_level_is_as_usual() -> None:
    """A fifth of the good outcomes of an eighth of the traffic: the level alone is lost in the swings of the days."""
    findings = [
        isolate(Plain(s, "heavy_tails", where={"country": "in", "infra.region": "eu"}, lost=0.45)) for s in range(12)
    ]
    named = [f for f in findings if f.facts["combination"] == "country=in & infra.region=eu"]
    assert len(named) >= 4
    assert all(f.facts["drop_is_real"] is True and f.facts["factor"] in ("segment", "infra") for f in named)
    assert not [f for f in findings if f.facts["model_degraded"]]


def test_a_new_build_is_never_accused_but_shown_against_the_rest() -> None:
    world = Plain(3, where={"infra.build": "b2"}, lost=0.15)
    points = cube(world)
    finding = isolate(
        world, renamed(points, "infra.build", (points.ts >= START) & (points.dims["infra.build"] == "b2"), "b9")
    )
    assert finding.status is Status.inconclusive
    assert (finding.facts["factor"], finding.facts["infra"], finding.facts["combination"]) == (None, None, None)
    assert finding.facts["drop_is_real"] is True
    note = next(n for n in finding.not_checked if n.startswith("infra.build=b9: fewer than 4 baseline days"))
    assert "against the rest in the same 24 hours" in note
    assert "infra.build=b9" in finding.would_settle[0]
    claim = next(e for e in finding.evidence if e.claim.startswith("infra.build=b9"))
    assert claim.bearing == "context"
    assert claim.effect is not None
    assert claim.effect.low < -0.1 < claim.effect.high


@pytest.mark.parametrize(("dimension", "value"), [("model", "m3"), ("arm", "treatment"), ("infra.build", "b2")])
def test_what_is_new_and_no_worse_leaves_the_answer_as_it_is(dimension: str, value: str) -> None:
    opened = 0
    for seed in range(6):
        points = cube(Plain(seed))
        finding = isolate(
            Plain(seed), renamed(points, dimension, (points.ts >= START) & (points.dims[dimension] == value), "new")
        )
        name = "model new" if dimension == "model" else f"{dimension}=new"
        assert any(n.startswith(f"{name}: fewer than 4 baseline days") for n in finding.not_checked)
        assert not accuses(finding)
        opened += finding.facts["factor"] is None
    assert opened <= 2


def test_the_parts_of_every_dimension_add_up_to_the_drop_and_have_bounds() -> None:
    result = isolate(Plain(5, where={"model": "m1"}, lost=0.4)).result
    assert result is not None
    change = result["current_level"] - result["baseline_level"]
    dimensions = {row["dimension"] for row in result["parts"]}
    assert dimensions == {"model", "arm", "country", "infra.build", "infra.region", "hour"}
    for dimension in dimensions:
        rows = [row for row in result["parts"] if row["dimension"] == dimension]
        assert sum(row["mix"] + row["within"] for row in rows) == pytest.approx(change, abs=1e-9)
        assert all(row["mix_low"] <= row["mix"] <= row["mix_high"] for row in rows)
        assert all(row["within_low"] <= row["within"] <= row["within_high"] for row in rows)
    worst = min((r for r in result["parts"] if r["dimension"] == "model"), key=lambda r: r["within"])
    assert worst["value"] == "m1"
    assert worst["within_high"] < 0


def test_with_few_days_the_mix_has_bounds_from_its_hours_and_says_so() -> None:
    finding = isolate(Plain(5, "mix", days=2))
    assert finding.result is not None
    assert finding.result["mix_low"] < finding.result["mix_effect"] < finding.result["mix_high"]
    assert "blocks of 4 hours drawn within 2 baseline days" in finding.result["interval_from"]
    claim = next(e for e in finding.evidence if e.claim.startswith("the mix of the traffic"))
    assert claim.method is not None
    assert "day to day are not in it" in claim.method


def test_a_model_below_the_floor_is_said_with_its_size_and_accused_of_nothing() -> None:
    world = Plain(6, where={"model": "m2", "country": "br"}, lost=0.0)
    points = cube(world)
    small = (points.dims["model"] == "m2") & (points.dims["country"] != "br")
    points = points.where(~small)
    bad = (points.ts >= START) & (points.dims["model"] == "m2")
    thin = np.where(points.dims["model"] == "m2", 0.15, 1.0)
    numerator = np.where(bad, 0.85, 1.0) * points.numerator * thin
    finding = isolate(world, Cube(points.ts, points.dims, numerator, points.denominator * thin))
    assert (finding.facts["factor"], finding.facts["model"]) == ("none", "m2")
    assert finding.facts["model_degraded"] is not True
    assert "m2 is worse than the others by" in finding.headline
    assert "below the floor" in finding.headline


def test_how_long_before_the_drop_the_predictions_moved_is_in_the_result_and_the_evidence() -> None:
    world = cubes.World(seed=2, skill_lost=0.8, where={"model": "dcn"}, storm=1.5)
    params = ModelIsolationParams(
        product=cubes.PRODUCT, metric=cubes.TOPLINE, window=cubes.WINDOW, baseline=cubes.BASELINE
    )
    finding = TOOL.run(params, cubes.build(world))
    assert finding.result is not None
    lag = next(row for row in finding.result["lags"] if row["model"] == "dcn")
    assert lag["low"] <= 0 <= lag["high"]  # both set in with the incident
    claim = next(e for e in finding.evidence if e.claim.startswith("the predictions of dcn"))
    assert claim.effect is not None
    assert (claim.effect.low, claim.effect.high, claim.effect.level) == (lag["low"], lag["high"], 0.9)
    assert len(claim.sources) == 2
