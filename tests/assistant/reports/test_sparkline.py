import math

import pytest

from assistant.reports.sparkline import BLOCKS, GAP, MARK, sparkline


def test_rises_from_the_lowest_block_to_the_highest() -> None:
    assert sparkline([float(i) for i in range(8)]) == BLOCKS


def test_no_values_is_no_line() -> None:
    assert sparkline([]) == ""


def test_what_is_not_finite_is_a_gap_and_does_not_stretch_the_scale() -> None:
    assert sparkline([0.0, math.nan, math.inf, -math.inf, 1.0]) == f"▁{GAP}{GAP}{GAP}█"
    assert sparkline([math.nan, math.nan]) == GAP * 2


def test_a_flat_series_is_a_flat_line() -> None:
    assert set(sparkline([3.0] * 5)) == {"▅"}


def test_more_values_than_columns_are_averaged() -> None:
    line = sparkline([0.0] * 500 + [1.0] * 500, width=10)
    assert line == "▁" * 5 + "█" * 5


@pytest.mark.parametrize(("mark", "expected"), [(0, f"{MARK}▁▁██"), (2, f"▁▁{MARK}██"), (4, "▁▁██"), (None, "▁▁██")])
def test_the_mark_stands_before_its_value(mark: int | None, expected: str) -> None:
    assert sparkline([0.0, 0.0, 1.0, 1.0], mark=mark) == expected


def test_a_range_beyond_the_largest_float_does_not_overflow() -> None:
    assert sparkline([-1.7e308, 1.7e308]) == "▁█"
