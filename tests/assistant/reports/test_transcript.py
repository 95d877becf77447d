import io

from rich.console import Console

from assistant.api.views import view
from assistant.reports import json_report
from assistant.reports.transcript import Transcript, console, render, verdict_line
from assistant.wire import Event
from tests.assistant import walked

QUESTIONS = {"model_isolation": "Whose drop is it?"}


def test_the_whole_conversation_is_told() -> None:
    text = render(walked.log(), QUESTIONS)
    for said in (
        "The share of right badges fell",
        "▸ model_isolation",
        "Whose drop is it?",
        "dcn does worse than mlp in the same hours",
        "██·│▁  0.6 to 0.8",
        "+ dcn fell against mlp",
        "-0.08 [-0.1, -0.06] at 95% · p 1e-09 · q 2e-08 · n 5,120",
        "the traffic: its mix is as before",
        "infra: no dimension says where a request was served",
        "? Was anything launched?",
        "Why do you ask? Only people know of a launch.",
        "1. Yes, a launch",
        "2. I don't know  (recommended)",
        "recommended because the data do not say",
        "▹ I don't know   (kim)",
        "! Proposed: Pause train_dcn",
        "dcn goes stale after 24 h",
        "not approved by kim: not at night",
        "a second day of labels",
        "Go back to dcn/2013-05-03.",
    ):
        assert said in text, said


def test_it_ends_with_the_verdict_line() -> None:
    last = render(walked.log(), QUESTIONS).splitlines()[-1]
    assert last == "verdict: training.learning_rate dcn/2013-05-04 (confidence 0.97)"


def test_an_unfinished_investigation_has_no_verdict_line() -> None:
    assert "verdict:" not in render(walked.log(walked.QUESTION_SEQ), QUESTIONS)


def test_nobody_accused_leaves_no_gap_in_the_verdict_line() -> None:
    nobody = walked.VERDICT.model_copy(update={"cause": "none.no_fault", "target": ""})
    assert verdict_line(nobody) == "verdict: none.no_fault (confidence 0.97)"


def test_no_line_is_wider_than_the_page_and_no_colour_leaves_a_terminal() -> None:
    text = render(walked.log(), QUESTIONS)
    assert max(map(len, text.splitlines())) <= 100
    assert "\x1b" not in text


def test_on_a_terminal_there_are_colours() -> None:
    out = io.StringIO()
    shown = Transcript(Console(file=out, force_terminal=True, color_system="standard", width=100), QUESTIONS)
    for event in walked.log():
        shown.show(event)
    assert "\x1b[" in out.getvalue()


def test_what_is_not_a_terminal_gets_plain_text() -> None:
    out = io.StringIO()
    console(out).print("a [bold]b[/bold]")
    assert out.getvalue() == "a [bold]b[/bold]\n"


def test_text_from_outside_cannot_steer_the_terminal() -> None:
    opened = walked.log(0)[0]
    evil = opened.model_copy(update={"alert": walked.ALERT.model_copy(update={"title": "\x1b]0;owned\x07 [red]x"})})
    text = render([evil], {})
    assert "\x1b" not in text
    assert "[red]x" in text


def test_every_kind_of_event_can_be_shown() -> None:
    more = (
        {"type": "NoteAdded", "text": "looked at the logs", "actor": "kim"},
        {"type": "SteppedBack", "to_seq": walked.QUESTION_SEQ, "actor": "kim"},
        {"type": "ActionApproved", "step": "pause", "plan_hash": "c0ffee", "actor": "kim", "reason": "do it"},
        {"type": "ActionDone", "step": "pause", "plan_hash": "c0ffee", "state_after": {"paused": True}},
    )
    events: list[Event] = walked.log(walked.PLAN_SEQ, *more)
    text = render(events, {})
    for said in ("looked at the logs", "back to event 4", "approved by kim: do it", "read back: paused True"):
        assert said in text


def test_the_same_log_gives_the_same_text() -> None:
    assert render(walked.log(), QUESTIONS) == render(walked.log(), QUESTIONS)


def test_the_json_report_survives_nan() -> None:
    text = json_report.render(view(walked.log(), None), walked.log())
    assert '"mix_share": "NaN"' in text
    assert '"cause": "training.learning_rate"' in text
