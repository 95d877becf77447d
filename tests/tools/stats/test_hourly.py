"""Profiles as a table, and blocks of the same hours."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from tests.tools.served import BASELINE, START, WINDOW, served
from tools.records import Window
from tools.stats.hourly import hour_noise, hourly, matched_blocks, pooled


def test_the_table_adds_up_whatever_the_order() -> None:
    profiles = served(3, 0)
    table, other = hourly(profiles), hourly(profiles[::-1])
    assert table.features == ("f000", "f001", "f002")
    assert table.totals.rows.sum() == 3 * sum(p.rows for p in profiles)
    for column in range(4):
        np.testing.assert_array_equal(table.histograms.of(column), other.histograms.of(column))
    np.testing.assert_array_equal(table.totals.total, other.totals.total)
    assert np.isfinite(table.prediction).all()


def test_two_snapshots_of_an_hour_stand_in_one_row() -> None:
    profiles = served(2, 0)
    both = hourly([*profiles, *(replace(p, snapshot="other") for p in profiles)])
    assert (both.totals.count == 2 * hourly(profiles).totals.count).all()
    assert len(both.ts) == len(profiles)


def test_blocks_hold_the_same_hours_of_earlier_days_inside_the_baseline() -> None:
    table = hourly(served(1, 0))
    blocks = matched_blocks(table, WINDOW, BASELINE)
    assert blocks.shape == (21, 22 * 24)
    assert (blocks.sum(axis=1) == 13).all()
    starts = [int(table.ts[block][0]) for block in blocks]
    assert starts == sorted(starts)
    assert all((s - starts[0]) % 86_400 == 0 for s in starts)
    two_days = Window(start=WINDOW.start - timedelta(hours=17), end=WINDOW.end)
    assert len(matched_blocks(table, two_days, BASELINE)) == 10
    assert len(matched_blocks(table, WINDOW, Window(start=START, end=START + timedelta(hours=5)))) == 0


def test_days_with_hardly_any_samples_are_left_out() -> None:
    profiles = [p for p in served(1, 0) if p.window.start.day != 20 or p.window.start.hour == 12]
    assert len(matched_blocks(hourly(profiles), WINDOW, BASELINE)) == 20


def test_pooled_sums_and_noise() -> None:
    table = hourly(served(2, 0))
    blocks = matched_blocks(table, WINDOW, BASELINE)
    sums = pooled(table, blocks)
    histogram = table.histograms.pooled(blocks)[:, :-1]
    assert histogram.shape == (21, 2, 64)
    assert (histogram.sum(axis=2) == sums.count).all()
    score = np.random.default_rng(0).normal(size=(3, 64))
    expected = np.stack([table.histograms.of(i) @ score[i] for i in range(3)], axis=1)
    assert table.histograms.sums(score) == pytest.approx(expected)
    noise = hour_noise(table.totals.nulls, table.totals.seen, blocks)
    assert noise.shape == (21, 2)
    assert (noise == 0).all()


def test_what_cannot_be_tabulated_is_refused() -> None:
    with pytest.raises(ValueError, match="no profiles"):
        hourly([])
    with pytest.raises(ValueError, match="different bin edges"):
        hourly([*served(1, 0)[:3], *served(1, 1)[:3]])
