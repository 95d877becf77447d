"""Numbers in words, series in blocks, and what belongs to which step."""

import math

import pytest

from assistant.wire import AnswerGiven, Estimate, InvestigationView, SteppedBack, TrailStep
from tests.tui import incident
from tests.tui.server import Incident
from tui.walk import Walk
from tui.widgets.figures import figure, interval, scalar
from tui.widgets.sparkline import cells, column, rows
from tui.widgets.trail import LONGEST, line, sign


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (math.nan, "not known"),
        (None, "not known"),
        (math.inf, "infinite"),
        (-math.inf, "minus infinite"),
        (0.0, "0"),
        (-6.123456, "-6.123"),
        (0.000001234, "1.2e-06"),
        (336776.0, "336,776"),
        (1e12, "1.0e+12"),
    ],
)
def test_numbers_in_words(value: float | None, words: str) -> None:
    assert figure(value) == words


def test_units_and_facts_in_words() -> None:
    assert (figure(5, "%"), figure(5, "points"), figure(math.nan, "points")) == ("5%", "5 points", "not known")
    assert [scalar(value) for value in (True, False, None, 3, "EWR")] == ["yes", "no", "not known", "3", "EWR"]


def test_an_interval_without_bounds_says_so() -> None:
    assert interval(Estimate(value=1, low=0.5, high=math.inf, level=0.9)) == "1 (90% interval 0.5 to infinite)"
    assert interval(Estimate(value=1, low=math.nan, high=math.nan)) == "1 (interval not known)"


def test_a_series_fits_the_width_that_there_is() -> None:
    assert cells([1.0, 2.0], 5) == [1.0, 1.0, 2.0, 2.0]
    assert cells([1.0, 3.0, math.nan, math.nan, 5.0, math.nan], 3)[0] == 2.0
    assert math.isnan(cells([1.0, 3.0, math.nan, math.nan, 5.0, math.nan], 3)[1])
    assert cells([], 5) == []
    assert cells([1.0], 0) == []
    assert all(len(cells([0.0] * n, width)) <= width for n in range(1, 50) for width in range(1, 50))


def test_the_mark_stands_where_the_incident_is_drawn() -> None:
    for count in (3, 10, 21, 200):
        values = [0.0] * (count // 2) + [1.0] * (count - count // 2)
        drawn = cells(values, 40)
        start = column(count // 2, count, 40)
        assert set(drawn[start:]) <= {1.0} or count > 40
        assert set(drawn[:start]) == {0.0}


def test_blocks_grow_with_the_values_and_leave_gaps() -> None:
    assert rows([0.0, 1.0, math.nan, 2.0], height=1) == ["▁▅ █"]
    assert rows([0.0, 2.0], height=2) == [" █", "▁█"]
    assert rows([5.0, 5.0], height=1) == ["▄▄"]
    assert rows([math.nan, math.inf, -math.inf, 1.0], height=1) == [" █▁▄"]


def test_the_trail_marks_what_was_found_and_clips_what_is_long() -> None:
    step = TrailStep(seq=1, step="s", kind="tool", title="t" * 500, outcome="found", interesting=True)
    assert sign(step)[0] == "!"
    assert sign(step.model_copy(update={"status": "no_data"}))[0] == "?"
    first, second = line(step).plain.splitlines()
    assert (len(first), second) == (LONGEST + 2, "found")


def walk(*parts: dict[str, object]) -> Walk:
    state = Incident()
    state.events += incident.numbered(list(parts), len(state.events))
    return Walk(view=state.view(), events=tuple(state.events))


def asked(view: InvestigationView) -> TrailStep:
    return next(step for step in view.trail if step.kind == "question")


def test_what_was_stepped_back_over_no_longer_counts() -> None:
    answer = incident.answered("planned", "no", "ana")
    before = walk(answer)
    given = before.answer(asked(before.view))
    assert isinstance(given, AnswerGiven)
    assert given.choice == "no"
    after = walk(answer, {"type": SteppedBack, "to_seq": 4, "actor": "ana"})
    assert after.answer(asked(after.view)) is None
    assert (before.asked_at, after.asked_at) == (4, 6)


def test_a_question_stands_beside_the_evidence_before_it() -> None:
    shown = walk()
    found = shown.evidence_before(asked(shown.view))
    assert found is not None
    assert found[1].tool == "model_isolation"
    assert shown.evidence_before(shown.view.trail[0]) is None
