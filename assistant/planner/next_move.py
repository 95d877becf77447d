"""The planner: a pure function of playbook and state. No IO, no clock, no randomness."""

from collections.abc import Sequence
from typing import Any

from assistant.planner.conditions import evaluate
from assistant.planner.events import Because, Choice
from assistant.planner.expressions import fill, resolve
from assistant.planner.flat import FlatPlaybook
from assistant.planner.investigation import Stage, State, look_up
from assistant.planner.moves import Ask, Conclude, Go, Move, Propose, Run
from assistant.planner.playbook import Branch, ConcludeStep, DecideStep, ProposeStep, QuestionStep, ToolStep
from assistant.planner.verdict import conclude
from tools.contract import Finding, Status


def next_move(playbook: FlatPlaybook, state: State) -> Move | None:
    """What to do now; None once there is a verdict. A question or a plan that waits already is said again."""
    if state.verdict is not None:
        return None
    name = state.step or playbook.start
    step = playbook.steps[name]
    match step:
        case ToolStep():
            return _tool(name, step, state)
        case DecideStep():
            return _branch(name, step.branches, step.otherwise, state)
        case QuestionStep():
            return _question(name, step, state)
        case ProposeStep():
            return _proposal(name, step, state)
        case ConcludeStep():
            return Conclude(name, conclude(playbook, step, state))


def _tool(name: str, step: ToolStep, state: State) -> Move:
    finding = state.findings.get(name)
    if finding is None:
        return _run(name, step.tool, step.params, state)
    if finding.status is Status.answered:
        return _branch(name, step.branches, step.otherwise, state)
    target = {Status.inconclusive: step.inconclusive, Status.failed: step.failed}.get(finding.status)
    because = Because(fact=f"facts.{name}", value=finding.status.value, test="how the tool answered")
    return Go(name, target or step.no_data, (because,))


def _run(name: str, tool: str, params: dict[str, Any], state: State) -> Run:
    return Run(name, tool, resolve(params, lambda ref: look_up(state, ref)))


def _branch(name: str, branches: Sequence[Branch], otherwise: str, state: State) -> Go:
    for branch in branches:
        holds, because = evaluate(branch.when, lambda ref: look_up(state, ref))
        if holds:
            return Go(name, branch.go, because)
    return Go(name, otherwise, (Because(fact=name, value=None, test="no other branch held"),))


def _question(name: str, step: QuestionStep, state: State) -> Move:
    given = state.answers.get(name)
    if given is not None:
        target = next(answer.go for answer in step.choices if answer.choice == given.choice)
        return Go(name, target, (Because(fact=f"answers.{name}", value=given.choice, test=f"said {given.actor}"),))
    choice, why, because = _recommended(step, state)
    return Ask(
        step=name,
        question=_text(step.question, state),
        why=_text(step.why, state),
        choices=tuple(Choice(choice=c.choice, label=_text(c.label, state)) for c in step.choices),
        recommended=choice,
        recommended_why=_text(why, state),
        because=because,
    )


def _recommended(step: QuestionStep, state: State) -> tuple[str, str, tuple[Because, ...]]:
    for rule in step.recommend:
        holds, because = evaluate(rule.when, lambda ref: look_up(state, ref))
        if holds:
            return rule.choice, rule.because, because
    return step.recommend_otherwise, "the evidence so far does not point to one of the other answers", ()


def _proposal(name: str, step: ProposeStep, state: State) -> Move:
    finding = state.findings.get(name)
    if finding is None:
        return _run(name, step.propose, step.params, state)
    if not plannable(finding):
        return Go(name, step.next, (Because(fact=f"facts.{name}", value=finding.status.value, test="nothing to do"),))
    action = state.action_at(name)
    if action is None or action.stage in (Stage.proposed, Stage.approved, Stage.undoing):
        return Propose(name, step.propose, dict(finding.result or {}))
    because = Because(
        fact=f"action {action.plan.action} {action.plan.target}", value=action.stage.value, test=action.reason
    )
    return Go(name, step.next, (because,))


def plannable(finding: Finding) -> bool:
    """Whether the finding of an acting tool is a plan that can be carried out, and is not so already."""
    facts = finding.facts
    return (
        finding.status is Status.answered
        and finding.result is not None
        and facts.get("possible") is not False
        and facts.get("already") is not True
    )


def _text(text: str, state: State) -> str:
    return fill(text, lambda ref: look_up(state, ref))
