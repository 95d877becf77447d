"""The driver walks, records, and turns whatever a tool does into a finding."""

from dataclasses import replace

import pytest

from assistant.planner.events import ToolAnswered, VerdictReached
from assistant.planner.investigation import Stage
from assistant.planner.journal import UnknownInvestigation
from assistant.planner.library import UnknownPlaybook
from assistant.planner.refusals import NotNow
from tests.assistant.planner.stand_ins import ALERT, DEEP, LOOK, TOOLS, WALK, ListLog, Platform
from tools.contract import Finding, Status
from tools.ports import Ports

WHOLE_WALK = [
    *("Opened", "ToolCalled", "ToolAnswered", "BranchTaken", "QuestionAsked", "AnswerGiven", "BranchTaken"),
    *("ToolCalled", "ToolAnswered", "BranchTaken", "ToolCalled", "ToolAnswered", "BranchTaken"),
    *("ToolCalled", "ToolAnswered", "ActionProposed", "ActionRefused", "BranchTaken", "VerdictReached"),
]


def test_auto_walks_to_the_verdict_and_approves_nothing() -> None:
    platform = Platform()
    driver = platform.driver()
    state = driver.auto(driver.open(ALERT, "walk"))
    assert platform.types() == WHOLE_WALK
    assert platform.orchestrator.switched == 0
    assert state.verdict is not None
    assert (state.verdict.cause, state.verdict.targets, state.verdict.confidence) == ("broken", ("m1", "p1"), 0.85)
    assert state.verdict.ruled_out == ("the moon",)
    assert state.verdict.not_checked == ("the sun", "later: comes later")
    assert [event.type for event in platform.heard] == WHOLE_WALK


def test_it_stops_at_the_question_with_its_recommendation_and_its_reason() -> None:
    driver = Platform().driver()
    state = driver.advance(driver.open(ALERT, "walk"))
    asked = state.question
    assert asked is not None
    assert asked.question == "Was m1 meant to change?"
    assert (asked.recommended, asked.recommended_why) == ("no", "0.8")
    assert [(reason.fact, reason.value, reason.test) for reason in asked.because] == [
        ("facts.look.level", 0.8, "above 0.5")
    ]
    assert driver.advance("i1").seq == state.seq, "waiting writes nothing"


def test_an_answer_is_checked_and_taken_once() -> None:
    platform = Platform()
    driver = platform.driver()
    driver.advance(driver.open(ALERT, "walk"))
    with pytest.raises(NotNow, match="choose one of: yes, no, unknown"):
        driver.answer("i1", "meant", "perhaps", "ann")
    with pytest.raises(NotNow, match="the question 'meant' waits"):
        driver.answer("i1", "look", "yes", "ann")
    first = driver.answer("i1", "meant", "yes", "ann")
    assert driver.answer("i1", "meant", "yes", "ann").seq == first.seq
    with pytest.raises(NotNow, match="no question waits"):
        driver.answer("i1", "meant", "no", "bob")
    verdict = driver.advance("i1").verdict
    assert verdict is not None
    assert verdict.cause == "fine"


def test_two_runs_give_the_same_log_but_for_ids_and_times() -> None:
    logs = []
    for _ in range(2):
        platform = Platform()
        driver = platform.driver()
        driver.auto(driver.open(ALERT, "walk"))
        logs.append(platform.log.without_times())
    assert logs[0] == logs[1]


def _broken(params: object, ports: Ports) -> Finding:
    raise RuntimeError("the disk is on fire")


def _lies(params: object, ports: Ports) -> Finding:
    return Finding(tool="look", status=Status.answered, headline="!", facts={"kind": "unheard of"})


@pytest.mark.parametrize(("run", "says"), [(_broken, "the disk is on fire"), (_lies, "validation error")])
def test_a_tool_that_breaks_is_a_finding_and_the_walk_goes_on(
    run: object, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    platform = Platform(tools={**TOOLS, "look": replace(LOOK, run=run)})  # type: ignore[arg-type]
    driver = platform.driver()
    state = driver.auto(driver.open(ALERT, "walk"))
    assert state.findings["look"].status is Status.failed
    assert says in state.findings["look"].headline
    assert "Traceback" not in state.findings["look"].headline
    assert state.verdict is not None
    assert state.verdict.cause == "inconclusive"
    assert says in state.verdict.would_settle[0]
    assert "the tool look failed" in caplog.text


def test_a_parameter_that_is_not_known_is_no_data_with_its_name() -> None:
    silent = replace(LOOK, run=lambda params, ports: LOOK.finding(Status.answered, "nothing much"))
    direct = WALK.replace('otherwise = "clean"', 'otherwise = "deep"')
    platform = Platform(tools={**TOOLS, "look": silent}, playbooks={"walk": direct, "deep": DEEP})
    driver = platform.driver()
    state = driver.auto(driver.open(ALERT, "walk"))
    assert state.findings["deep.probe"].status is Status.no_data
    assert state.findings["deep.probe"].not_checked == ("probe: model is not known from the steps before",)


def test_a_note_during_a_tool_is_kept_and_the_finding_too() -> None:
    platform = Platform()

    def noting(params: object, ports: Ports) -> Finding:
        driver.note("i1", "I am here", "ann")
        return TOOLS["look"].run(params, ports)

    platform.tools["look"] = replace(LOOK, run=noting)
    driver = platform.driver()
    state = driver.advance(driver.open(ALERT, "walk"))
    assert platform.types()[:5] == ["Opened", "ToolCalled", "NoteAdded", "ToolAnswered", "BranchTaken"]
    assert [note.text for note in state.notes] == ["I am here"]


def test_a_write_between_reading_and_appending_is_decided_anew() -> None:
    platform = Platform()
    driver = platform.driver()
    driver.advance(driver.open(ALERT, "walk"))

    def bob_is_faster() -> None:
        driver.answer("i1", "meant", "yes", "bob")

    platform.log.disturb = bob_is_faster
    with pytest.raises(NotNow):
        driver.answer("i1", "meant", "no", "ann")
    assert platform.types().count("AnswerGiven") == 1


def test_unknown_names_are_refused_in_words() -> None:
    driver = Platform().driver()
    with pytest.raises(UnknownPlaybook, match="there are: walk"):
        driver.open(ALERT, "wlak")
    with pytest.raises(UnknownPlaybook, match="it needs model"):
        driver.open(ALERT, "deep")
    with pytest.raises(UnknownInvestigation, match="'i9'"):
        driver.advance("i9")


def test_a_changed_playbook_does_not_go_on_with_an_old_walk() -> None:
    platform = Platform()
    driver = platform.driver()
    driver.advance(driver.open(ALERT, "walk"))
    platform.playbooks["deep"] = DEEP.replace('no_data = "pause"', 'no_data = "fine"')
    with pytest.raises(NotNow, match="open a new investigation"):
        platform.driver().advance("i1")


def test_what_is_stored_reads_back_as_what_was_folded() -> None:
    platform = Platform(log=ListLog())
    driver = platform.driver()
    state = driver.auto(driver.open(ALERT, "walk"))
    assert platform.driver().state("i1") == state
    assert isinstance(driver.events("i1", after=1)[0], ToolAnswered)
    assert isinstance(driver.events("i1")[-1], VerdictReached)
    assert [action.stage for action in state.actions.values()] == [Stage.refused]
