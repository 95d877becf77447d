"""How a day's training moved the weights, against the days before: measures, columns, limits."""

import numpy as np
import pytest

from tools.stats.apart import apart
from tools.stats.false_alarm import chance
from tools.stats.lone_column import lone_column
from tools.stats.robust_scale import Floats
from tools.stats.weight_change import weight_change
from tools.stats.weight_pattern import Departure, departures, moving

DAYS, SERIES = 14, 12


def days(seed: int, count: int = DAYS + 1) -> Floats:
    """A row per day: what all series share that day, and a little of their own."""
    rng = np.random.default_rng(seed)
    levels = rng.normal(0, 3, SERIES)
    drawn: Floats = levels + rng.normal(0, 0.3, (count, 1)) + rng.normal(0, 0.1, (count, SERIES))
    return drawn


def test_what_is_common_is_told_from_what_belongs_to_one() -> None:
    table = days(1)
    table[-1] += 4.0
    table[-1, 3] -= 2.0
    together, one = apart(table[:-1], table[-1], ["w"] * SERIES, 0.05)
    assert together.place is None
    assert together.low < 4.0 < together.high
    assert one.place == 3
    assert one.low < -2.0 < one.high
    assert together.beyond
    assert one.beyond
    assert max(together.p_value, one.p_value) < 1e-3


def test_ordinary_days_reach_their_limits_as_seldom_as_they_say() -> None:
    p = np.array(
        [[found.p_value for found in apart(t[:-1], t[-1], ["w"] * SERIES, 0.05)] for t in map(days, range(100, 220))]
    )
    assert (p < 0.01).mean() <= 0.02
    assert (p < 0.1).mean() <= 0.15


def test_days_that_a_series_was_not_there_are_left_out() -> None:
    table = days(2)
    table[:5, 0] = np.nan
    table[-1, 0] += 3.0
    assert apart(table[:-1], table[-1], ["w"] * SERIES, 0.05)[1].place == 0


def test_the_order_of_the_series_does_not_matter() -> None:
    table = days(3)
    table[-1, 5] += 2.0
    turned = table[:, ::-1]
    one, other = (apart(t[:-1], t[-1], ["w"] * SERIES, 0.05)[1] for t in (table, turned))
    assert (one.place, other.place) == (5, SERIES - 6)
    assert one.p_value == other.p_value


def test_a_history_with_bursts_allows_for_a_burst() -> None:
    calm = np.full(10, 1.0)
    wild = np.array([1.0, 1.0, 12.0, 1.0, 9.0, 1.0, 15.0, 1.0, 1.0, 8.0])
    assert chance(10.0, calm) < 1e-4
    assert chance(10.0, wild) > 0.05
    assert np.isnan(chance(10.0, calm[:3]))


def columns(seed: int, count: int = DAYS + 1) -> Floats:
    rng = np.random.default_rng(seed)
    drawn: Floats = np.exp(rng.normal(0, 0.5, 20) + rng.normal(0, 0.3, (count, 1)) + rng.normal(0, 0.1, (count, 20)))
    return drawn


def test_a_lone_column_is_named_and_a_rise_of_all_is_not_one() -> None:
    first, second = columns(1), columns(2)
    second[-1, 7] *= 6
    first[-1] *= 6
    found = lone_column({"a": first[:-1], "b": second[:-1]}, {"a": first[-1], "b": second[-1]})
    assert found is not None
    assert (found.matrix, found.column, found.alone, found.beyond) == ("b", 7, True, True)
    assert found.p_value < 0.01
    assert found.low < np.log(6) < found.high


def test_two_columns_are_not_alone_and_still_ones_are_not_looked_at() -> None:
    table = columns(3)
    table[-1, [2, 9]] *= 6
    found = lone_column({"a": table[:-1]}, {"a": table[-1]})
    assert found is not None
    assert not found.alone
    still = np.zeros((DAYS, 20))
    assert lone_column({"a": still}, {"a": still[0]}) is None
    assert lone_column({}, {}) is None


def test_lone_columns_are_rare_on_ordinary_days() -> None:
    found = [lone_column({"a": t[:-1]}, {"a": t[-1]}) for t in map(columns, range(100, 200))]
    assert np.mean([one is not None and one.p_value < 0.01 for one in found]) <= 0.03


def week(seed: int, count: int) -> list[dict[str, np.ndarray]]:
    """Weights day by day, of updates that swing with the week by a fifth."""
    rng = np.random.default_rng(seed)
    shapes = {f"layer{place}.weight": (24, 16) for place in range(5)} | {"table.weight": (400, 8), "out.bias": (1,)}
    state = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    line = [state]
    for day in range(1, count):
        size = 0.05 * (1 + 0.2 * np.sin(2 * np.pi * day / 7)) * np.exp(rng.normal(0, 0.05))
        state = {name: value + size * rng.normal(size=value.shape) for name, value in state.items()}
        line.append(state)
    return line


def judge(line: list[dict[str, np.ndarray]]) -> list[Departure]:
    steps = [weight_change(line[day - 1], line[day]).tensors for day in range(1, len(line))]
    judged = [name for name in moving(steps[-1], steps[:-1]) if name != "out.bias"]
    return departures(steps[-1], steps[:-1], judged)


@pytest.mark.parametrize("factor", [8.0, 0.1])
def test_larger_and_smaller_updates_are_what_all_have_in_common(factor: float) -> None:
    line = week(1, 16)
    line[-1] = {name: line[-2][name] + factor * (value - line[-2][name]) for name, value in line[-1].items()}
    found = next(one for one in judge(line) if one.measure == "update" and one.tensor is None)
    assert found.counts
    assert found.low < np.log(factor) < found.high


def test_a_scaled_input_is_found_by_its_column() -> None:
    line = week(2, 16)
    name = "layer2.weight"
    line[-1][name][:, 5] = line[-2][name][:, 5] + 12 * (line[-1][name][:, 5] - line[-2][name][:, 5])
    found = next(one for one in judge(line) if one.measure == "column")
    assert (found.tensor, found.column, found.counts) == (name, 5, True)


def test_a_shard_of_zeros_is_seen_in_the_share_of_zeros() -> None:
    line = week(3, 16)
    line[-1]["table.weight"][::3] = 0
    found = [one for one in judge(line) if one.counts]
    assert found[0].tensor == "table.weight"
    assert any(one.measure == "zeros" for one in found)


def test_ordinary_weeks_are_not_accused() -> None:
    assert sum(any(one.counts for one in judge(week(seed, 16))) for seed in range(10, 14)) <= 1


def test_too_few_days_say_nothing() -> None:
    assert judge(week(4, 6)) == []
