"""model_isolation on attribute combinations: planted ones, none, and points that are not as they should be."""

import numpy as np
import pytest

from tests.benchmarks import robustspot
from tests.tools import cubes
from tests.tools.minutes import cube, isolate
from tools.contract import Finding, Status
from tools.model_isolation import TOOL, ModelIsolationParams
from tools.records import Cube

PLANTED = {"bitrate": "b1", "p2p": "p0"}


def ranked(finding: Finding) -> list[dict[str, str]]:
    assert finding.result is not None
    return [row["combination"] for row in finding.result["combinations"]]


@pytest.mark.parametrize(
    ("combination", "times"),
    [({"cdn": "c2"}, 8.0), (PLANTED, 8.0), ({"bitrate": "b1", "cdn": "c1", "p2p": "p1"}, 30.0)],
)
def test_a_planted_combination_is_ranked_first_and_named(combination: dict[str, str], times: float) -> None:
    right = named = 0
    for seed in range(10):
        finding = isolate(cube(seed, wander=0.05, plant=(combination, times)))
        right += ranked(finding)[:1] == [combination]
        named += finding.facts["combination"] == " & ".join(f"{k}={v}" for k, v in sorted(combination.items()))
    assert right >= 8
    assert named >= 6


def test_what_is_named_is_the_factor_with_its_evidence() -> None:
    finding = isolate(cube(1, plant=(PLANTED, 8.0)))
    assert finding.status is Status.answered
    assert finding.facts["factor"] == "segment"
    assert finding.facts["combination"] == finding.facts["segment"] == "bitrate=b1 & p2p=p0"
    claim = next(e for e in finding.evidence if e.bearing == "for" and "bitrate=b1" in e.claim)
    assert claim.q_value is not None
    assert claim.q_value < 0.01
    assert claim.effect is not None
    assert claim.effect.low > 0


@pytest.mark.parametrize("wander", [0.0, 0.3])
@pytest.mark.parametrize("before", [5, 60])
def test_nobody_is_named_where_nothing_was_planted(wander: float, before: int) -> None:
    accused = [isolate(cube(100 + s, before, wander=wander), before).facts["combination"] for s in range(20)]
    assert sum(a is not None for a in accused) <= 1


def test_a_fall_is_found_where_higher_is_better() -> None:
    points = cube(2, plant=(PLANTED, 8.0))
    watched = Cube(points.ts, points.dims, points.denominator - points.numerator, points.denominator)
    finding = isolate(watched, better="higher")
    assert finding.facts["combination"] == "bitrate=b1 & p2p=p0"
    assert finding.result is not None
    assert finding.result["combinations"][0]["effect"] < 0
    assert finding.result["combinations"][0]["high"] < 0


def test_the_parts_of_every_row_add_up_to_the_same_change() -> None:
    result = isolate(cube(3, plant=(PLANTED, 8.0))).result
    assert result is not None
    changes = [row["within"] + row["others"] + row["mix"] for row in result["combinations"]]
    assert changes == pytest.approx([changes[0]] * len(changes), rel=1e-9)


def test_the_order_of_dimensions_does_not_matter() -> None:
    points = cube(4, plant=(PLANTED, 8.0))
    turned = Cube(points.ts, dict(reversed(points.dims.items())), points.numerator, points.denominator)
    assert isolate(turned) == isolate(points)


def test_points_that_are_no_numbers_or_said_twice_do_not_count() -> None:
    points = cube(5, plant=(PLANTED, 8.0))
    wrong = points.where(np.arange(len(points)) % 7 == 0)
    wrong = Cube(wrong.ts, wrong.dims, np.full(len(wrong), np.nan), wrong.denominator)
    order = np.argsort(np.r_[np.arange(len(points)), np.arange(len(points))[::7] - 0.5], kind="stable")
    mixed = Cube(
        np.r_[points.ts, wrong.ts][order],
        {name: np.r_[points.dims[name], wrong.dims[name]][order] for name in points.dims},
        np.r_[points.numerator, wrong.numerator][order],
        np.r_[points.denominator, wrong.denominator][order],
    )
    assert ranked(isolate(mixed)) == ranked(isolate(points))


