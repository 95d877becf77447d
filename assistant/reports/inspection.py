"""What is inside a snapshot's file, as lines of text."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from assistant.reports.transcript import printable
from knowledge.inspection import Inspection
from knowledge.inspection.views import InputView, ModuleView

SHOWN = 5
"""How many features, operators and outputs are named in a line."""


def lines(found: Inspection, depth: int) -> Iterator[str]:
    """The file in a few paragraphs; modules down to `depth` below the whole model."""
    what = f"a program of torch {found.torch_version or '(version unknown)'}" if found.kind == "program" else "weights"
    yield f"{printable(found.file)}: {what}, {_size(found.bytes)}"
    if found.refused:
        yield from _section("It is refused:", found.refused)
    if found.inputs:
        yield from _section("Inputs", _aligned([_input(view) for view in found.inputs]))
        yield f"Outputs: {_some(found.outputs)}"
    if found.tensors:
        yield _tensors(found)
    if found.modules:
        table = [("", "operators", "values"), *_modules(found.modules, depth)]
        yield from _section("Modules", _aligned(table, numbers=2))
    if found.operators:
        yield f"Operators: {_some([f'{name} {count}' for name, count in found.operators.items()])}"
    if found.notes:
        yield from _section("How it was exported", found.notes)
    if found.private:
        yield from _section("In the file, and left out when it is published", found.private)


def _section(title: str, texts: Sequence[str]) -> Iterator[str]:
    yield title
    yield from (f"  {printable(text)}" for text in texts)


def _input(view: InputView) -> tuple[str, ...]:
    sizes = ", ".join("any" if size is None else str(size) for size in view.sizes)
    kinds = [
        f"{kind}: {_some([column.feature for column in columns])}"
        for kind, group in groupby(view.columns, key=lambda column: column.kind)
        if (columns := list(group))
    ]
    return view.name, f"{view.dtype} ({sizes})", "; ".join(kinds) or "not described"


def _tensors(found: Inspection) -> str:
    kinds = Counter(tensor.dtype for tensor in found.tensors).most_common()
    total = sum(tensor.bytes for tensor in found.tensors)
    values = next(module.values for module in found.modules if not module.path)
    told = ", ".join(f"{count} {dtype}" for dtype, count in kinds)
    return f"Tensors: {len(found.tensors)} ({told}), {values:,} values, {_size(total)}"


def _modules(modules: Sequence[ModuleView], depth: int) -> Iterator[tuple[str, ...]]:
    parents = {module.path.rpartition(".")[0] for module in modules if module.path}
    shown = [module for module in modules if _depth(module) <= depth]
    for _, group in groupby(shown, key=lambda module: _alike(module, parents)):
        alike = list(group)
        first, last = alike[0], alike[-1]
        name = first.path.rpartition(".")[2]
        if len(alike) > 1:
            name = f"{name} to {last.path.rpartition('.')[2]}, each"
        label = "  " * _depth(first) + " ".join(filter(None, [name, first.module_class]))
        yield label or "the model", f"{first.operators:,}", f"{first.values:,}"


def _alike(module: ModuleView, parents: set[str]) -> object:
    """Numbered siblings of the same size and class, with nothing below them, stand in one line."""
    parent, _, name = module.path.rpartition(".")
    if not name.isdigit() or module.path in parents:
        return module.path
    return parent, module.module_class, module.operators, module.values


def _depth(module: ModuleView) -> int:
    return module.path.count(".") + 1 if module.path else 0


def _aligned(rows: Sequence[tuple[str, ...]], numbers: int = 0) -> list[str]:
    """Cells below each other; the last `numbers` columns are aligned to the right."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    left = len(columns) - numbers
    return [
        "  ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return printable(", ".join(names[:SHOWN])) + more


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
