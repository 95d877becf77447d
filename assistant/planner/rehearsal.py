"""Rehearses a playbook: canned findings and answers in, the steps walked and the verdict out. Nothing real is touched.

A rehearsal is a TOML file:

    playbook = "topline_drop"
    title = "what it shows"
    answers = { launch = "no" }              # by step; the others take the recommended answer
    [tools.model_isolation]                  # what a tool finds wherever it runs …
    status = "answered"                      # the default
    facts = { factor = "model" }             # the others are not known
    plan = { action = "pause", … }           # of a tool that acts
    [findings."first.snapshot.rollout"]      # … or at one step only
    facts = { explains = true }
    [expect]
    steps = ["isolate", "launch", …]
    cause = "training.learning_rate"
    target = "badge_mlp/2013-05-04"
    confidence = 0.93

Plans are refused, as an automatic walk does.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.resources.abc import Traversable
from types import SimpleNamespace
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from assistant.planner.actions import make_plan
from assistant.planner.check import Tools
from assistant.planner.events import (
    ActionProposed,
    ActionRefused,
    AnswerGiven,
    BranchTaken,
    Event,
    Opened,
    QuestionAsked,
    ToolAnswered,
    ToolCalled,
    Verdict,
    VerdictReached,
)
from assistant.planner.flat import FlatPlaybook
from assistant.planner.investigation import State, apply, opened
from assistant.planner.library import Library
from assistant.planner.moves import Ask, Conclude, Go, Move, Propose, Run
from assistant.planner.next_move import next_move
from assistant.planner.tool_calls import call
from knowledge.ingest.alert import Alert
from tools.contract import Finding, Status
from tools.ports import Ports
from tools.records import Window

_NOON = datetime(2013, 5, 4, 12, tzinfo=UTC)
_DAY_BEFORE = Window(start=datetime(2013, 5, 3, 0, tzinfo=UTC), end=datetime(2013, 5, 3, 12, tzinfo=UTC))
_DAY = Window(start=datetime(2013, 5, 4, 0, tzinfo=UTC), end=_NOON)
_ALERT = Alert(
    alert="rehearsal",
    product="flight_search_badge",
    metric="on_time_badge_share",
    title="on_time_badge_share fell",
    started_at=_DAY.start,
    window=_DAY,
    baseline=_DAY_BEFORE,
    snapshot="badge_dcn/2013-05-04",
)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Canned(_Part):
    """What a tool is made to find. Facts that are left out are not known."""

    status: Status = Status.answered
    facts: dict[str, Any] = {}
    plan: dict[str, Any] | None = None
    ruled_out: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()


class Expected(_Part):
    """What the walk must come to; what is left out is not compared."""

    cause: str
    steps: tuple[str, ...] | None = None
    target: str | None = None
    confidence: float | None = None


class Rehearsal(_Part):
    """Canned findings and answers, and what they must lead to."""

    playbook: str
    title: str
    answers: dict[str, str] = {}
    tools: dict[str, Canned] = {}
    findings: dict[str, Canned] = {}
    expect: Expected


class FaultyRehearsal(ValueError):
    """The rehearsal itself is wrong; the message says which file or step, and why."""


@dataclass(frozen=True)
class Rehearsed:
    """The walk of a rehearsal. `differences` are empty where it came out as expected."""

    steps: tuple[str, ...]
    verdict: Verdict
    differences: tuple[str, ...]


def read_rehearsal(path: Traversable) -> Rehearsal:
    """Read a rehearsal file. Raises `FaultyRehearsal`."""
    try:
        return Rehearsal.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise FaultyRehearsal(f"{path}: {error}") from error


def rehearse(rehearsal: Rehearsal, library: Library, tools: Tools) -> Rehearsed:
    """Walk the playbook with what is canned. Raises `FaultyRehearsal` where a finding is missing or impossible."""
    playbook = library.playbook(rehearsal.playbook)
    stage = _Stage(rehearsal, tools)
    state = opened(Opened(**_stamp(0), alert=_ALERT, playbook=playbook.id, playbook_hash="", code_version=""))
    while (move := next_move(playbook, state)) is not None:
        for event in stage.play(move, state):
            state = apply(state, event)
    assert state.verdict is not None
    assert state.step is not None
    steps = (*state.path, state.step)
    return Rehearsed(steps, state.verdict, tuple(_differences(rehearsal.expect, steps, state.verdict)))


def origin_of_verdict(rehearsed: Rehearsed, playbook: FlatPlaybook) -> tuple[str, str]:
    """The playbook and step where the verdict is written: it may stand in a called playbook."""
    origin = playbook.origins[rehearsed.steps[-1]]
    return origin.playbook, origin.step


@dataclass(frozen=True)
class _Stage:
    rehearsal: Rehearsal
    tools: Tools

    def play(self, move: Move, state: State) -> Sequence[Event]:
        """The events that a move leads to."""
        at = _stamp(state.seq + 1)
        match move:
            case Run():
                called = ToolCalled(**at, step=move.step, tool=move.tool, params=move.params)
                return called, ToolAnswered(**_stamp(state.seq + 2), step=move.step, finding=self._finding(move))
            case Ask():
                choice = self.rehearsal.answers.get(move.step, move.recommended)
                if choice not in [one.choice for one in move.choices]:
                    raise FaultyRehearsal(f"{self.rehearsal.title}: {choice!r} is no answer to {move.step}")
                given = AnswerGiven(**_stamp(state.seq + 2), step=move.step, choice=choice, actor="rehearsal")
                return QuestionAsked(**at, **vars(move)), given
            case Propose():
                plan = make_plan(move.tool, move.plan, _NOON)
                fields = {"step": move.step, "plan_hash": plan.plan_hash, "actor": "rehearsal", "reason": "a rehearsal"}
                return ActionProposed(**at, step=move.step, plan=plan), ActionRefused(**_stamp(state.seq + 2), **fields)
            case Go():
                return (BranchTaken(**at, step=move.step, to=move.to, because=move.because),)
            case Conclude():
                return (VerdictReached(**at, step=move.step, verdict=move.verdict),)

    def _finding(self, move: Run) -> Finding:
        """Through the same gate as a real call: what is unavailable or unknown answers as it does there."""
        canned = self.rehearsal.findings.get(move.step) or self.rehearsal.tools.get(move.tool)
        tool = self.tools[move.tool]
        if canned is None and tool.unavailable is None:
            raise FaultyRehearsal(f"{self.rehearsal.title}: it does not say what {move.tool} finds at {move.step}")
        found = self._canned(move, canned or Canned(status=Status.no_data))
        ports = cast(Ports, SimpleNamespace())
        return call(replace(tool, run=lambda _params, _ports: found), move.params, ports)

    def _canned(self, move: Run, canned: Canned) -> Finding:
        tool = self.tools[move.tool]
        try:
            facts = tool.facts.model_validate(canned.facts)
        except ValidationError as error:
            raise FaultyRehearsal(f"{self.rehearsal.title}: impossible facts at {move.step}: {error}") from error
        known = ", ".join(f"{name}={value}" for name, value in sorted(canned.facts.items()))
        finding = tool.finding(
            canned.status,
            known or f"{canned.status.value}",
            facts=facts,
            ruled_out=canned.ruled_out,
            not_checked=canned.not_checked,
        )
        return finding.model_copy(update={"result": canned.plan})


def _stamp(seq: int) -> dict[str, Any]:
    return {"investigation": "rehearsal", "seq": seq, "at": _NOON}


def _differences(expect: Expected, steps: tuple[str, ...], verdict: Verdict) -> list[str]:
    pairs: Mapping[str, tuple[Any, Any]] = {
        "steps": (expect.steps, steps),
        "cause": (expect.cause, verdict.cause),
        "target": (expect.target, verdict.target),
        "confidence": (expect.confidence, round(verdict.confidence, 4)),
    }
    return [
        f"{name}: expected {wanted}, but it was {got}"
        for name, (wanted, got) in pairs.items()
        if wanted is not None and wanted != got
    ]
