"""Actions in the world: their plans, the state they act on, and carrying them out. Each is safe to repeat."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from assistant.planner.events import Plan
from tools.ports import Ports
from tools.records import PipelineState

PAUSE, RESUME, FAIL_RUNS = "pause", "resume", "fail_runs"
_RUNS = "active_runs"
_PASSING = ("read_at", "next_run_at", _RUNS)
"""Parts of a pipeline's state that change by themselves. A plan does not rest on the first two; runs are looked at one
by one."""


class CannotAct(Exception):
    """There is nothing here that can carry out the plan; the message says why."""


def make_plan(tool: str, draft: Mapping[str, Any], expires_at: datetime) -> Plan:
    """A plan from an acting tool's result. The hash leaves out the expiry, so that the same plan has the same hash."""
    body = {key: draft[key] for key in ("action", "target", "summary", "effects", "state_before")}
    canonical = json.dumps({"tool": tool, **body}, sort_keys=True, separators=(",", ":"))
    plan_hash = hashlib.sha256(canonical.encode()).hexdigest()
    return Plan(tool=tool, **body, expires_at=expires_at, plan_hash=plan_hash)


def read_state(ports: Ports, plan: Plan) -> dict[str, Any]:
    """The state of the plan's target, from the orchestrator, now. Raises `CannotAct` and `PortError`."""
    if plan.tool != "pipeline_pause" or plan.action not in (PAUSE, RESUME, FAIL_RUNS):
        raise CannotAct(f"nothing here can carry out {plan.action!r} of the tool {plan.tool!r}; do it by hand")
    return _as_json(ports.pipelines.state(plan.target))


def changed(plan: Plan, state: Mapping[str, Any], begun: bool = False) -> list[str]:
    """What of the state that the plan was made for is not so any more, in words.

    A run that has ended by itself makes no difference to a pause, but leaves nothing to end. One that has started since
    makes a difference to both: the plan did not speak of it. `begun` says that the plan may be half carried out, so
    that a run may have ended because of it.
    """
    kept = [key for key in plan.state_before if key in state and key not in _PASSING]
    found = [
        f"{key} was {plan.state_before[key]} and is {state[key]}"
        for key in kept
        if state[key] != plan.state_before[key]
    ]
    if plan.action != RESUME and _RUNS in plan.state_before:
        before, now = _runs(plan.state_before), _runs(state)
        found += [f"{run} has started" for run in now if run not in before]
        found += [f"{run} has ended" for run in before if run not in now and plan.action == FAIL_RUNS and not begun]
    return found


def is_done(plan: Plan, state: Mapping[str, Any], undo: bool = False) -> bool:
    """Whether the state is what the plan, or its undo, would bring about."""
    if plan.action == FAIL_RUNS:
        return not set(_runs(plan.state_before)) & set(_runs(state))
    return bool(state.get("paused")) == _wants_paused(plan, undo)


def carry_out(ports: Ports, plan: Plan, state: Mapping[str, Any], undo: bool = False) -> dict[str, Any]:
    """Do it, or undo it, and answer with the state that was read back. Raises `PortError`.

    `state` is that of this moment: a run that has ended since the plan was made may have succeeded, and is let be.
    """
    if plan.action == FAIL_RUNS:
        still = [run for run in _runs(plan.state_before) if run in _runs(state)]
        return _as_json(ports.pipelines.fail_runs(plan.target, still))
    return _as_json(ports.pipelines.set_paused(plan.target, _wants_paused(plan, undo)))


def no_undo(plan: Plan) -> str | None:
    """Why the plan cannot be undone once it is carried out, or None."""
    if plan.action == FAIL_RUNS:
        return "a run that was ended cannot be taken up again; start a new one in the orchestrator"
    return None


def _runs(state: Mapping[str, Any]) -> list[str]:
    return [str(run) for run in state.get(_RUNS, ())]


def _as_json(state: PipelineState) -> dict[str, Any]:
    """Without the time of reading: the event that keeps the state has its own."""
    return state.model_dump(mode="json", exclude={"read_at"})


def _wants_paused(plan: Plan, undo: bool) -> bool:
    return (plan.action == PAUSE) != undo
