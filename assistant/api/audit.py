"""Who decided what about actions, why, and what came of it: the log of all investigations, read for its actions."""

from collections.abc import Iterator, Sequence
from typing import Any

from assistant.planner.approvals import HAWKEYE
from assistant.wire import (
    ActionApproved,
    ActionDone,
    ActionProposed,
    ActionRefused,
    AuditEntry,
    Event,
    Opened,
    Plan,
)

DECIDED = ("ActionApproved", "ActionDone", "ActionRefused")


def entries(events: Sequence[Event]) -> Iterator[AuditEntry]:
    """The entries of one investigation, from its whole log, in its order."""
    title, plans, approvals = "", dict[str, Plan](), dict[str, ActionApproved]()
    for event in events:
        match event:
            case Opened():
                title = event.alert.title
            case ActionProposed():
                plans[event.plan.plan_hash] = event.plan
                approvals.pop(event.plan.plan_hash, None)
            case ActionApproved() | ActionDone() | ActionRefused() if event.plan_hash in plans:
                if isinstance(event, ActionApproved):
                    approvals[event.plan_hash] = event
                yield _entry(event, title, plans[event.plan_hash], approvals.get(event.plan_hash))


def _entry(
    event: ActionApproved | ActionDone | ActionRefused, title: str, plan: Plan, approval: ActionApproved | None
) -> AuditEntry:
    """`approval` is the last one of the plan up to this event."""
    told: dict[str, Any] = {
        "at": event.at,
        "investigation": event.investigation,
        "seq": event.seq,
        "title": title,
        "action": plan.action,
        "target": plan.target,
        "plan_hash": plan.plan_hash,
        "undo": approval is not None and approval.undo,
    }
    match event:
        case ActionApproved():
            return AuditEntry(**told, outcome="approved", actor=event.actor, reason=event.reason)
        case ActionDone():
            by = ("", "") if approval is None else (approval.actor, approval.reason)
            return AuditEntry(**told, outcome="done", actor=by[0], reason=by[1], state=event.state_after)
        case ActionRefused():
            outcome = "not_done" if event.actor == HAWKEYE else "refused"
            return AuditEntry(**told, outcome=outcome, actor=event.actor, reason=event.reason)
