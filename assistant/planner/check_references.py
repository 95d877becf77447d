"""Checks what the references of a flat playbook mean: they exist, have run on every path, and are of the right type."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import networkx as nx

from assistant.planner.conditions import Condition
from assistant.planner.expressions import Ref, alternatives, is_ref, parse_ref, refs_in
from assistant.planner.flat import FlatPlaybook, FlatStep, Origin
from assistant.planner.playbook import ConcludeStep, DecideStep, ProposeStep, QuestionStep, ToolStep
from assistant.planner.value_types import ANYTHING, ValueType, of_annotation, of_value, refusal
from tools.contract import Tool

Tools = Mapping[str, Tool[Any, Any, Any]]


@dataclass(frozen=True)
class _Scope:
    """What may be read at a step: the playbook, the tools, and the steps that every path to it has run."""

    flat: FlatPlaybook
    tools: Tools
    step: str
    before: frozenset[str]


def reference_faults(flat: FlatPlaybook, tools: Tools) -> Iterator[tuple[Origin, str, str]]:
    """Faults as (where the step was written, its name in the flat graph, message). Steps without a path are skipped."""
    for name, before in _dominators(flat).items():
        scope = _Scope(flat, tools, name, before)
        for message in dict.fromkeys(_of_step(flat.steps[name], scope)):
            yield flat.origins[name], name, message


def _dominators(flat: FlatPlaybook) -> dict[str, frozenset[str]]:
    """For each step with a path from the start, the steps that every such path goes through before it."""
    if flat.start not in flat.steps:
        return {}
    graph = nx.DiGraph()
    graph.add_nodes_from(flat.steps)
    for name, step in flat.steps.items():
        graph.add_edges_from((name, target) for target in step.targets() if target in flat.steps)
    parents = nx.immediate_dominators(graph, flat.start)
    reached = [name for name in flat.steps if name == flat.start or name in parents]
    return {name: frozenset(_ancestors(name, parents)) for name in reached}


def _ancestors(name: str, parents: Mapping[str, str | None]) -> Iterator[str]:
    parent = parents.get(name)
    while parent is not None and parent != name:
        yield parent
        name, parent = parent, parents.get(parent)


def _of_step(step: FlatStep, scope: _Scope) -> Iterator[str]:
    yield from _of_reading(step, scope)
    if isinstance(step, ToolStep | ProposeStep):
        yield from _of_params(step.tool if isinstance(step, ToolStep) else step.propose, step.params, scope)
    for condition in _conditions(step):
        for leaf in condition.leaves():
            yield from _of_test(leaf, scope)
    if isinstance(step, ConcludeStep):
        yield from _of_links(step, scope)


def _conditions(step: FlatStep) -> list[Condition]:
    if isinstance(step, ToolStep | DecideStep):
        return [branch.when for branch in step.branches]
    return [rule.when for rule in step.recommend] if isinstance(step, QuestionStep) else []


def _of_reading(step: FlatStep, scope: _Scope) -> Iterator[str]:
    """Everything that the step reads is there, and was run or asked before it on every path."""
    after_run = {ref for branch in _conditions(step) for ref in refs_in([leaf.fact for leaf in branch.leaves()])}
    for text in sorted(set(refs_in(step.model_dump(by_alias=True)))):
        ref = _parsed(text)
        if ref is None or ref.source in ("alert", "input"):
            continue
        own = isinstance(step, ToolStep) and text in after_run and ref.step == scope.step
        yield from _of_ref(ref, scope, own)


def _of_ref(ref: Ref, scope: _Scope, own: bool) -> Iterator[str]:
    read = scope.flat.steps.get(ref.step)
    if ref.source == "answers" and not isinstance(read, QuestionStep):
        yield f"reads {ref}, but {ref.step!r} is not a question"
    elif ref.source == "facts" and not isinstance(read, ToolStep | ProposeStep):
        yield f"reads {ref}, but {ref.step!r} is not a step that runs a tool"
    elif not own and ref.step not in scope.before:
        done = "been asked" if ref.source == "answers" else "run"
        yield f"reads {ref}, but on some path to this step {ref.step!r} has not {done}"
    elif (tool := _tool_of(ref, scope)) is not None and ref.name not in tool.facts.model_fields:
        yield f"the tool {tool.name} has no fact {ref.name!r}; it has: {', '.join(tool.facts.model_fields)}"


def _of_params(name: str, params: Mapping[str, Any], scope: _Scope) -> Iterator[str]:
    fields = scope.tools[name].params.model_fields if name in scope.tools else {}
    for key, value in params.items():
        if key not in fields:
            continue
        wanted = of_annotation(fields[key].annotation)
        for option in alternatives(value):
            if is_ref(option):
                given = _type_of(option, scope)
                if not given.may_be(wanted):
                    yield f"gives {key!r} the value of {option}, which is {given}; it must be {wanted}"
            elif (reason := refusal(fields[key], option)) is not None:
                yield f"gives {key!r} the value {option!r}: {reason}"


def _of_test(leaf: Condition, scope: _Scope) -> Iterator[str]:
    for option in alternatives(leaf.fact):
        given = _type_of(option, scope)
        if leaf.operator in ("above", "below"):
            if not given.is_number:
                yield f"tests {option} with {leaf.operator!r}, but it is {given}"
            continue
        for value in leaf.operand if leaf.operator == "in" else (leaf.operand,):
            # A literal stands here where a caller gave one as an input: any value of its kind may be asked for.
            possible = given if is_ref(option) else ValueType(given.kinds)
            if not possible.may_be(of_value(value)):
                yield f"tests whether {option} is {value!r}, but it can only be {possible}"


def _of_links(step: ConcludeStep, scope: _Scope) -> Iterator[str]:
    for link in step.confidence:
        for option in alternatives(link):
            if not _type_of(option, scope).is_number:
                yield f"has the confidence link {option!r}, which is not a number"
            elif isinstance(option, int | float) and not 0 <= option <= 1:
                yield f"has the confidence link {option!r}, which is not between 0 and 1"


def _type_of(value: Any, scope: _Scope) -> ValueType:
    """The type of a reference or literal; anything where a fault that is reported elsewhere hides it."""
    if not is_ref(value):
        return of_value(value)
    ref = _parsed(value)
    if ref is None or ref.source == "input":
        return ANYTHING
    if ref.source == "alert":
        return ValueType(frozenset({"window" if ref.name in ("window", "baseline") else "text"}))
    read = scope.flat.steps.get(ref.step)
    if isinstance(read, QuestionStep) and ref.source == "answers":
        return ValueType(frozenset({"text"}), tuple(answer.choice for answer in read.choices))
    tool = _tool_of(ref, scope)
    if tool is None or ref.name not in tool.facts.model_fields:
        return ANYTHING
    return of_annotation(tool.facts.model_fields[ref.name].annotation)


def _tool_of(ref: Ref, scope: _Scope) -> Tool[Any, Any, Any] | None:
    read = scope.flat.steps.get(ref.step)
    if ref.source != "facts" or not isinstance(read, ToolStep | ProposeStep):
        return None
    return scope.tools.get(read.tool if isinstance(read, ToolStep) else read.propose)


def _parsed(text: str) -> Ref | None:
    """The reference, or None for one that is malformed: the local check reports those."""
    try:
        return parse_ref(text)
    except ValueError:
        return None
