"""Functions that numba compiles when they are first called. To import it takes half a second: do so when it is needed.

What one calls must stand in its own file: code kept on disk is compiled anew when its file changes, and only then.
"""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` as machine code, which is kept on disk, lets other threads run, and divides as numpy does."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        found: Callable[..., Any] = njit(cache=True, **options)(function)
    except RuntimeError:  # there is no folder that compiled code may be kept in
        found = njit(**options)(function)
    return found
