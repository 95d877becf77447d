"""Worlds in which nothing is wrong, in the shapes that used to be accused; the benchmark has many more of them."""

import pytest

from tests.benchmarks.ranking_null import answer, exact_interval
from tests.benchmarks.ranking_world import KINDS, World


@pytest.mark.parametrize(
    ("kind", "seed", "hours"),
    [("reading", 1, 6), ("id_item", 2, 13), ("flag", 3, 24), ("heavy", 4, 24), ("rare", 5, 36), ("calendar", 6, 24)],
)
def test_a_features_own_habits_accuse_nobody(kind: str, seed: int, hours: int) -> None:
    finding = answer(World(seed, 40, 7, hours, weekday=seed % 7, per_hour=15, kinds=(kind,)))
    assert (finding.facts["broken"], finding.facts["suspects"]) == (False, 0)


def test_every_kind_of_feature_accuses_nobody_on_a_weekend() -> None:
    finding = answer(World(11, 2 * len(KINDS), 10, 13, weekday=5, per_hour=20))
    assert (finding.facts["broken"], finding.facts["suspects"]) == (False, 0)


def test_the_interval_of_a_rate_is_the_exact_one() -> None:
    assert exact_interval(0, 100) == pytest.approx((0.0, 1 - 0.025 ** (1 / 100)))
    assert exact_interval(100, 100) == pytest.approx((0.025 ** (1 / 100), 1.0))
    assert exact_interval(5, 100) == pytest.approx((0.0164, 0.1128), abs=1e-4)
