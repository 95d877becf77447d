"""Who answers the questions of a walk: nobody (the recommendations are taken), or the person at the terminal."""

import getpass
from typing import Protocol

import click

from assistant.planner.driver import AUTO, NEVER_APPROVES
from assistant.wire import AnswerBody, ApproveBody, Plan, Question, RefuseBody


class Answers(Protocol):
    """Answers what an investigation asks."""

    def answer(self, question: Question) -> AnswerBody: ...
    def decide(self, plan: Plan) -> ApproveBody | RefuseBody: ...


class Recommended:
    """Takes every recommended answer, and approves nothing."""

    def answer(self, question: Question) -> AnswerBody:
        return AnswerBody(step=question.step, choice=question.recommended, actor=AUTO)

    def decide(self, plan: Plan) -> RefuseBody:
        return RefuseBody(plan_hash=plan.plan_hash, actor=AUTO, reason=NEVER_APPROVES)


class Terminal:
    """Asks the person at the terminal. Questions and plans are on the screen already. Raises `click.Abort`."""

    def __init__(self) -> None:
        self._actor = _user()

    def answer(self, question: Question) -> AnswerBody:
        ids = [choice.choice for choice in question.choices]
        number = click.prompt(
            "  your answer", type=click.IntRange(1, len(ids)), default=ids.index(question.recommended) + 1
        )
        return AnswerBody(step=question.step, choice=ids[number - 1], actor=self._actor)

    def decide(self, plan: Plan) -> ApproveBody | RefuseBody:
        approved = click.confirm(f"  approve: {plan.action} {plan.target}?", default=False)
        reason = click.prompt("  why", default="as proposed" if approved else "not now")
        body = ApproveBody if approved else RefuseBody
        return body(plan_hash=plan.plan_hash, actor=self._actor, reason=reason)


def _user() -> str:
    """The name of the user of this terminal; a container may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "on-call"
