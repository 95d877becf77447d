"""Many features: nobody is accused of noise that has a memory, small shifts are found, and shares are right."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from tests.tools.wide import MODEL, Levels, Served, ports, profiles
from tools.contract import Finding, Status
from tools.feature_ranking import TOOL, FeatureRankingParams
from tools.stats.profile import Profile


def answer(served: Served, found: list[Profile]) -> Finding:
    return TOOL.run(FeatureRankingParams(model=MODEL, window=served.window, baseline=served.baseline), ports(found))


def of(served: Served, seed: int, change: Levels | float = 0.0, features: slice | int = 0) -> Finding:
    """The answer where the levels of the last day are changed in these columns."""
    rng = np.random.default_rng(seed)
    levels = served.levels(rng)
    levels[-24:, features] += change
    return answer(served, profiles(served, levels, rng))


def shifted(finding: Finding) -> set[str]:
    assert finding.result is not None
    return {state["feature"] for state in finding.result["features"] if state["shifted"]}


@pytest.mark.parametrize(("memory", "swing"), [(0.9, 0.3), (0.98, 0.5), (0.999, 2.0)])
def test_noise_of_any_memory_accuses_nobody(memory: float, swing: float) -> None:
    finding = of(Served(1000, rows=300, bins=8, memory=memory, swing=swing), seed=5)
    assert finding.status is Status.answered
    assert (finding.facts["broken"], finding.facts["suspects"]) == (False, 0)
    assert len(shifted(finding)) <= 1


@pytest.mark.parametrize("seed", range(3))
def test_twenty_shifts_by_a_fifth_of_a_standard_deviation_are_found(seed: int) -> None:
    finding = of(Served(200, rows=4200, memory=0.0, swing=0.0), seed, 0.2, slice(0, 20))
    planted = {f"f{i:04d}" for i in range(20)}
    assert planted <= shifted(finding)
    assert len(shifted(finding) - planted) <= 1
    assert finding.facts["shifted"] == len(shifted(finding))
    assert finding.result is not None
    assert {state["feature"] for state in finding.result["features"][: len(shifted(finding))]} == shifted(finding)


def test_the_share_of_the_predictions_shift_that_goes_with_a_feature() -> None:
    served = Served(50, rows=2000, memory=0.0, swing=0.0, slope=(0.5,))
    found = of(served, 0, np.array([1.0, 1.0, 0.6]), [0, 1, -1])  # type: ignore[arg-type]
    assert found.result is not None
    states = {state["feature"]: state for state in found.result["features"]}
    first, other = states["f0000"], states["f0001"]
    assert first["explained_low"] <= 0.5 / 0.6 <= first["explained_high"]
    assert abs(other["explained"]) < 0.05
    assert other["explained_low"] < 0 < other["explained_high"]
    assert (found.facts["feature"], found.facts["explains"]) == ("f0000", True)
    assert found.facts["explained"] == pytest.approx(0.5 / 0.6, abs=0.1)


def test_no_feature_explains_it() -> None:
    finding = of(Served(50, rows=2000, memory=0.0, swing=0.0), 1, 0.6, -1)
    assert finding.facts["explains"] is False
    assert any("no feature explains it" in item.claim for item in finding.evidence)
    quiet = of(Served(50, rows=2000, memory=0.0, swing=0.0), 2)
    assert quiet.facts["explains"] is None


def test_odd_features_have_a_defined_answer() -> None:
    served = Served(12, rows=500)
    rng = np.random.default_rng(0)
    found = []
    for profile in profiles(served, served.levels(rng), rng):
        parts: dict[str, Any] = {
            name: part.copy() for name, part in vars(profile).items() if isinstance(part, np.ndarray)
        }
        for column, total, count in ((0, 0.0, 0), (1, 1e38, 500), (2, -1e300, 500)):
            for name, part in parts.items():
                part[column] = total if name in ("total", "minimum", "maximum", "pair_total") else 0
            parts["histogram"][column, 5] = parts["count"][column] = parts["pairs"][column] = count
            parts["nulls"][column] = 500 - count
            parts["edges"][column] = profile.edges[column]
            with np.errstate(over="ignore"):
                parts["total2"][column] = parts["pair_total2"][column] = np.float64(total) ** 2
        found.append(replace(profile, **parts))
    finding = answer(served, found)
    assert finding.status is Status.answered
    assert finding.facts["broken"] is False
    assert answer(served, found[::-1]).model_dump_json() == finding.model_dump_json()


def test_a_group_that_moved_is_shown_with_its_members_and_its_hour() -> None:
    served = Served(60, rows=2000, memory=0.5, swing=0.1)
    finding = of(served, 3, np.linspace(0.8, 1.2, 10)[None], slice(20, 30))
    names = [f"f{i:04d}" for i in range(20, 30)]
    assert finding.result is not None
    assert [sorted(group) for group in finding.result["moved_together"]] == [names]
    assert (finding.facts["group_size"], finding.facts["broken"]) == (10, False)
    assert any("10 features read from data:2 changed level" in item.claim for item in finding.evidence)
    first = next(state for state in finding.result["features"] if state["since"])
    start = served.window.start.isoformat().replace("+00:00", "Z")
    assert first["since_low"] <= start <= first["since_high"]
    assert first["since_low"] <= first["since"] <= first["since_high"]


def test_intervals_of_when_a_shift_began_hold_the_truth() -> None:
    held = []
    for seed in range(3):
        served = Served(12, rows=400, memory=0.6, swing=0.2)
        rng = np.random.default_rng(seed)
        levels = served.levels(rng)
        levels[-18:, :5] += 0.8
        finding = answer(served, profiles(served, levels, rng))
        assert finding.result is not None
        truth = (served.window.start + timedelta(hours=6)).isoformat().replace("+00:00", "Z")
        dated = [state for state in finding.result["features"] if state["since"]]
        held += [state["since_low"] <= truth <= state["since_high"] for state in dated]
    assert len(held) >= 12
    assert np.mean(held) >= 0.9


def test_a_row_says_why_it_explains_nothing() -> None:
    served = Served(20, rows=500, memory=0.0, swing=0.0)
    quiet = of(served, 4)
    assert quiet.result is not None
    assert {state["unexplained"] for state in quiet.result["features"]} == {"the mean prediction did not shift"}
    rng = np.random.default_rng(1)
    levels = served.levels(rng)
    levels[-24:, -1] += 0.8
    levels[-24:, 0] += 50
    found = answer(served, profiles(served, levels, rng))
    assert found.result is not None
    reasons = {state["feature"]: state["unexplained"] for state in found.result["features"]}
    assert "beyond all values" in str(reasons["f0000"])
    assert reasons["f0001"] is None
