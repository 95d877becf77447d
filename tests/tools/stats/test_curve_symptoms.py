"""What one run's curves show by themselves, and what they do not."""

from datetime import UTC, datetime

import numpy as np
import pytest

from tools.records import MetricCurve, TrainingRun
from tools.stats.curve_symptoms import symptoms

EPOCHS = 60
FALLING = 0.1 + 0.6 * np.exp(-np.arange(EPOCHS) / 12)


def run(**curves: np.ndarray) -> TrainingRun:
    """Of a binary cross-entropy. A dot in a curve's name is written as two underscores."""
    told = tuple(
        MetricCurve(name=name.replace("__", "."), steps=tuple(range(len(v))), values=tuple(float(x) for x in v))
        for name, v in curves.items()
    )
    return TrainingRun(
        run="r",
        model="m",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        parameters={"loss": "binary_crossentropy", "outputs": "1"},
        curves=told,
    )


def names(one: TrainingRun) -> list[str]:
    return [symptom.name for symptom in symptoms(one)]


def noise(seed: int, size: int = EPOCHS, scale: float = 0.02) -> np.ndarray:
    return np.asarray(1 + scale * np.random.default_rng(seed).standard_t(4, size))


@pytest.mark.parametrize("seed", range(20))
def test_a_sound_training_shows_nothing(seed: int) -> None:
    rising = 1 - 0.4 * np.exp(-np.arange(EPOCHS) / 10)
    held_out = FALLING * 1.1 * noise(seed + 100)
    shown = run(loss=FALLING * noise(seed), accuracy=rising, val_loss=held_out, val_accuracy=rising * 0.95)
    assert not symptoms(shown)


@pytest.mark.parametrize("seed", range(10))
def test_going_on_from_good_weights_is_no_fault_although_the_loss_is_flat(seed: int) -> None:
    flat = 0.4 * noise(seed, 400, 0.15)
    rate = np.full(400, 1e-3)
    changes = np.full(20, 1e-3)
    assert not symptoms(run(loss=np.abs(flat), learning_rate=rate, weight_change__a=changes))


@pytest.mark.parametrize(
    ("curves", "symptom"),
    [
        ({"loss": np.full(EPOCHS, 0.66667)}, "not_learning"),
        ({"loss": np.linspace(0.4999, 0.4985, EPOCHS), "accuracy": np.full(EPOCHS, 0.5)}, "not_learning"),
        ({"loss": FALLING, "weight_change__a": np.zeros(5), "weight_change__b": np.full(5, 1e-8)}, "not_learning"),
        ({"loss": 0.001 * FALLING, "accuracy": np.full(EPOCHS, 0.5)}, "disagreement"),
        ({"loss": np.linspace(0.5, 6, EPOCHS)}, "diverged"),
        ({"loss": np.concatenate([FALLING, np.full(15, 0.65)])}, "diverged"),
        ({"loss": -np.linspace(0, 40, EPOCHS) - 1}, "out_of_range"),
        ({"loss": FALLING, "learning_rate": np.repeat([1e-3, 1e-2], 30)}, "rate_jump"),
        ({"loss": FALLING, "val_loss": np.linspace(0.3, 1.2, EPOCHS)}, "overfitting"),
        ({"loss": np.where(np.arange(EPOCHS) == 45, 9.0, FALLING)}, "spike"),
        ({"loss": FALLING, "gradient_norm": np.where(np.arange(EPOCHS) == 45, 900.0, 1.0)}, "spike"),
        ({"loss": FALLING, "gradient_norm": np.zeros(EPOCHS)}, "vanishing"),
        ({"loss": FALLING, "dead_share__relu_1": np.linspace(0, 1, EPOCHS)}, "dead_units"),
    ],
)
def test_each_symptom_is_named(curves: dict[str, np.ndarray], symptom: str) -> None:
    made = run(**curves)
    if symptom == "not_learning" and "accuracy" in curves:
        made = made.model_copy(update={"parameters": {"loss": "mae"}})
    found = symptoms(made)
    assert symptom in [one.name for one in found]
    assert all(one.p_value <= 0.01 and one.claim for one in found)


@pytest.mark.parametrize(
    "rate",
    [
        np.concatenate([np.linspace(0, 1e-3, 20), np.full(40, 1e-3)]),  # warm-up
        1e-3 * (1 + np.cos(np.arange(EPOCHS) % 20 / 20 * np.pi)),  # warm restarts
        np.repeat([1e-2, 1e-3, 1e-4], 20),  # steps down
    ],
)
def test_schedules_of_the_learning_rate_are_no_jumps(rate: np.ndarray) -> None:
    assert not symptoms(run(loss=FALLING, learning_rate=rate))


def test_confidence_that_grows_is_not_overfitting_while_the_accuracy_holds() -> None:
    held_out, right = np.linspace(0.3, 1.2, EPOCHS), np.full(EPOCHS, 0.9)
    assert not symptoms(run(loss=FALLING, val_loss=held_out, val_accuracy=right))
    assert names(run(loss=FALLING, val_loss=held_out, val_accuracy=np.linspace(0.9, 0.7, EPOCHS))) == ["overfitting"]


def test_a_loss_that_was_rounded_for_the_log_is_not_called_constant() -> None:
    assert not symptoms(run(loss=np.full(EPOCHS, 0.33)))


def test_a_run_that_the_platform_calls_failed() -> None:
    assert names(run(loss=FALLING).model_copy(update={"status": "failed"})) == ["failed"]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 9])
@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0, 1e308])
def test_odd_curves_are_no_exception(size: int, value: float) -> None:
    odd = np.full(size, value)
    symptoms(run(loss=odd, accuracy=odd, val_loss=odd, learning_rate=odd, gradient_norm=odd, weight_change__a=odd))


@pytest.mark.parametrize("zeros", [11, 19])
def test_a_curve_that_begins_at_zero_is_no_spike(zeros: int) -> None:
    norm = np.abs(1 + noise(3))
    norm[:zeros] = 0.0
    assert "spike" not in names(run(loss=0.3 + noise(4), gradient_norm=norm))
