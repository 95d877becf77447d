"""Pipelines on the real store and the embedded orchestrator."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from knowledge.connectors.embedded import EmbeddedOrchestrator
from knowledge.pipelines import Orchestrator, Pipelines
from knowledge.store import Store
from tools.ports import PortError
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
