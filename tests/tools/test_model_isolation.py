"""model_isolation on synthetic cubes: planted faults are found, and nobody is accused where nothing is planted."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest

from tests.tools.cubes import BASELINE, FIRST, INCIDENT, PRODUCT, TOPLINE, WINDOW, World, build
from tests.tools.ports import InMemoryPorts
from tools.contract import Finding, Scalar, Status
from tools.model_isolation import TOOL, ModelIsolationParams, ModelIsolationResult
from tools.records import Cube, Window


def isolate(ports: InMemoryPorts, window: Window = WINDOW, baseline: Window = BASELINE, **changes: str) -> Finding:
    names = {"product": PRODUCT, "metric": TOPLINE, **changes}
    return TOOL.run(ModelIsolationParams(window=window, baseline=baseline, **names), ports)


def facts(world: World) -> dict[str, Scalar]:
    return isolate(build(world)).facts


def accuses(found: dict[str, Scalar]) -> bool:
    return found["factor"] not in ("none", "shared") or found["model_degraded"] is not False


def map_cubes(ports: InMemoryPorts, change: Callable[[Cube], Cube]) -> None:
    for key, cube in ports.metrics.cubes.items():
        ports.metrics.cubes[key] = change(cube)


@pytest.mark.parametrize("first", [0, 10, 20, 30])
def test_nobody_is_accused_on_ordinary_days(first: int) -> None:
    """40 seeds of autocorrelated swings; at most one in all may be accused, none is."""
    found = [facts(World(seed=seed, regions=1)) for seed in range(first, first + 10)]
    assert not [f for f in found if accuses(f)]


def test_nobody_is_accused_in_a_storm() -> None:
    found = [facts(World(seed=seed, regions=1, storm=2.5)) for seed in range(10)]
    assert not [f for f in found if accuses(f)]
    assert sum(f["factor"] == "shared" and f["drop_is_real"] is True for f in found) >= 7


@pytest.mark.parametrize("model", ["dcn", "mlp"])
def test_a_model_that_lost_its_skill_is_named(model: str) -> None:
    found = facts(World(seed=1, skill_lost=0.8, where={"model": model}))
    assert (found["factor"], found["model"], found["model_degraded"]) == ("model", model, True)
    assert found["drop_is_real"] is True
    assert found["models_checked"] == 2
    assert isinstance(found["confidence"], float)
    assert found["confidence"] > 0.9


def test_a_model_that_fails_in_one_segment_is_named_with_the_segment() -> None:
    found = facts(World(seed=600, skill_lost=0.8, where={"model": "dcn", "origin": "JFK"}))
    assert (found["factor"], found["model"], found["segment"]) == ("model", "dcn", "origin=JFK")


def test_a_bad_build_is_infrastructure_and_no_model() -> None:
    found = facts(World(seed=4, infra_loss=0.15, infra={"infra.build": "b2"}))
    assert (found["factor"], found["infra"], found["model_degraded"]) == ("infra", "infra.build=b2", False)


def test_traffic_to_riskier_places_is_traffic_and_no_model() -> None:
    found = facts(World(seed=5, regions=1, risky=4.0))
    assert (found["factor"], found["model_degraded"], found["drop_is_real"]) == ("traffic", False, True)


def test_the_mix_and_the_rest_add_up_to_the_change() -> None:
    finding = isolate(build(World(seed=5, regions=1, risky=4.0)))
    result = ModelIsolationResult.model_validate(finding.result)
    change = result.current_level - result.baseline_level
    assert result.mix_effect + result.within_effect == pytest.approx(change, abs=1e-9)
    assert finding.facts["drop"] == pytest.approx(-change)


def test_evidence_can_be_checked() -> None:
    finding = isolate(build(World(seed=1, skill_lost=0.8, where={"model": "dcn"})))
    assert all(e.sources and e.claim for e in finding.evidence)
    accusing = [e for e in finding.evidence if e.bearing == "for" and e.q_value is not None]
    assert accusing
    assert all(e.effect is not None and e.effect.low <= e.effect.value <= e.effect.high for e in accusing)
    assert [c.mark for c in finding.charts] == [len(c.values) - 1 for c in finding.charts]
    assert any(said.startswith("model mlp") for said in finding.ruled_out)


def test_the_order_of_rows_does_not_matter_and_the_input_stays_as_it_was() -> None:
    ports, shuffled = build(World(seed=1, regions=1)), build(World(seed=1, regions=1))
    before = {key: cube.numerator.copy() for key, cube in ports.metrics.cubes.items()}
    map_cubes(shuffled, lambda cube: cube.where(np.random.default_rng(0).permutation(len(cube))))
    first, second = isolate(ports), isolate(shuffled)
    assert first.facts["factor"] == second.facts["factor"]
    assert first.facts["drop"] == pytest.approx(second.facts["drop"])
    assert all(np.array_equal(before[key], ports.metrics.cubes[key].numerator) for key in before)
    assert isolate(ports) == first


def test_unknown_names_and_empty_windows_are_no_data_with_what_to_do() -> None:
    ports = build(World(regions=1))
    assert "no product is called 'nix'" in isolate(ports, product="nix").headline
    assert "it has: on_time" in isolate(ports, metric="nix").headline
    later = Window(start=INCIDENT + timedelta(days=90), end=INCIDENT + timedelta(days=91))
    empty = isolate(ports, window=later)
    assert empty.status is Status.no_data
    assert "no points" in empty.headline
    assert empty.facts["factor"] is None


def test_a_short_baseline_is_inconclusive_and_says_what_would_settle_it() -> None:
    short = Window(start=FIRST + timedelta(days=19), end=BASELINE.end)
    finding = isolate(build(World(regions=1)), baseline=short)
    assert finding.status is Status.inconclusive
    assert finding.facts["drop_is_real"] is None
    assert "at least 4 days" in finding.would_settle[0]


def test_numbers_that_are_none_zero_denominators_and_repeats_are_lived_with() -> None:
    ports = build(World(seed=1, regions=1, skill_lost=0.8, where={"model": "dcn"}))

    def spoil(cube: Cube) -> Cube:
        num, den = cube.numerator.copy(), cube.denominator.copy()
        num[::97], den[::89], den[::83] = np.nan, np.inf, 0.0
        twice = np.repeat(np.arange(len(cube)), np.where(np.arange(len(cube)) % 101 == 0, 2, 1))
        return Cube(cube.ts, cube.dims, num, den).where(twice)

    map_cubes(ports, spoil)
    finding = isolate(ports)
    assert (finding.facts["factor"], finding.facts["model"]) == ("model", "dcn")
    assert any("no finite numerator" in note for note in finding.not_checked)
    assert any("repeated points" in note for note in finding.not_checked)


def test_a_model_that_serves_only_in_the_window_is_not_checked() -> None:
    ports = build(World(regions=1))

    def rename(cube: Cube) -> Cube:
        new = (cube.ts >= INCIDENT.timestamp()) & (cube.dims["origin"] == "LGA") & (cube.dims["model"] == "mlp")
        models = np.where(new, "brand_new", cube.dims["model"])
        return Cube(cube.ts, {**cube.dims, "model": models}, cube.numerator, cube.denominator)

    map_cubes(ports, rename)
    finding = isolate(ports)
    assert any(note.startswith("model brand_new: fewer than 4 baseline days") for note in finding.not_checked)


def test_with_one_model_nothing_is_shared_and_nobody_is_cleared() -> None:
    ports = build(World(seed=7, regions=1, storm=3.0))
    map_cubes(ports, lambda cube: cube.where(cube.dims["model"] == "dcn"))
    finding = isolate(ports)
    assert finding.facts["models_checked"] == 0
    assert finding.facts["model_degraded"] is None
    assert finding.facts["factor"] is None
    assert any("no other model served" in note for note in finding.not_checked)
    assert finding.ruled_out == ()


def test_a_product_with_only_a_top_line_and_no_dimensions_gets_its_level() -> None:
    ports = build(World(seed=7, regions=1, storm=3.0))
    cube = ports.metrics.cubes[PRODUCT, TOPLINE]
    ports.metrics.cubes = {(PRODUCT, TOPLINE): Cube(cube.ts, {}, cube.numerator, cube.denominator)}
    finding = isolate(ports)
    assert finding.facts["drop_is_real"] is True
    assert finding.facts["factor"] is None


def test_the_last_hours_without_labels_are_left_out() -> None:
    ports = build(World(seed=3, regions=1))
    whole = isolate(ports).facts["drop"]
    cut = WINDOW.end.timestamp() - 4 * 3600
    for name in (TOPLINE, "label_rate", "log_loss", "calibration"):
        cube = ports.metrics.cubes[PRODUCT, name]
        late = (cube.ts >= cut) & (np.arange(len(cube)) % 5 > 0)
        lucky = np.where(cube.ts >= cut, cube.denominator, cube.numerator)
        ports.metrics.cubes[PRODUCT, name] = Cube(cube.ts, cube.dims, lucky, cube.denominator).where(~late)
    assert isolate(ports).facts["drop"] == pytest.approx(whole, abs=0.02)
