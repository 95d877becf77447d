"""References, texts with references, and how a called playbook's references become the caller's."""

from typing import Any

import pytest

from assistant.planner.expressions import Ref, fill, parse_ref, refs_in, resolve, rewrite

VALUES = {"facts.a.b.x": 1, "facts.c.y": None, "alert..product": "shop"}


def look_up(ref: Ref) -> Any:
    return VALUES.get(f"{ref.source}.{ref.step}.{ref.name}")


def test_a_fact_of_a_called_step_is_its_last_part() -> None:
    assert parse_ref("$facts.a.b.x") == Ref("facts", "a.b", "x")
    assert str(parse_ref("$facts.a.b.x")) == "$facts.a.b.x"
    assert str(parse_ref("$answers.a.b")) == "$answers.a.b"


@pytest.mark.parametrize("text", ["$", "$fact.a.b", "$facts.a", "$facts", "$alert.owner", "$input.a.b", "$answers"])
def test_what_is_no_reference_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(ValueError, match="facts.<step>.<fact>"):
        parse_ref(text)


def test_resolve_goes_inside_and_takes_the_first_known() -> None:
    expression = {"p": "$alert.product", "q": {"first_known": ["$facts.c.y", "$facts.a.b.x"]}, "r": ["$facts.c.y", 5]}
    assert resolve(expression, look_up) == {"p": "shop", "q": 1, "r": [None, 5]}


def test_texts_say_what_is_not_known() -> None:
    assert fill("{$alert.product} has {$facts.a.b.x}, {$facts.c.y}, {braces}", look_up) == (
        "shop has 1, (not known), {braces}"
    )


def test_rewriting_prefixes_steps_and_fills_inputs() -> None:
    body = {"p": "$input.m", "t": "{$input.m} and {$facts.s.x}, {$input.n}", "w": ["$answers.q", "$alert.product"]}
    assert rewrite(body, "call.", {"m": "$facts.top.model", "n": 0.5}) == {
        "p": "$facts.top.model",
        "t": "{$facts.top.model} and {$facts.call.s.x}, 0.5",
        "w": ["$answers.call.q", "$alert.product"],
    }


def test_refs_are_found_wherever_they_stand() -> None:
    assert list(refs_in({"a": ["$facts.s.x", "text {$input.m}"], "b": {"c": "$alert.product"}})) == [
        "$facts.s.x",
        "$input.m",
        "$alert.product",
    ]
