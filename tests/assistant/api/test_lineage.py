"""The routes of the lineage over the real application: events come in, the graph is walked by hand."""

import asyncio
import gzip
import json
from typing import Any

import httpx
import pytest

from assistant.wire import (
    EventsTaken,
    EventTaken,
    Figure,
    LineageChanges,
    LineageFacets,
    LineageNodes,
    LineageRefusals,
    LineageRuns,
    LineageSeries,
    LineageStatistics,
    Neighbourhood,
)
from knowledge import lineage_intake
from tests.assistant.api.client import Api, problem
from tests.knowledge.lineage_events import at, dataset, event, rows, version


async def get(api: Api, path: str, **query: Any) -> httpx.Response:
    return await api.http.get(f"/lineage/{path}", params=query)


async def filled(api: Api) -> None:
    """Two runs of a job a → b and one of b → c, with what they say."""
    column = {"dataQualityMetrics": {"rowCount": 10, "columnMetrics": {"x": {"nullCount": 1, "min": 0, "max": 4}}}}
    moments = {"hawkeye_columnStatistics": {"columns": {"x": {"mean": 2, "variance": 4}}}}
    batch = [
        event(0, "r0", reads=[dataset("a")], writes=[dataset("b", **rows(9))], of_job=version("v1")),
        event(6, "r1", reads=[dataset("a")], writes=[dataset("b", **column, **moments)], of_job=version("v2")),
        event(7, "s0", job="k", reads=[dataset("b")], writes=[dataset("c")], of_run={"tags": {"tags": [1]}}),
    ]
    taken = EventsTaken.model_validate_json((await api.http.post("/lineage/batch", json=batch)).content)
    assert (taken.received, taken.stored, taken.refused, taken.left_out) == (3, 3, (), ())


async def test_an_event_is_stored_plain_and_packed(api: Api) -> None:
    plain = await api.http.post("/lineage", json=event(0, "r0"))
    packed = await api.http.post(
        "/lineage", content=gzip.compress(json.dumps(event(1, "r1")).encode()), headers={"content-encoding": "gzip"}
    )
    assert (plain.status_code, packed.status_code) == (200, 200)
    assert EventTaken.model_validate_json(packed.content).left_out == ()
    runs = LineageRuns.model_validate_json((await get(api, "runs", node="f:j")).content)
    assert [run.run for run in runs.runs] == ["r0", "r1"]


async def test_what_is_not_taken_is_said_and_counted(api: Api) -> None:
    odd = event(0, "r0", writes=[dataset("t", schema={"fields": 3})])
    answer = await api.http.post("/lineage", json=odd)
    assert "schema.fields" in EventTaken.model_validate_json(answer.content).left_out[0]
    told = problem(await api.http.post("/lineage", json={"eventTime": "yesterday"}), 422)
    assert "eventTime" in told.detail
    batch = await api.http.post("/lineage/batch", json=[event(1, "r1"), {"eventTime": "yesterday"}])
    taken = EventsTaken.model_validate_json(batch.content)
    assert (taken.stored, [one.index for one in taken.refused]) == (1, [1])
    found = LineageRefusals.model_validate_json((await get(api, "refusals")).content)
    assert (found.events, found.parts) == (2, 1)
    assert {one.count for one in found.refusals if one.part == "event"} == {2}


async def test_a_body_that_makes_no_sense_is_refused(api: Api) -> None:
    refused: list[tuple[str, bytes, dict[str, str], int, str]] = [
        ("", b"{", {}, 400, "not JSON"),
        ("", b"{}", {"content-encoding": "br"}, 400, "not understood"),
        ("", b"no gzip", {"content-encoding": "gzip"}, 400, "not gzip"),
        ("", b"[]", {}, 422, "not an OpenLineage event"),
        ("/batch", b"{}", {}, 422, "a batch is a list"),
        ("/batch", b'[{"eventTime": 1}, 5]', {}, 422, "none of the 2 events could be taken. event 0:"),
    ]
    for path, body, headers, status, told in refused:
        assert told in problem(await api.http.post(f"/lineage{path}", content=body, headers=headers), status).detail
    assert (await api.http.post("/lineage/batch", json=[])).json()["received"] == 0


async def test_a_body_that_unpacks_beyond_the_limit_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage_intake, "LARGEST", 1000)
    bomb = gzip.compress(b" " * 2000 + b"{}")
    problem(await api.http.post("/lineage", content=bomb, headers={"content-encoding": "gzip"}), 413)


