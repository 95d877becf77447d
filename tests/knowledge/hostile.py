"""Hostile `.pt2` files, made from a real one: each lies in one way. Their payloads only create a marker file."""

import io
import json
import os
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = "archive/"
MODEL = ROOT + "models/model.json"
WEIGHTS = ROOT + "data/weights/model_weights_config.json"
SAMPLES = ROOT + "data/sample_inputs/model.pt"

Entries = dict[str, bytes]
Json = dict[str, Any]
Change = Callable[[Entries], None]


def honest(path: Path) -> Path:
    """A real exported model: x float32[rows, 4] → sigmoid(relu(linear(x))), float32[rows, 2]."""
    import torch

    class Small(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.deep = torch.nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(torch.relu(self.deep(x)))

    torch.manual_seed(0)
    rows = torch.export.Dim("rows")
    with warnings.catch_warnings(), path.open("wb") as file:
        warnings.simplefilter("ignore")
        program = torch.export.export(Small().eval(), (torch.rand(3, 4),), dynamic_shapes=({0: rows},))
        torch.export.save(program, file)
    return path


def rewrite(source: Path, target: Path, change: Change, compression: int = zipfile.ZIP_STORED) -> Path:
    """A copy with its entries changed; sizes, offsets and checksums of the zip are right again."""
    with zipfile.ZipFile(source) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w", compression) as archive:
        warnings.simplefilter("ignore")
        for name, content in entries.items():
            archive.writestr(name, content)
    return target


def edit(entry: str, change: Callable[[Json], object]) -> Change:
    """A change of one JSON entry."""

    def changed(entries: Entries) -> None:
        said = json.loads(entries[entry])
        change(said)
        entries[entry] = json.dumps(said).encode()

    return changed


def graph(change: Callable[[Json], object]) -> Change:
    """A change of the model's graph."""
    return edit(MODEL, lambda model: change(model["graph_module"]["graph"]))


def node(place: int, **fields: Any) -> Change:
    """Other fields in one node: 0 is the linear layer, 1 relu, 2 sigmoid."""
    return graph(lambda said: said["nodes"][place].update(fields))


def calls(target: str, *arguments: Json) -> Change:
    """The middle node calls something else: its arguments are tagged values, its one output stays."""
    inputs = [{"name": f"a{place}", "arg": argument, "kind": 1} for place, argument in enumerate(arguments)]
    return node(1, target=target, inputs=inputs)


def tensor(**fields: Any) -> Change:
    """Other fields in what is said of the first weight."""

    def changed(config: Json) -> None:
        payload = next(iter(config["config"].values()))
        for name, value in fields.items():
            (payload if name in payload else payload["tensor_meta"])[name] = value

    return edit(WEIGHTS, changed)


def without(entry: str) -> Change:
    """An entry is not there."""

    def changed(entries: Entries) -> None:
        del entries[entry]

    return changed


class Touch:
    """Unpickled, it runs a shell command that creates a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.marker}'",)


def pickled(marker: Path) -> bytes:
    """What torch.save makes of `Touch`."""
    import torch

    buffer = io.BytesIO()
    torch.save(Touch(marker), buffer)
    return buffer.getvalue()


def touches(marker: Path) -> str:
    """A Python expression that creates a file; it survives being put between double quotes."""
    return f"__import__('os').system('touch {marker}')"


def runs_code_by_flag(marker: Path) -> Change:
    """A weight is said to be pickled."""

    def changed(entries: Entries) -> None:
        tensor(use_pickle=True)(entries)
        entries[ROOT + "data/weights/weight_0"] = pickled(marker)

    return changed


def runs_code_by_samples(marker: Path) -> Change:
    """The sample inputs are a pickle."""
    return lambda entries: entries.update({SAMPLES: pickled(marker)})


def runs_code_by_size(marker: Path) -> Change:
    """A symbolic size is an expression that torch gives to sympy, which evaluates it."""

    def changed(value: Any) -> None:
        if isinstance(value, dict):
            if "expr_str" in value:
                value["expr_str"] = touches(marker)
            for inner in value.values():
                changed(inner)
        elif isinstance(value, list):
            for inner in value:
                changed(inner)

    return edit(MODEL, changed)


def runs_code_by_guard(marker: Path) -> Change:
    """A guard is Python that torch compiles and runs."""
    return edit(MODEL, lambda model: model.update(guards_code=[f"{touches(marker)} == 0"]))


RUNS_CODE: dict[str, Callable[[Path], Change]] = {
    "a flag that says pickle": runs_code_by_flag,
    "sample inputs": runs_code_by_samples,
    "a size": runs_code_by_size,
    "a guard": runs_code_by_guard,
}
"""Each runs a command in torch.export.load, or when the module is made of what it loads."""


@dataclass(frozen=True)
class Lie:
    """A change, and what the refusal must say."""

    change: Change
    reason: str


def ref(name: str) -> Json:
    """A tensor as an argument."""
    return {"as_tensor": {"name": name}}


def _twice(said: Json) -> None:
    said["nodes"].append(said["nodes"][1])


def _cycle(said: Json) -> None:
    said["nodes"][0], said["nodes"][1] = said["nodes"][1], said["nodes"][0]


def _input_specs(change: Callable[[list[Json]], object]) -> Change:
    return edit(MODEL, lambda model: change(model["graph_module"]["signature"]["input_specs"]))


def _output_arg(argument: Json) -> Change:
    def changed(model: Json) -> None:
        model["graph_module"]["signature"]["output_specs"][0]["user_output"]["arg"] = argument

    return edit(MODEL, changed)


def _version(major: int) -> Change:
    return edit(MODEL, lambda model: model["schema_version"].update(major=major))


def switch(graph: Any, *operands: Json) -> Change:
    """The middle node is a part without gradients, with this graph in it."""
    flag, inner = {"as_bool": False}, {"as_graph": {"name": "g", "graph": graph}}
    return calls("torch.ops.higher_order.wrap_with_set_grad_enabled", flag, inner, *operands)


def endless(depth: int) -> Json:
    """A part without gradients in a part without gradients, and so on."""
    inside: Json = {"inputs": [], "outputs": [ref("y")], "nodes": []}
    for _ in range(depth):
        arguments = [{"as_bool": False}, {"as_graph": {"name": "g", "graph": inside}}]
        inputs = [{"name": "", "arg": argument, "kind": 1} for argument in arguments]
        target = "torch.ops.higher_order.wrap_with_set_grad_enabled"
        outer = {"target": target, "inputs": inputs, "outputs": [ref("y")], "name": "n"}
        inside = {"inputs": [], "outputs": [ref("y")], "nodes": [outer]}
    return inside


BARE: Json = {"target": "torch.ops.aten.relu.default", "inputs": [], "outputs": []}
LOOKS_OUT: Json = {"name": "self", "arg": ref("linear"), "kind": 1}
BIG = {"as_ints": [10**15]}  # more than can be addressed, however freely the system promises memory

REFUSED_WHEN_READ: dict[str, Lie] = {
    "pickled weight": Lie(tensor(use_pickle=True), "pickled"),
    "no meta": Lie(tensor(tensor_meta=None), "pickled"),
    "weight missing": Lie(tensor(path_name="weight_999"), "not in the file"),
    "weight elsewhere": Lie(tensor(path_name="../../models/model.json"), "not in the file"),
    "huge sizes": Lie(tensor(sizes=[{"as_int": 2**62}] * 2, strides=[{"as_int": 2**62}] * 2), "reaches to byte"),
    "endless size": Lie(tensor(sizes=[{"as_int": 10**30}] * 2), "less than or equal"),
    "huge offset": Lie(tensor(storage_offset={"as_int": 2**60}), "reaches to byte"),
    "one too far": Lie(tensor(storage_offset={"as_int": 1}), "reaches to byte 36 of 32"),
    "negative offset": Lie(tensor(storage_offset={"as_int": -1}), "greater than or equal"),
    "negative stride": Lie(tensor(strides=[{"as_int": -4}, {"as_int": 1}]), "greater than or equal"),
    "stride zero, terabytes": Lie(
        tensor(sizes=[{"as_int": 2**40}, {"as_int": 1}], strides=[{"as_int": 0}] * 2), "times the size of the file"
    ),
    "symbolic weight": Lie(tensor(sizes=[{"as_expr": {"expr_str": "s0"}}] * 2), "as_int"),
    "size is true": Lie(tensor(sizes=[{"as_int": True}] * 2), "as_int"),
    "empty and huge": Lie(tensor(sizes=[{"as_int": 0}, {"as_int": 2**62}]), "other sizes are too large"),
    "not a number": Lie(tensor(storage_offset={"as_int": float("nan")}), "NaN is no number of JSON"),
    "an operator without a name": Lie(node(1, target=""), "no plain name"),
    "an operator that cannot be shown": Lie(node(1, target="torch.ops.aten.\ud800relu.default"), "no plain name"),
    "three sizes": Lie(tensor(sizes=[{"as_int": 1}] * 3), "3 sizes and 2 strides"),
    "complex weight": Lie(tensor(dtype=9), "not supported"),
    "sparse weight": Lie(tensor(layout=1), "not supported"),
    "compiled code": Lie(lambda e: e.update({ROOT + "data/aotinductor/model/x.so": b"\x7fELF"}), "compiled code"),
    "custom object": Lie(lambda e: e.update({ROOT + "data/constants/custom_obj_0": b"\x80\x04."}), "pickled object"),
    "opaque object": Lie(lambda e: e.update({ROOT + "data/constants/opaque_obj_0": b""}), "opaque object"),
    "traversal": Lie(lambda e: e.update({"archive/../../etc/cron.d/x": b""}), "plain path"),
    "absolute path": Lie(lambda e: e.update({"/etc/x": b""}), "folder|plain path"),
    "backslashes": Lie(lambda e: e.update({"archive/..\\..\\x": b""}), "plain path"),
    "two roots": Lie(lambda e: e.update({"elsewhere/x": b""}), "one folder"),
    "two models": Lie(lambda e: e.update({ROOT + "models/other.json": e[MODEL]}), "describes 2"),
    "two configs": Lie(lambda e: e.update({ROOT + "data/weights/o_weights_config.json": e[WEIGHTS]}), "describes 2"),
    "no config": Lie(without(WEIGHTS), "describes 0"),
    "no model": Lie(without(MODEL), "no model"),
    "big endian": Lie(lambda e: e.update({ROOT + "byteorder": b"big"}), "byteorder"),
    "another format": Lie(lambda e: e.update({ROOT + "archive_format": b"zip"}), "archive_format"),
    "JSON cut": Lie(lambda e: e.update({MODEL: e[MODEL][:-5]}), "not JSON"),
    "JSON not UTF-8": Lie(lambda e: e.update({MODEL: b"\xff\xfe" + e[MODEL]}), "not JSON"),
    "JSON deep": Lie(lambda e: e.update({MODEL: b"[" * 1_000_000}), "not JSON"),
    "JSON deep and whole": Lie(lambda e: e.update({MODEL: b'{"a":' * 200_000 + b"1" + b"}" * 200_000}), "not JSON"),
    "JSON huge": Lie(lambda e: e.update({MODEL: b" " * ((32 << 20) + 1)}), "larger than"),
    "JSON list": Lie(lambda e: e.update({MODEL: b"[]"}), "valid dictionary"),
    "JSON long number": Lie(lambda e: e.update({MODEL: b"1" * 10_000}), "not JSON"),
    "JSON key twice": Lie(lambda e: e.update({MODEL: b'{"graph_module": 1, "graph_module": 2}'}), "twice"),
    "schema version 7": Lie(_version(7), "schema version 7"),
    "schema version 9": Lie(_version(9), "schema version 9"),
    "no schema version": Lie(edit(MODEL, lambda model: model.pop("schema_version")), "schema_version"),
    "undefined value": Lie(calls("torch.ops.aten.relu.default", ref("nowhere")), "nothing before it gives"),
    "a node reads itself": Lie(calls("torch.ops.aten.relu.default", ref("relu")), "nothing before it gives"),
    "cycle": Lie(graph(_cycle), "nothing before it gives"),
    "node twice": Lie(graph(_twice), "given twice"),
    "node name twice": Lie(node(1, name="linear"), "the node 'linear' is there twice"),
    "value over an input": Lie(node(1, outputs=[ref("x")]), "the value 'x' is given twice"),
    "value over a weight": Lie(node(1, outputs=[ref("p_deep_weight")]), "given twice"),
    "output undefined": Lie(_output_arg(ref("nowhere")), "not computed"),
    "input is a number": Lie(
        _input_specs(lambda specs: specs[-1]["user_input"].update(arg={"as_sym_int": {"as_name": "s"}})), "a number"
    ),
    "input is an object": Lie(_input_specs(lambda specs: specs.append({"custom_obj": {}})), "never loaded"),
    "input is a token": Lie(_input_specs(lambda specs: specs.append({"token": {}})), "never loaded"),
    "input twice": Lie(_input_specs(lambda specs: specs.append(specs[-1])), "given twice"),
    "weight unknown": Lie(_input_specs(lambda specs: specs[0]["parameter"].update(parameter_name="x")), "stored"),
    "weight name a list": Lie(
        _input_specs(lambda specs: specs[0]["parameter"].update(parameter_name=[])), "plain name"
    ),
    "spec without content": Lie(_input_specs(lambda specs: specs[0].update(parameter=None)), "an object"),
    "two keys": Lie(_input_specs(lambda specs: specs[0].update(buffer=1)), "one key"),
    "control flow": Lie(calls("torch.ops.higher_order.cond", ref("linear")), "control flow"),
    "no_grad without a graph": Lie(calls("torch.ops.higher_order.wrap_with_set_grad_enabled"), "a flag and a graph"),
    "no_grad with text": Lie(switch("import os"), "not what the format says"),
    "no_grad with other outputs": Lie(switch({"inputs": [], "outputs": [], "nodes": []}), "same inputs and outputs"),
    "no_grad of nothing": Lie(switch({"inputs": [], "outputs": [ref("y")], "nodes": []}), "'relu'"),
    "no_grad that looks out": Lie(
        switch({"inputs": [], "outputs": [ref("y")], "nodes": [BARE | {"inputs": [LOOKS_OUT], "outputs": [ref("y")]}]}),
        "nothing before it gives",
    ),
    "no_grad without end": Lie(switch(endless(20)), "graphs deep"),
    "graph argument": Lie(
        calls("torch.ops.aten.relu.default", {"as_graph": {"name": "g", "graph": {}}}), "control flow"
    ),
    "operator argument": Lie(calls("torch.ops.aten.relu.default", {"as_operator": "os.system"}), "control flow"),
    "object argument": Lie(calls("torch.ops.aten.relu.default", {"as_custom_obj": {"name": "x"}}), "opaque object"),
    "unknown argument": Lie(calls("torch.ops.aten.relu.default", {"as_code": "1"}), "unknown kind"),
    "expression as a size": Lie(
        calls("torch.ops.aten.relu.default", {"as_sym_int": {"as_expr": {"expr_str": "1"}}}), "unknown kind"
    ),
    "number of 65 bits": Lie(calls("torch.ops.aten.full.default", {"as_ints": [2**64]}, {"as_int": 1}), "64 bits"),
    "number is a text": Lie(calls("torch.ops.aten.relu.default", {"as_int": "7"}), "whole number"),
    "unknown dtype": Lie(calls("torch.ops.aten.relu.default", {"as_scalar_type": 99}), "dtype"),
    "sparse layout": Lie(calls("torch.ops.aten.relu.default", {"as_layout": 1}), "layout"),
    "name with an escape": Lie(node(1, name="\x1b[2J"), "plain name"),
    "name of a megabyte": Lie(node(1, name="x" * 1_000_000), "plain name"),
    "too many nodes": Lie(graph(lambda said: said.update(nodes=[BARE] * 100_001)), "at most 100000"),
}

REFUSED_OPERATORS = (
    "torch.ops.aten.from_file.default",
    "torch.ops.aten.set_.source_Storage_storage_offset",
    "torch.ops.aten.set_.source_Tensor",
    "torch.ops.aten.resize_.default",
    "torch.ops.aten.resize_as_.default",
    "torch.ops.aten.record_stream.default",
    "torch.ops.aten.linear",
    "torch.ops.aten.relu.out",
    "torch.ops.aten.__class__.__init__",
    "torch.ops.prims.convert_element_type.default",
    "torch.ops.profiler._record_function_enter_new.default",
    "torch.ops.mylib.anything.default",
    "torch.os.system",
    "torch.load",
    "torch.sym_size",
    "_operator.attrgetter",
    "_operator.methodcaller",
    "_operator.call",
    "builtins.eval",
    "math.factorial",
    "os.system",
    "#namespace:name",
)

REFUSED_WHEN_MADE_READY: dict[str, Lie] = {
    "too many arguments": Lie(calls("torch.ops.aten.relu.default", ref("linear"), ref("linear")), "do not fit"),
    "too few arguments": Lie(calls("torch.ops.aten.add.Tensor", ref("linear")), "lacks the arguments other"),
    "unknown keyword": Lie(node(1, inputs=[{"name": "out", "arg": ref("linear"), "kind": 2}]), "do not fit"),
    "keyword twice": Lie(
        node(1, inputs=[{"name": "self", "arg": ref("linear"), "kind": k} for k in (1, 2)]), "do not fit"
    ),
    "too many outputs": Lie(node(1, outputs=[ref("relu"), ref("other")]), "2 outputs"),
    "no output": Lie(node(2, outputs=[]), "0 outputs|not computed"),
}

FAILS_WHEN_RUN: dict[str, Lie] = {
    "petabytes": Lie(calls("torch.ops.aten.full.default", BIG, {"as_float": 1.0}), "allocate|memory"),
    "more than there is": Lie(
        calls("torch.ops.aten.full.default", {"as_ints": [2**62]}, {"as_float": 1.0}), "node 'relu'"
    ),
    "negative size": Lie(calls("torch.ops.aten.full.default", {"as_ints": [-1]}, {"as_float": 1.0}), "negative"),
    "outside the storage": Lie(
        calls("torch.ops.aten.as_strided.default", ref("linear"), {"as_ints": [999]}, {"as_ints": [999]}),
        "out of bounds",
    ),
    "a list for one": Lie(node(1, outputs=[{"as_tensors": [{"name": "relu"}]}]), "1 outputs"),
    "wrong type": Lie(calls("torch.ops.aten.relu.default", {"as_string": "x"}), "node 'relu'"),
    "towering power": Lie(calls("_operator.pow", {"as_int": 10}, {"as_int": 10**9}), "exponent"),
    "text multiplied": Lie(calls("_operator.mul", {"as_string": "x"}, {"as_int": 10**12}), "takes numbers"),
    "divided by zero": Lie(calls("_operator.floordiv", {"as_int": 1}, {"as_int": 0}), "zero"),
}


def overlapping(source: Path, target: Path) -> Path:
    """Two entries share bytes, each with a header of its own: one lies inside the other."""
    inner = (
        b"PK\x03\x04" + bytes(22) + len(b"archive/inner").to_bytes(2, "little") + bytes(2) + b"archive/inner" + b"12"
    )

    def nested(entries: Entries) -> None:
        entries["archive/outer"] = inner
        entries["archive/inner"] = b"12"

    content = bytearray(rewrite(source, target, nested).read_bytes())
    directory = content.rindex(b"PK\x01\x02")  # the last entry of the directory is "inner"
    content[directory + 42 : directory + 46] = content.index(inner).to_bytes(4, "little")
    target.write_bytes(content)
    return target


def swap_bytes(source: Path, target: Path, old: bytes, new: bytes) -> Path:
    """The first `old` becomes `new`, of the same length, in the raw bytes of the file."""
    content = source.read_bytes()
    assert old in content
    target.write_bytes(content.replace(old, new, 1))
    return target
