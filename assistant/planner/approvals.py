"""From a plan to the deed: approval, carrying out, reading back, undo. Nothing is done twice."""

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from assistant.planner.actions import CannotAct, carry_out, changed, is_done, no_undo, read_state
from assistant.planner.events import ActionApproved, ActionDone, ActionRefused
from assistant.planner.investigation import Action, Stage, State
from assistant.planner.journal import Decide, Draft, Journal, draft
from assistant.planner.refusals import NotNow
from tools.ports import PortError, Ports, Unconfirmed

HAWKEYE = "hawkeye"
"""The actor of a refusal that no person made."""


class Approvals:
    """Handles the plans of investigations. The caller sees to it that one investigation is handled by one at a time;
    that one pipeline is acted on by one at a time is seen to here, since two investigations may plan for the same."""

    def __init__(self, journal: Journal, ports: Ports, clock: Callable[[], datetime], follow: Decide) -> None:
        self._journal = journal
        self._ports = ports
        self._clock = clock
        self._follow = follow
        self._turns: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)

    def approve(self, investigation: str, plan_hash: str, actor: str, reason: str) -> State:
        """Check, record the approval, and do it. An action that is under way or done is not done again."""
        action = self._action(investigation, plan_hash)
        if action.stage is Stage.undone:
            raise NotNow("the plan was carried out and undone; step back to have a new one made")
        with self._turns[action.plan.target]:
            if action.stage in (Stage.proposed, Stage.refused):
                objection = self._objection(action)
                if objection is not None:
                    told = f"{objection} (it was approved by {actor}: {reason})"
                    return self._refused(investigation, action, HAWKEYE, told)
                self._approved(investigation, action, actor, reason, undo=False)
                self._carry_out(investigation, self._action(investigation, plan_hash))
        return self.finish(investigation)

    def refuse(self, investigation: str, plan_hash: str, actor: str, reason: str) -> State:
        """Record a person's refusal. Refusing again changes nothing."""
        action = self._action(investigation, plan_hash)
        if action.stage is Stage.refused:
            return self._journal.state(investigation)
        if action.stage is not Stage.proposed:
            instead = "" if action.stage in (Stage.undoing, Stage.undone) else "; undo it instead"
            raise NotNow(f"the plan is {action.stage.value} already{instead}")
        return self._refused(investigation, action, actor, reason)

    def undo(self, investigation: str, plan_hash: str, actor: str, reason: str) -> State:
        """Record the wish and bring the earlier state back. Undoing again changes nothing."""
        action = self._action(investigation, plan_hash)
        if action.stage in (Stage.proposed, Stage.refused, Stage.approved):
            raise NotNow(f"the plan is {action.stage.value}: there is nothing to undo")
        if (why := no_undo(action.plan)) is not None:
            raise NotNow(why)
        if action.stage is Stage.done:
            self._approved(investigation, action, actor, reason, undo=True)
        return self.finish(investigation)

    def finish(self, investigation: str) -> State:
        """Carry out what is approved and not yet recorded as done, and answer with the state after it."""
        state = self._journal.state(investigation)
        for action in state.unfinished:
            with self._turns[action.plan.target]:
                state = self._carry_out(investigation, action)
        return state

    def _action(self, investigation: str, plan_hash: str) -> Action:
        actions = self._journal.state(investigation).actions
        if plan_hash not in actions:
            known = ", ".join(actions) or "none"
            raise NotNow(f"no plan has the hash {plan_hash!r}; the plans of {investigation} are: {known}")
        return actions[plan_hash]

    def _objection(self, action: Action) -> str | None:
        """Why the plan must not be carried out, or None."""
        if self._is_expired(action) and not action.sent:
            return _expired(action)
        try:
            state = read_state(self._ports, action.plan)
        except (CannotAct, PortError) as error:
            return str(error)
        return None if action.sent and is_done(action.plan, state) else self._outdated(action, state)

    def _outdated(self, action: Action, state: Mapping[str, Any]) -> str | None:
        """Why the plan is not for this hour or not for this state, or None."""
        if self._is_expired(action):
            return _expired(action)
        # What an earlier approval has brought about, although its answer was lost, is no change but the plan itself.
        differences = changed(action.plan, state, begun=action.sent)
        if differences:
            return f"the state has changed since the plan was made ({'; '.join(differences)}); step back for a new one"
        return None

    def _is_expired(self, action: Action) -> bool:
        return self._clock() >= action.plan.expires_at

    def _carry_out(self, investigation: str, action: Action) -> State:
        """The orchestrator's own state decides: what is so already is recorded and not asked for again.

        The approval may be as old as the last end of the process, so an approved plan is still held to its expiry and
        its state. An undo has neither: it goes back to what was before.
        """
        undo = action.stage is Stage.undoing
        try:
            after = read_state(self._ports, action.plan)
            if not is_done(action.plan, after, undo):
                if not undo and (why := self._outdated(action, after)) is not None:
                    return self._refused(investigation, action, HAWKEYE, f"approved, but not done: {why}")
                after = carry_out(self._ports, action.plan, after, undo)
        except Unconfirmed as error:
            unknown = f"approved and sent, but whether it was done is not known: {error}. Approve it again to look"
            return self._refused(investigation, action, HAWKEYE, unknown)
        except (CannotAct, PortError) as error:
            return self._refused(investigation, action, HAWKEYE, f"approved, but not done: {error}")
        if not is_done(action.plan, after, undo):
            return self._refused(investigation, action, HAWKEYE, f"the orchestrator took it but still says {after}")
        done = draft(ActionDone, step=action.step, plan_hash=action.plan.plan_hash, undo=undo, state_after=after)
        return self._append(investigation, action, done)

    def _approved(self, investigation: str, action: Action, actor: str, reason: str, *, undo: bool) -> State:
        fields = {"step": action.step, "plan_hash": action.plan.plan_hash, "actor": actor, "reason": reason}
        return self._append(investigation, action, draft(ActionApproved, undo=undo, **fields))

    def _refused(self, investigation: str, action: Action, actor: str, reason: str) -> State:
        fields = {"step": action.step, "plan_hash": action.plan.plan_hash, "actor": actor, "reason": reason}
        return self._append(investigation, action, draft(ActionRefused, **fields))

    def _append(self, investigation: str, action: Action, one: Draft) -> State:
        """Append as long as the action is at the stage that was looked at."""

        def decide(state: State) -> Sequence[Draft]:
            now = state.actions.get(action.plan.plan_hash)
            return (one,) if now is not None and now.stage is action.stage else ()

        return self._journal.append(investigation, decide, self._follow)


def _expired(action: Action) -> str:
    return f"the plan expired at {action.plan.expires_at:%Y-%m-%d %H:%M} UTC; step back to have a new one made"
