"""The screen, driven by keys alone, against a small server."""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from assistant.wire import (
    ActionApproved,
    ActionRefused,
    AnswerGiven,
    Chart,
    NoteAdded,
    Status,
    SteppedBack,
    ToolAnswered,
)
from tests.tui import incident
from tests.tui.server import Incident, create
from tui.app import HawkEyeApp
from tui.client import Client
from tui.screens import investigation
from tui.screens.dialogs import ConfirmDialog, HelpDialog, ReasonDialog

SMALL = (80, 24)


@asynccontextmanager
async def opened(state: Incident, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Pilot[None]]:
    """The interface on the incident, as far as its first question."""
    async with Client.in_process(create(state)) as client:
        app = HawkEyeApp(client, incident.ID, actor="ana")
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: "Was anything planned" in text(pilot))
            yield pilot


def text(pilot: Pilot[None]) -> str:
    """What stands on the terminal, line by line."""
    return "\n".join(strip.text.rstrip() for strip in pilot.app.screen._compositor.render_strips())


def flat(pilot: Pilot[None]) -> str:
    """What stands on the terminal as one line, the left column before the right one, for sentences that wrap."""
    halves = [line.partition("│") for line in text(pilot).splitlines()]
    return " ".join(" ".join([*(left for left, _, _ in halves), *(right for _, _, right in halves)]).split())


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    """Wait until something is so; the screen follows the server in its own time."""
    for _ in range(100):
        if holds():
            return
        await pilot.pause(0.03)
    raise AssertionError(f"it never became so; the screen says\n{text(pilot)}")


async def type_in(pilot: Pilot[None], words: str) -> None:
    await pilot.press(*("space" if letter == " " else letter for letter in words), "enter")


async def test_the_keys_walk_the_incident_to_its_verdict() -> None:
    state = Incident()
    async with opened(state) as pilot:
        assert "badge_dcn is worse than its peers in the same hours, [most] of it at EWR" in flat(pilot)
        assert "recommended: nothing stands in the calendar" in flat(pilot)
        await pilot.press("down", "up", "enter")
        await until(pilot, lambda: "Shall this be done" in text(pilot))
        assert "training_badge_dcn goes stale after 24 h" in text(pilot)
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, ReasonDialog))
        await type_in(pilot, "stop the spread")
        await until(pilot, lambda: "confidence 0.93" in text(pilot))
        assert "data.upstream_code_change" in text(pilot)
        assert "the snapshot of 4 May: the drop precedes its rollout" in flat(pilot)
    said = [event for event in state.events if isinstance(event, AnswerGiven | ActionApproved)]
    assert [event.actor for event in said] == ["ana", "ana"]
    assert [said[0].model_dump()["choice"], said[1].model_dump()["reason"]] == ["yes", "stop the spread"]


async def test_a_digit_answers_and_a_refusal_names_its_reason() -> None:
    state = Incident()
    async with opened(state) as pilot:
        await pilot.press("9", "3", "3")  # there is no ninth choice, and an answer is given once
        await until(pilot, lambda: "Shall this be done" in text(pilot))
        await pilot.press("r")
        await until(pilot, lambda: isinstance(pilot.app.screen, ReasonDialog))
        await pilot.press("enter")
        await until(pilot, lambda: "please write a few words first" in text(pilot))
        await type_in(pilot, "not now")
        await until(pilot, lambda: "confidence 0.93" in text(pilot))
    assert [event.choice for event in state.events if isinstance(event, AnswerGiven)] == ["unknown"]
    assert [event.reason for event in state.events if isinstance(event, ActionRefused)] == ["not now"]