async def test_the_neighbours_of_a_node(api: Api) -> None:
    await filled(api)
    around = Neighbourhood.model_validate_json((await get(api, "neighbours", node="f:b")).content)
    assert [n.node for n in around.nodes] == ["f:b", "f:j", "f:k", "f:a", "f:c"]
    assert [(e.upstream, e.downstream) for e in around.edges] == [
        ("f:a", "f:j"),
        ("f:b", "f:k"),
        ("f:j", "f:b"),
        ("f:k", "f:c"),
    ]
    up = Neighbourhood.model_validate_json(
        (await get(api, "neighbours", node="f:c", direction="upstream", hops=3)).content
    )
    assert [n.node for n in up.nodes] == ["f:c", "f:k", "f:b", "f:j"]
    few = Neighbourhood.model_validate_json((await get(api, "neighbours", node="f:b", limit=2)).content)
    assert ([n.node for n in few.nodes], few.left_out) == (["f:b", "f:j"], 3)


async def test_statistics_series_changes_and_runs(api: Api) -> None:
    await filled(api)
    statistics = LineageStatistics.model_validate_json((await get(api, "statistics", node="f:b")).content)
    assert [s.row_count for s in statistics.statistics] == [9, 10]
    for figure, column, values in (
        (Figure.row_count, None, (9.0, 10.0)),
        (Figure.null_share, "x", (0.1,)),
        (Figure.standard_deviation, "x", (2.0,)),
        (Figure.max, "x", (4.0,)),
        (Figure.distinct_count, "x", ()),
    ):
        query = {"node": "f:b", "figure": figure.value} | ({"column": column} if column else {})
        series = LineageSeries.model_validate_json((await get(api, "series", **query)).content)
        assert series.values == values
        assert len(series.ts) == len(series.runs) == len(values)
    changes = LineageChanges.model_validate_json((await get(api, "changes", node="f:j")).content)
    assert [(c.before, c.after) for c in changes.changes] == [("v1", "v2")]
    window = {"start": at(5), "end": at(6.5)}
    runs = LineageRuns.model_validate_json((await get(api, "runs", node="f:j", **window)).content)
    assert [(run.run, run.state) for run in runs.runs] == [("r1", "COMPLETE")]


async def test_nodes_are_found_and_kept_facets_are_shown(api: Api) -> None:
    await filled(api)
    found = LineageNodes.model_validate_json((await get(api, "nodes", contains="f:", kind="job", limit=1)).content)
    assert ([n.node for n in found.nodes], found.total) == (["f:j"], 2)
    facets = LineageFacets.model_validate_json((await get(api, "facets", node="f:k", run="s0")).content)
    assert [(f.place, f.name, f.body) for f in facets.facets] == [("run", "tags", {"tags": [1]})]
    assert LineageFacets.model_validate_json((await get(api, "facets", node="f:k")).content).facets == ()


async def test_a_question_that_makes_no_sense_is_refused(api: Api) -> None:
    await filled(api)
    refused: list[tuple[str, dict[str, Any], int, str]] = [
        ("neighbours", {"node": "f:nowhere"}, 404, "knows no 'f:nowhere'"),
        ("statistics", {"node": "f:nowhere"}, 404, "GET /api/v1/lineage/nodes"),
        ("neighbours", {}, 400, "node"),
        ("neighbours", {"node": "f:b", "hops": 0}, 400, "hops"),
        ("series", {"node": "f:b", "figure": "mean"}, 422, "a figure of a column: say which"),
        ("series", {"node": "f:b", "figure": "row_count", "column": "x"}, 422, "leave out column"),
        ("series", {"node": "f:b", "figure": "mean", "column": "y"}, 404, "there are: x"),
        ("series", {"node": "f:b", "figure": "median"}, 400, "figure"),
        ("runs", {"node": "f:j", "start": at(5), "end": at(1)}, 422, "must be before end"),
        ("runs", {"node": "f:j", "start": "2013-05-04T00:00:00"}, 422, "start needs its zone"),
        ("facets", {"node": "f:k", "run": "s9"}, 404, "no run 's9'"),
    ]
    for path, query, status, told in refused:
        found = problem(await get(api, path, **query), status)
        assert told in found.detail + "".join(found.errors), path


async def test_events_at_the_same_time_are_all_stored(api: Api) -> None:
    answers = await asyncio.gather(*(api.http.post("/lineage", json=event(n / 60, f"r{n}")) for n in range(60)))
    assert {answer.status_code for answer in answers} == {200}
    runs = LineageRuns.model_validate_json((await get(api, "runs", node="f:j")).content)
    assert len(runs.runs) == 60
