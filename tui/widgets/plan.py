"""The plan of an action, with its blast radius, before anybody agrees to it; and what came of it."""

from collections.abc import Mapping
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from assistant.wire import ActionDone, Plan, TrailStep
from tui.widgets.figures import scalar
from tui.widgets.finding import bullets, paragraph


def state_lines(state: Mapping[str, Any]) -> list[str]:
    """A pipeline's state as lines; lists and tables inside it as they are."""
    return [f"{name.replace('_', ' ')}: {_value(value)}" for name, value in sorted(state.items())]


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(scalar(item) for item in value) or "none"
    return scalar(value)


class PlanView(Vertical):
    """What would be done to what, what else it touches, and how things are now."""

    def __init__(self, step: TrailStep, plan: Plan, done: ActionDone | None) -> None:
        super().__init__()
        self._step, self._plan, self._done = step, plan, done

    def compose(self) -> ComposeResult:
        plan = self._plan
        yield Static(Content("Proposed action"), classes="title")
        yield Static(Content(f"{plan.action} {plan.target}"), classes="headline")
        yield Static(Content(plan.summary), classes="claim")
        yield from bullets("What else it touches", plan.effects or ("nothing else that is known",))
        yield from bullets("State before", state_lines(plan.state_before))
        if self._done is not None:
            title = "State after the undo, as read back" if self._done.undo else "State after, as read back"
            yield from bullets(title, state_lines(self._done.state_after))
        yield from paragraph("What became of it", self._step.outcome or "")
        yield Static(Content(f"plan {plan.plan_hash[:12]}{self._life()}"), classes="figures")

    def _life(self) -> str:
        """Until when it can be approved, while nobody has decided."""
        return "" if self._step.outcome else f", can be approved until {self._plan.expires_at:%Y-%m-%d %H:%M} UTC"
