"""What counts as a change, between which runs, and what does not."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from knowledge.store import Store
from tests.knowledge.lineage_events import ALL, START, dataset, event, parameters, received, version
from tools.records import ChangeKind, Window


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path)
    yield store
    store.close()


def test_a_change_names_the_commit_the_repository_and_the_pull_request(store: Store) -> None:
    location = {"url": "https://git/x/f.py", "repoUrl": "https://git/x", "version": "v2", "pullRequestNumber": "17"}
    told = {"sourceCodeLocation": location}
    (change,) = received(store, event(0, "a", of_job=version("v1")), event(6, "b", of_job=told)).changes("f:j", ALL)
    assert (change.kind, change.before, change.after, change.ts.hour) == (ChangeKind.code, "v1", "v2", 6)
    assert (change.url, change.repository, change.pull_request) == ("https://git/x/f.py", "https://git/x", "17")


@pytest.mark.parametrize(
    ("before", "after", "kind", "told"),
    [
        ({"of_job": {"sql": {"query": "select a"}}}, {"of_job": {"sql": {"query": "select b"}}}, "sql", "select b"),
        ({"of_run": parameters(k=1)}, {"of_run": parameters(k=2)}, "parameters", "k=2"),
        ({"of_run": parameters(k=1)}, {"of_run": parameters(k=1, l=1)}, "parameters", "set: k, l"),
        (
            {"of_run": {"processing_engine": {"name": "spark", "version": "3"}}},
            {"of_run": {"processing_engine": {"name": "spark", "version": "4"}}},
            "environment",
            "spark 4",
        ),
        (
            {"of_job": {"sourceCode": {"sourceCode": "x = 1"}}},
            {"of_job": {"sourceCode": {"sourceCode": "x = 2"}}},
            "code",
            "sha256:",
        ),
    ],
)
def test_every_kind_of_change_of_a_job(
    store: Store, before: dict[str, Any], after: dict[str, Any], kind: str, told: str
) -> None:
    lineage = received(store, event(0, "a", **before), event(6, "b", **before), event(12, "c", **after))
    (change,) = lineage.changes("f:j", ALL)
    assert change.kind == kind
    assert change.after.startswith(told)
    assert change.ts.hour == 12


def test_a_query_that_is_only_laid_out_anew_has_not_changed(store: Store) -> None:
    one, other = {"sql": {"query": "select  a\n\n   from t"}}, {"sql": {"query": "select a\nfrom t\n"}}
    assert received(store, event(0, "a", of_job=one), event(6, "b", of_job=other)).changes("f:j", ALL) == []


def test_a_schema_is_compared_with_what_the_same_job_wrote_before(store: Store) -> None:
    def writes(kind: str) -> list[dict[str, Any]]:
        return [dataset("t", schema={"fields": [{"name": "a", "type": kind}]})]

    lineage = received(
        store,
        event(0, "a", job="j", writes=writes("int")),
        event(3, "b", job="k", writes=writes("text")),
        event(6, "c", job="j", writes=writes("int")),
        event(9, "d", job="k", writes=writes("date")),
    )
    (change,) = lineage.changes("f:t", ALL)
    assert (change.before, change.after) == ("a:text", "a:date")


def test_a_setting_that_differs_each_time_is_no_change(store: Store) -> None:
    runs = [
        event(day * 24, f"r{day}", of_run=parameters(day=day, batch=64 if day < 8 else 32)) for day in range(-10, 10)
    ]
    changes = received(store, *runs).changes("f:j", ALL)
    assert [(c.before, c.after) for c in changes] == [("batch=64", "batch=32")]


def test_two_runs_are_too_few_to_call_a_setting_restless(store: Store) -> None:
    runs = [event(hour, f"r{hour}", of_run=parameters(batch=hour)) for hour in range(3)]
    assert len(received(store, *runs).changes("f:j", ALL)) == 2


def test_a_version_that_differs_each_time_is_told_each_time(store: Store) -> None:
    runs = [event(hour, f"r{hour}", of_job=version(f"v{hour}")) for hour in range(8)]
    assert len(received(store, *runs).changes("f:j", ALL)) == 7


def test_the_first_run_of_a_window_is_compared_with_the_one_before_it(store: Store) -> None:
    lineage = received(store, *(event(hour, f"r{hour}", of_job=version(f"v{hour}")) for hour in (0, 6, 12)))
    window = Window(start=START + timedelta(hours=6), end=START + timedelta(hours=12))
    assert [(c.before, c.after) for c in lineage.changes("f:j", window)] == [("v0", "v6")]
    before = Window(start=START - timedelta(hours=6), end=START + timedelta(hours=6))
    assert lineage.changes("f:j", before) == []


def test_there_and_back_are_two_changes_in_whatever_order_they_are_heard(store: Store) -> None:
    lineage = received(
        store, *(event(hour, f"r{hour}", of_job=version(v)) for hour, v in ((0, "1"), (12, "1"), (6, "2")))
    )
    assert [(c.before, c.after, c.ts.hour) for c in lineage.changes("f:j", ALL)] == [("1", "2", 6), ("2", "1", 12)]
