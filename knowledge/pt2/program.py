"""The signature of a `.pt2` file: which weight, constant or input stands behind each name of its graph."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from knowledge.pt2.archive import Archive, Refused, Strict
from knowledge.pt2.graph import nodes_of
from knowledge.pt2.raw import Malformed, RawGraph, Union, at, member, text_at
from knowledge.pt2.tensors import DTYPES, read_tensors
from knowledge.stored_tensor import StoredTensor
from tools.program.calls import draws_random
from tools.program.graph import InputTensor, Kind, Node, Program

if TYPE_CHECKING:
    from torch import Tensor

MODEL = ("models/", ".json")
SCHEMA_MAJOR = 8
WEIGHTS = {"parameter": "parameter_name", "buffer": "buffer_name", "tensor_constant": "tensor_constant_name"}
IGNORED_OUTPUTS = ("buffer_mutation", "parameter_mutation", "user_input_mutation")
"""What an exported program writes back after a run: there is nothing to write back to here."""


class _Meta(Strict):
    dtype: int
    sizes: list[Union] = Field(max_length=64)


class _Graph(RawGraph):
    tensor_values: dict[str, _Meta]


class _Signature(Strict):
    input_specs: list[Union]
    output_specs: list[Union]


class _Module(Strict):
    graph: _Graph
    signature: _Signature


class _Version(Strict):
    major: int
    minor: int


class _Model(Strict):
    graph_module: _Module
    schema_version: _Version
    torch_version: str = "unknown"


def program_of(archive: Archive) -> Program:
    """The one model of an archive as a program. Raises `Refused`."""
    entry = archive.only(*MODEL)
    if entry is None:
        raise Refused(MODEL[0], "there is no model in it")
    model = archive.json_of(entry, _Model)
    if model.schema_version.major != SCHEMA_MAJOR:
        raise Refused(
            entry,
            f"it is of schema version {model.schema_version.major}.{model.schema_version.minor} (torch "
            f"{model.torch_version}), and version {SCHEMA_MAJOR} is read: export the model again with torch 2.13",
        )
    try:
        return _program(archive, model.graph_module)
    except Malformed as error:
        raise Refused(entry, str(error)) from None


def _program(archive: Archive, module: _Module) -> Program:
    stored = dict(read_tensors(archive))
    weight_names: dict[str, str] = {}
    inputs: list[InputTensor] = []
    for spec in module.signature.input_specs:
        kind, content = member(spec)
        if kind in WEIGHTS:
            name, target = text_at(at(content, "arg"), "name"), text_at(content, WEIGHTS[kind])
            if target not in stored:
                raise Malformed(f"the {kind.replace('_', ' ')} {target!r} is not among the stored tensors")
            _refuse_taken(name, weight_names, inputs)
            weight_names[name] = target
        elif kind == "user_input":
            argument, value = member(at(content, "arg"))
            if argument == "as_tensor":
                name = text_at(value, "name")
                _refuse_taken(name, weight_names, inputs)
                inputs.append(_input(name, module.graph.tensor_values))
            elif argument in ("as_sym_int", "as_sym_float", "as_sym_bool"):
                raise Malformed("an input is a number, not a tensor: export the model with tensors only")
        elif kind != "constant_input":
            raise Malformed(f"an input is a {kind.replace('_', ' ')}, which is never loaded here")
    known = {*weight_names, *(tensor.name for tensor in inputs)}
    nodes = nodes_of(module.graph.nodes, known)
    return Program(
        nodes=nodes,
        inputs=tuple(inputs),
        outputs=_outputs(module.signature.output_specs, known),
        weights=_weights(weight_names, stored),
        weight_names=weight_names,
        notes=tuple(_notes(nodes)),
    )


def _notes(nodes: tuple[Node, ...]) -> Iterator[str]:
    """What is different here from where the snapshot serves."""
    if devices := sorted({device for node in nodes for device in _devices(node)} - {"cpu"}):
        yield f"The snapshot was exported for {', '.join(devices)}; it is run on the CPU here."
    if random := [node.name for node in nodes if draws_random(node)]:
        yield (
            f"The snapshot draws random numbers ({', '.join(random[:3])}), as in training; they are drawn from a fixed "
            "seed here. A model is put in evaluation mode before it is exported for serving."
        )


def _devices(node: Node) -> list[str]:
    return [a.name for a in (*node.arguments, *node.keywords.values()) if isinstance(a, Kind) and a.what == "device"]


def _refuse_taken(name: str, weights: dict[str, str], inputs: list[InputTensor]) -> None:
    if name in weights or any(tensor.name == name for tensor in inputs):
        raise Malformed(f"the value {name!r} is given twice")


def _input(name: str, metas: dict[str, _Meta]) -> InputTensor:
    """The text of a symbolic size is not looked at: the size is open."""
    if name not in metas or metas[name].dtype not in DTYPES:
        raise Malformed(f"the input {name!r} has no known type")
    sizes = tuple(_size(size) for size in metas[name].sizes)
    return InputTensor(name, DTYPES[metas[name].dtype], sizes)


def _size(size: Union) -> int | None:
    kind, value = member(size)
    if kind == "as_expr":
        return None
    if kind != "as_int" or type(value) is not int or value < 0:
        raise Malformed(f"a size is {str(size)[:40]!r}")
    return value


def _outputs(specs: list[Union], known: set[str]) -> tuple[str, ...]:
    """The tensors that the model answers with, each once; numbers and constants among its outputs are left out."""
    names: list[str] = []
    for spec in specs:
        kind, content = member(spec)
        if kind in IGNORED_OUTPUTS:
            continue
        if kind not in ("user_output", "loss_output"):
            raise Malformed(f"an output is a {kind.replace('_', ' ')}, which is not supported")
        value = at(content, "arg")
        argument, value = ("as_tensor", value) if kind == "loss_output" else member(value)
        if argument != "as_tensor":
            continue
        name = text_at(value, "name")
        if name not in known:
            raise Malformed(f"the output {name!r} is not computed by the graph")
        names.append(name)
    return tuple(dict.fromkeys(names))


def _weights(names: dict[str, str], stored: dict[str, StoredTensor]) -> "dict[str, Tensor]":
    tensors = {name: stored[name].as_tensor() for name in dict.fromkeys(names.values())}
    return {value: tensors[name] for value, name in names.items()}
