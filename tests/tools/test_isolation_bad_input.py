"""model_isolation on points that are not as they should be: a correct answer with a caveat, or no_data."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.tools.nulls import PRODUCT, TOPLINE, Plain, cube, isolate, ports_of
from tests.tools.ports import sorted_cube
from tools.contract import Finding, Status
from tools.model_isolation import TOOL, ModelIsolationParams
from tools.records import Cube

WORLD = Plain(11, where={"model": "m2"}, lost=0.25)
POINTS = cube(WORLD)
NOW = POINTS.ts >= WORLD.window.start.timestamp()
RIGHT = ("model", "m2")


def answer(finding: Finding) -> tuple[object, object]:
    return finding.facts["factor"], finding.facts["model"]


def changed(points: Cube, **columns: np.ndarray) -> Cube:
    return Cube(
        columns.get("ts", points.ts),
        points.dims,
        columns.get("numerator", points.numerator),
        columns.get("denominator", points.denominator),
    )


def test_as_it_is_the_model_is_found() -> None:
    assert answer(isolate(WORLD, POINTS)) == RIGHT


def test_the_same_points_in_any_order_and_twice_give_the_same_answer() -> None:
    rng = np.random.default_rng(0)
    twice = np.concatenate([np.arange(len(POINTS)), np.arange(0, len(POINTS), 3)])
    mixed = isolate(WORLD, POINTS.where(rng.permutation(twice)))
    first = isolate(WORLD, POINTS)
    assert answer(mixed) == RIGHT
    for name in ("drop", "mix_share", "confidence"):
        assert mixed.facts[name] == pytest.approx(first.facts[name], rel=1e-9)
    assert any("repeated points of topline were left out" in note for note in mixed.not_checked)
    assert not any("other numbers" in note for note in mixed.not_checked)


def test_points_that_contradict_each_other_are_counted_and_the_last_is_believed() -> None:
    wrong = changed(POINTS, numerator=np.zeros(len(POINTS))).where(np.arange(len(POINTS)) % 5 == 0)
    both = Cube(
        np.r_[wrong.ts, POINTS.ts],
        {name: np.r_[wrong.dims[name], values] for name, values in POINTS.dims.items()},
        np.r_[wrong.numerator, POINTS.numerator],
        np.r_[wrong.denominator, POINTS.denominator],
    )
    finding = isolate(WORLD, both)
    assert finding.facts["drop"] == pytest.approx(isolate(WORLD, POINTS).facts["drop"])
    told = next(note for note in finding.not_checked if "other numbers" in note)
    inside = wrong.ts < WORLD.window.end.timestamp()
    differ = int((inside & (POINTS.numerator[np.arange(len(POINTS)) % 5 == 0] != 0)).sum())
    assert told.startswith(f"{differ} points of topline")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_left_out_and_counted(value: float) -> None:
    rng = np.random.default_rng(1)
    num = np.where(rng.random(len(POINTS)) < 0.02, value, POINTS.numerator)
    den = np.where(rng.random(len(POINTS)) < 0.02, value, POINTS.denominator)
    finding = isolate(WORLD, changed(POINTS, numerator=num, denominator=den))
    assert answer(finding) == RIGHT
    lost = int((~np.isfinite(num) | ~np.isfinite(den)).sum())
    assert any(note.startswith(f"{lost} points of topline with no finite") for note in finding.not_checked)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda p: changed(p, numerator=np.full(len(p), np.nan)),
        lambda p: changed(p, denominator=np.full(len(p), np.inf)),
        lambda p: changed(p, denominator=np.zeros(len(p))),
        lambda p: changed(p, denominator=-p.denominator),
        lambda p: p.where(~NOW),
        lambda p: p.where(np.zeros(len(p), dtype=bool)),
    ],
    ids=["no numerators", "no denominators", "zero denominators", "negative denominators", "no window", "no points"],
)
def test_without_usable_points_in_the_window_there_is_no_data(spoil: Callable[[Cube], Cube]) -> None:
    finding = isolate(WORLD, spoil(POINTS))
    assert finding.status is Status.no_data
    assert "no points" in finding.headline
    assert finding.would_settle


def test_without_a_baseline_the_answer_is_open_and_says_what_is_missing() -> None:
    finding = isolate(WORLD, POINTS.where(NOW))
    assert (finding.status, finding.facts["factor"], finding.facts["drop_is_real"]) == (Status.inconclusive, None, None)
    assert "days" in finding.would_settle[0]
    assert finding.result is not None
    assert finding.result["mix_low"] == "NaN"


def test_a_dimension_of_one_value_changes_nothing() -> None:
    more = Cube(POINTS.ts, {**POINTS.dims, "page": np.full(len(POINTS), "home")}, POINTS.numerator, POINTS.denominator)
    finding, first = isolate(WORLD, more), isolate(WORLD, POINTS)
    assert answer(finding) == RIGHT
    assert finding.facts["drop"] == first.facts["drop"]
    assert finding.facts["mix_share"] == pytest.approx(first.facts["mix_share"])


def test_hours_without_traffic_are_no_hours_of_zero() -> None:
    night = POINTS.ts // 3600 % 24 < 5
    assert answer(isolate(WORLD, POINTS.where(~night))) == RIGHT


def test_traffic_of_zero_with_a_numerator_is_seen_by_the_level_and_the_parts_alike() -> None:
    odd = changed(POINTS, denominator=np.where(np.arange(len(POINTS)) % 7 == 0, 0.0, POINTS.denominator))
    result = isolate(WORLD, odd).result
    assert result is not None
    change = result["current_level"] - result["baseline_level"]
    assert result["mix_effect"] + result["within_effect"] == pytest.approx(change, abs=1e-9)


def test_huge_numbers_do_not_raise() -> None:
    huge = changed(POINTS, numerator=POINTS.numerator * 1e300, denominator=POINTS.denominator * 1e300)
    assert isolate(WORLD, huge).status in (Status.answered, Status.inconclusive, Status.no_data)
    scaled = changed(POINTS, numerator=POINTS.numerator * 1e-9, denominator=POINTS.denominator)
    assert isolate(WORLD, scaled).facts["drop"] == pytest.approx(
        float(str(isolate(WORLD, POINTS).facts["drop"])) * 1e-9
    )


def test_a_value_that_has_left_is_said() -> None:
    gone = POINTS.where(~(NOW & (POINTS.dims["infra.build"] == "b1")))
    finding = isolate(replace(WORLD, lost=0.0), gone)
    assert any(
        note.startswith("infra.build=b1: no points in the window; usually it has") for note in finding.not_checked
    )


def test_a_clock_that_is_off_is_told_and_its_source_is_neither_accused_nor_cleared() -> None:
    late = NOW & (POINTS.dims["model"] == "m3")
    finding = isolate(WORLD, sorted_cube(changed(POINTS, ts=POINTS.ts + 3 * 3600 * late)))
    assert any(note.startswith("model m3: its traffic runs 3 h after its usual course") for note in finding.not_checked)
    assert finding.facts["model"] != "m3"
    assert not any("m3" in said for said in finding.ruled_out)


def test_everything_an_hour_later_is_a_change_of_the_clocks_and_nobodys_fault() -> None:
    finding = isolate(
        Plain(12), sorted_cube(changed(points := cube(Plain(12)), ts=points.ts + 3600 * (points.ts >= 0)))
    )
    assert not any("clock" in note for note in finding.not_checked)


def test_names_that_nobody_knows_say_what_is_known() -> None:
    ports = ports_of(POINTS)
    params = ModelIsolationParams(product=PRODUCT, metric="nix", window=WORLD.window, baseline=WORLD.baseline)
    assert f"it has: {TOPLINE}" in TOOL.run(params, ports).headline
