"""Approvals that meet a second approver, a restart, or an action that was done by half."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from assistant.planner.actions import CannotAct, carry_out, changed, is_done, make_plan, read_state
from assistant.planner.approvals import HAWKEYE
from assistant.planner.driver import Driver
from assistant.planner.events import ActionRefused, Plan
from assistant.planner.investigation import Stage, State
from tests.assistant.planner.stand_ins import ALERT, ListLog, Orchestrator, Platform
from tools.ports import Unconfirmed
from tools.records import PipelineState


def at_the_plan(platform: Platform) -> tuple[Driver, str]:
    """Walked up to the proposal; answers with the plan's hash."""
    driver = platform.driver()
    driver.advance(driver.open(ALERT, "walk"))
    driver.answer("i1", "meant", "no", "ann")
    action = driver.advance("i1").awaiting
    assert action is not None
    return driver, action.plan.plan_hash


def outcome(state: State) -> tuple[Stage, str]:
    (action,) = state.actions.values()
    return action.stage, action.reason


class Slow(Orchestrator):
    """Takes its time, so that a second order would come in between."""

    def set_paused(self, pipeline: str, paused: bool) -> PipelineState:
        time.sleep(0.2)
        return super().set_paused(pipeline, paused)


def test_two_approvers_at_once_do_it_once() -> None:
    platform = Platform(orchestrator=Slow())
    driver, plan = at_the_plan(platform)
    both = threading.Barrier(4)

    def approve(actor: str) -> State:
        both.wait()
        return driver.approve("i1", plan, actor, "it spreads")

    with ThreadPoolExecutor(4) as threads:
        states = list(threads.map(approve, ["ann", "bob", "cyd", "dan"]))
    assert {outcome(state)[0] for state in states} == {Stage.done}
    assert platform.orchestrator.switched == 1
    assert [platform.types().count(kind) for kind in ("ActionApproved", "ActionDone")] == [1, 1]


def test_a_refused_approval_keeps_who_gave_it() -> None:
    platform = Platform()
    driver, plan = at_the_plan(platform)
    platform.clock.now += timedelta(hours=2)
    driver.approve("i1", plan, "ann", "it spreads")
    refused = next(event for event in driver.events("i1") if isinstance(event, ActionRefused))
    assert refused.actor == HAWKEYE
    assert "the plan expired at 2026-01-01 01:" in refused.reason
    assert "approved by ann: it spreads" in refused.reason


@dataclass
class Restarted:
    """An investigation whose process ended between the approval and the deed."""

    platform: Platform = field(default_factory=Platform)

    def __post_init__(self) -> None:
        driver, plan = at_the_plan(self.platform)
        driver.approve("i1", plan, "ann", "it spreads")
        kept = self.platform.types().index("ActionApproved") + 1
        self.platform.log = ListLog(self.platform.log.rows_[:kept])
        self.platform.orchestrator.paused, self.platform.orchestrator.switched = False, 0


def test_after_a_restart_it_is_done_while_the_plan_is_valid() -> None:
    platform = Restarted().platform
    assert outcome(platform.driver().advance("i1"))[0] is Stage.done
    assert platform.orchestrator.switched == 1


def test_after_a_long_time_an_approval_is_not_carried_out_any_more() -> None:
    platform = Restarted().platform
    platform.clock.now += timedelta(days=1)
    stage, reason = outcome(platform.driver().advance("i1"))
    assert stage is Stage.refused
    assert "approved, but not done: the plan expired" in reason
    assert platform.orchestrator.switched == 0


def test_what_was_done_before_the_restart_is_found_and_not_done_again() -> None:
    platform = Restarted().platform
    platform.clock.now += timedelta(days=1)
    platform.orchestrator.paused = True
    assert outcome(platform.driver().advance("i1"))[0] is Stage.done
    assert platform.orchestrator.switched == 0


@dataclass
class Lost(Orchestrator):
    """Takes the order, and then says nothing until somebody wakes it."""

    def set_paused(self, pipeline: str, paused: bool) -> PipelineState:
        self.paused, self.switched, self.silent = paused, self.switched + 1, True
        raise Unconfirmed("no answer, and the state cannot be read back")


def test_an_order_that_nobody_confirms_is_on_record_and_looked_up_by_the_next_approval() -> None:
    lost = Lost()
    platform = Platform(orchestrator=lost)
    driver, plan = at_the_plan(platform)
    assert "whether it was done is not known" in outcome(driver.approve("i1", plan, "ann", "go"))[1]
    assert "does not answer" in outcome(driver.approve("i1", plan, "ann", "and now?"))[1]
    lost.silent = False
    platform.clock.now += timedelta(days=1)
    assert outcome(driver.approve("i1", plan, "ann", "and now?"))[0] is Stage.done
    assert lost.switched == 1


def test_an_undo_that_fails_leaves_the_action_done_and_can_be_asked_for_again() -> None:
    platform = Platform()
    driver, plan = at_the_plan(platform)
    driver.approve("i1", plan, "ann", "go")
    platform.orchestrator.silent = True
    assert outcome(driver.undo("i1", plan, "ann", "repaired"))[0] is Stage.done
    platform.orchestrator.silent = False
    assert outcome(driver.undo("i1", plan, "ann", "repaired"))[0] is Stage.undone
    assert platform.orchestrator.switched == 2


def ending(*runs: str) -> Plan:
    draft = {
        "action": "fail_runs",
        "target": "p1",
        "summary": "end",
        "effects": (),
        "state_before": {"active_runs": runs},
    }
    return make_plan("pipeline_pause", draft, datetime(2026, 1, 1, tzinfo=UTC))


class TwoRuns:
    """Ends what it is told to, and remembers it."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def fail_runs(self, pipeline: str, runs: list[str]) -> PipelineState:
        self.told += runs
        return PipelineState(pipeline=pipeline, paused=False)


def test_a_run_that_has_ended_by_itself_is_not_marked_as_failed() -> None:
    there = TwoRuns()
    ports = cast(Any, SimpleNamespace(pipelines=there))
    carry_out(ports, ending("r1", "r2"), {"active_runs": ["r2", "r3"]})
    assert there.told == ["r2"]


def test_runs_that_were_ended_by_half_go_on_to_be_ended() -> None:
    plan = ending("r1", "r2")
    assert changed(plan, {"active_runs": ["r2"]}) == ["r1 has ended"]
    assert changed(plan, {"active_runs": ["r2"]}, begun=True) == []
    assert changed(plan, {"active_runs": ["r2", "r3"]}, begun=True) == ["r3 has started"]
    assert not is_done(plan, {"active_runs": ["r2"]})
    assert is_done(plan, {"active_runs": ["r3"]})


def test_a_plan_of_another_tool_is_for_hands() -> None:
    draft = {"action": "delete", "target": "p1", "summary": "x", "effects": (), "state_before": {}}
    plan = make_plan("other", draft, datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(CannotAct, match="do it by hand"):
        read_state(cast(Any, SimpleNamespace()), plan)
