from datetime import UTC, datetime, timedelta

import numpy as np

from tools.records import Cube, Window
from tools.stats.blocks import aligned
from tools.stats.panel import Panel, encode

DAY = datetime(2013, 5, 1, tzinfo=UTC)
BLOCKS = aligned(Window(start=DAY, end=DAY + timedelta(hours=2)), Window(start=DAY - timedelta(days=1), end=DAY))


def cube(rows: list[tuple[int, str, float, float]]) -> Cube:
    ts = np.array([int(DAY.timestamp()) + 3600 * r[0] for r in rows], dtype=np.int64)
    return Cube(
        ts, {"model": np.array([r[1] for r in rows])}, np.array([r[2] for r in rows]), np.array([r[3] for r in rows])
    )


def test_sums_lie_by_value_block_and_hour() -> None:
    panel = Panel(cube([(-24, "dcn", 1, 2), (0, "dcn", 3, 4), (0, "mlp", 5, 6), (1, "dcn", 7, 8)]), BLOCKS)
    sums = panel.sums(("model",))
    assert panel.coded("model").names == ("dcn", "mlp")
    assert sums.num.tolist() == [[[1, 0], [3, 7]], [[0, 0], [5, 0]]]
    assert sums.den.tolist() == [[[2, 0], [4, 8]], [[0, 0], [6, 0]]]


def test_points_that_are_no_numbers_are_left_out_and_counted() -> None:
    nan, inf = float("nan"), float("inf")
    panel = Panel(cube([(0, "a", nan, 1), (0, "b", 1, inf), (0, "c", 1, -1), (1, "a", 2, 4)]), BLOCKS)
    assert panel.dropped == 3
    assert panel.sums().num.sum() == 2


def test_of_repeated_points_the_last_counts() -> None:
    panel = Panel(cube([(0, "a", 1, 2), (0, "a", 3, 4), (0, "b", 5, 6)]), BLOCKS)
    assert panel.repeated == 1
    assert panel.sums().num[-1, 0] == 8


def test_a_dimension_that_is_not_there_is_empty_everywhere() -> None:
    panel = Panel(cube([(0, "a", 1, 2)]), BLOCKS)
    assert panel.coded("origin").names == ("",)
    assert panel.sums(("origin", "model")).num.shape == (1, 1, 2, 2)


def test_an_empty_cube_gives_zeros_and_not_integers() -> None:
    sums = Panel(Cube(np.empty(0, dtype=np.int64), {}, np.empty(0), np.empty(0)), BLOCKS).sums()
    assert sums.num.shape == (2, 2)
    assert sums.num.dtype == np.float64


def test_encoding_sorts_names_and_finds_them_again() -> None:
    values = np.array(["b", "a", "b", ""])
    coded = encode(values)
    assert coded.names == ("", "a", "b")
    assert np.array(coded.names)[coded.codes].tolist() == values.tolist()


def test_repeated_points_are_found_wherever_they_stand_and_contradictions_counted() -> None:
    panel = Panel(cube([(0, "a", 1, 2), (0, "b", 5, 6), (1, "a", 1, 2), (0, "a", 3, 4), (0, "b", 5, 6)]), BLOCKS)
    assert (panel.repeated, panel.contradicted) == (2, 1)
    assert panel.sums().num[-1].tolist() == [8, 1]


def test_a_point_that_is_said_three_times_counts_once() -> None:
    panel = Panel(cube([(0, "a", 1, 2), (1, "a", 9, 9), (0, "a", 1, 2), (0, "a", 7, 8)]), BLOCKS)
    assert (panel.repeated, panel.contradicted) == (2, 1)
    assert panel.sums().num[-1].tolist() == [7, 9]


def test_numbers_whose_squares_are_none_are_left_out() -> None:
    panel = Panel(cube([(0, "a", 1e200, 1e200), (1, "a", 2, 4)]), BLOCKS)
    assert (panel.dropped, panel.sums().num.sum()) == (1, 2)