def test_without_a_baseline_nothing_is_ranked() -> None:
    points = cube(6, plant=(PLANTED, 8.0))
    after = points.where(points.ts >= points.ts.min() + 600)
    finding = isolate(after)
    assert ranked(finding) == []
    assert finding.facts["combination"] is None
    assert finding.status is Status.inconclusive


def test_a_denominator_of_zero_is_no_traffic() -> None:
    points = cube(7, plant=(PLANTED, 8.0))
    nobody = Cube(points.ts, points.dims, points.numerator, np.zeros(len(points)))
    assert isolate(nobody).status is Status.no_data


def test_a_value_that_is_new_is_not_ranked() -> None:
    points = cube(8, plant=(PLANTED, 8.0))
    late = points.ts >= points.ts.min() + 600
    build = np.where(late & (points.dims["p2p"] == "p0"), "new", "old")
    with_build = Cube(points.ts, {"infra.build": build, **points.dims}, points.numerator, points.denominator)
    finding = isolate(with_build)
    assert all(row.get("infra.build") != "new" for row in ranked(finding))
    note = next(n for n in finding.not_checked if n.startswith("infra.build=new: fewer than 4 baseline days"))
    assert "against the rest in the same 10 steps of the window" in note


def test_dimensions_of_one_value_or_none_are_no_combination() -> None:
    points = cube(9, plant=(PLANTED, 8.0))
    one = Cube(points.ts, {**points.dims, "game": np.full(len(points), "g")}, points.numerator, points.denominator)
    assert ranked(isolate(one)) == ranked(isolate(points))
    bare = Cube(points.ts, {}, points.numerator, points.denominator)
    assert ranked(isolate(bare)) == []


def test_days_of_hours_name_infrastructure_only_when_it_is_worse() -> None:
    for world, wanted in ((cubes.World(seed=1), None), (cubes.World(seed=2, storm=1.5), None)):
        params = ModelIsolationParams(
            product=cubes.PRODUCT, metric=cubes.TOPLINE, window=cubes.WINDOW, baseline=cubes.BASELINE
        )
        assert TOOL.run(params, cubes.build(world)).facts["combination"] == wanted


def test_a_combination_is_found_among_ten_dimensions_of_fifty_values() -> None:
    """A quarter of the rows of 7 days of minutes, by the minute."""
    rng = np.random.default_rng(0)
    per_minute, minutes = 50, 7 * 1440
    ts = np.repeat(int(cubes.FIRST.timestamp()) + 60 * np.arange(minutes), per_minute)
    codes = rng.integers(0, 50, (10, len(ts)))
    now = ts >= ts[-1] - 7200
    rate = np.where(now & (codes[2] < 2) & (codes[7] == 1), 0.6, 0.05)
    names = np.array([f"v{i:02d}" for i in range(50)])
    den = np.full(len(ts), 20.0)
    points = Cube(ts, {f"d{i}": names[c] for i, c in enumerate(codes)}, rng.binomial(20, rate).astype(float), den)
    found = robustspot.answer(robustspot.Incident("1", points, int(ts[-1]) - 7200, ()))
    assert found.first is not None
    assert ("d7", "v01") in found.first


@pytest.mark.skipif(not (robustspot.DEFAULT / "labels.yaml").is_file(), reason=f"no data in {robustspot.DEFAULT}")
def test_real_incidents_are_ranked_as_well_as_the_guide_says() -> None:
    every_third = list(robustspot.incidents(robustspot.DEFAULT))[::3]
    figures = robustspot.score([robustspot.answer(incident) for incident in every_third])
    assert figures["rc1"] >= 0.65
    assert figures["rc5"] >= 0.9
