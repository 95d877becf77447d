"""One series of a dataset, whoever describes it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from knowledge.store import Store
from tests.knowledge.lineage_events import ALL, dataset, event, received, rows


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path)
    yield store
    store.close()


def checked(success: bool) -> dict[str, Any]:
    return {"dataQualityAssertions": {"assertions": [{"assertion": "not_null", "column": "a", "success": success}]}}


def test_a_reader_that_sees_a_part_does_not_speak_for_the_whole(store: Store) -> None:
    lineage = received(
        store,
        event(0, "w0", job="writer", writes=[dataset("t", **rows(100))]),
        event(1, "r0", job="reader", reads=[dataset("t", inputStatistics={"rowCount": 3})]),
        event(6, "w1", job="writer", writes=[dataset("t", **rows(110))]),
    )
    assert [s.row_count for s in lineage.statistics("f:t", ALL)] == [100, 110]


def test_a_source_is_described_by_the_reader_that_does_it_most_often(store: Store) -> None:
    lineage = received(
        store,
        *(event(hour, f"a{hour}", job="a", reads=[dataset("t", **rows(100 + hour))]) for hour in (0, 6, 12)),
        *(event(hour, f"b{hour}", job="b", reads=[dataset("t", **rows(3))]) for hour in (1, 7)),
    )
    assert [(s.row_count, s.job) for s in lineage.statistics("f:t", ALL)] == [(100, "f:a"), (106, "f:a"), (112, "f:a")]


def test_a_check_of_the_data_is_said_of_what_was_written_before_it(store: Store) -> None:
    lineage = received(
        store,
        event(0, "w0", job="writer", writes=[dataset("t", **rows(100))]),
        event(1, "t0", job="test", reads=[dataset("t", **checked(True))]),
        event(6, "w1", job="writer", writes=[dataset("t", **rows(110))]),
        event(7, "t1", job="test", reads=[dataset("t", **checked(True))]),
        event(8, "t2", job="test", reads=[dataset("t", **checked(False))]),
    )
    found = lineage.statistics("f:t", ALL)
    assert [(s.row_count, [a.success for a in s.assertions]) for s in found] == [(100, [True]), (110, [False])]


def test_checks_alone_are_a_series_without_figures(store: Store) -> None:
    lineage = received(store, *(event(hour, f"t{hour}", reads=[dataset("t", **checked(True))]) for hour in (0, 6)))
    (found,) = lineage.statistics("f:t", ALL)[:1]
    assert (found.row_count, found.columns, len(found.assertions)) == (None, {}, 1)


def test_two_runs_that_report_at_one_moment_are_both_kept(store: Store) -> None:
    lineage = received(store, *(event(0, run, writes=[dataset("t", **rows(n))]) for run, n in (("a", 1), ("b", 2))))
    assert [s.row_count for s in lineage.statistics("f:t", ALL)] == [1, 2]
