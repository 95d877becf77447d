"""Every shipped rehearsal comes out as it says, and every verdict of the shipped playbooks is reached by one."""

from functools import cache
from importlib.resources import files

import pytest

from assistant.planner.check import check
from assistant.planner.flat import FlatPlaybook
from assistant.planner.library import Library
from assistant.planner.playbook import ConcludeStep, QuestionStep
from assistant.planner.rehearsal import Rehearsed, origin_of_verdict, read_rehearsal, rehearse
from knowledge.catalogue import load_catalogue
from tools.registry import all_tools

FOLDER = files("knowledge.playbooks") / "rehearsals"
NAMES = sorted(entry.name for entry in FOLDER.iterdir() if entry.name.endswith(".toml"))


@cache
def library() -> Library:
    return Library(load_catalogue(), all_tools())


@cache
def rehearsed(name: str) -> tuple[Rehearsed, FlatPlaybook]:
    rehearsal = read_rehearsal(FOLDER / name)
    return rehearse(rehearsal, library(), all_tools()), library().playbook(rehearsal.playbook)


def test_the_shipped_playbooks_have_no_faults() -> None:
    assert [str(fault) for fault in check(load_catalogue(), all_tools())] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_rehearsal_comes_out_as_expected(name: str) -> None:
    result, _ = rehearsed(name)
    assert result.differences == ()
    if result.verdict.cause == "inconclusive":
        assert result.verdict.would_settle, "an inconclusive verdict says what is missing"


def test_every_verdict_is_reached() -> None:
    reached = {origin_of_verdict(*rehearsed(name)) for name in NAMES}
    written = {
        (origin.playbook, origin.step)
        for _, flat in map(rehearsed, NAMES)
        for step, origin in flat.origins.items()
        if isinstance(flat.steps[step], ConcludeStep)
    }
    assert sorted(written - reached) == []


def test_every_cause_of_the_catalogue_is_concluded_somewhere() -> None:
    assert {rehearsed(name)[0].verdict.cause for name in NAMES} == set(load_catalogue().causes)


def test_every_question_can_be_left_open() -> None:
    flat = library().playbook("topline_drop")
    questions = {flat.origins[name]: step for name, step in flat.steps.items() if isinstance(step, QuestionStep)}
    assert len(questions) >= 3
    for origin, step in questions.items():
        assert any("don't know" in answer.label for answer in step.choices), origin
