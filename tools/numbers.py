"""Floats that survive JSON: NaN and the infinities are everyday data here, and JSON has no word for them."""

import math
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_NAMES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _read(value: object) -> object:
    return _NAMES.get(value, value) if isinstance(value, str) else value


def _write(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


Num = Annotated[
    float,
    BeforeValidator(_read),
    PlainSerializer(_write, return_type=float | str, when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}),
]
"""A float that is written to JSON as a number, or as "NaN", "Infinity" or "-Infinity", and read back from them."""
