"""Assembles the verdict from what was found on the path: nothing in it is not in the log."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

from assistant.planner.conditions import number
from assistant.planner.events import Verdict
from assistant.planner.expressions import fill, refs_in, resolve, words
from assistant.planner.flat import FlatPlaybook
from assistant.planner.investigation import Stage, State, look_up
from assistant.planner.playbook import ConcludeStep
from knowledge.catalogue import Cause
from tools.contract import Finding, Status

INCONCLUSIVE = "inconclusive"
ENOUGH = 0.5
"""Below this a cause is less likely than not, and no verdict names it."""


def conclude(playbook: FlatPlaybook, step: ConcludeStep, state: State) -> Verdict:
    """The verdict of a step. It falls back to `inconclusive`, and says what is missing, where a link of the argument
    or the target is not known, or where the links together are less likely right than wrong."""
    cause = playbook.causes[step.conclude]
    links = [number(resolve(link, lambda ref: look_up(state, ref))) for link in step.confidence]
    targets = _targets(step.target, state)
    confidence = _together(links)
    missing = _missing(step, links, targets)
    if cause.id == INCONCLUSIVE or missing or confidence < ENOUGH:
        doubt = () if cause.id == INCONCLUSIVE else (_doubt(cause, targets, confidence, missing),)
        whole = (state.alert.product,)
        says = (_says(step, state),) if cause.id == INCONCLUSIVE else doubt
        return _verdict(playbook.causes[INCONCLUSIVE], whole, confidence if links else 0.0, says, doubt, state)
    return _verdict(cause, tuple(words(target) for target in targets), confidence, (_says(step, state),), (), state)


def _together(links: Iterable[float | None]) -> float:
    """1 - Σ(1 - link), floored at 0 (Bonferroni's bound: any link may be wrong, dependent or not)."""
    wrong = sum(1.0 - link if link is not None and 0 <= link <= 1 else 1.0 for link in links)
    return round(max(0.0, 1.0 - wrong), 6)


def _missing(step: ConcludeStep, links: list[float | None], targets: list[Any]) -> list[str]:
    """What the argument needs and does not have, as references."""
    without = [
        text
        for expression, link in zip(step.confidence, links, strict=True)
        if link is None or math.isnan(link)
        for text in refs_in(expression)
    ]
    return [*without, *(refs_in(step.target) if any(target is None for target in targets) else ())]


def _targets(target: Any, state: State) -> list[Any]:
    found = resolve(target, lambda ref: look_up(state, ref))
    return found if isinstance(found, list) else [found]


def _says(step: ConcludeStep, state: State) -> str:
    return fill(step.says, lambda ref: look_up(state, ref))


def _doubt(cause: Cause, targets: list[Any], confidence: float, missing: list[str]) -> str:
    towards = f"The trail pointed to “{cause.title}” ({', '.join(words(target) for target in targets)})"
    if missing:
        unknown = ", ".join(text.removeprefix("$") for text in missing)
        return f"{towards}, but this is not known: {unknown}."
    return f"{towards}, but with a confidence of {confidence:.2f} only; the weakest of its findings needs more data."


def _verdict(
    cause: Cause,
    targets: tuple[str, ...],
    confidence: float,
    says: Iterable[str],
    would_settle: tuple[str, ...],
    state: State,
) -> Verdict:
    findings = [state.findings[name] for name in state.path if name in state.findings]
    return Verdict(
        cause=cause.id,
        target=", ".join(targets),
        targets=targets,
        confidence=confidence,
        explanation=" ".join([*(text for text in says if text), cause.explanation]),
        how_to_confirm=cause.how_to_confirm,
        mitigation=cause.mitigation,
        chain=tuple(_chain(state)),
        ruled_out=_each_once(line for finding in findings for line in finding.ruled_out),
        not_checked=_each_once(line for finding in findings for line in _not_checked(finding)),
        would_settle=_each_once([*would_settle, *_would_settle(findings, unsure=cause.id == INCONCLUSIVE)]),
    )


def _chain(state: State) -> Iterator[str]:
    """One line for each finding, answer and action, in the order of the path."""
    for name in state.path:
        if name in state.findings:
            yield f"{name}: {state.findings[name].headline}"
        if name in state.answers:
            given, asked = state.answers[name], state.questions[name]
            label = next(choice.label for choice in asked.choices if choice.choice == given.choice)
            yield f"{name}: “{asked.question}” – {given.actor} said: {label}"
        action = state.action_at(name)
        if action is not None:
            yield f"{name}: {action.plan.action} {action.plan.target}: {_stage(action.stage, action.reason)}"


def _stage(stage: Stage, reason: str) -> str:
    return f"not done ({reason})" if stage is Stage.refused else stage.value


def _not_checked(finding: Finding) -> Iterator[str]:
    """What the tool itself says it did not check; where it had no answer at all, its headline says that."""
    yield from finding.not_checked
    if finding.status in (Status.no_data, Status.failed) and not finding.not_checked:
        yield f"{finding.tool}: {finding.headline}"


def _would_settle(findings: Iterable[Finding], unsure: bool) -> Iterator[str]:
    """What the tools say; for an unsure verdict also every answer that is missing, and more data if nothing is."""
    open_ends = 0
    for finding in findings:
        yield from finding.would_settle
        unanswered = finding.status is not Status.answered
        open_ends += bool(finding.would_settle) or unanswered
        if unsure and unanswered and not finding.would_settle:
            yield f"An answer from {finding.tool}: {finding.headline}"
    if unsure and not open_ends:
        yield "More hours of data after the drop: all checks were made, but none of them stands out enough."


def _each_once(lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(lines))
