"""The embedded orchestrator: what is written is read back, by another instance too, and damage is said plainly."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from knowledge.connectors.embedded import EmbeddedOrchestrator
from tools.ports import PortError

NEXT = datetime(2013, 5, 5, 2, tzinfo=UTC)


def test_a_pause_is_read_back_by_another_instance(tmp_path: Path) -> None:
    path = tmp_path / "orchestrator.json"
    first = EmbeddedOrchestrator(path)
    first.register("train_badge_dcn", NEXT, active_runs=("run-1",), every_h=24)
    after = first.set_paused("train_badge_dcn", True)
    assert after.paused
    read = EmbeddedOrchestrator(path).state("train_badge_dcn")
    assert (read.paused, read.next_run_at, read.active_runs) == (True, NEXT, ("run-1",))
    assert not first.set_paused("train_badge_dcn", False).paused


def test_registering_again_keeps_the_pause(tmp_path: Path) -> None:
    orchestrator = EmbeddedOrchestrator(tmp_path / "o.json")
    orchestrator.register("p", NEXT)
    orchestrator.set_paused("p", True)
    assert orchestrator.register("p", NEXT, every_h=6).paused


def test_an_unknown_pipeline_is_named_with_those_that_exist(tmp_path: Path) -> None:
    orchestrator = EmbeddedOrchestrator(tmp_path / "o.json")
    with pytest.raises(PortError, match="there are: none"):
        orchestrator.state("p")
    orchestrator.register("q", NEXT)
    with pytest.raises(PortError, match="there are: q"):
        orchestrator.set_paused("p", True)


@pytest.mark.parametrize("damage", [b"{", b"[]", b'{"pipelines": {"p": {}}}', b"\xff\xfe"])
def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "o.json"
    path.write_bytes(damage)
    orchestrator = EmbeddedOrchestrator(path)
    with pytest.raises(PortError, match="damaged"):
        orchestrator.register("p", NEXT)
    with pytest.raises(PortError, match="damaged"):
        orchestrator.state("p")
    assert path.read_bytes() == damage


def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    EmbeddedOrchestrator(tmp_path / "sub" / "o.json").register("p", NEXT)
    assert [p.name for p in (tmp_path / "sub").iterdir()] == ["o.json"]
