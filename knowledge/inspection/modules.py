"""The modules of a model as a tree, by the paths that its operators and tensors name."""

from collections import Counter
from collections.abc import Iterator, Mapping

from knowledge.inspection.views import ModuleView
from tools.program.graph import Program


def modules_of(values: Mapping[str, int], program: Program | None) -> Iterator[ModuleView]:
    """Every module that the graph or a tensor's name knows: the whole model first, then in the order of computation.

    `values` are how many values each tensor has, by its name in the model.
    """
    held, called, classes = Counter[str](), Counter[str](), dict[str, str | None]()
    for node in program.nodes if program else ():
        if node.module_class:
            classes[node.module or ""] = node.module_class
        called.update(_down_to(node.module or ""))
    for name, count in values.items():
        held.update(dict.fromkeys(_down_to(name.rpartition(".")[0]), count))
    seen = {path: place for place, path in enumerate(dict.fromkeys([*called, *held]))}
    for path in sorted(seen, key=lambda path: [seen[above] for above in _down_to(path)]):
        yield ModuleView(path=path, module_class=classes.get(path), operators=called[path], values=held[path])


def _down_to(path: str) -> list[str]:
    """The whole model, which is the empty path, and every module down to this one."""
    parts = path.split(".") if path else []
    return ["", *(".".join(parts[: end + 1]) for end in range(len(parts)))]
