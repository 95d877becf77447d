"""Keeps weights and inputs as they are when a graph writes in place: what is written to is copied before."""

from collections.abc import Iterable
from typing import Any

from tools.program.steps import Frame


class Copies:
    """For one run. A tensor shares its memory with others (views); all of them move to the copy together."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._foreign = {_memory(value) for value in frame} - {0}

    def make_writable(self, places: Iterable[int]) -> None:
        """Copy the memory behind these places, if it came from outside, so that the run may write to it."""
        for place in places:
            memory = _memory(self._frame[place])
            if memory in self._foreign and not self._frame[place].requires_grad:
                self._move(memory)

    def _move(self, memory: int) -> None:
        import torch

        shared = [place for place, value in enumerate(self._frame) if _memory(value) == memory]
        storage = self._frame[shared[0]].untyped_storage().clone()
        for place in shared:
            value = self._frame[place]
            moved = torch.empty(0, dtype=value.dtype)
            self._frame[place] = moved.set_(storage, value.storage_offset(), value.size(), value.stride())


def _memory(value: Any) -> int:
    """The address of a tensor's memory; 0 for anything else and for an empty tensor."""
    import torch

    return int(value.untyped_storage().data_ptr()) if isinstance(value, torch.Tensor) else 0
