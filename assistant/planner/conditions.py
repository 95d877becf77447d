"""Conditions over facts: a closed set of typed operators, never `eval`.

A fact that is not known, and a number that is NaN, make a condition neither true nor false (Kleene's three-valued
logic), and a branch is taken only on a condition that is true. So `not` of something unknown is not true either.
"""

import math
from collections.abc import Callable
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from assistant.planner.events import Because
from assistant.planner.expressions import Ref, is_ref, resolve

Literal_ = bool | int | float | str
LookUp = Callable[[Ref], Any]
OPERATORS = ("above", "below", "is", "in")
GROUPS = ("all", "any", "not")
_NAMED_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Condition(BaseModel):
    """Either one operator on one fact, or `all`, `any` (lists of conditions) or `not` (one condition)."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    fact: Any = None
    above: float | None = None
    below: float | None = None
    is_: Literal_ | None = Field(default=None, alias="is")
    in_: Annotated[tuple[Literal_, ...], Field(min_length=1)] | None = Field(default=None, alias="in")
    all_: Annotated[tuple["Condition", ...], Field(min_length=1)] | None = Field(default=None, alias="all")
    any_: Annotated[tuple["Condition", ...], Field(min_length=1)] | None = Field(default=None, alias="any")
    not_: "Condition | None" = Field(default=None, alias="not")

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        used = {name.rstrip("_") for name in self.model_fields_set}
        operators, groups = used & set(OPERATORS), used & set(GROUPS)
        if "fact" in used and len(operators) == 1 and not groups:
            return self
        if len(groups) == 1 and len(used) == 1:
            return self
        raise ValueError(
            "a condition is {fact = …} with one of above, below, is, in; or {all = […]}, {any = […]} or {not = {…}}"
        )

    @property
    def operator(self) -> str:
        """The operator or group that this condition uses."""
        return next(name.rstrip("_") for name in sorted(self.model_fields_set) if name != "fact")

    @property
    def operand(self) -> Any:
        """What the fact is compared with; the nested conditions of a group."""
        name = self.operator
        return getattr(self, name if name in ("above", "below") else f"{name}_")

    def leaves(self) -> list["Condition"]:
        """The conditions on single facts inside this one, itself included."""
        if self.operator not in GROUPS:
            return [self]
        nested = [self.operand] if self.operator == "not" else self.operand
        return [leaf for condition in nested for leaf in condition.leaves()]


def evaluate(condition: Condition, look_up: LookUp) -> tuple[bool, tuple[Because, ...]]:
    """Whether the condition holds, and the facts that made it hold (none where it does not)."""
    truth, because = _kleene(condition, look_up)
    return truth is True, because if truth is True else ()


def _kleene(condition: Condition, look_up: LookUp) -> tuple[bool | None, tuple[Because, ...]]:
    """True, False or None (not known), with the facts that decided it."""
    if condition.operator == "not":
        truth, because = _kleene(condition.operand, look_up)
        denied = tuple(reason.model_copy(update={"test": f"not {reason.test}"}) for reason in because)
        return (None, ()) if truth is None else (not truth, denied)
    if condition.operator in GROUPS:
        return _group(condition.operand, look_up, decisive=condition.operator == "any")
    return _leaf(condition, look_up)


def _group(
    conditions: tuple[Condition, ...], look_up: LookUp, decisive: bool
) -> tuple[bool | None, tuple[Because, ...]]:
    """`any` is decided by the first true one, `all` by the first false one; otherwise all of them decide together."""
    outcomes = [_kleene(condition, look_up) for condition in conditions]
    for truth, because in outcomes:
        if truth is decisive:
            return decisive, because
    if any(truth is None for truth, _ in outcomes):
        return None, ()
    return not decisive, tuple(reason for _, because in outcomes for reason in because)


def _leaf(condition: Condition, look_up: LookUp) -> tuple[bool | None, tuple[Because, ...]]:
    value = resolve(condition.fact, look_up)
    if value is None:
        return None, ()
    name = str(condition.fact).removeprefix("$") if is_ref(condition.fact) else "the playbook"
    return _compare(condition, value), (Because(fact=name, value=value, test=test_in_words(condition)),)


def _compare(condition: Condition, value: Any) -> bool | None:
    if condition.operator in ("above", "below"):
        figure = number(value)
        if figure is None or math.isnan(figure):
            return None
        limit = float(condition.operand)
        return figure > limit if condition.operator == "above" else figure < limit
    wanted = condition.operand if condition.operator == "in" else (condition.operand,)
    return any(_same(value, option) for option in wanted)


def _same(value: Any, option: Any) -> bool:
    """Equal, and of one kind: true is not 1."""
    return isinstance(value, bool) == isinstance(option, bool) and value == option


def number(value: Any) -> float | None:
    """A fact as a number, also where JSON had to spell it ("NaN", "Infinity"); None for anything else."""
    if isinstance(value, str):
        return _NAMED_NUMBERS.get(value)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def test_in_words(condition: Condition) -> str:
    """The test of a condition on one fact: `above 0.5`, `is nulls`, `is one of nulls, volume`."""
    if condition.operator == "in":
        return "is one of " + ", ".join(_plain(option) for option in condition.operand)
    return f"{condition.operator} {_plain(condition.operand)}"


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
