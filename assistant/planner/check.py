"""Finds all faults of playbooks at once: those of each playbook by itself, and those of what its references mean."""

from collections.abc import Iterator, Mapping
from typing import Any

import networkx as nx

from assistant.planner.check_references import reference_faults
from assistant.planner.expressions import parse_ref, refs_in
from assistant.planner.flat import expand
from assistant.planner.playbook import (
    CallStep,
    ConcludeStep,
    Fault,
    FaultyPlaybook,
    Playbook,
    ProposeStep,
    QuestionStep,
    ReturnStep,
    Step,
    ToolStep,
    parse,
)
from knowledge.catalogue import Catalogue, Cause
from tools.contract import Tool

Tools = Mapping[str, Tool[Any, Any, Any]]
INCONCLUSIVE = "inconclusive"


def check(catalogue: Catalogue, tools: Tools) -> list[Fault]:
    """Every fault of every playbook of a catalogue, sorted. Empty means that all can be walked."""
    playbooks: dict[str, Playbook] = {}
    faults: set[Fault] = set()
    for source in catalogue.playbooks.values():
        try:
            playbooks[source.id] = parse(source)
        except FaultyPlaybook as faulty:
            faults.update(faulty.faults)
    for playbook in playbooks.values():
        faults.update(_local(playbook, tools, catalogue.causes))
    faults.update(_of_references(playbooks, tools, catalogue.causes))
    return sorted(faults)


def _of_references(playbooks: Mapping[str, Playbook], tools: Tools, causes: Mapping[str, Cause]) -> Iterator[Fault]:
    """Faults that show once calls are written out. One in a called playbook is the caller's if not its own."""
    found = {}
    for playbook in playbooks.values():
        flat, of_calling = expand(playbook, playbooks, causes)
        yield from of_calling
        found[playbook.id] = list(reference_faults(flat, tools))
    faulty = {owner for owner, faults in found.items() if any(origin.playbook == owner for origin, _, _ in faults)}
    for owner, faults in found.items():
        for origin, name, message in faults:
            if origin.playbook == owner or origin.playbook not in faulty:
                yield Fault(owner, name, message)


def _local(playbook: Playbook, tools: Tools, causes: Mapping[str, Cause]) -> Iterator[Fault]:
    """Faults that one playbook shows without the playbooks that it calls."""
    messages = [*(("", text) for text in _of_graph(playbook))]
    for name, step in playbook.steps.items():
        messages += [(name, text) for text in _of_targets(playbook, step)]
        messages += [(name, text) for text in _of_step(step, tools, causes)]
        messages += [(name, text) for text in _of_inputs(playbook, step)]
    return (Fault(playbook.id, name, text) for name, text in messages)


def _of_graph(playbook: Playbook) -> Iterator[str]:
    if playbook.start not in playbook.steps:
        yield f"it starts at {playbook.start!r}, which is not a step"
        return
    graph = nx.DiGraph()
    graph.add_nodes_from(playbook.steps)
    graph.add_edges_from((name, target) for name, step in playbook.steps.items() for target in step.targets())
    for knot in nx.strongly_connected_components(graph):
        if len(knot) > 1 or any(graph.has_edge(name, name) for name in knot):
            yield f"a circle of steps would never end: {', '.join(sorted(knot))}"
    reached = {playbook.start, *nx.descendants(graph, playbook.start)}
    for name in sorted(set(playbook.steps) - reached):
        yield f"no path leads to the step {name!r}"
    if not any(isinstance(playbook.steps.get(name), ConcludeStep | ReturnStep | CallStep) for name in reached):
        yield "no path leads to a verdict or a return"


def _of_targets(playbook: Playbook, step: Step) -> Iterator[str]:
    for target in sorted(set(step.targets()) - set(playbook.steps)):
        yield f"goes to {target!r}, which is not a step"


def _of_step(step: Step, tools: Tools, causes: Mapping[str, Cause]) -> Iterator[str]:
    if isinstance(step, ToolStep):
        yield from _of_tool(step.tool, step.params, tools)
    elif isinstance(step, ProposeStep):
        yield from _of_tool(step.propose, step.params, tools)
        if step.propose in tools and not tools[step.propose].acts:
            yield f"proposes {step.propose!r}, which is not a tool that acts; run it with `tool`"
    elif isinstance(step, QuestionStep):
        yield from _of_question(step)
    elif isinstance(step, ConcludeStep):
        yield from _of_conclusion(step, causes)


def _of_tool(name: str, params: Mapping[str, Any], tools: Tools) -> Iterator[str]:
    if name not in tools:
        yield f"there is no tool {name!r}; there are: {', '.join(sorted(tools))}"
        return
    fields = tools[name].params.model_fields
    for missing in sorted(key for key, field in fields.items() if field.is_required() and key not in params):
        yield f"the tool {name} needs the parameter {missing!r}"
    for unknown in sorted(set(params) - set(fields)):
        yield f"the tool {name} has no parameter {unknown!r}; it has: {', '.join(fields)}"


def _of_question(step: QuestionStep) -> Iterator[str]:
    choices = [answer.choice for answer in step.choices]
    for twice in sorted({choice for choice in choices if choices.count(choice) > 1}):
        yield f"offers the choice {twice!r} twice"
    for recommended in sorted({*(rule.choice for rule in step.recommend), step.recommend_otherwise} - set(choices)):
        yield f"recommends {recommended!r}, which is not one of its choices: {', '.join(choices)}"


def _of_conclusion(step: ConcludeStep, causes: Mapping[str, Cause]) -> Iterator[str]:
    if step.conclude not in causes:
        yield f"there is no cause {step.conclude!r}; there are: {', '.join(sorted(causes))}"
    if not step.confidence and step.conclude != INCONCLUSIVE:
        yield "names no link in `confidence`; a verdict must say what it rests on"


def _of_inputs(playbook: Playbook, step: Step) -> Iterator[str]:
    for text in sorted(set(refs_in(step.model_dump(by_alias=True)))):
        try:
            ref = parse_ref(text)
        except ValueError as error:
            yield str(error)
            continue
        if ref.source == "input" and ref.name not in playbook.inputs:
            yield f"reads {text}, but the playbook declares no such input"
