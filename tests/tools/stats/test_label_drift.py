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


FOUR = Confusion(
    labels=("a", "b", "c", "d"),
    counts=((800, 100, 60, 40), (50, 400, 30, 20), (20, 40, 220, 20), (15, 15, 20, 150)),
)
GIVEN = np.array(FOUR.counts) / np.sum(FOUR.counts, axis=1, keepdims=True)
USUAL = np.array([0.5, 0.25, 0.15, 0.1])


def test_the_shares_of_four_labels_are_read_off_the_answers() -> None:
    served, rng = np.array([0.3, 0.25, 0.15, 0.3]), np.random.default_rng(3)
    found = from_predictions(FOUR, 10_000 * USUAL, rng.multinomial(8000, served @ GIVEN).astype(float), 1.0)
    assert found is not None
    assert found.large
    assert found.p_value < 1e-4
    assert abs(found.size) == pytest.approx(0.2, abs=0.04)
    assert "'a'" in found.says or "'d'" in found.says


def test_the_interval_of_a_share_holds_it_as_often_as_it_says_and_the_unchanged_are_not_accused() -> None:
    rng, held, accused = np.random.default_rng(4), 0, 0
    for _ in range(60):
        seen = np.stack([rng.multinomial(sum(row), given) for row, given in zip(FOUR.counts, GIVEN, strict=True)])
        confusion = Confusion(labels=FOUR.labels, counts=tuple(tuple(int(n) for n in row) for row in seen))
        found = from_predictions(confusion, 10_000 * USUAL, rng.multinomial(3000, USUAL @ GIVEN).astype(float), 1.0)
        assert found is not None
        held += found.low <= 0.0 <= found.high  # of the label that moved most: the hardest of the four
        accused += found.large and found.p_value < 0.01
    assert held >= 48
    assert accused <= 2


def test_two_of_four_labels_that_are_answered_alike_are_refused() -> None:
    alike = ((800, 100, 60, 40), (50, 400, 30, 20), (20, 40, 120, 120), (13, 27, 81, 79))
    confusion = Confusion(labels=FOUR.labels, counts=alike)
    assert from_predictions(confusion, 10_000 * USUAL, np.array([900.0, 500, 300, 300]), 1.0) is None
