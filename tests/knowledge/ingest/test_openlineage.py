"""OpenLineage events: every facet that we read, and every way in which an event can be wrong."""

import math
from typing import Any

import pytest

from knowledge.ingest.openlineage import TEXT_LIMIT, MalformedEvent, translate
from tools.records import ChangeKind

EVENT: dict[str, Any] = {
    "eventType": "COMPLETE",
    "eventTime": "2013-05-04T08:00:00+02:00",
    "producer": "https://example.org",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
    "run": {
        "runId": "r1",
        "facets": {
            "executionParameters": {"parameters": [{"key": "b", "value": 2}, {"key": "a", "value": "1"}]},
            "unknown": {"anything": [1, 2]},
        },
    },
    "job": {
        "namespace": "flights",
        "name": "job.join",
        "facets": {
            "sourceCodeLocation": {"type": "git", "url": "https://git/x", "version": "abc"},
            "sql": {"query": "select *\n  from t"},
            "ownership": {"owners": [{"name": "data-team", "type": "MAINTAINER"}]},
        },
    },
    "inputs": [
        {
            "namespace": "flights",
            "name": "raw",
            "inputFacets": {
                "dataQualityMetrics": {
                    "rowCount": 10,
                    "columnMetrics": {"temp": {"nullCount": 1, "sum": 45.0, "count": 9, "min": 1.0, "max": 9.0}},
                }
            },
        }
    ],
    "outputs": [
        {
            "namespace": "flights",
            "name": "joined",
            "facets": {
                "schema": {"fields": [{"name": "temp", "type": "double"}]},
                "columnLineage": {
                    "fields": {"temp": {"inputFields": [{"namespace": "flights", "name": "raw", "field": "temp"}]}}
                },
                "hawkeye_columnStatistics": {"columns": {"temp": {"mean": "NaN", "variance": 4.0}}},
            },
            "outputFacets": {"outputStatistics": {"rowCount": 8}},
        }
    ],
}


def test_a_run_event_becomes_records() -> None:
    read = translate(EVENT)
    assert [(n.node, n.kind, n.owner) for n in read.nodes] == [
        ("flights:job.join", "job", "data-team"),
        ("flights:joined", "dataset", None),
        ("flights:raw", "dataset", None),
    ]
    assert {(e.upstream, e.downstream, e.upstream_column) for e in read.edges} == {
        ("flights:raw", "flights:job.join", None),
        ("flights:job.join", "flights:joined", None),
        ("flights:raw", "flights:joined", "temp"),
    }
    joined, raw = read.statistics
    assert (raw.row_count, raw.columns["temp"].null_count, raw.columns["temp"].mean) == (10, 1, 5.0)
    assert (joined.row_count, joined.columns["temp"].variance, joined.run) == (8, 4.0, "r1")
    assert joined.columns["temp"].mean is not None
    assert math.isnan(joined.columns["temp"].mean)
    assert raw.ts.hour == 6


def test_what_a_run_says_about_its_job_and_its_outputs() -> None:
    said = {(s.node, s.kind): s.value for s in translate(EVENT).run.statements}
    assert said == {
        ("flights:job.join", ChangeKind.code): "abc",
        ("flights:job.join", ChangeKind.sql): "select * from t",
        ("flights:job.join", ChangeKind.parameters): "a=1; b=2",
        ("flights:joined", ChangeKind.schema_): "temp:double",
    }


def test_a_job_event_and_a_dataset_event_stand_for_a_run_of_their_own() -> None:
    at = {"eventTime": "2013-05-04T08:00:00Z"}
    job = translate({**at, "job": EVENT["job"]})
    assert (job.run.run, job.run.job) == ("@2013-05-04T08:00:00", "flights:job.join")
    dataset = translate({**at, "dataset": EVENT["outputs"][0]})
    assert (dataset.run.job, dataset.run.statements[0].kind) == ("flights:joined", ChangeKind.schema_)
    assert dataset.edges[0].upstream == "flights:raw"


def test_a_change_behind_the_cut_of_a_long_query_is_seen() -> None:
    def value(tail: str) -> str:
        job = {**EVENT["job"], "facets": {"sql": {"query": "x" * TEXT_LIMIT + tail}}}
        return translate({**EVENT, "job": job}).run.statements[0].value

    assert value("1") != value("2")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"eventTime": None}, "eventTime"),
        ({"eventTime": "2013-05-04T08:00:00"}, "needs its zone"),
        ({"eventType": "DONE"}, "eventType"),
        ({"job": None}, "needs its job"),
        ({"job": {"namespace": "flights"}}, "job.name"),
        ({"run": {}}, "run.runId"),
        ({"inputs": "raw"}, "inputs"),
        ({"job": {"namespace": "n" * 150, "name": "x" * 150}}, "200"),
        ({"outputs": [{"namespace": "a", "name": "b", "facets": {"schema": {"fields": 3}}}]}, "schema.fields"),
        (
            {"inputs": [{"namespace": "a", "name": "b", "facets": {"dataQualityMetrics": {"rowCount": -1}}}]},
            "dataQualityMetrics.rowCount",
        ),
    ],
)
def test_a_malformed_event_is_refused_with_the_reason(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedEvent, match=reason):
        translate({**EVENT, **change})


def test_an_event_without_job_and_dataset_is_refused() -> None:
    with pytest.raises(MalformedEvent, match="neither a job nor a dataset"):
        translate({"eventTime": "2013-05-04T08:00:00Z"})
