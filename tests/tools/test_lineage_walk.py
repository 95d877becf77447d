"""lineage_walk on a small pipeline with three weeks of six-hourly runs: faults at each place, and days without any."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tests.tools.ports import InMemoryLineage, InMemoryModels, InMemoryPorts
from tools.contract import Finding, Status
from tools.lineage_walk import TOOL, LineageWalkParams
from tools.records import (
    Change,
    ChangeKind,
    ColumnStatistics,
    DatasetStatistics,
    Feature,
    Histogram,
    LineageEdge,
    LineageNode,
    Model,
    Window,
)

FIRST = datetime(2013, 4, 13, tzinfo=UTC)
ONSET = datetime(2013, 5, 4, 12, tzinfo=UTC)
WINDOW = Window(start=datetime(2013, 5, 4, 11, tzinfo=UTC), end=datetime(2013, 5, 5, 8, tzinfo=UTC))
BASELINE = Window(start=FIRST, end=WINDOW.start)
CHAIN = {
    "clean": ("job.clean", ["raw"]),
    "flights": ("job.flights", ["raw_flights"]),
    "joined": ("job.join", ["clean", "flights"]),
    "serving": ("job.assemble", ["joined", "flights"]),
}
WIND, DELAY = {"raw", "clean", "joined", "serving"}, {"raw_flights", "flights", "serving"}
Edit = Callable[[str, datetime, dict[str, float]], None]


def runs() -> Iterator[datetime]:
    for index in range(90):
        yield FIRST + timedelta(hours=6 * index)


def edges() -> list[LineageEdge]:
    found = []
    for output, (job, inputs) in CHAIN.items():
        found.append(LineageEdge(upstream=job, downstream=output))
        for source in inputs:
            found.append(LineageEdge(upstream=source, downstream=job))
            for column, holders in (("wind", WIND), ("delay", DELAY)):
                if source in holders and output in holders and (source, output) != ("flights", "joined"):
                    edge = {"upstream_column": column, "downstream_column": column}
                    found.append(LineageEdge(upstream=source, downstream=output, **edge))
    return found


def statistics(edit: Edit | None, seed: int, blind: frozenset[str]) -> list[DatasetStatistics]:
    rng = np.random.default_rng(seed)
    out = []
    for ts in runs():
        rows = float(rng.poisson(120 if ts.hour == 6 else 600))
        level = rng.normal(10, 3)
        for node in ["raw", "raw_flights", *CHAIN]:
            figures = {"rows": rows, "nulls": float(rng.binomial(int(rows), 0.01)), "mean": level + rng.normal(0, 0.2)}
            if edit:
                edit(node, ts, figures)
            column = ColumnStatistics(null_count=int(figures["nulls"]), mean=figures["mean"], variance=16.0)
            names = [name for name, holders in (("wind", WIND), ("delay", DELAY)) if node in holders]
            columns = dict.fromkeys([*names, "key"], column)
            for name in names if figures.get("gone") else ():
                del columns[name]
            if figures.get("silent"):
                columns = {}
            if node not in blind:
                out.append(DatasetStatistics(node=node, ts=ts, row_count=int(figures["rows"]), columns=columns))
    return out


def world(
    edit: Edit | None = None, changes: list[Change] | None = None, seed: int = 0, blind: frozenset[str] = frozenset()
) -> InMemoryPorts:
    jobs = {job for job, _ in CHAIN.values()}
    names = {*CHAIN, "raw", "raw_flights"}
    nodes = {n: LineageNode(node=n, kind="job" if n in jobs else "dataset") for n in sorted(names | jobs)}
    features = [
        Feature(model="dcn", feature="wind", kind="dense", node="serving", column="wind"),
        Feature(model="dcn", feature="delay", kind="dense", node="serving", column="delay"),
        Feature(model="mlp", feature="delay", kind="dense", node="serving", column="delay"),
    ]
    models = {m: Model(model=m, product="p", title=m, pipeline=f"train_{m}") for m in ("dcn", "mlp")}
    lineage = InMemoryLineage(nodes, edges(), statistics(edit, seed, blind), changes or [], features)
    return InMemoryPorts(lineage=lineage, models=InMemoryModels(by_name=models, all_features=features))


def ask(ports: InMemoryPorts, node: str = "serving", column: str | None = "wind") -> Finding:
    return TOOL.run(LineageWalkParams(node=node, column=column, window=WINDOW, baseline=BASELINE), ports)


def sure(found: Finding) -> float:
    confidence = found.facts["confidence"]
    assert isinstance(confidence, float)
    return confidence


def nulls_from(*nodes: str) -> Edit:
    def edit(node: str, ts: datetime, figures: dict[str, float]) -> None:
        if node in nodes and ts >= ONSET:
            figures["nulls"] = figures["rows"] / 3

    return edit


def shift_from(*nodes: str) -> Edit:
    def edit(node: str, ts: datetime, figures: dict[str, float]) -> None:
        if node in nodes and ts >= ONSET:
            figures["mean"] += 40

    return edit


def code(ts: datetime = ONSET, node: str = "job.join") -> Change:
    return Change(node=node, ts=ts, kind=ChangeKind.code, before="v1", after="v2", url="https://git/x")


def test_a_join_that_breaks_is_found_with_its_change() -> None:
    found = ask(world(nulls_from("joined", "serving"), [code(), code(ONSET - timedelta(days=9))]))
    assert found.status is Status.answered
    assert found.facts == {
        "root": "joined",
        "root_job": "job.join",
        "anomaly": "nulls",
        "change": "code",
        "change_id": "job.join/code@2013-05-04T12:00Z",
        "root_is_source": False,
        "pipeline": "train_dcn",
        "downstream_models": 1,
        "confidence": found.facts["confidence"],
    }
    assert isinstance(found.facts["confidence"], float)
    assert found.facts["confidence"] >= 0.95
    assert found.interesting
    assert any("clean.wind looks as it usually does" in line for line in found.ruled_out)
    assert any("v1 to v2" in item.claim for item in found.evidence)
    assert all(item.sources for item in found.evidence)
    assert found.charts[0].mark is not None


def test_a_source_that_breaks_has_no_change() -> None:
    found = ask(world(nulls_from("raw", "clean", "joined", "serving"), [code()]))
    assert (found.facts["root"], found.facts["root_is_source"]) == ("raw", True)
    assert (found.facts["anomaly"], found.facts["change"]) == ("nulls", "none")


def test_the_world_moving_is_a_shift_at_the_source() -> None:
    found = ask(world(shift_from("raw", "clean", "joined", "serving")))
    assert (found.facts["root"], found.facts["anomaly"], found.facts["change"]) == ("raw", "shift", "none")
    assert found.facts["root_is_source"] is True
    assert "the world moved" in found.headline


def test_a_storm_at_the_source_does_not_explain_nulls_of_the_join() -> None:
    def edit(node: str, ts: datetime, figures: dict[str, float]) -> None:
        shift_from("raw", "clean", "joined", "serving")(node, ts, figures)
        nulls_from("joined", "serving")(node, ts, figures)

    found = ask(world(edit, [code()]))
    assert (found.facts["root"], found.facts["anomaly"], found.facts["change"]) == ("joined", "nulls", "code")


def test_what_broke_later_upstream_is_not_the_cause() -> None:
    def edit(node: str, ts: datetime, figures: dict[str, float]) -> None:
        nulls_from("joined", "serving")(node, ts, figures)
        if node == "clean" and ts >= ONSET + timedelta(hours=6):
            figures["nulls"] = figures["rows"] / 2

    assert ask(world(edit, [code()])).facts["root"] == "joined"


def test_an_onset_before_the_window_is_found_and_so_is_the_change() -> None:
    early = ONSET - timedelta(hours=12)

    def edit(node: str, ts: datetime, figures: dict[str, float]) -> None:
        if node in ("joined", "serving") and ts >= early:
            figures["nulls"] = figures["rows"] / 3

    found = ask(world(edit, [code(early)]))
    assert found.facts["change"] == "code"
    assert "since 2013-05-04 00:00 UTC" in found.headline


def test_a_change_that_ran_well_first_is_less_sure_and_one_after_the_onset_is_not_named() -> None:
    broken = nulls_from("joined", "serving")
    sure = ask(world(broken, [code()])).facts["confidence"]
    earlier = ask(world(broken, [code(ONSET - timedelta(hours=18))]))
    assert earlier.facts["change"] == "code"
    assert isinstance(sure, float)
    assert isinstance(earlier.facts["confidence"], float)
    assert earlier.facts["confidence"] < sure
    assert ask(world(broken, [code(ONSET + timedelta(hours=6))])).facts["change"] == "none"


def test_too_few_rows_and_a_lost_column_have_their_names() -> None:
    def fewer(node: str, ts: datetime, figures: dict[str, float]) -> None:
        if node in ("joined", "serving") and ts >= ONSET:
            figures["rows"], figures["nulls"] = figures["rows"] / 10, 0

    def lost(node: str, ts: datetime, figures: dict[str, float]) -> None:
        if node in ("joined", "serving") and ts >= ONSET:
            figures["gone"] = 1

    volume, schema = ask(world(fewer)), ask(world(lost))
    assert (volume.facts["root"], volume.facts["anomaly"]) == ("joined", "volume")
    assert (schema.facts["root"], schema.facts["anomaly"]) == ("joined", "schema")


def test_a_dataset_without_statistics_is_passed_and_said() -> None:
    found = ask(world(nulls_from("joined", "serving"), blind=frozenset({"clean"})))
    assert found.facts["root"] == "joined"
    assert any(line.startswith("clean.wind: it has no statistics") for line in found.not_checked)
    assert any("clean" in line for line in found.would_settle)
    assert sure(found) < sure(ask(world(nulls_from("joined", "serving"))))
    through = ask(world(nulls_from("raw", "clean", "joined", "serving"), blind=frozenset({"clean", "joined"})))
    assert through.facts["root"] == "raw"


@pytest.mark.parametrize("seed", range(15))
def test_an_ordinary_day_accuses_nothing(seed: int) -> None:
    for column in ("wind", "delay", None):
        found = ask(world(seed=seed, changes=[code()]), column=column)
        assert found.facts["anomaly"] == "none"
        assert (found.facts["root"], found.interesting) == (None, False)


def test_one_odd_run_in_the_window_accuses_nothing() -> None:
    def edit(node: str, ts: datetime, figures: dict[str, float]) -> None:
        if ts == ONSET:
            nulls_from("joined", "serving")(node, ts, figures)

    assert ask(world(edit, [code()])).facts["anomaly"] == "none"


def test_without_a_column_the_broken_ones_are_found() -> None:
    found = ask(world(nulls_from("joined", "serving"), [code()]), column=None)
    assert (found.facts["root"], found.facts["change"]) == ("joined", "code")


def test_no_such_dataset_and_no_statistics_at_all_are_no_data() -> None:
    assert "knows no dataset" in ask(world(), node="nowhere").headline
    everything = frozenset({"raw", "raw_flights", *CHAIN})
    blind = ask(world(blind=everything))
    assert blind.status is Status.no_data
    assert "no statistics in the window" in blind.headline


def test_the_order_of_records_does_not_matter_and_json_keeps_the_bits() -> None:
    ports = world(nulls_from("joined", "serving"), [code()])
    first = ask(ports).model_dump_json()
    ports.lineage.all_edges.reverse()
    ports.lineage.all_statistics.reverse()
    assert ask(ports).model_dump_json() == first
    assert Finding.model_validate_json(first).model_dump_json() == first


def test_a_run_that_tells_nothing_of_its_columns_is_not_taken_for_healthy() -> None:
    def edit(node: str, ts: datetime, figures: dict[str, float]) -> None:
        nulls_from("joined", "serving")(node, ts, figures)
        if node == "clean" and ts >= ONSET:
            figures["silent"] = 1

    found = ask(world(edit, [code()]))
    assert found.facts["root"] == "joined"
    assert any("nothing of its column wind" in line for line in found.not_checked)


def test_a_table_that_reads_itself_ends_the_walk() -> None:
    ports = world(nulls_from("joined", "serving"), [code()])
    ports.lineage.all_edges.append(LineageEdge(upstream="serving", downstream="job.join"))
    ports.lineage.all_edges.append(LineageEdge(upstream="joined", downstream="job.join"))
    assert ask(ports).facts["anomaly"] == "nulls"


def row(found: Finding, node: str) -> dict[str, Any]:
    assert found.result is not None
    (only,) = [row for row in found.result["walked"] if row["node"] == node]
    return dict(only)


def test_the_walk_can_be_gone_again_by_hand() -> None:
    found = ask(world(nulls_from("joined", "serving"), [code()]))
    serving, joined = row(found, "serving"), row(found, "joined")
    assert serving["inputs"] == [["joined", "wind"]]
    assert (joined["state"], joined["figure"], joined["anomaly"]) == ("off", "null share", "nulls")
    assert joined["series"][-1]["value"] > 0.3 > joined["series"][-1]["usual"]
    assert joined["history"] > 50
    assert row(found, "clean")["state"] == "as usual"
    assert len(row(found, "clean")["series"]) == len(joined["series"])
    first, second = (found.result or {})["candidates"]
    assert (first["node"], second["node"]) == ("joined", "serving")
    assert first["probability"] > second["probability"]
    assert second["clues"]["explained"] == 1.0


def test_what_depends_on_the_root_is_told_by_feature_and_model() -> None:
    found = ask(world(nulls_from("raw_flights", "flights", "serving")), column="delay")
    assert found.facts["root"] == "raw_flights"
    result = found.result or {}
    assert result["downstream_features"] == ["dcn.delay", "mlp.delay"]
    assert set(result["downstream_models"]) == {"dcn", "mlp"}
    assert "serving" in result["downstream_datasets"]


def test_a_changed_query_is_told_clause_by_clause() -> None:
    before = "select f.id, w.wind from flights f left join weather w on f.hour = w.hour"
    after = before.replace("left join", "join").replace("f.hour = w.hour", "f.hour = w.local_hour")
    change = Change(node="job.join", ts=ONSET, kind=ChangeKind.sql, before=before, after=after)
    found = ask(world(nulls_from("joined", "serving"), [change]))
    lines = (found.result or {})["difference"]
    assert "-left join weather w" in lines
    assert "+join weather w" in lines
    assert "+on f.hour = w.local_hour" in lines
    assert " from flights f" in lines


def test_a_circle_ends_and_is_said() -> None:
    ports = world(nulls_from("clean", "joined", "serving"), [code(node="job.clean")])
    ports.lineage.all_edges.append(LineageEdge(upstream="joined", downstream="job.clean"))
    ports.lineage.all_edges.append(
        LineageEdge(upstream="joined", upstream_column="wind", downstream="clean", downstream_column="wind")
    )
    found = ask(ports)
    assert found.facts["root"] == "clean"
    assert any("circle" in line and "clean, joined" in line for line in found.not_checked)


def test_one_data_point_is_no_history() -> None:
    ports = world(nulls_from("joined", "serving"), [code()])
    last = max(s.ts for s in ports.lineage.all_statistics)
    ports.lineage.all_statistics[:] = [s for s in ports.lineage.all_statistics if s.node != "clean" or s.ts == last]
    found = ask(ports)
    assert found.facts["root"] == "joined"
    assert any("clean.wind: it has 0 earlier runs" in line for line in found.not_checked)


def test_what_lies_in_the_future_changes_nothing() -> None:
    ports = world(nulls_from("joined", "serving"), [code()])
    before = ask(ports).model_dump_json()
    later = WINDOW.end + timedelta(days=400)
    ports.lineage.all_statistics += [s.model_copy(update={"ts": later}) for s in ports.lineage.all_statistics[-6:]]
    ports.lineage.all_changes.append(code(later))
    assert ask(ports).model_dump_json() == before


def test_figures_that_cannot_be_true_are_left_out_and_said() -> None:
    def edit(node: str, ts: datetime, figures: dict[str, float]) -> None:
        if node == "joined" and ts >= ONSET:
            figures["nulls"] = figures["rows"] * 2

    found = ask(world(edit), node="joined")
    assert found.facts["root"] is None
    assert any("more nulls than rows" in line for line in found.not_checked)


def test_statistics_that_the_declared_schema_contradicts_are_said() -> None:
    ports = world(nulls_from("joined", "serving"))
    why = "statistics of a column that the schema does not have"
    ports.lineage.all_statistics[:] = [
        s.model_copy(update={"columns": {}, "left_out": {"wind": why}}) if s.node == "clean" else s
        for s in ports.lineage.all_statistics
    ]
    assert any("clean" in line and why in line for line in ask(ports).not_checked)


def test_a_source_that_is_not_written_any_more_is_late() -> None:
    ports = world(nulls_from("joined", "serving"))
    ports.lineage.all_statistics[:] = [
        s
        for s in ports.lineage.all_statistics
        if s.node not in ("raw", "clean") or s.ts < WINDOW.start - timedelta(hours=6)
    ]
    found = ask(ports)
    assert (found.facts["root"], found.facts["anomaly"]) == ("raw", "freshness")
    assert "was not written for" in found.headline


def test_another_distribution_with_the_same_mean_is_found() -> None:
    def histogram(moved: bool) -> Histogram:
        return Histogram(edges=(0, 5, 10, 15, 20), counts=(300, 0, 0, 300) if moved else (50, 250, 250, 50))

    ports = world()
    ports.lineage.all_statistics[:] = [
        s.model_copy(
            update={
                "columns": {
                    name: c.model_copy(
                        update={"histogram": histogram(s.node in ("joined", "serving") and s.ts >= ONSET)}
                    )
                    for name, c in s.columns.items()
                }
            }
        )
        for s in ports.lineage.all_statistics
    ]
    found = ask(ports)
    assert (found.facts["root"], found.facts["anomaly"]) == ("joined", "distribution")
    assert "lie elsewhere than usual" in found.headline


def test_something_off_that_the_feature_does_not_feel_is_not_accused() -> None:
    def edit(node: str, ts: datetime, figures: dict[str, float]) -> None:
        if node == "joined" and ts >= ONSET - timedelta(days=3):
            figures["nulls"] = figures["rows"] / 20

    found = ask(world(edit))
    assert found.facts["root"] is None


def test_a_large_graph_is_walked_to_a_bounded_depth() -> None:
    nodes = {f"d{i}": LineageNode(node=f"d{i}", kind="dataset") for i in range(3000)}
    chain = [LineageEdge(upstream=f"d{i + 1}", downstream=f"d{i}") for i in range(2999)]
    ports = world(nulls_from("serving"))
    ports.lineage.nodes.update(nodes)
    ports.lineage.all_edges += [*chain, LineageEdge(upstream="d0", downstream="job.assemble")]
    found = ask(ports)
    assert (found.result or {})["candidates"][0]["node"] == "serving"
    assert any("the walk ends after 400" in line for line in found.not_checked)
