"""How allowed operators are called: the function behind a name, and what it does besides giving an answer."""

import math
import operator as arithmetic
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from tools.program.operators import ALLOWED, RANDOM

if TYPE_CHECKING:
    from tools.program.graph import Node

SIZE_LIMIT = 2**63
EXPONENT_LIMIT = 63
WRITES_UNSAID = {
    "aten.batch_norm.default": ((3, 4), 5),
    "aten.native_batch_norm.default": ((3, 4), 5),
    "aten.instance_norm.default": ((3, 4), 5),
}
"""In training these write their running statistics, which their schemas do not say: (places, place of the flag)."""

CHANCES: dict[str, tuple[int | None, int | None]] = {
    "aten.dropout.default": (1, 2),
    "aten.dropout_.default": (1, 2),
    "aten.native_dropout.default": (1, 2),
    "aten.alpha_dropout.default": (1, 2),
    "aten.alpha_dropout_.default": (1, 2),
    "aten.feature_dropout.default": (1, 2),
    "aten.feature_dropout_.default": (1, 2),
    "aten.feature_alpha_dropout.default": (1, 2),
    "aten.feature_alpha_dropout_.default": (1, 2),
    "aten.rrelu.default": (None, 3),
    "aten.rrelu_.default": (None, 3),
    "aten.lstm.input": (5, 6),
    "aten.gru.input": (5, 6),
    "aten.rnn_tanh.input": (5, 6),
    "aten.rnn_relu.input": (5, 6),
    "aten.lstm.data": (6, 7),
    "aten.gru.data": (6, 7),
    "aten.rnn_tanh.data": (6, 7),
    "aten.rnn_relu.data": (6, 7),
    "aten.scaled_dot_product_attention.default": (4, None),
    "aten._scaled_dot_product_attention_math.default": (3, None),
    "aten._scaled_dot_product_flash_attention_for_cpu.default": (3, None),
}
"""These draw random numbers under conditions: the places of the probability and of the flag that says "training"."""


@cache
def resolve(operator: str) -> Callable[..., Any]:
    """The function of an allowed operator. Raises `KeyError` for any other name."""
    import torch

    if operator not in ALLOWED:
        raise KeyError(operator)
    module, name, *overload = operator.split(".")
    if module == "aten":
        return getattr(getattr(torch.ops.aten, name), overload[0])  # type: ignore[no-any-return]
    return _on_sizes(getattr({"operator": arithmetic, "math": math, "torch": torch}[module], name))


def _on_sizes(function: Callable[..., Any]) -> Callable[..., Any]:
    """Arithmetic on numbers alone, which stay as small as sizes are: Python's own would go on until memory ends."""

    def bounded(*numbers: Any) -> Any:
        if not all(isinstance(number, (bool, int, float)) for number in numbers):
            raise TypeError("arithmetic on sizes takes numbers")
        if function is arithmetic.pow and not -EXPONENT_LIMIT <= numbers[-1] <= EXPONENT_LIMIT:
            raise OverflowError(f"the exponent {numbers[-1]} is not one of a size")
        result = function(*numbers)
        if isinstance(result, int) and not -SIZE_LIMIT <= result < SIZE_LIMIT:
            raise OverflowError("the result is too large for a size")
        return result

    return bounded


class Signature(NamedTuple):
    """What an operator's schema says of its arguments: those that may be given by place, all, those that must be given,
    those that it writes to (place and name), and the number of its outputs."""

    placed: tuple[str, ...]
    named: frozenset[str]
    needed: tuple[str, ...]
    written: tuple[tuple[int, str], ...]
    outputs: int


@cache
def signature(function: Callable[..., Any]) -> Signature | None:
    """Of an operator; None for plain arithmetic. Read once each: schemas are slow."""
    schema = getattr(function, "_schema", None)
    if schema is None:
        return None
    given = list(enumerate(schema.arguments))
    return Signature(
        placed=tuple(argument.name for _, argument in given if not argument.kwarg_only),
        named=frozenset(argument.name for _, argument in given),
        needed=tuple(argument.name for _, argument in given if not argument.has_default_value()),
        written=tuple(
            (place, argument.name)
            for place, argument in given
            if argument.alias_info is not None and argument.alias_info.is_write
        ),
        outputs=len(schema.returns),
    )


def written_arguments(node: "Node", function: Any) -> list[Any]:
    """The arguments of a node that its operator writes to, in place."""
    known = signature(function)
    written: list[Any] = []
    for place, name in known.written if known else ():
        positional = node.arguments[place] if place < len(node.arguments) else None
        written.append(node.keywords.get(name, positional))
    places, flag = WRITES_UNSAID.get(node.operator, ((), 0))
    if places and len(node.arguments) > flag and node.arguments[flag] is True:
        written.extend(node.arguments[place] for place in places)
    return written


def draws_random(node: "Node") -> bool:
    """Whether the answer of a node is random: a dropout, for example, is so in training only."""
    if node.operator not in CHANCES:
        return node.operator in RANDOM
    chance, training = CHANCES[node.operator]
    if chance is not None and (chance >= len(node.arguments) or node.arguments[chance] == 0):
        return False
    return training is None or (training < len(node.arguments) and node.arguments[training] is not False)