async def test_leaving_the_dialog_approves_nothing() -> None:
    state = Incident()
    async with opened(state) as pilot:
        await pilot.press("1")
        await until(pilot, lambda: "Shall this be done" in text(pilot))
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, ReasonDialog))
        await pilot.press("o", "k", "escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ReasonDialog))
    assert not any(isinstance(event, ActionApproved) for event in state.events)


async def test_why_is_shown_and_hidden() -> None:
    async with opened(Incident()) as pilot:
        assert "A release or a sale" not in flat(pilot)
        await pilot.press("w")
        await until(pilot, lambda: "A release or a sale" in flat(pilot))
        assert "isolate: factor = model (is model)" in flat(pilot)
        await pilot.press("w")
        await until(pilot, lambda: "A release or a sale" not in flat(pilot))


async def test_earlier_evidence_can_be_looked_at_while_a_plan_waits() -> None:
    async with opened(Incident()) as pilot:
        await pilot.press("1")
        await until(pilot, lambda: "Proposed action" in text(pilot))
        await pilot.press("k")
        await until(pilot, lambda: "There was no data for this step." in text(pilot))
        await pilot.press("k", "k", "k")
        await until(pilot, lambda: "Is one model worse than the others" in flat(pilot))
        assert "effect -6.1 points (95% interval -7.4 to -4.8)" in text(pilot)
        assert "q 0.0004, n 18,400" in text(pilot)
        assert "window 2013-05-04 11:00 to 2013-05-05 08:00 UTC" in text(pilot)
        assert "from metric flight_search_badge/on_time_badge_share" in text(pilot)
        assert "effect not known (interval not known)" in text(pilot)
        assert "1 of 12 not known" in text(pilot)
        assert "nan" not in text(pilot).lower()
        await pilot.press("j", "j", "j", "j")
        await until(pilot, lambda: "Proposed action" in text(pilot))


async def test_who_looks_back_and_answers_is_led_to_what_comes() -> None:
    async with opened(Incident()) as pilot:
        await pilot.press("k")
        await until(pilot, lambda: "Ruled out" in text(pilot))
        await pilot.press("1")
        await until(pilot, lambda: "Proposed action" in text(pilot))


async def test_stepping_back_asks_again() -> None:
    state = Incident()
    async with opened(state) as pilot:
        await pilot.press("b")
        await pilot.pause()
        assert not isinstance(pilot.app.screen, ConfirmDialog)  # nothing was answered yet
        await pilot.press("1")
        await until(pilot, lambda: "Proposed action" in text(pilot))
        await pilot.press("b")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmDialog))
        await pilot.press("y")
        await until(pilot, lambda: "waits for your answer" in text(pilot))
        await until(pilot, lambda: pilot.app.screen.query_one("#choices", OptionList).has_focus)
        await pilot.press("2")
        await until(pilot, lambda: "Proposed action" in text(pilot))
    assert [event.to_seq for event in state.events if isinstance(event, SteppedBack)] == [4]
    assert [event.choice for event in state.events if isinstance(event, AnswerGiven)] == ["yes", "no"]


async def test_a_note_is_kept() -> None:
    state = Incident()
    async with opened(state) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: isinstance(pilot.app.screen, ReasonDialog))
        await type_in(pilot, "it rained")
        await until(pilot, lambda: any(isinstance(event, NoteAdded) for event in state.events))


async def test_a_refused_answer_is_explained_and_can_be_given_again() -> None:
    state = Incident()
    state.refusal = "somebody else answered first; read the question again"
    async with opened(state) as pilot:
        await pilot.press("1")
        await until(pilot, lambda: "somebody else answered first" in flat(pilot))
        state.refusal = None
        await pilot.press("1")
        await until(pilot, lambda: "Proposed action" in text(pilot))


async def test_a_server_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(investigation, "FIRST_PAUSE_S", 0.05)
    state = Incident()
    async with opened(state, SMALL) as pilot:
        state.away = True
        await state.say(incident.answered("planned", "yes", "bob"), *incident.features())
        await until(pilot, lambda: "Proposed action" in text(pilot))
        await until(pilot, lambda: "the store is being repaired" in flat(pilot))
        state.away = False
        await state.say(*incident.refusal("no", "bob"))
        await until(pilot, lambda: "being repaired" not in text(pilot) and "confidence 0.93" in text(pilot))


async def test_an_investigation_that_stopped_says_why() -> None:
    state = Incident()
    async with opened(state) as pilot:
        state.failure = "the disk is full; make room and start again"
        await state.say(incident.answered("planned", "yes", "bob"))
        await until(pilot, lambda: "the disk is full" in flat(pilot))
        assert state.view().summary.status is Status.failed


async def test_an_unknown_investigation_says_so() -> None:
    async with Client.in_process(create(Incident())) as client:
        app = HawkEyeApp(client, "inv-9", actor="ana")
        async with app.run_test(size=SMALL) as pilot:
            await until(pilot, lambda: "there is no investigation 'inv-9'" in flat(pilot))
            await pilot.press("q")


@pytest.mark.parametrize("keys", [(), ("w",), ("question_mark",), ("1",)])
async def test_a_small_terminal_shows_all_choices(keys: tuple[str, ...]) -> None:
    async with opened(Incident(), SMALL) as pilot:
        await pilot.press(*keys)
        await pilot.pause(0.2)
        lines = text(pilot).splitlines()
        assert len(lines) == 24
        assert max(map(len, lines)) <= 80
        if keys in ((), ("w",)):
            assert all(f"{number}  " in text(pilot) for number in (1, 2, 3))
        if isinstance(pilot.app.screen, HelpDialog):
            assert "A blank in a chart" in text(pilot)


async def test_a_long_word_and_numbers_without_end_do_not_break_the_screen() -> None:
    state = Incident()
    wild = incident.finding(
        headline="x" * 500 + " " + "word " * 200,
        charts=(Chart(title="nothing", values=(math.nan, math.inf, -math.inf), mark=1),),
    )
    part = {"type": ToolAnswered, "step": "isolate", "finding": wild}
    state.events[2:3] = incident.numbered([part], 2)
    async with opened(state, SMALL) as pilot:
        for _ in range(30):
            await pilot.press("pagedown")
            if "infinite" in text(pilot):
                break
        assert "from minus infinite to infinite" in flat(pilot)


async def test_quitting_ends_the_poll() -> None:
    async with opened(Incident()) as pilot:
        await pilot.press("q")
        await until(pilot, lambda: pilot.app.return_code is not None)
        assert pilot.app.return_code == 0
