"""Snapshots that are weights alone: the module that they belong to comes from a function named in the settings.

That function is the configuration's, never a record's or a file's: it is imported and called, so it runs code.
"""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from knowledge.exporting.hooks import module_calls, said
from knowledge.exporting.recorder import record
from knowledge.pt2.archive import Refused
from knowledge.pt2.columns import ColumnDescription, Description, read_columns, read_description
from tools.ports import PortError, UnreadableArtifact
from tools.program.graph import InputTensor, Program


def program_from(factory: str, weights: Mapping[str, np.ndarray], artifact: Path) -> Program:
    """The model that `factory` (`package.module:function`) makes, with these weights, as a program to be recorded.

    `<name>.features.json` beside the artifact names the inputs of its `forward`, which is called by these names: a
    dense or categorical one is (rows, columns), a bag is flat with its offsets, a sequence is (rows, positions).
    Raises `UnreadableArtifact` where there is no description, or where factory and weights do not fit.
    """
    try:
        description = read_description(artifact)
        if description is None:
            raise UnreadableArtifact(
                f"{artifact.name} holds weights only, and there is no {artifact.stem}.features.json beside it that "
                "names the inputs of the model: publish it with the snapshot"
            )
        module = _loaded(factory, weights)
        program = Program(
            nodes=(),
            inputs=tuple(_inputs(description)),
            outputs=(),
            weights={name: tensor.detach() for name, tensor in module.state_dict().items()},
            weight_names={name: name for name in weights},
            notes=(f"the artifact holds weights only: the model is the one that {factory} makes",),
        )
        described = read_columns(artifact, program)
    except Refused as refused:
        raise UnreadableArtifact(f"{artifact.name} is refused: {refused}") from None
    return replace(described, recorder=partial(_record, module, described, factory))


def _loaded(factory: str, weights: Mapping[str, np.ndarray]) -> nn.Module:
    try:
        place, _, name = factory.partition(":")
        module = getattr(importlib.import_module(place), name)()
    except Exception as error:  # noqa: BLE001  (somebody else's code)
        raise UnreadableArtifact(
            f"{factory}, which the setting `factories` names, could not make the model: "
            f"{type(error).__name__}: {_short(error)}"
        ) from None
    if not isinstance(module, nn.Module):
        raise UnreadableArtifact(
            f"{factory}, which the setting `factories` names, answers with a {type(module).__name__}, not an nn.Module"
        )
    try:
        module.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
    except RuntimeError as error:
        raise UnreadableArtifact(f"the weights do not fit the model that {factory} makes: {_short(error)}") from None
    return module.eval().requires_grad_(False)


def _inputs(description: Description) -> Iterator[InputTensor]:
    """The inputs in the order of the file; the offsets of a bag come right after it."""
    for name, columns in description.inputs.items():
        if not columns:
            continue
        yield _input(name, columns)
        if columns[0].offsets:
            yield InputTensor(columns[0].offsets, "int64", (None,))


def _input(name: str, columns: Sequence[ColumnDescription]) -> InputTensor:
    kind = columns[0].kind
    if kind == "bag":
        return InputTensor(name, "int64", (None,))
    if kind == "sequence":
        return InputTensor(name, "int64", (None, None))
    return InputTensor(name, "float32" if kind == "dense" else "int64", (None, len(columns)))


def _record(module: nn.Module, described: Program, factory: str, inputs: Sequence[Tensor]) -> Program:
    """The recording of one run, proven by running it again. Raises `UnreadableArtifact`."""
    names = [tensor.name for tensor in described.inputs]
    try:
        recorded = record(module, dict(zip(names, inputs, strict=True)))
    except Exception as error:  # noqa: BLE001  (somebody else's code runs here)
        raise UnreadableArtifact(
            f"the model that {factory} makes could not be recorded on these rows: {_short(error)}. "
            f"Without its operators only its modules can be watched: {_watched(module, names, inputs)}"
        ) from None
    return replace(recorded, columns=described.columns, notes=(*described.notes, *recorded.notes))


def _watched(module: nn.Module, names: Sequence[str], inputs: Sequence[Tensor]) -> str:
    try:
        return said(module_calls(module, dict(zip(names, inputs, strict=True))))
    except Exception as error:  # noqa: BLE001
        return f"and it does not run at all: {type(error).__name__}: {_short(error)}"


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300] if not isinstance(error, PortError) else str(error)
