"""The planner told events and asked for moves: no log, no driver, no clock."""

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from assistant.planner.events import BranchTaken, Event, Opened, ToolAnswered
from assistant.planner.flat import FlatPlaybook
from assistant.planner.investigation import State, fold
from assistant.planner.library import Library
from assistant.planner.moves import Ask, Conclude, Go, Run
from assistant.planner.next_move import next_move
from tests.assistant.planner.stand_ins import ALERT, DEEP, LOOK, PROBE, TOOLS, WALK, LookFacts, ProbeFacts, catalogue
from tools.contract import Finding, Status

AT = datetime(2026, 1, 1, tzinfo=UTC)
PLAYBOOK: FlatPlaybook = Library(catalogue(walk=WALK, deep=DEEP), TOOLS).playbook("walk")


def after(*events: dict[str, Any]) -> State:
    kinds: list[type[Any]] = [Opened, *(event.pop("kind") for event in (dict(e) for e in events))]
    bodies = [{"alert": ALERT, "playbook": "walk", "playbook_hash": "", "code_version": ""}, *events]
    made: list[Event] = [
        kind(investigation="i", seq=seq, at=AT, **{k: v for k, v in body.items() if k != "kind"})
        for seq, (kind, body) in enumerate(zip(kinds, bodies, strict=True))
    ]
    return fold(made)


def answered(step: str, finding: Finding) -> dict[str, Any]:
    return {"kind": ToolAnswered, "step": step, "finding": finding}


def went(step: str, to: str) -> dict[str, Any]:
    return {"kind": BranchTaken, "step": step, "to": to, "because": ()}


def looked(status: Status = Status.answered, **facts: Any) -> dict[str, Any]:
    return answered("look", LOOK.finding(status, "looked", facts=LookFacts(**facts)))


def test_it_begins_with_the_first_step_and_real_values() -> None:
    assert next_move(PLAYBOOK, after()) == Run(
        "look", "look", {"product": "badge", "window": ALERT.window.model_dump(mode="json")}
    )


@pytest.mark.parametrize(
    ("status", "kind", "to"),
    [
        (Status.answered, "nulls", "meant"),
        (Status.answered, "shift", "clean"),
        (Status.answered, None, "clean"),
        (Status.no_data, "nulls", "unknown"),
        (Status.inconclusive, "nulls", "unknown"),
        (Status.failed, None, "unknown"),
    ],
)
def test_branches_follow_facts_and_status(status: Status, kind: Any, to: str) -> None:
    move = next_move(PLAYBOOK, after(looked(status, kind=kind)))
    assert isinstance(move, Go)
    assert move.to == to


def test_a_branch_says_because_of_what() -> None:
    move = next_move(PLAYBOOK, after(looked(kind="nulls")))
    assert isinstance(move, Go)
    assert [reason.model_dump() for reason in move.because] == [
        {"fact": "facts.look.kind", "value": "nulls", "test": "is nulls"}
    ]


@pytest.mark.parametrize(
    ("level", "recommended"), [(0.9, "no"), (0.1, "unknown"), (None, "unknown"), (math.nan, "unknown")]
)
def test_what_is_recommended_follows_the_evidence(level: float | None, recommended: str) -> None:
    move = next_move(PLAYBOOK, after(looked(kind="nulls", level=level), went("look", "meant")))
    assert isinstance(move, Ask)
    assert move.recommended == recommended


@pytest.mark.parametrize(
    ("facts", "cause", "confidence", "settles"),
    [
        ({"confidence": 0.9, "pipeline": "p"}, "broken", 0.85, ""),
        ({"confidence": 0.5, "pipeline": "p"}, "inconclusive", 0.45, "a confidence of 0.45 only"),
        ({"confidence": None, "pipeline": "p"}, "inconclusive", 0.0, "not known: facts.deep.probe.confidence"),
        ({"confidence": math.nan, "pipeline": "p"}, "inconclusive", 0.0, "not known: facts.deep.probe.confidence"),
        (
            {"confidence": 0.9, "pipeline": None},
            "inconclusive",
            0.85,
            "not known: facts.look.model, facts.deep.probe.p",
        ),
        ({"confidence": 7.0, "pipeline": "p"}, "inconclusive", 0.0, "a confidence of 0.00 only"),
    ],
)
def test_the_verdict_is_no_surer_than_its_links(facts: Any, cause: str, confidence: float, settles: str) -> None:
    probed = answered("deep.probe", PROBE.finding(Status.answered, "probed", facts=ProbeFacts(**facts)))
    state = after(looked(kind="nulls", model="m1"), went("look", "deep.probe"), probed, went("deep.probe", "verdict"))
    move = next_move(PLAYBOOK, state)
    assert isinstance(move, Conclude)
    assert (move.verdict.cause, move.verdict.confidence) == (cause, confidence)
    assert settles in " ".join(move.verdict.would_settle)
    assert move.verdict.chain == ("look: looked", "deep.probe: probed")


def test_the_planner_does_not_change_the_state_and_says_the_same_twice() -> None:
    state = after(looked(kind="nulls"))
    before = replace(state)
    assert next_move(PLAYBOOK, state) == next_move(PLAYBOOK, state)
    assert state == before


def test_a_log_without_its_beginning_is_called_damaged() -> None:
    with pytest.raises(ValueError, match="damaged"):
        fold([])
