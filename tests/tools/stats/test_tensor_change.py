"""One tensor against its earlier self, and one value against its own past."""

import math

import numpy as np
import pytest

from tools.stats import tensor_comparison, tensor_pass
from tools.stats.novelty import novelties
from tools.stats.tensor_comparison import compare


def test_the_figures_of_a_small_change() -> None:
    change = compare(np.array([3.0, 4.0, 0.0]), np.array([3.0, 4.0, 12.0]))
    assert (change.norm_before, change.norm, change.update, change.changed) == (5.0, 13.0, 12.0, 1)
    assert change.relative_update == pytest.approx(2.4)
    assert change.cosine == pytest.approx(25 / 65)
    assert change.share_changed == pytest.approx(1 / 3)


def test_odd_strides_and_chunks_give_the_same_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    before, after = rng.normal(size=(40, 30)), rng.normal(size=(40, 30))
    whole = compare(before, after)
    turned = compare(np.asfortranarray(before), after)
    for module in (tensor_pass, tensor_comparison):
        monkeypatch.setattr(module, "CHUNK", 64)
    pieces = compare(before, after)
    assert turned == whole
    assert pieces.update == pytest.approx(whole.update)
    assert pieces.changed == whole.changed == 1200


def test_nan_and_infinity_are_counted_and_left_out() -> None:
    change = compare(np.array([1.0, np.nan, 2.0, 2.0]), np.array([np.inf, np.nan, 2.0, 3.0]))
    assert (change.non_finite_before, change.non_finite, change.update, change.changed) == (1, 2, 1.0, 2)


def test_zero_empty_and_integer_tensors() -> None:
    assert math.isnan(compare(np.zeros(3), np.zeros(3)).relative_update)
    assert compare(np.zeros(3), np.ones(3)).relative_update == math.inf
    empty = compare(np.zeros((0, 4)), np.zeros((0, 4)))
    assert math.isnan(empty.share_changed)
    counter = compare(np.array(7), np.array(8))
    assert counter.relative_update == pytest.approx(1 / 7)
    with pytest.raises(ValueError, match="shapes differ"):
        compare(np.zeros(3), np.zeros(4))


def test_values_that_went_through_sixteen_bits_are_seen() -> None:
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    change = compare(values, values.astype(np.float16).astype(np.float32))
    assert change.rounded_before < 0.01
    assert change.rounded > 0.99
    assert compare(values, values.astype(np.float16)).retyped


def test_a_value_is_new_only_against_a_long_enough_past() -> None:
    rng = np.random.default_rng(0)
    history = {name: list(rng.normal(0, 0.2, 20)) for name in "abcd"}
    history["short"] = [0.0] * 4
    found = novelties(history, {"a": 4.0, "b": 0.1, "c": math.nan, "d": -4.0, "short": 9.0}, dict.fromkeys(history))
    assert found.keys() == {"a", "b", "d"}
    assert found["a"].q_value < 0.01
    assert found["a"].z > 8
    assert found["b"].p_value > 0.1
    assert found["d"].q_value < 0.01


def test_a_calm_series_borrows_the_spread_of_its_kind() -> None:
    rng = np.random.default_rng(0)
    history: dict[str, list[float]] = {f"w{i}": list(rng.normal(0, 1.0, 20)) for i in range(4)}
    history["calm"] = [0.0] * 20
    kinds = dict.fromkeys(history, "weight")
    alone = novelties({"calm": history["calm"]}, {"calm": 1.0}, kinds)["calm"]
    together = novelties(history, dict.fromkeys(history, 1.0), kinds)["calm"]
    assert together.z < alone.z / 2
