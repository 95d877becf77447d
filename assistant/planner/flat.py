"""A playbook with its calls written out: one flat graph of tools, decisions, questions, proposals and conclusions.

The steps of a called playbook take the call's name as a prefix, its inputs become the caller's expressions, and its
returns become jumps. So the planner and the checker know only one flat graph.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from assistant.planner.expressions import rewrite
from assistant.planner.playbook import (
    CallStep,
    ConcludeStep,
    DecideStep,
    Fault,
    Playbook,
    ProposeStep,
    QuestionStep,
    ReturnStep,
    Step,
    ToolStep,
)
from knowledge.catalogue import Cause

RETURNED = "(returned)"
"""The target of a return where nobody has called."""

FlatStep = ToolStep | DecideStep | QuestionStep | ProposeStep | ConcludeStep


@dataclass(frozen=True)
class Origin:
    """Where a flat step was written: the playbook, and its name there."""

    playbook: str
    step: str


@dataclass(frozen=True)
class FlatPlaybook:
    """All that the planner needs to walk. `hash` covers the steps and causes, those of called playbooks included."""

    id: str
    title: str
    version: int
    inputs: tuple[str, ...]
    start: str
    steps: Mapping[str, FlatStep]
    origins: Mapping[str, Origin]
    causes: Mapping[str, Cause]

    @cached_property
    def hash(self) -> str:
        """sha256 over the canonical JSON of what is walked."""
        body = {
            "id": self.id,
            "start": self.start,
            "steps": {name: step.model_dump(mode="json", by_alias=True) for name, step in self.steps.items()},
            "causes": {name: cause.model_dump(mode="json") for name, cause in self.causes.items()},
        }
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


@dataclass
class _Graph:
    """The steps as they are copied in, still with calls and returns as jumps: name → where it leads."""

    playbooks: Mapping[str, Playbook]
    steps: dict[str, FlatStep]
    origins: dict[str, Origin]
    jumps: dict[str, str]
    faults: list[Fault]


def expand(
    playbook: Playbook, playbooks: Mapping[str, Playbook], causes: Mapping[str, Cause]
) -> tuple[FlatPlaybook, list[Fault]]:
    """Write out the calls of `playbook`. The faults are those of calling: playbook, recursion, inputs, outcomes."""
    graph = _Graph(playbooks, {}, {}, {}, [])
    nobody = {step.return_: RETURNED for step in playbook.steps.values() if isinstance(step, ReturnStep)}
    _copy(graph, playbook, "", None, nobody, (playbook.id,))
    steps = {name: _with_targets(step, graph.jumps) for name, step in graph.steps.items()}
    flat = FlatPlaybook(
        id=playbook.id,
        title=playbook.title,
        version=playbook.version,
        inputs=playbook.inputs,
        start=_landing(playbook.start, graph.jumps),
        steps=steps,
        origins=graph.origins,
        causes=causes,
    )
    return flat, graph.faults


def _copy(
    graph: _Graph,
    playbook: Playbook,
    prefix: str,
    inputs: Mapping[str, Any] | None,
    outcomes: Mapping[str, str],
    inside: tuple[str, ...],
) -> None:
    for name, step in playbook.steps.items():
        full = prefix + name
        if isinstance(step, CallStep):
            _call(graph, Origin(playbook.id, name), step, prefix, inputs, inside)
        elif isinstance(step, ReturnStep):
            graph.jumps[full] = outcomes.get(step.return_, "")
        else:
            graph.steps[full] = _moved(step, prefix, inputs)
            graph.origins[full] = Origin(playbook.id, name)


def _call(
    graph: _Graph, here: Origin, step: CallStep, prefix: str, inputs: Mapping[str, Any] | None, inside: tuple[str, ...]
) -> None:
    full = prefix + here.step
    called = graph.playbooks.get(step.playbook)
    if called is None or called.id in inside:
        graph.faults.append(Fault(here.playbook, here.step, _not_callable(step, called, inside)))
        graph.jumps[full] = ""
        return
    graph.faults.extend(Fault(here.playbook, here.step, message) for message in _mismatches(step, called))
    given = {name: rewrite(value, prefix, inputs) for name, value in step.with_.items()}
    outcomes = {outcome: prefix + target for outcome, target in step.on.items()}
    graph.jumps[full] = f"{full}.{called.start}"
    _copy(graph, called, f"{full}.", given, outcomes, (*inside, called.id))


def _not_callable(step: CallStep, called: Playbook | None, inside: tuple[str, ...]) -> str:
    if called is None:
        return f"there is no playbook {step.playbook!r}, or it has faults of its own"
    return (
        f"playbooks may not call each other in a circle: {' → '.join((*inside[inside.index(called.id) :], called.id))}"
    )


def _mismatches(step: CallStep, called: Playbook) -> list[str]:
    outcomes = {inner.return_ for inner in called.steps.values() if isinstance(inner, ReturnStep)}
    wanted = [
        (sorted(set(called.inputs) - set(step.with_)), "needs the input {!r}; give it in `with`"),
        (sorted(set(step.with_) - set(called.inputs)), "has no input {!r}"),
        (sorted(outcomes - set(step.on)), "may return {!r}; say in `on` where that leads"),
        (sorted(set(step.on) - outcomes), "never returns {!r}"),
    ]
    return [f"the playbook {called.id!r} {text.format(name)}" for names, text in wanted for name in names]


def _moved(step: FlatStep, prefix: str, inputs: Mapping[str, Any] | None) -> FlatStep:
    """The step with its references and targets as they are called in the flat graph."""
    body = rewrite(step.model_dump(by_alias=True, exclude_unset=True), prefix, inputs)
    moved: Step = type(step).model_validate(body)
    assert isinstance(moved, FlatStep)
    return _retarget(moved, lambda target: prefix + target)


def _with_targets(step: FlatStep, jumps: Mapping[str, str]) -> FlatStep:
    return _retarget(step, lambda target: _landing(target, jumps))


def _landing(target: str, jumps: Mapping[str, str]) -> str:
    """Follow calls and returns until a step that does something; "" where a fault left no way."""
    seen: set[str] = set()
    while target in jumps and target not in seen:
        seen.add(target)
        target = jumps[target]
    return "" if target in seen else target


def _retarget(step: FlatStep, change: Any) -> FlatStep:
    """The same step with every target changed."""
    if isinstance(step, ConcludeStep):
        return step
    update: dict[str, Any] = {}
    if isinstance(step, ToolStep | DecideStep):
        update["branches"] = tuple(b.model_copy(update={"go": change(b.go)}) for b in step.branches)
        update["otherwise"] = change(step.otherwise)
    if isinstance(step, ToolStep):
        for name in ("no_data", "inconclusive", "failed"):
            target = getattr(step, name)
            update[name] = None if target is None else change(target)
    if isinstance(step, QuestionStep):
        update["choices"] = tuple(c.model_copy(update={"go": change(c.go)}) for c in step.choices)
    if isinstance(step, ProposeStep):
        update["next"] = change(step.next)
    return step.model_copy(update=update)
