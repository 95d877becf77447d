"""The JSON graph of a `.pt2` file as nodes: every name is known before it is read, and every argument is plain data."""

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import Field

from knowledge.pt2.archive import Refused, Strict
from knowledge.pt2.tensors import DTYPES
from knowledge.stored_tensor import plain_name
from tools.program.graph import Argument, Kind, Node, Output, Ref

NODES_LIMIT = 100_000
POSITIONAL, KEYWORD = 1, 2
MEMORY_FORMATS = {1: "contiguous_format", 2: "channels_last", 3: "channels_last_3d", 4: "preserve_format"}
LAYOUTS = {7: "strided"}
# A published file has lost its folders, so torch's modules are known by their file names as well.
TORCH_FRAME = re.compile(
    r'File "(.*[/\\])?(torch[/\\].*|(linear|sparse|activation|normalization|batchnorm|dropout|rnn|conv|pooling|padding|'
    r'container|module|functional|_functional|transformer|flatten|instancenorm|upsampling|pixelshuffle|loss)\.py)"'
)
FLOATS = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}
INTEGER_LIMIT = 2**63
NO_MODULE = "_empty_nn_module_stack_from_metadata_hook"  # what torch writes for nodes of its own
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

Union = dict[str, Any]


class _Input(Strict):
    name: str
    arg: Union
    kind: int | None = None


class RawNode(Strict):
    """A node as the file has it."""

    target: str
    inputs: list[_Input]
    outputs: list[Union]
    metadata: dict[str, str] = Field(default_factory=dict)
    name: str | None = None


class Malformed(Exception):
    """A piece of the graph that is not what the format says; `nodes_of` and `knowledge.pt2.program` add where."""


def nodes_of(entry: str, raw: list[RawNode], known: set[str]) -> tuple[Node, ...]:
    """The nodes in their order. `known` are the names of weights and inputs, and gets those of the outputs.

    Raises `Refused` naming the node, for a name that is not known or is given twice, and for arguments that are no
    plain data.
    """
    nodes: list[Node] = []
    names: set[str] = set()
    for index, node in enumerate(raw):
        try:
            nodes.append(_node(index, node, known))
        except Malformed as error:
            named = f"{(node.name or 'without a name')[:40]}, {node.target[:80]}"
            raise Refused(entry, f"node {index} ({named}): {error}") from None
        if nodes[-1].name in names:
            raise Refused(entry, f"the node {nodes[-1].name!r} is there twice")
        names.add(nodes[-1].name)
    return tuple(nodes)


def _node(index: int, raw: RawNode, known: set[str]) -> Node:
    if raw.target.startswith("torch.ops.higher_order."):
        raise Malformed("it is control flow or another operator on graphs, which is not interpreted here")
    positional: list[Argument] = []
    keywords: dict[str, Argument] = {}
    for given in raw.inputs:
        argument = argument_of(given.arg, known)
        if given.kind == KEYWORD or (given.kind is None and raw.target.startswith("torch.ops.")):
            if given.name in keywords:
                raise Malformed(f"the argument {given.name!r} is there twice")
            keywords[given.name] = argument
        elif given.kind in (POSITIONAL, None):
            positional.append(argument)
        else:
            raise Malformed(f"the argument {given.name!r} is of the unknown kind {given.kind}")
    outputs = tuple(_output(output) for output in raw.outputs)
    flat = [name for output in outputs for name in (output if isinstance(output, tuple) else (output,)) if name]
    for name in flat:
        if name in known:
            raise Malformed(f"the value {name!r} is given twice")
        known.add(name)
    module, module_class = _module(raw.metadata.get("nn_module_stack", ""))
    return Node(
        index=index,
        name=text_at({"name": raw.name}, "name") if raw.name else flat[0] if flat else f"node_{index}",
        operator=raw.target.removeprefix("torch.ops.").removeprefix("_"),
        arguments=tuple(positional),
        keywords=keywords,
        outputs=outputs,
        module=module,
        module_class=module_class,
        source=_source(raw.metadata.get("stack_trace", "")),
    )


def member(union: Any) -> tuple[str, Any]:
    """The one key of a tagged value, and what stands under it. Raises `Malformed`."""
    if not isinstance(union, dict) or len(union) != 1:
        raise Malformed(f"{_shown(union)} should have been an object with one key")
    (pair,) = union.items()
    return pair


def at(value: Any, key: str) -> Any:
    """What stands under a key of an object; None where there is nothing. Raises `Malformed`."""
    if not isinstance(value, dict):
        raise Malformed(f"{_shown(value)} should have been an object")
    return value.get(key)


def text_at(value: Any, key: str) -> str:
    """The name under a key of an object. Raises `Malformed` where there is none, or one that cannot be shown."""
    name = at(value, key)
    if not isinstance(name, str) or not plain_name(name):
        raise Malformed(f"{_shown(value)} should have had a plain name under {key!r}")
    return name


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


def _output(union: Union) -> Output:
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


def _shown(value: Any) -> str:
    return repr(str(value)[:40])


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Malformed(f"{_shown(value)} should have been a list")
    return value


def _int(value: Any) -> int:
    if type(value) is not int or not -INTEGER_LIMIT <= value < INTEGER_LIMIT:
        raise Malformed(f"{_shown(value)} should have been a whole number of 64 bits")
    return value


def _float(value: Any) -> float:
    if isinstance(value, str) and value in FLOATS:
        return FLOATS[value]
    if type(value) not in (int, float):
        raise Malformed(f"{_shown(value)} should have been a number")
    try:
        return float(value)
    except OverflowError:
        raise Malformed("a number is too large") from None


def _bool(value: Any) -> bool:
    if type(value) is not bool:
        raise Malformed(f"{_shown(value)} should have been true or false")
    return value


def _string(value: Any) -> str:
    if type(value) is not str:
        raise Malformed(f"{_shown(value)} should have been a text")
    return value


def _dtype(value: Any) -> Kind:
    if _int(value) not in DTYPES:
        raise Malformed(f"the dtype {value} is not supported")
    return Kind("dtype", DTYPES[value])


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


def _module(stack: str) -> tuple[str | None, str | None]:
    """The path and the class of the innermost module. The stack is "key,path,class;key,path,class"."""
    parts = list(_split(stack.rpartition(";")[2]))
    if len(parts) != 3 or parts[0] == NO_MODULE or not plain_name(stack):
        return None, None
    return parts[1] or None, parts[2].rpartition(".")[2] or None


def _split(text: str) -> Iterable[str]:
    """At the commas that are not inside brackets: a path may hold `[slice(0, 2, None)]`."""
    start = depth = 0
    for place, letter in enumerate(text):
        depth += (letter in "[(") - (letter in ")]")
        if letter == "," and depth == 0:
            yield text[start:place]
            start = place + 1
    yield text[start:]


def _source(trace: str) -> str | None:
    """`file.py:line in function` of the innermost frame that is the model's own, without its folder."""
    frames = [line.strip() for line in trace.split("\n") if line.strip().startswith('File "')]
    own = [frame for frame in frames if not TORCH_FRAME.match(frame)]
    if not own:
        return None
    path, _, rest = own[-1].removeprefix('File "').partition('", line ')
    line, _, function = rest.partition(", in ")
    name = path.replace("\\", "/").rpartition("/")[2]
    source = f"{name}:{line} in {function}"
    return source if line.isdigit() and function and plain_name(source) else None
