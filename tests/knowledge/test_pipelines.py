"""Pipelines on the real store and the embedded orchestrator."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from knowledge.connectors.embedded import EmbeddedOrchestrator
from knowledge.pipelines import Orchestrator, Pipelines, PipelineSettings
from knowledge.store import Store
from tools.ports import PortError, Unconfirmed
from tools.records import Pipeline, PipelineState

RECORD = Pipeline(pipeline="train", orchestrator="embedded", writes=("flights:training",), every_h=24)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path)
    yield store
    store.close()


class Deaf:
    """Takes orders and does nothing."""

    def state(self, pipeline: str) -> PipelineState:
        return PipelineState(pipeline=pipeline, paused=False)

    def set_paused(self, pipeline: str, paused: bool) -> PipelineState:
        return self.state(pipeline)

    def fail_runs(self, pipeline: str, runs: Sequence[str]) -> PipelineState:
        return self.state(pipeline)


def pipelines(store: Store, connector: Orchestrator) -> Pipelines:
    found = Pipelines(store, {"embedded": connector})
    found.put(RECORD)
    return found


def test_a_record_is_kept_and_the_later_one_wins(store: Store, tmp_path: Path) -> None:
    found = pipelines(store, EmbeddedOrchestrator(tmp_path / "o.json"))
    assert found.pipeline("train") == RECORD
    found.put(RECORD.model_copy(update={"every_h": 6}))
    kept = found.pipeline("train")
    assert kept is not None
    assert kept.every_h == 6
    assert found.pipeline("nothing") is None


def test_a_pause_goes_to_the_orchestrator_and_is_read_back(store: Store, tmp_path: Path) -> None:
    orchestrator = EmbeddedOrchestrator(tmp_path / "o.json")
    orchestrator.register("train", datetime(2013, 5, 5, tzinfo=UTC))
    found = pipelines(store, orchestrator)
    assert not found.state("train").paused
    assert found.set_paused("train", True).paused
    assert orchestrator.state("train").paused


def test_an_order_that_was_not_carried_out_is_an_error(store: Store) -> None:
    with pytest.raises(PortError, match="is not paused"):
        pipelines(store, Deaf()).set_paused("train", True)


def test_what_is_not_known_is_said_with_what_to_do(store: Store) -> None:
    found = pipelines(store, Deaf())
    with pytest.raises(PortError, match="no pipeline is called 'nothing'"):
        found.state("nothing")
    found.put(Pipeline(pipeline="other", orchestrator="airflow"))
    with pytest.raises(PortError, match="connected are: embedded"):
        found.set_paused("other", True)


class Shaky:
    """Does what it is told, as far as `ends` allows, and loses its answers; `is_dumb` says nothing at all any more."""

    def __init__(self, ends: Sequence[str] = (), is_dumb: bool = False) -> None:
        self.paused, self.runs, self.ends, self.is_dumb = False, ["r1", "r2"], ends, is_dumb
        self.ordered = 0

    def state(self, pipeline: str) -> PipelineState:
        if self.ordered and self.is_dumb:
            raise PortError("air does not answer")
        return PipelineState(pipeline=pipeline, paused=self.paused, active_runs=tuple(self.runs))

    def set_paused(self, pipeline: str, paused: bool) -> PipelineState:
        self.paused, self.ordered = paused, self.ordered + 1
        raise PortError("air did not answer within 10 seconds")

    def fail_runs(self, pipeline: str, runs: Sequence[str]) -> PipelineState:
        self.runs, self.ordered = [run for run in self.runs if run not in self.ends], self.ordered + 1
        raise PortError("air answers 409: it is being cleared")


def test_an_order_whose_answer_was_lost_is_looked_up(store: Store) -> None:
    shaky = Shaky()
    assert pipelines(store, shaky).set_paused("train", True).paused
    assert shaky.ordered == 1


def test_an_order_of_which_nothing_is_known_says_so(store: Store) -> None:
    with pytest.raises(Unconfirmed, match="did not answer within 10 seconds; and the state cannot be read back: air"):
        pipelines(store, Shaky(is_dumb=True)).set_paused("train", True)


def test_runs_of_which_one_was_ended_are_both_named(store: Store) -> None:
    with pytest.raises(PortError, match=r"still in flight: r2; ended: r1 \(air answers 409: it is being cleared\)"):
        pipelines(store, Shaky(ends=["r1"])).fail_runs("train", ["r1", "r2"])


def test_what_the_settings_say_stands_over_what_was_sent(store: Store) -> None:
    told = {
        "train": PipelineSettings(orchestrator="air", orchestrator_id="train_nightly", owner="ranking"),
        "only.told": PipelineSettings(orchestrator="embedded", every_h=6),
        "half": PipelineSettings(owner="nobody says where it runs"),
    }
    air = Deaf()
    found = Pipelines(store, {"embedded": Deaf(), "air": air}, told)
    assert found.pipeline("train") == Pipeline(
        pipeline="train", orchestrator="air", orchestrator_id="train_nightly", owner="ranking"
    )
    found.put(RECORD)
    assert found.pipeline("train") == RECORD.model_copy(
        update={"orchestrator": "air", "orchestrator_id": "train_nightly", "owner": "ranking"}
    )
    assert found.names() == ["only.told", "train"]
    assert found.state("train").pipeline == "train"
