"""The names that people know of a node: its module's path and class, and the line of the model's source."""

import re
from collections.abc import Iterator

from knowledge.stored_tensor import plain_name

# A published file has lost its folders, so torch's modules are known by their file names as well.
TORCH_FRAME = re.compile(
    r'File "(.*[/\\])?(torch[/\\].*|(linear|sparse|activation|normalization|batchnorm|dropout|rnn|conv|pooling|padding|'
    r'container|module|functional|_functional|transformer|flatten|instancenorm|upsampling|pixelshuffle|loss)\.py)"'
)
NO_MODULE = "_empty_nn_module_stack_from_metadata_hook"  # what torch writes for nodes of its own


def module_of(stack: str) -> tuple[str | None, str | None]:
    """The path and the class of the innermost module. The stack is "key,path,class;key,path,class"."""
    parts = list(_split(stack.rpartition(";")[2]))
    if len(parts) != 3 or parts[0] == NO_MODULE or not plain_name(stack):
        return None, None
    return parts[1] or None, parts[2].rpartition(".")[2] or None


def _split(text: str) -> Iterator[str]:
    """At the commas that are not inside brackets: a path may hold `[slice(0, 2, None)]`."""
    start = depth = 0
    for place, letter in enumerate(text):
        depth += (letter in "[(") - (letter in ")]")
        if letter == "," and depth == 0:
            yield text[start:place]
            start = place + 1
    yield text[start:]


def source_of(trace: str) -> str | None:
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
