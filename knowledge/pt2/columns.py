"""What stands in the columns of a program's inputs, from the file beside it.

Beside `<name>.pt2` stands `<name>.features.json`:

    {"model": "late", "inputs": {"dense": [{"column": 0, "feature": "distance", "kind": "dense", "baseline": 800.0}]}}

`inputs` maps the name of an input tensor to the list of its columns; `column` is the place in the last dimension.

- `dense`: a number. `categorical`: an id. Their tensors have the sizes (rows, columns), or (rows) with column 0; where
  there are sizes between rows and columns, a feature is a list of numbers, one for each position.
- `bag`: the ids of an EmbeddingBag, all in one tensor of one dimension; column 0, and `offsets` names the input
  tensor that says where each row's ids start.
- `sequence`: an id or a number per position, in a tensor (rows, positions, …); column 0 stands for all of them.

`baseline` is the value that stands for "nothing special" (a dense feature's mean, an id's commonest one). `missing`,
if it is there, is what the serving system gives in place of a missing value; otherwise NaN is given as it is.
`notes`, if it is there, is a list of sentences on how the snapshot was exported.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from knowledge.pt2.archive import JSON_LIMIT_BYTES, Refused
from knowledge.stored_tensor import plain_name
from tools.program.graph import Column, InputTensor, Program


def _plain(name: str) -> str:
    if not plain_name(name):
        raise ValueError("it is not a plain name")
    return name


def _on_one_line(note: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in note)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ColumnDescription(_Strict):
    column: int = Field(ge=0)
    feature: Annotated[str, AfterValidator(_plain)]
    kind: Literal["dense", "categorical", "bag", "sequence"]
    baseline: FiniteFloat
    missing: FiniteFloat | None = None
    offsets: str | None = None


class Description(_Strict):
    """All that the file says."""

    model: str
    inputs: dict[str, list[ColumnDescription]]
    notes: list[Annotated[str, AfterValidator(_on_one_line)]] = Field(default_factory=list)


def read_description(artifact: Path) -> Description | None:
    """What the file beside an artifact says; None where there is none. Raises `Refused`."""
    path = _beside(artifact)
    if not path.is_file():
        return None
    if not path.resolve().is_relative_to(artifact.resolve().parent):
        raise Refused(path.name, "it is a link that leads out of the artifact's folder")
    if path.stat().st_size > JSON_LIMIT_BYTES:
        raise Refused(path.name, f"it is larger than {JSON_LIMIT_BYTES} bytes")
    try:
        return Description.model_validate(json.loads(path.read_bytes()))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise Refused(path.name, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise Refused(path.name, f"it is not JSON ({error})") from None


def read_columns(artifact: Path, program: Program) -> Program:
    """The program with its columns and notes; as it is where no file stands beside it. Raises `Refused`."""
    said = read_description(artifact)
    if said is None:
        return program
    path = _beside(artifact)
    tensors = {tensor.name: tensor for tensor in program.inputs}
    columns = []
    for name, listed in said.inputs.items():
        if name not in tensors:
            raise Refused(path.name, f"the model has no input {name!r}; its inputs are {', '.join(tensors)}")
        _check(path.name, tensors[name], listed, tensors)
        columns += [Column(input=name, **column.model_dump()) for column in listed]
    return replace(program, columns=tuple(columns), notes=(*program.notes, *said.notes))


def _beside(artifact: Path) -> Path:
    return artifact.with_name(f"{artifact.stem}.features.json")


def _check(file: str, tensor: InputTensor, listed: list[ColumnDescription], tensors: dict[str, InputTensor]) -> None:
    width = tensor.sizes[-1] if len(tensor.sizes) > 1 else 1
    seen: set[int] = set()
    for column in listed:
        where = f"inputs.{tensor.name}, column {column.column}"
        if column.column in seen:
            raise Refused(file, f"{where} is there twice")
        if width is not None and column.column >= width:
            raise Refused(file, f"{where} is not there: the tensor has {width} columns")
        if column.kind in ("bag", "sequence") and (column.column or len(listed) > 1):
            raise Refused(file, f"{where}: a {column.kind} has its tensor for itself, as column 0")
        if (column.kind == "bag") != (column.offsets is not None):
            raise Refused(file, f"{where}: a bag, and only a bag, names the tensor of its offsets")
        if column.offsets is not None and column.offsets not in tensors:
            raise Refused(file, f"{where}: the model has no input {column.offsets!r}")
        seen.add(column.column)
