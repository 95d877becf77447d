"""Whatever columns and hours there are: a defined answer, the same in every order, and odd values accuse nobody."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.tools.served import BASELINE, START, WINDOW, folded, ports
from tools.contract import Finding, Status
from tools.feature_ranking import TOOL, FeatureRankingParams
from tools.records import Window
from tools.stats.profile import PREDICTION, Profile

HOURS = np.repeat(np.arange(22 * 24), 5)
VALUES = (0.0, -0.0, 5.0, np.nan, np.inf, -np.inf, 1e38, -1e38, 1e308, 5e-324)
LEVEL = np.random.default_rng(0).normal(size=(len(HOURS), 3))


def told(profiles: list[Profile], window: Window = WINDOW, baseline: Window = BASELINE) -> Finding:
    with np.errstate(over="ignore", invalid="ignore"):
        return TOOL.run(
            FeatureRankingParams(model="badge_dcn", window=window, baseline=baseline), ports(profiles, node=None)
        )


def of(columns: list[NDArray[np.float64]]) -> list[Profile]:
    names = (*(f"f{i:03d}" for i in range(len(columns) - 1)), PREDICTION)
    return folded(np.stack(columns, axis=1), HOURS, names, bins=64)


def filled(value: float, share: float, seed: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(HOURS)) < share, value, rng.normal(size=len(HOURS)))


ODD = st.builds(filled, st.sampled_from(VALUES), st.sampled_from([0.01, 0.5, 1.0]), st.integers(0, 99))


@given(st.lists(ODD, min_size=1, max_size=4), ODD)
@settings(max_examples=5, deadline=None)
def test_features_that_were_always_odd_accuse_nobody(columns: list[NDArray[np.float64]], prediction: Any) -> None:
    finding = told(of([*columns, prediction]))
    assert finding.status is Status.answered
    assert (finding.facts["broken"], finding.facts["suspects"]) == (False, 0)


@given(st.permutations(range(3)), st.randoms(use_true_random=False))
@settings(max_examples=3, deadline=None)
def test_the_order_of_rows_and_of_features_does_not_matter(order: list[int], shuffle: Any) -> None:
    columns = [LEVEL[:, 0], np.where(LEVEL[:, 1] > 2, np.nan, LEVEL[:, 1]), np.round(LEVEL[:, 2])]
    columns[1] = np.where(HOURS >= 21 * 24 + 12, np.nan, columns[1])
    prediction = LEVEL.sum(axis=1)
    profiles = of([*columns, prediction])
    turned = [_reordered(p, [*order, 3]) for p in profiles]
    shuffle.shuffle(turned)
    one, other = told(profiles), told(turned)
    assert one.model_dump_json() == other.model_dump_json()
    assert one.facts["feature"] == "f001"
    rows = np.random.default_rng(shuffle.randint(0, 99)).permutation(len(HOURS))
    names = ("f000", "f001", "f002", PREDICTION)
    by_rows = folded(np.stack([*columns, prediction], axis=1)[rows], HOURS[rows], names, bins=64)
    mixed = told(by_rows)  # sums of floats may differ in their last bits
    assert {**mixed.facts, "confidence": 0, "explained": 0} == {**one.facts, "confidence": 0, "explained": 0}
    assert [s["feature"] for s in (mixed.result or {})["features"]] == [
        s["feature"] for s in (one.result or {})["features"]
    ]


def _reordered(profile: Profile, order: list[int]) -> Profile:
    parts: dict[str, Any] = {name: part[order] for name, part in vars(profile).items() if isinstance(part, np.ndarray)}
    return replace(profile, features=tuple(profile.features[i] for i in order), **parts)


@pytest.mark.parametrize("value", VALUES[:-2])
def test_a_feature_that_becomes_one_value_is_constant_null_or_infinite(value: float) -> None:
    new = np.where(HOURS >= 21 * 24 + 11, value, LEVEL[:, 0])
    facts = told(of([new, LEVEL[:, 1], LEVEL[:, 2]])).facts
    kinds = {"nan": "nulls", "inf": "non_finite", "-inf": "non_finite"}
    assert facts["suspects"] == 1
    assert facts["change"] in {kinds.get(str(value), "constant"), "scale" if abs(value) > 1e30 else "constant"}


def test_an_empty_window_and_a_single_row_are_answered() -> None:
    profiles = of([LEVEL[:, 0], LEVEL[:, 1]])
    nowhere = Window(start=START.replace(year=2020), end=START.replace(year=2021))
    assert told(profiles, window=nowhere).status is Status.no_data
    assert told(profiles[:1], baseline=BASELINE).status in {Status.no_data, Status.inconclusive}
    alone = folded(np.ones((1, 2)), np.array([21 * 24 + 12]), ("f000", PREDICTION), bins=64)
    assert told(alone).status in {Status.no_data, Status.inconclusive}
