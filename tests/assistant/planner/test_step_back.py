"""Stepping back: what was said after is unsaid, what was done in the world stays done."""

import pytest

from assistant.planner.driver import Driver
from assistant.planner.investigation import Stage
from assistant.planner.refusals import NotNow
from tests.assistant.planner.stand_ins import ALERT, Platform


def seq_of(driver: Driver, kind: str) -> int:
    return next(event.seq for event in driver.events("i1") if event.type == kind)


def test_what_if_i_had_answered_otherwise() -> None:
    platform = Platform()
    driver = platform.driver()
    driver.auto(driver.open(ALERT, "walk"))
    state = driver.step_back("i1", seq_of(driver, "QuestionAsked"), "ann")
    assert state.verdict is None
    assert state.question is not None
    assert "deep.probe" not in state.findings
    assert driver.advance("i1").seq == state.seq, "the question is asked already"
    driver.answer("i1", "meant", "yes", "ann")
    verdict = driver.advance("i1").verdict
    assert verdict is not None
    assert verdict.cause == "fine"
    assert not any("probe" in line for line in verdict.chain)


def test_to_the_very_start() -> None:
    platform = Platform()
    driver = platform.driver()
    first = driver.auto(driver.open(ALERT, "walk"))
    assert driver.step_back("i1", 0, "ann").step is None
    assert driver.auto("i1").verdict == first.verdict


def test_what_was_done_stays_done_and_is_not_done_again() -> None:
    platform = Platform()
    driver = platform.driver()
    driver.advance(driver.open(ALERT, "walk"))
    driver.note("i1", "a remark", "ann")
    driver.answer("i1", "meant", "no", "ann")
    action = driver.advance("i1").awaiting
    assert action is not None
    driver.approve("i1", action.plan.plan_hash, "ann", "go")
    state = driver.step_back("i1", seq_of(driver, "QuestionAsked"), "ann")
    assert [one.stage for one in state.actions.values()] == [Stage.done]
    assert [note.text for note in state.notes] == ["a remark"]
    driver.answer("i1", "meant", "no", "ann")
    verdict = driver.advance("i1").verdict
    assert verdict is not None
    assert platform.types().count("ActionProposed") == 1, "the tool says that it is paused already"
    assert platform.orchestrator.switched == 1


def test_back_to_the_plan_after_it_was_done_goes_on() -> None:
    platform = Platform()
    driver = platform.driver()
    driver.advance(driver.open(ALERT, "walk"))
    driver.answer("i1", "meant", "no", "ann")
    action = driver.advance("i1").awaiting
    assert action is not None
    driver.approve("i1", action.plan.plan_hash, "ann", "go")
    driver.step_back("i1", seq_of(driver, "ActionProposed"), "ann")
    assert driver.advance("i1").verdict is not None
    assert platform.orchestrator.switched == 1


def test_only_to_between_two_steps_and_not_to_what_was_unsaid() -> None:
    driver = Platform().driver()
    driver.auto(driver.open(ALERT, "walk"))
    with pytest.raises(NotNow, match="go back to one of: 0, 3, 4, 6, 9"):
        driver.step_back("i1", 1, "ann")
    last = seq_of(driver, "ActionProposed")
    driver.step_back("i1", 4, "ann")
    with pytest.raises(NotNow, match="go back to one of: 0, 3, 4$"):
        driver.step_back("i1", last, "ann")
