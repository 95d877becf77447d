"""Actions: approved by hash, done once, undone, refused when the plan is old or the world has moved on."""

from datetime import timedelta

import pytest

from assistant.planner.driver import AUTO, Driver
from assistant.planner.investigation import Stage, State
from assistant.planner.refusals import NotNow
from tests.assistant.planner.stand_ins import ALERT, Platform


def at_the_plan(platform: Platform) -> tuple[Driver, str]:
    """Walked up to the proposal; answers with the plan's hash."""
    driver = platform.driver()
    driver.advance(driver.open(ALERT, "walk"))
    driver.answer("i1", "meant", "no", "ann")
    action = driver.advance("i1").awaiting
    assert action is not None
    return driver, action.plan.plan_hash


def stage(state: State) -> tuple[Stage, str]:
    (action,) = state.actions.values()
    return action.stage, action.reason


def test_approved_once_and_done_once() -> None:
    platform = Platform()
    driver, plan = at_the_plan(platform)
    state = driver.approve("i1", plan, "ann", "it spreads")
    assert stage(state)[0] is Stage.done
    assert platform.types()[-3:] == ["ActionApproved", "ActionDone", "BranchTaken"]
    assert driver.approve("i1", plan, "bob", "me too").seq == state.seq
    assert (platform.orchestrator.paused, platform.orchestrator.switched) == (True, 1)
    verdict = driver.advance("i1").verdict
    assert verdict is not None
    assert verdict.cause == "broken"
    assert "deep.pause: pause p1: done" in verdict.chain


def test_undone_once_and_even_after_the_verdict() -> None:
    platform = Platform()
    driver, plan = at_the_plan(platform)
    with pytest.raises(NotNow, match="there is nothing to undo"):
        driver.undo("i1", plan, "ann", "sorry")
    driver.approve("i1", plan, "ann", "it spreads")
    driver.advance("i1")
    state = driver.undo("i1", plan, "ann", "repaired")
    assert stage(state)[0] is Stage.undone
    assert driver.undo("i1", plan, "ann", "again").seq == state.seq
    assert (platform.orchestrator.paused, platform.orchestrator.switched) == (False, 2)
    with pytest.raises(NotNow, match="step back"):
        driver.approve("i1", plan, "ann", "once more")


def test_an_expired_plan_is_refused_and_nothing_is_done() -> None:
    platform = Platform()
    driver, plan = at_the_plan(platform)
    platform.clock.now += timedelta(hours=2)
    state = driver.approve("i1", plan, "ann", "late")
    assert stage(state)[0] is Stage.refused
    assert "expired" in stage(state)[1]
    assert platform.orchestrator.switched == 0
    assert driver.advance("i1").verdict is not None


def test_a_plan_for_another_state_is_refused_and_nothing_is_done() -> None:
    platform = Platform()
    driver, plan = at_the_plan(platform)
    platform.orchestrator.paused = True
    state = driver.approve("i1", plan, "ann", "go")
    assert "paused was False and is True" in stage(state)[1]
    assert platform.orchestrator.switched == 0


def test_an_orchestrator_that_does_not_answer() -> None:
    platform = Platform()
    driver, plan = at_the_plan(platform)
    platform.orchestrator.silent = True
    assert "does not answer; is it up?" in stage(driver.approve("i1", plan, "ann", "go"))[1]


def test_a_person_can_refuse_and_nothing_is_done() -> None:
    platform = Platform()
    driver, plan = at_the_plan(platform)
    state = driver.refuse("i1", plan, "ann", "not at night")
    assert driver.refuse("i1", plan, "ann", "not at night").seq == state.seq
    verdict = driver.advance("i1").verdict
    assert verdict is not None
    assert "deep.pause: pause p1: not done (not at night)" in verdict.chain
    assert platform.orchestrator.switched == 0


def test_what_an_automatic_walk_refused_a_person_can_approve_until_it_expires() -> None:
    platform = Platform()
    driver = platform.driver()
    state = driver.auto(driver.open(ALERT, "walk"))
    assert [event.type for event in driver.events("i1") if getattr(event, "actor", "") == AUTO] == [
        "AnswerGiven",
        "ActionRefused",
    ]
    (plan,) = state.actions
    after = driver.approve("i1", plan, "ann", "go")
    assert stage(after)[0] is Stage.done
    assert platform.types()[-2:] == ["ActionApproved", "ActionDone"]
    assert platform.orchestrator.paused


def test_an_unknown_hash_names_the_plans() -> None:
    platform = Platform()
    driver, plan = at_the_plan(platform)
    with pytest.raises(NotNow, match=plan):
        driver.approve("i1", "0" * 64, "ann", "go")


def test_the_hash_is_of_the_plan_and_not_of_its_expiry() -> None:
    hashes = set()
    for hours in (0, 5):
        platform = Platform()
        platform.clock.now += timedelta(hours=hours)
        hashes.add(at_the_plan(platform)[1])
    assert len(hashes) == 1
