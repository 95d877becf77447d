"""Actions in the world: their plans, the state they act on, and carrying them out. Each is safe to repeat."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from assistant.planner.events import Plan
from tools.ports import Ports
from tools.records import PipelineState

PAUSE, RESUME = "pause", "resume"
_PASSING = ("read_at", "next_run_at")
"""Parts of a pipeline's state that change by themselves, and that a plan does not rest on."""


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
    if plan.tool != "pipeline_pause" or plan.action not in (PAUSE, RESUME):
        raise CannotAct(f"nothing here can carry out {plan.action!r} of the tool {plan.tool!r}; do it by hand")
    return _as_json(ports.pipelines.state(plan.target))


def changed(plan: Plan, state: Mapping[str, Any]) -> list[str]:
    """What of the state that the plan was made for is not so any more, in words."""
    kept = [key for key in plan.state_before if key in state and key not in _PASSING]
    return [
        f"{key} was {plan.state_before[key]} and is {state[key]}"
        for key in kept
        if state[key] != plan.state_before[key]
    ]


def is_done(plan: Plan, state: Mapping[str, Any], undo: bool = False) -> bool:
    """Whether the state is what the plan, or its undo, would bring about."""
    return bool(state.get("paused")) == _wants_paused(plan, undo)


def carry_out(ports: Ports, plan: Plan, undo: bool = False) -> dict[str, Any]:
    """Do it, or undo it, and answer with the state that was read back. Raises `PortError`."""
    return _as_json(ports.pipelines.set_paused(plan.target, _wants_paused(plan, undo)))


def _as_json(state: PipelineState) -> dict[str, Any]:
    """Without the time of reading: the event that keeps the state has its own."""
    return state.model_dump(mode="json", exclude={"read_at"})


def _wants_paused(plan: Plan, undo: bool) -> bool:
    return (plan.action == PAUSE) != undo
