"""The labels that are served, read off the answers of a model with two labels or with more."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tools.records import Confusion, Cube, PartitionRead, TrainingRun, Window
from tools.stats.served_labels import drift_of, is_drift

START = datetime(2026, 1, 5, tzinfo=UTC)
WINDOW = Window(start=START, end=START + timedelta(days=1))
NONE_SERVED = Cube(np.empty(0, dtype=np.int64), {}, np.empty(0), np.empty(0))
COUNTS = ((800, 100, 100), (50, 400, 50), (20, 30, 250))
GIVEN = np.array(COUNTS) / np.sum(COUNTS, axis=1, keepdims=True)


def a_run(labels: tuple[str, ...]) -> TrainingRun:
    trained = PartitionRead(
        dataset="d", partition="p", rows=10_000, label_counts=dict(zip(labels, (6000, 2500, 1500), strict=True))
    )
    confusion = Confusion(labels=labels, counts=COUNTS)
    return TrainingRun(run="r", model="m", started_at=START, partitions=(trained,), confusion=confusion)


def answers(shares: list[float]) -> np.ndarray:
    return np.random.default_rng(1).choice(3, 4000, p=np.array(shares) @ GIVEN).astype(float)


@pytest.mark.parametrize("labels", [("cat", "dog", "owl"), ("0", "1", "2")])
def test_a_label_of_three_that_is_served_more_often_is_found_from_its_answers(labels: tuple[str, ...]) -> None:
    found = drift_of(a_run(labels), NONE_SERVED, WINDOW, None, answers([0.3, 0.25, 0.45]))
    assert found is not None
    assert found.method == "black-box shift estimation"
    assert is_drift(found)
    assert found.low < 0.3 < found.high or found.low < -0.3 < found.high
    assert is_drift(drift_of(a_run(labels), NONE_SERVED, WINDOW, None, answers([0.6, 0.25, 0.15]))) is False


def test_labels_that_are_numbers_are_the_answers_themselves() -> None:
    stars = np.array([1.0, 3.0, 5.0])[answers([0.3, 0.25, 0.45]).astype(int)]
    assert is_drift(drift_of(a_run(("1", "3", "5")), NONE_SERVED, WINDOW, None, stars))


@pytest.mark.parametrize("predictions", [np.linspace(0, 1, 500), np.full(500, np.nan), np.full(500, np.inf)])
def test_scores_do_not_say_which_of_three_labels_was_answered(predictions: np.ndarray) -> None:
    assert drift_of(a_run(("cat", "dog", "owl")), NONE_SERVED, WINDOW, None, predictions) is None
