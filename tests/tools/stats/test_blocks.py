from datetime import UTC, datetime, timedelta

import numpy as np

from tools.records import Window
from tools.stats.blocks import aligned

DAY = datetime(2013, 5, 1, tzinfo=UTC)


def test_blocks_are_the_window_moved_back_by_days_within_the_baseline() -> None:
    window = Window(start=DAY + timedelta(hours=11), end=DAY + timedelta(hours=32))
    blocks = aligned(window, Window(start=DAY - timedelta(days=5), end=DAY))
    assert blocks.hours == 21
    assert blocks.history == 4  # the stretch of the last baseline day would reach past the baseline's end
    assert np.all(np.diff(blocks.starts)[:-1] == 24)


def test_a_window_longer_than_a_day_gives_blocks_that_do_not_overlap() -> None:
    window = Window(start=DAY, end=DAY + timedelta(hours=30))
    blocks = aligned(window, Window(start=DAY - timedelta(days=9), end=DAY))
    assert blocks.history == 4
    assert np.all(np.diff(blocks.starts) == 48)


def test_a_window_inside_its_baseline_is_not_compared_with_itself() -> None:
    window = Window(start=DAY, end=DAY + timedelta(hours=6))
    blocks = aligned(window, Window(start=DAY - timedelta(days=3), end=DAY + timedelta(days=3)))
    assert blocks.starts.tolist() == sorted(set(blocks.starts.tolist()))
    assert blocks.starts[-1] * 3600 == DAY.timestamp()


def test_cells_place_each_hour_and_refuse_those_between_blocks() -> None:
    window = Window(start=DAY + timedelta(hours=11), end=DAY + timedelta(hours=13))
    blocks = aligned(window, Window(start=DAY - timedelta(days=1), end=DAY))
    at = [DAY - timedelta(hours=13), DAY + timedelta(hours=12, minutes=59), DAY + timedelta(hours=13), DAY]
    assert blocks.cells(np.array([int(t.timestamp()) for t in at])).tolist() == [0, 3, -1, -1]
