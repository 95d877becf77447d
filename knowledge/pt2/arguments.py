"""The arguments and outputs of a node: tagged values that become plain data. Expressions are not looked at."""

import math
from collections.abc import Callable
from typing import Any

from knowledge.pt2.raw import Malformed, Union, member, shown, text_at
from knowledge.pt2.tensors import DTYPES
from tools.program.graph import Argument, Kind, Output, Ref

MEMORY_FORMATS = {1: "contiguous_format", 2: "channels_last", 3: "channels_last_3d", 4: "preserve_format"}
LAYOUTS = {7: "strided"}
COMPUTED_DTYPES = DTYPES | {9: "complex32", 10: "complex64", 11: "complex128"}
"""Complex tensors may be computed, as a Fourier transform does; as weights they are not read."""

FLOATS = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}
INTEGER_LIMIT = 2**63
UNSUPPORTED = {
    "as_graph": "a graph inside the graph, which is control flow",
    "as_custom_obj": "an opaque object, which is never loaded here",
    "as_operator": "an operator as an argument, which is control flow",
    "as_complex": "a complex number, which is not supported",
    "as_nested_tensors": "a list of lists of tensors, which is not supported",
    "as_int_lists": "a list of lists of numbers, which is not supported",
    "as_float_lists": "a list of lists of numbers, which is not supported",
    "as_string_to_argument": "a dictionary, which is not supported",
}


def argument_of(union: Any, known: set[str]) -> Argument:
    """A tagged argument as plain data. Raises `Malformed`, also for a name that is not in `known`."""
    kind, value = member(union)
    if kind in UNSUPPORTED:
        raise Malformed(f"an argument is {UNSUPPORTED[kind]}")
    if kind == "as_none":
        return None
    if kind == "as_tensor":
        return _reference(value, "name", known)
    if kind == "as_optional_tensor":
        return argument_of(value, known)
    if kind in ("as_sym_int", "as_sym_float", "as_sym_bool"):
        return _symbolic(value, known)
    if kind in SCALARS:
        return SCALARS[kind](value)
    if kind in CONSTANTS:
        return CONSTANTS[kind](value)
    if kind == "as_tensors":
        return tuple(_reference(item, "name", known) for item in _list(value))
    if kind == "as_optional_tensors":
        return tuple(argument_of(item, known) for item in _list(value))
    if kind in ("as_sym_ints", "as_sym_floats", "as_sym_bools"):
        return tuple(_symbolic(item, known) for item in _list(value))
    if kind.endswith("s") and kind[:-1] in SCALARS:
        return tuple(SCALARS[kind[:-1]](item) for item in _list(value))
    raise Malformed(f"an argument is of the unknown kind {kind!r}")


def _symbolic(value: Any, known: set[str]) -> Argument:
    """A number, or the name of one that an earlier node computes. Expressions are not looked at."""
    kind, inner = member(value)
    if kind == "as_name":
        return _reference(value, "as_name", known)
    if kind in SCALARS:
        return SCALARS[kind](inner)
    raise Malformed(f"a size is of the unknown kind {kind!r}")


def _reference(value: Any, key: str, known: set[str]) -> Ref:
    name = text_at(value, key)
    if name not in known:
        raise Malformed(f"it reads the value {name!r}, which nothing before it gives")
    return Ref(name)


def output_of(union: Union) -> Output:
    """The name of an output, or the names of a list of tensors. Raises `Malformed`."""
    kind, value = member(union)
    if kind == "as_none":
        return None
    if kind == "as_tensor":
        return text_at(value, "name")
    if kind == "as_tensors":
        return tuple(text_at(item, "name") for item in _list(value))
    if kind in ("as_sym_int", "as_sym_float", "as_sym_bool"):
        return text_at(value, "as_name")
    raise Malformed(f"an output is of the kind {kind!r}, which is not supported")


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Malformed(f"{shown(value)} should have been a list")
    return value


def _int(value: Any) -> int:
    if type(value) is not int or not -INTEGER_LIMIT <= value < INTEGER_LIMIT:
        raise Malformed(f"{shown(value)} should have been a whole number of 64 bits")
    return value


def _float(value: Any) -> float:
    if isinstance(value, str) and value in FLOATS:
        return FLOATS[value]
    if type(value) not in (int, float):
        raise Malformed(f"{shown(value)} should have been a number")
    try:
        return float(value)
    except OverflowError:
        raise Malformed("a number is too large") from None


def _bool(value: Any) -> bool:
    if type(value) is not bool:
        raise Malformed(f"{shown(value)} should have been true or false")
    return value


def _string(value: Any) -> str:
    if type(value) is not str:
        raise Malformed(f"{shown(value)} should have been a text")
    return value


def _dtype(value: Any) -> Kind:
    if _int(value) not in COMPUTED_DTYPES:
        raise Malformed(f"the dtype {value} is not supported")
    return Kind("dtype", COMPUTED_DTYPES[value])


def _device(value: Any) -> Kind:
    return Kind("device", text_at(value, "type"))


def _layout(value: Any) -> Kind:
    if _int(value) not in LAYOUTS:
        raise Malformed(f"the layout {value} is not supported: only dense tensors are")
    return Kind("layout", LAYOUTS[value])


def _memory_format(value: Any) -> Kind:
    if _int(value) not in MEMORY_FORMATS:
        raise Malformed(f"the memory format {value} is not known")
    return Kind("memory_format", MEMORY_FORMATS[value])


SCALARS: dict[str, Callable[[Any], bool | int | float | str]] = {
    "as_int": _int,
    "as_float": _float,
    "as_bool": _bool,
    "as_string": _string,
}
CONSTANTS: dict[str, Callable[[Any], Kind]] = {
    "as_scalar_type": _dtype,
    "as_device": _device,
    "as_layout": _layout,
    "as_memory_format": _memory_format,
}
