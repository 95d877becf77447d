from assistant.api.views import summary, view
from assistant.wire import FindingStatus, Status
from tests.assistant import walked


def test_a_fresh_investigation_runs() -> None:
    shown = view(walked.log(1), None)
    assert (shown.summary.status, shown.running_step, shown.last_seq) == (Status.running, "isolate", 1)
    assert [(step.kind, step.outcome) for step in shown.trail] == [("tool", None)]


def test_a_question_waits_with_its_choices_and_reasons() -> None:
    shown = view(walked.log(walked.QUESTION_SEQ), None)
    assert shown.summary.status is Status.waiting_for_answer
    assert shown.question is not None
    assert (shown.question.step, shown.question.recommended) == ("launch", "unknown")
    assert shown.question.recommended_why == "the data do not say"
    assert shown.plan is None
    assert shown.running_step is None


def test_a_plan_waits_for_approval() -> None:
    shown = view(walked.log(walked.PLAN_SEQ), None)
    assert (shown.summary.status, shown.plan) == (Status.waiting_for_approval, walked.PLAN)
    assert shown.question is None


def test_the_trail_says_what_became_of_each_step() -> None:
    shown = view(walked.log(), None)
    assert [(step.seq, step.kind, step.outcome) for step in shown.trail] == [
        (1, "tool", walked.FINDING.headline),
        (4, "question", "I don't know"),
        (7, "action", "refused: not at night"),
        (10, "verdict", walked.VERDICT.explanation),
    ]
    assert (shown.trail[0].status, shown.trail[0].interesting) == (FindingStatus.answered, True)
    assert shown.trail[1].actor == "kim"


def test_a_verdict_ends_it() -> None:
    line = summary(walked.log(), None)
    assert (line.status, line.verdict) == (Status.done, walked.VERDICT)


def test_stepping_back_asks_again_and_forgets_the_verdict() -> None:
    back = {"type": "SteppedBack", "to_seq": walked.QUESTION_SEQ, "actor": "kim"}
    shown = view(walked.log(10, back), None)
    assert shown.summary.status is Status.waiting_for_answer
    assert shown.summary.verdict is None
    assert shown.last_seq == 11
    assert [step.kind for step in shown.trail] == ["tool", "question"]


def test_what_was_done_can_be_undone_also_after_stepping_back() -> None:
    done = (
        {"type": "ActionApproved", "step": "pause", "plan_hash": "c0ffee", "actor": "kim", "reason": "do it"},
        {"type": "ActionDone", "step": "pause", "plan_hash": "c0ffee", "state_after": {"paused": True}},
    )
    back = {"type": "SteppedBack", "to_seq": walked.QUESTION_SEQ, "actor": "kim"}
    undone = {"type": "ActionDone", "step": "pause", "plan_hash": "c0ffee", "undo": True, "state_after": {}}
    assert view(walked.log(walked.PLAN_SEQ), None).can_undo is None
    assert view(walked.log(walked.PLAN_SEQ, *done), None).can_undo == "c0ffee"
    assert view(walked.log(walked.PLAN_SEQ, *done, back), None).can_undo == "c0ffee"
    assert view(walked.log(walked.PLAN_SEQ, *done, undone), None).can_undo is None


def test_a_walk_that_stopped_says_why() -> None:
    shown = view(walked.log(2), "PortError: no answer")
    assert (shown.summary.status, shown.detail) == (Status.failed, "PortError: no answer")
