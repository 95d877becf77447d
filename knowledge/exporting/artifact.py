"""Writing an exported program and what its columns mean: `NAME.pt2` and `NAME.features.json`."""

import json
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from knowledge.exporting.columns import UnusableColumns
from knowledge.exporting.ladder import Export
from knowledge.files import replaced
from knowledge.stripping import strip
from tools.program.graph import Column

OPTIONAL = ("missing", "offsets")


def save(exported: Export, path: Path, model: str, columns: Sequence[Column]) -> Path:
    """Write the program to `path`, which ends in `.pt2`, and `columns` with the notes of the export beside it.

    Answers with the path of the description. Raises `UnusableColumns` where the columns do not fit the inputs.
    """
    if path.suffix != ".pt2":
        raise UnusableColumns(f"{path.name} has to end in .pt2")
    notes = [*exported.notes, *_checked(exported.program, columns)]
    write_program(exported.program, path)
    described = path.with_suffix(".features.json")
    described.write_text(json.dumps(description(model, columns, notes), indent=1) + "\n", encoding="utf-8")
    return described


def write_program(program: ExportedProgram, path: Path) -> None:
    """Write a program without example inputs, which may be a user's rows, and without the folders of its source."""
    program.example_inputs = None
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=".exporting-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about tensors that share storage
        whole = Path(folder) / path.name
        torch.export.save(program, whole)
        with replaced(path) as out:
            strip(whole, out)


def description(model: str, columns: Sequence[Column], notes: Sequence[str] = ()) -> dict[str, Any]:
    """What stands in `features.json` (`knowledge.pt2.columns` has the format)."""
    inputs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for column in columns:
        told = {name: getattr(column, name) for name in ("column", "feature", "kind", "baseline")}
        inputs[column.input].append(told | {name: v for name in OPTIONAL if (v := getattr(column, name)) is not None})
    return {"model": model, "inputs": dict(inputs)} | ({"notes": list(notes)} if notes else {})


def _checked(program: ExportedProgram, columns: Sequence[Column]) -> list[str]:
    """Notes on inputs that are not described. Raises `UnusableColumns` with every fault at once."""
    given = set(program.graph_signature.user_inputs)
    sizes = {
        node.name: node.meta["val"].shape
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in given and isinstance(node.meta.get("val"), Tensor)
    }
    places: dict[str, list[int]] = defaultdict(list)
    for column in columns:
        places[column.input].append(column.column)
    whole = {column.input for column in columns if column.kind in ("bag", "sequence")}
    told = {*places, *(column.offsets for column in columns if column.offsets)}
    faults = [f"{name!r} is no input; there are: {', '.join(sizes)}" for name in sorted(told - set(sizes))]
    for name in sorted(set(places) & set(sizes)):
        width = sizes[name][-1] if len(sizes[name]) > 1 and name not in whole else 1
        if isinstance(width, int) and sorted(places[name]) != list(range(width)):
            faults.append(f"input {name!r} has {width} columns, and {sorted(places[name])} are described")
    if faults:
        raise UnusableColumns("; ".join(faults))
    unsaid = [name for name in sizes if name not in told]
    return [f"input {name!r} is not described, so its columns are known by place only" for name in unsaid]
