"""Conditions: typed operators, three-valued where a fact is not known."""

import math
from typing import Any

import pytest
from pydantic import ValidationError

from assistant.planner.conditions import Condition, evaluate
from assistant.planner.expressions import Ref

FACTS = {"rate": 0.7, "count": 2, "kind": "nulls", "clean": False, "gone": None, "nan": math.nan, "spelt": "Infinity"}


def holds(condition: dict[str, Any]) -> bool:
    def look_up(ref: Ref) -> Any:
        return FACTS[ref.name]

    return evaluate(Condition.model_validate(condition), look_up)[0]


def on(fact: str, **test: Any) -> dict[str, Any]:
    return {"fact": f"$facts.step.{fact}", **test}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (on("rate", above=0.5), True),
        (on("rate", above=0.7), False),
        (on("count", below=3), True),
        (on("kind", **{"is": "nulls"}), True),
        (on("kind", **{"in": ["shift", "nulls"]}), True),
        (on("clean", **{"is": False}), True),
        (on("count", **{"is": True}), False),
        (on("clean", **{"is": 0}), False),
        (on("spelt", above=1e300), True),
        (on("kind", above=0.1), False),
        (on("gone", **{"is": False}), False),
        (on("gone", above=0), False),
        (on("nan", above=0), False),
        (on("nan", below=0), False),
        ({"not": on("gone", above=0)}, False),
        ({"not": on("nan", above=0)}, False),
        ({"not": on("rate", above=0.9)}, True),
        ({"all": [on("rate", above=0.5), on("gone", above=0)]}, False),
        ({"any": [on("gone", above=0), on("rate", above=0.5)]}, True),
        ({"not": {"all": [on("rate", above=0.9), on("gone", above=0)]}}, True),
        ({"not": {"any": [on("rate", above=0.9), on("gone", above=0)]}}, False),
        ({"fact": True, "is": True}, True),
        ({"fact": {"first_known": ["$facts.step.gone", "$facts.step.rate"]}, "above": 0.5}, True),
    ],
)
def test_operators(condition: dict[str, Any], expected: bool) -> None:
    assert holds(condition) is expected


def test_the_reasons_are_the_facts_that_decided() -> None:
    condition = Condition.model_validate(
        {"all": [on("rate", above=0.5), {"any": [on("kind", **{"is": "shift"}), on("count", below=3)]}]}
    )
    _, because = evaluate(condition, lambda ref: FACTS[ref.name])
    assert [(reason.fact, reason.value, reason.test) for reason in because] == [
        ("facts.step.rate", 0.7, "above 0.5"),
        ("facts.step.count", 2, "below 3"),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"fact": "$facts.step.rate"},
        {"fact": "$facts.step.rate", "above": 1, "below": 2},
        {"above": 1},
        {"all": []},
        {"all": [{"fact": "$facts.step.rate", "above": 1}], "fact": "$facts.step.rate"},
        {"fact": "$facts.step.rate", "equals": 1},
        {"fact": "$facts.step.rate", "above": "much"},
    ],
)
def test_other_shapes_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Condition.model_validate(wrong)
