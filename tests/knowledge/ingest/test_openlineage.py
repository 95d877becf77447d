"""OpenLineage events: every facet that we read, and every way in which an event can be wrong."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from knowledge.ingest.openlineage import MalformedEvent, Translated, translate
from knowledge.ingest.openlineage_facets import KEPT_LIMIT
from knowledge.ingest.openlineage_statements import TEXT_LIMIT
from knowledge.ingest.openlineage_statistics import Told, composed
from tools.records import ChangeKind, DatasetStatistics

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
        ("flights:raw", "flights:job.join", ""),
        ("flights:job.join", "flights:joined", ""),
        ("flights:raw", "flights:joined", "temp"),
    }
    joined, raw = (DatasetStatistics(node=t.node, ts=read.run.at, **composed(t.parts)) for t in read.statistics)
    assert (raw.row_count, raw.columns["temp"].null_count, raw.columns["temp"].mean) == (10, 1, 5.0)
    assert (joined.row_count, joined.columns["temp"].variance) == (8, 4.0)
    assert joined.columns["temp"].mean is not None
    assert math.isnan(joined.columns["temp"].mean)
    assert [t.written for t in read.statistics] == [True, False]
    assert (read.run.run, read.run.state, read.run.at.hour) == ("r1", "COMPLETE", 6)


def test_what_a_run_says_about_its_job_and_its_outputs() -> None:
    said = {(s.node, s.kind, s.name): s.value for s in translate(EVENT).run.statements}
    assert said == {
        ("flights:job.join", ChangeKind.code, ""): "abc",
        ("flights:job.join", ChangeKind.sql, ""): "select *\nfrom t",
        ("flights:job.join", ChangeKind.parameters, ""): "set: a, b",
        ("flights:job.join", ChangeKind.parameters, "a"): "a=1",
        ("flights:job.join", ChangeKind.parameters, "b"): "b=2",
        ("flights:joined", ChangeKind.schema_, ""): "temp:double",
    }


def test_what_is_not_read_is_kept_as_it_came() -> None:
    (kept,) = translate(EVENT).kept
    assert (kept.node, kept.place, kept.name, json.loads(kept.body)) == (
        "flights:job.join",
        "run",
        "unknown",
        {"anything": [1, 2]},
    )
    large = with_facets(run={"large": {"text": "x" * KEPT_LIMIT}})
    assert (large.kept, [part.reason for part in large.left_out]) == ((), ["a facet is too large to be kept"])


def test_a_job_event_and_a_dataset_event_stand_for_a_run_of_their_own() -> None:
    at = {"eventTime": "2013-05-04T08:00:00Z"}
    job = translate({**at, "job": EVENT["job"]})
    assert (job.run.run, job.run.job) == ("@2013-05-04T08:00:00.000000", "flights:job.join")
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
        ({"job": {"namespace": "n" * 501, "name": "x" * 500}}, "1000 are allowed"),
        ({"eventTime": "2150-01-01T00:00:00Z"}, "from the future"),
    ],
)
def test_a_malformed_event_is_refused_with_the_reason(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedEvent, match=reason):
        translate({**EVENT, **change})


def test_an_event_without_job_and_dataset_is_refused() -> None:
    with pytest.raises(MalformedEvent, match="neither a job nor a dataset"):
        translate({"eventTime": "2013-05-04T08:00:00Z"})
    for what in ("event", 3, None, [EVENT]):
        with pytest.raises(MalformedEvent, match="not an OpenLineage event"):
            translate(what)


def test_alike_refusals_have_one_reason() -> None:
    reasons = set()
    for place in (1, 7):
        inputs = [{"namespace": "a", "name": "b"}] * place + [{"namespace": "a"}]
        with pytest.raises(MalformedEvent) as caught:
            translate({**EVENT, "inputs": inputs})
        assert f"inputs.{place}.name" in str(caught.value)
        reasons.add(caught.value.reason)
    assert len(reasons) == 1


def test_clocks_may_differ_by_a_day() -> None:
    now = datetime(2013, 5, 3, 7, tzinfo=UTC)
    assert translate(EVENT, now).run.run == "r1"
    with pytest.raises(MalformedEvent, match="from the future: its eventTime is 2013-05-04T06:00:00Z"):
        translate(EVENT, now - timedelta(hours=2))


def with_facets(output: dict[str, Any] | None = None, **facets: dict[str, Any]) -> Translated:
    """An event with these facets of its job and run, and of the dataset that it writes."""
    return translate(
        {
            "eventTime": "2013-05-04T08:00:00Z",
            "eventType": "COMPLETE",
            "run": {"runId": "r1", "facets": facets.get("run", {})},
            "job": {"namespace": "f", "name": "j", "facets": facets.get("job", {})},
            "inputs": [{"namespace": "f", "name": "in", "inputFacets": facets.get("input", {})}],
            "outputs": [{"namespace": "f", "name": "out", "facets": output or {}}],
        }
    )


def statistics(read: Translated, node: str = "f:out") -> DatasetStatistics:
    (told,) = (t for t in read.statistics if t.node == node)
    return DatasetStatistics(node=node, ts=read.run.at, **composed(told.parts))


def test_a_wrong_facet_is_left_out_and_the_rest_is_taken() -> None:
    read = with_facets({"schema": {"fields": 3}, "outputStatistics": {"rowCount": 8}, "ownership": {"owners": [{}]}})
    assert [part.reason for part in read.left_out] == [
        "the facet schema cannot be read",
        "the facet ownership cannot be read",
    ]
    assert "f:out: schema.fields: Input should be" in read.left_out[0].detail
    assert statistics(read).row_count == 8
    assert {kept.name for kept in read.kept} == {"schema", "ownership"}, "what cannot be read is kept as well"


def test_a_wrong_column_does_not_take_the_others_with_it() -> None:
    columns = {
        "text": {"nullCount": 1, "min": "a"},
        "negative": {"nullCount": -1},
        "turned": {"min": 2, "max": 1},
        "good": {"nullCount": 1, "sum": 6, "count": 3, "min": 1, "max": 3, "quantiles": {"0.5": 2}},
    }
    read = with_facets({"dataQualityMetrics": {"rowCount": 4, "columnMetrics": columns}})
    assert [part.reason for part in read.left_out] == ["a column of the facet dataQualityMetrics cannot be read"]
    assert all(f"columnMetrics.{name}" in read.left_out[0].detail for name in ("text", "negative", "turned"))
    found = statistics(read)
    assert [*found.columns] == ["good"]
    assert (found.columns["good"].mean, found.columns["good"].quantiles) == (2.0, {"0.5": 2.0})


def test_statistics_that_contradict_the_schema_or_the_counts_are_left_out() -> None:
    schema = {"fields": [{"name": "Id", "type": "BIGINT"}, {"name": "name", "type": "VARCHAR(20)"}, {"name": "nested"}]}
    columns = {
        "ID": {"nullCount": 0, "min": 1, "max": 9, "sum": 900, "count": 9},
        "name": {"nullCount": 2, "min": 1, "max": 3},
        "nested.part": {"nullCount": 1},
        "elsewhere": {"nullCount": 1},
        "nested": {"nullCount": 11},
    }
    moments = {"columns": {"id": {"histogram": {"edges": [0, 5, 9], "counts": [6, 6]}}}}
    quality = {"rowCount": 10, "columnMetrics": columns}
    read = with_facets({"schema": schema, "dataQualityMetrics": quality, "hawkeye_columnStatistics": moments})
    found = statistics(read).columns
    assert [*found] == ["ID", "name", "nested.part"]
    assert {*statistics(read).left_out} == {"ID", "name", "elsewhere", "nested", "id"}
    assert statistics(read).left_out["elsewhere"] == "statistics of a column that the schema does not have"
    assert (found["ID"].min, found["ID"].mean) == (1.0, None)
    assert (found["name"].null_count, found["name"].min) == (2, None)
    assert {part.reason: part.detail for part in read.left_out} == {
        "a mean is not between the minimum and the maximum": "f:out: ID mean 100.0",
        "numeric statistics of a column that the schema says is text": "f:out: name (varchar(20))",
        "statistics of a column that the schema does not have": "f:out: elsewhere",
        "a count of a column is more than the rows": (
            "f:out: nested 11 nulls of 10, id 12 values in the histogram of 10"
        ),
    }


def test_variance_and_histogram_come_in_our_own_facet() -> None:
    moments = {"mean": 2.0, "variance": 1.5, "histogram": {"edges": [0, 2, 9], "counts": [3, 4]}}
    found = statistics(with_facets({"hawkeye_columnStatistics": {"columns": {"a": moments}}})).columns["a"]
    assert (found.mean, found.variance) == (2.0, 1.5)
    assert found.histogram is not None
    assert (found.histogram.edges, found.histogram.counts) == ((0.0, 2.0, 9.0), (3, 4))
    for wrong in ({"variance": -1}, {"histogram": {"edges": [0, 1], "counts": [1, 2]}}, {"mean": "much"}):
        read = with_facets({"hawkeye_columnStatistics": {"columns": {"a": wrong, "b": {"mean": 1}}}})
        assert [*statistics(read).columns] == ["b"]
        assert [part.reason for part in read.left_out] == [
            "a column of the facet hawkeye_columnStatistics cannot be read"
        ]


def test_volume_checks_and_freshness() -> None:
    read = with_facets(
        {
            "dataQualityMetrics": {"rowCount": 5, "lastUpdated": "2013-05-04T07:00:00Z"},
            "outputStatistics": {"rowCount": 9, "size": 100, "fileCount": 2},
        },
        input={
            "inputStatistics": {"rowCount": 7, "size": 70},
            "dataQualityAssertions": {"assertions": [{"assertion": "not_null", "column": "a", "success": False}]},
        },
    )
    found = statistics(read)
    assert (found.row_count, found.size_bytes, found.file_count) == (5, 100, 2)
    assert found.last_updated == datetime(2013, 5, 4, 7, tzinfo=UTC)
    source = statistics(read, "f:in")
    assert (source.row_count, source.size_bytes) == (7, 70)
    assert [(a.assertion, a.column, a.success) for a in source.assertions] == [("not_null", "a", False)]


def test_code_is_known_as_precisely_as_it_is_told() -> None:
    def code(**facets: Any) -> tuple[str, str | None, str | None, str | None]:
        (said,) = with_facets(job=facets).run.statements
        return (said.value, said.url, said.repository, said.pull_request)

    location = {"url": "https://git/x/blob/f.py", "repoUrl": "https://git/x", "pullRequestNumber": 7}
    assert code(sourceCodeLocation={**location, "version": "abc", "tag": "v1"}) == (
        "abc",
        "https://git/x/blob/f.py",
        "https://git/x",
        "7",
    )
    assert code(sourceCodeLocation={**location, "tag": "v1"})[0] == "v1"
    assert code(sourceCodeLocation=location)[0] == "https://git/x/blob/f.py"
    assert code(sourceCodeLocation=location, sourceCode={"language": "python", "sourceCode": "x = 1"})[0].startswith(
        "sha256:"
    )


def test_no_secret_is_kept() -> None:
    variables = [{"name": "PGPASSWORD", "value": "hunter2"}]
    parameters = [{"key": "db_password", "value": "hunter2"}, {"key": "day", "value": "2013-05-04"}]
    for told in (variables, "broken hunter2"):
        read = with_facets(
            run={
                "environmentVariables": {"environmentVariables": told},
                "executionParameters": {"parameters": parameters},
                "processing_engine": {"version": "3.5", "name": "spark"},
                "dbt_version": {"version": "1.9"},
            }
        )
        assert "hunter2" not in repr(read)
        values = {statement.value for statement in read.run.statements}
        assert {"day=2013-05-04", "spark 3.5", "dbt 1.9"} <= values
    assert any(part.reason == "the facet environmentVariables cannot be read" for part in read.left_out)


def test_the_lineage_facet_says_what_flows_where() -> None:
    def dataset(name: str, **more: str) -> dict[str, str]:
        return {"namespace": "f", "name": name, "type": "DATASET", **more}

    entries = [
        {**dataset("b"), "inputs": [dataset("a")], "fields": {"x": {"inputs": [dataset("a", field="y")]}}},
        {"namespace": "f", "name": "k", "type": "JOB", "inputs": [{"type": "JOB"}]},
        {"type": "JOB", "inputs": [dataset("c")]},
    ]
    read = with_facets({"lineage": {"inputs": [dataset("d")]}}, job={"lineage": {"entries": entries}})
    ours = {(e.upstream, e.downstream, e.upstream_column, e.downstream_column) for e in read.edges}
    assert ours == {
        ("f:in", "f:j", "", ""),
        ("f:j", "f:out", "", ""),
        ("f:d", "f:out", "", ""),
        ("f:a", "f:b", "", ""),
        ("f:a", "f:b", "y", "x"),
        ("f:j", "f:k", "", ""),
        ("f:c", "f:j", "", ""),
    }
    assert {n.node: n.kind for n in read.nodes}["f:k"] == "job"


def test_a_facet_that_is_taken_back_says_nothing() -> None:
    read = with_facets({"outputStatistics": {"rowCount": 3, "_deleted": True}})
    assert read.statistics == ()
    assert read.left_out == ()


def test_of_a_dataset_that_is_read_and_written_the_writer_is_believed() -> None:
    both = {"namespace": "f", "name": "t"}
    event = {
        "eventTime": "2013-05-04T08:00:00Z",
        "run": {"runId": "r"},
        "job": {"namespace": "f", "name": "j"},
        "inputs": [{**both, "inputFacets": {"inputStatistics": {"rowCount": 1}}}],
        "outputs": [{**both, "outputFacets": {"outputStatistics": {"rowCount": 2}}}],
    }
    assert translate(event).statistics == (
        Told("f:t", True, {"volume": {"row_count": 2, "size_bytes": None, "file_count": None}}),
    )
