"""What is inside a `.pt2`. Each part is read by itself, so that one that is refused does not hide the others.

Named are every entry, pickled tensor and operator that is not allowed, and of each other part the first fault.
"""

import math
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from knowledge.inspection.modules import modules_of
from knowledge.inspection.views import ColumnView, InputView, Inspection, TensorView
from knowledge.pt2.archive import REFUSED, Archive, Refused, Strict, open_archive
from knowledge.pt2.columns import read_columns
from knowledge.pt2.inlining import GRADIENT_SWITCH
from knowledge.pt2.program import MODEL, program_of
from knowledge.pt2.tensors import CONFIGS, read_tensors
from tools.program.graph import Program
from tools.program.interpreter import Interpreter, UnsupportedProgram
from tools.program.operators import ALLOWED

EXAMPLES = "data/sample_inputs/"
LOCAL_PATH = re.compile(r'File "([^"]*[\\/])')


def inspect_program(path: Path) -> Inspection:
    """What a `.pt2` file holds, as far as it can be read."""
    found = _Findings(path)
    with path.open("rb") as file:
        archive = found.tried(lambda: open_archive(file))
    if archive is None:
        return found.answer()
    found.look_into(archive)
    program = found.tried(lambda: program_of(archive))
    if program is None:
        return found.answer()
    if not found.unknown_operators():
        found.tried(lambda: Interpreter(program))  # makes it ready, and runs nothing
    described = found.tried(lambda: read_columns(path, program))
    return found.answer(described or program)


class _Findings:
    """What has been seen of a `.pt2` so far, and every reason to refuse it, each once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._refused: dict[str, None] = dict.fromkeys(_forbidden_entries(path))
        self._tensors: tuple[TensorView, ...] = ()
        self._private: list[str] = []
        self._raw = _RawModel(graph_module=_RawModule(graph=_RawGraph(nodes=[])))

    def tried(self, read: Callable[[], Any]) -> Any:
        """What `read` answers with; None, and the reason noted, where it refuses."""
        try:
            return read()
        except (Refused, UnsupportedProgram) as refused:
            self._refused[str(refused)] = None
        except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
            self._refused[f"it is not a whole zip file ({error})"] = None
        except (OSError, ValueError, OverflowError) as error:
            self._refused[f"it cannot be read ({error})"] = None
        return None

    def look_into(self, archive: Archive) -> None:
        """The stored tensors, the operators and what is private: each as far as it can be read by itself."""
        self._refused |= dict.fromkeys(_pickled(archive))
        self._tensors = self.tried(lambda: tuple(_tensors(archive))) or ()
        entry = self.tried(lambda: archive.only(*MODEL))
        self._raw = (entry and self.tried(lambda: archive.json_of(entry, _RawModel))) or self._raw
        for name in self.unknown_operators():
            self._refused[f"the operator {name!r} is not on the list of those that are run"] = None
        self._private = list(_private(archive, self._raw))

    def operators(self) -> dict[str, int]:
        """Operator → how many nodes call it, the commonest first."""
        nodes = self._raw.graph_module.graph.nodes
        return dict(Counter(_operator(node.target) for node in nodes).most_common())

    def unknown_operators(self) -> list[str]:
        """What the graph calls and nobody runs here."""
        return sorted({*self.operators()} - ALLOWED - {_operator(GRADIENT_SWITCH)})

    def answer(self, program: Program | None = None) -> Inspection:
        """All of it. Without `program`, the inputs, the outputs and the modules are not known."""
        values = {tensor.name: math.prod(tensor.sizes) for tensor in self._tensors}
        return Inspection(
            file=self._path.name,
            bytes=self._path.stat().st_size,
            kind="program",
            torch_version=self._raw.torch_version,
            inputs=tuple(_inputs(program)) if program else (),
            outputs=program.outputs if program else (),
            tensors=self._tensors,
            modules=tuple(modules_of(values, program)),
            operators=dict(Counter(node.operator for node in program.nodes).most_common())
            if program
            else self.operators(),
            notes=program.notes if program else (),
            private=tuple(self._private),
            refused=tuple(self._refused),
        )


def _operator(target: str) -> str:
    return target.removeprefix("torch.ops.").removeprefix("_")


class _RawNode(Strict):
    target: str
    metadata: dict[str, str] = Field(default_factory=dict)


class _RawGraph(Strict):
    nodes: list[_RawNode]


class _RawModule(Strict):
    graph: _RawGraph


class _RawModel(Strict):
    graph_module: _RawModule
    torch_version: str | None = None


class _RawPayload(Strict):
    use_pickle: bool


class _RawConfig(Strict):
    config: dict[str, _RawPayload]


def _forbidden_entries(path: Path) -> Iterator[str]:
    """Names alone are looked at, so this works where the archive is refused for another reason."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError):
        return  # `open_archive` says the same, with the reason
    for name in names:
        yield from (
            f"entry {name!r}: it is {what}, which is never loaded here" for mark, what in REFUSED if mark in name
        )


def _pickled(archive: Archive) -> Iterator[str]:
    for folder, suffix in CONFIGS.items():
        try:
            entry = archive.only(folder, suffix)
            config = archive.json_of(entry, _RawConfig).config if entry else {}
        except Refused:
            continue  # `read_tensors` refuses it with the reason
        for name, payload in config.items():
            if payload.use_pickle:
                yield f"the tensor {name!r} is pickled; unpickling runs code"


def _tensors(archive: Archive) -> Iterator[TensorView]:
    for name, tensor in read_tensors(archive):
        yield TensorView(name=name, dtype=tensor.dtype, sizes=tensor.sizes, bytes=tensor.claimed_bytes)


def _private(archive: Archive, model: _RawModel) -> Iterator[str]:
    for name, (_, length, _) in archive.places.items():
        if name.startswith(EXAMPLES) and length:
            yield f"example inputs ({length} bytes): they may be a user's rows"
    folders = {
        place
        for node in model.graph_module.graph.nodes
        for place in LOCAL_PATH.findall(node.metadata.get("stack_trace", ""))
    }
    if folders:
        yield f"{len(folders)} folders of the machine that exported it, among them {min(folders)}"


def _inputs(program: Program) -> Iterator[InputView]:
    for tensor in program.inputs:
        columns = [
            ColumnView(
                column=column.column,
                feature=column.feature,
                kind=column.kind,
                baseline=column.baseline,
                missing=column.missing,
                offsets=column.offsets,
            )
            for column in program.columns
            if column.input == tensor.name
        ]
        yield InputView(name=tensor.name, dtype=tensor.dtype, sizes=tensor.sizes, columns=tuple(columns))
