"""What holds for every tool that is registered, whoever wrote it. Its example stands in `tests/tools/examples.py`."""

import math
import pickle
import re
from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.tools.examples import EXAMPLES, Example
from tests.tools.ports import InMemoryPorts, sorted_cube
from tools.contract import Finding, Status, Tool
from tools.records import Cube, DatasetStatistics
from tools.registry import all_tools
from tools.stats.profile import Profile

TOOLS = [tool for tool in all_tools().values() if tool.unavailable is None]
WHAT_TO_DO = re.compile(r"\b(check|send|name|look|add|publish|register)\b", re.IGNORECASE)
AnyTool = Tool[Any, Any, Any]

every_tool = pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)


@cache
def example(name: str) -> Example:
    assert name in EXAMPLES, f"add an example of {name} to tests/tools/examples.py"
    return EXAMPLES[name]()


@cache
def answer(name: str) -> Finding:
    params, ports = example(name)
    return all_tools()[name].run(params, ports)


def both(tool: AnyTool) -> tuple[Finding, Finding]:
    """The finding on the filled platform, and that on an empty one."""
    return answer(tool.name), tool.run(example(tool.name)[0], InMemoryPorts())


def test_a_tool_is_known_by_the_name_that_it_is_registered_under() -> None:
    assert all(name == tool.name for name, tool in all_tools().items())
    assert all(tool.question.endswith("?") for tool in all_tools().values())


def test_what_is_not_available_says_so_and_answers_no_data() -> None:
    for tool in all_tools().values():
        if tool.unavailable is not None:
            params, ports = example(tool.name)
            found = tool.run(params, ports)
            assert (found.status, bool(found.not_checked)) == (Status.no_data, True)
            assert "not available" in tool.unavailable


@every_tool
def test_the_example_is_answered(tool: AnyTool) -> None:
    found = answer(tool.name)
    assert found.status is Status.answered, found.headline
    assert found.interesting
    assert found.result is not None


@every_tool
def test_parameters_make_the_trip_through_json(tool: AnyTool) -> None:
    params, _ = example(tool.name)
    assert isinstance(params, tool.params)
    assert tool.params.model_validate_json(params.model_dump_json()) == params


@every_tool
def test_an_empty_platform_is_no_data_and_the_headline_says_what_to_do(tool: AnyTool) -> None:
    _, found = both(tool)
    assert found.status is Status.no_data
    assert WHAT_TO_DO.search(found.headline), found.headline
    assert not found.interesting


@every_tool
def test_the_same_input_gives_the_same_bits(tool: AnyTool) -> None:
    params, ports = example(tool.name)
    assert tool.run(params, ports).model_dump_json() == answer(tool.name).model_dump_json()


@every_tool
def test_facts_and_result_are_of_the_declared_types(tool: AnyTool) -> None:
    for found in both(tool):
        assert found.tool == tool.name
        assert list(found.facts) == list(tool.facts.model_fields)
        assert repr(tool.facts.model_validate(found.facts).model_dump()) == repr(found.facts)
        if found.result is not None:
            assert tool.result.model_validate(found.result).model_dump(mode="json") == found.result


@every_tool
def test_a_finding_makes_the_trip_through_json_with_its_nans(tool: AnyTool) -> None:
    unknown = tool.facts.model_construct(confidence=math.nan)
    for found in (*both(tool), tool.finding(Status.inconclusive, "no figure could be had", facts=unknown)):
        sent = found.model_dump_json()
        assert Finding.model_validate_json(sent).model_dump_json() == sent
    assert '"confidence":"NaN"' in sent or "confidence" not in tool.facts.model_fields


@every_tool
def test_every_claim_has_its_source(tool: AnyTool) -> None:
    found = answer(tool.name)
    assert found.evidence
    for evidence in found.evidence:
        assert evidence.claim
        assert evidence.sources
        assert all(source.ref for source in evidence.sources)


@every_tool
def test_a_confidence_is_a_probability(tool: AnyTool) -> None:
    confidence = answer(tool.name).facts.get("confidence")
    assert confidence is None or (isinstance(confidence, float) and 0 <= confidence <= 1)
    assert confidence is not None or "confidence" not in tool.facts.model_fields


@every_tool
def test_inputs_are_not_changed(tool: AnyTool) -> None:
    params, ports = example(tool.name)
    before = pickle.dumps((params, ports))
    tool.run(params, ports)
    assert pickle.dumps((params, ports)) == before


@every_tool
def test_the_order_of_records_features_and_dimensions_does_not_matter(tool: AnyTool) -> None:
    params, ports = example(tool.name)
    assert tool.run(params, reordered(ports)).model_dump_json() == answer(tool.name).model_dump_json()


def reordered(ports: InMemoryPorts) -> InMemoryPorts:
    """The same platform with everything sent the other way round. The store orders points, as the ports promise."""
    members = {part.name: getattr(ports, part.name) for part in fields(ports)}
    return InMemoryPorts(
        **{
            name: replace(member, **{part.name: _backwards(getattr(member, part.name)) for part in fields(member)})
            for name, member in members.items()
        }
    )


def _backwards(value: Any) -> Any:
    match value:
        case dict():
            return {key: _backwards(value[key]) for key in reversed(value)}
        case list():
            return [_backwards(item) for item in reversed(value)]
        case Cube():
            dims = {name: value.dims[name][::-1] for name in reversed(value.dims)}
            return sorted_cube(Cube(value.ts[::-1], dims, value.numerator[::-1], value.denominator[::-1]))
        case DatasetStatistics():
            return value.model_copy(update={"columns": _backwards(value.columns)})
        case Profile():
            return _other_features_first(value)
    return value


def _other_features_first(profile: Profile) -> Profile:
    """The prediction stays at the end, where a profile has it."""
    order = [*reversed(range(len(profile.features) - 1)), len(profile.features) - 1]
    arrays: dict[str, Any] = {name: part[order] for name, part in vars(profile).items() if isinstance(part, np.ndarray)}
    return replace(profile, features=tuple(profile.features[i] for i in order), **arrays)
