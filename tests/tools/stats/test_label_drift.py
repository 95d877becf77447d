"""Label drift is found through its noise, also from answers alone, and not where days merely differ."""

import numpy as np
import pytest

from tools.records import Confusion
from tools.stats.label_drift import compared, design_effect, from_predictions

CONFUSION = Confusion(labels=("0", "1"), counts=((900, 100), (60, 240)))


def test_chi_square_finds_a_shift_and_gives_cramers_v() -> None:
    found = compared(["a", "b", "c"], np.array([500.0, 300, 200]), np.array([300.0, 300, 400]), (1.0, 1.0))
    assert found is not None
    assert (found.method, found.large) == ("chi-square", True)
    assert found.low < found.size < found.high
    assert found.p_value < 1e-6


@pytest.mark.parametrize("labels", [["a", "b", "c"], ["1", "2", "3"], ["no", "yes", "maybe"]])
def test_the_same_distribution_drifts_as_often_as_the_level_says(labels: list[str]) -> None:
    rng, share = np.random.default_rng(5), np.array([0.6, 0.3, 0.1])
    p = []
    for _ in range(300):
        ours, theirs = (rng.multinomial(500, share).astype(float) for _ in range(2))
        found = compared(labels, ours, theirs, (1.0, 1.0))
        assert found is not None
        p.append(found.p_value)
    assert np.mean(np.array(p) < 0.05) < 0.09


def test_numbers_are_compared_by_rank() -> None:
    found = compared(["1", "10", "2"], np.array([100.0, 100, 800]), np.array([50.0, 300, 650]), (1.0, 1.0))
    assert found is not None
    assert found.method == "rank"
    assert found.size > 0.05


def test_days_that_differ_more_than_chance_make_few_rows_of_many() -> None:
    rng = np.random.default_rng(1)
    late = rng.beta(4, 6, 20)
    by_day = np.stack([1000 * late, 1000 * (1 - late)], axis=1)
    assert design_effect(by_day) > 50
    found = compared(["0", "1"], by_day[:10].sum(axis=0), by_day[10:12].sum(axis=0), (design_effect(by_day),) * 2)
    assert found is not None
    assert found.p_value > 0.01


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_shares_of_the_labels_are_read_off_the_answers(share: float) -> None:
    rng = np.random.default_rng(2)
    positive = share * 240 / 300 + (1 - share) * 100 / 1000
    second = float(rng.binomial(5000, positive))
    found = from_predictions(CONFUSION, np.array([800.0, 200]), np.array([5000 - second, second]), 1.0)
    assert found is not None
    assert found.low <= share - 0.2 + 1e-9 <= found.high or found.low <= -(share - 0.2) + 1e-9 <= found.high
    assert found.large is (share != 0.2)


def test_a_model_that_cannot_tell_labels_apart_says_nothing() -> None:
    blind = Confusion(labels=("0", "1"), counts=((500, 500), (490, 510)))
    assert from_predictions(blind, np.array([800.0, 200]), np.array([100.0, 100]), 1.0) is None


def test_next_to_nothing_says_nothing() -> None:
    assert compared(["0", "1"], np.array([5.0, 1]), np.array([100.0, 50]), (1.0, 1.0)) is None
