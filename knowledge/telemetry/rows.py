"""Sampled rows on their way out of a serving process. Needs numpy alone."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

_SETTLE_S = 1.0
_PIECE = 500
"""For so many values at a time numpy lets no other thread run, which a request would then wait for."""


@dataclass(frozen=True)
class Rows:
    """Sampled predictions of one model as columns: `ts` float64[n] unix s, `features` float32[n, F] (NaN is a missing
    value), `prediction` float64[n], and per row its request id, snapshot and segment values."""

    model: str
    names: tuple[str, ...]
    segment_names: tuple[str, ...]
    ts: NDArray[np.float64]
    request_id: list[str]
    snapshot: list[str]
    segments: list[tuple[str, ...]]
    features: NDArray[np.float32]
    prediction: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ts)


class Sink(Protocol):
    """Where rows go to. `send` returns when they are safe there, but for those that are refused (reason → how many). It
    raises `NeverTaken` where none will ever be taken, and anything else where they are to be sent again later."""

    def send(self, rows: Rows) -> Mapping[str, int]: ...


class NeverTaken(Exception):
    """A sink refuses these rows for good; the message says why. They are dropped, so that later ones can go."""


class Buffer:
    """Room for a fixed number of rows. `taken` places are given out; those of them that are `written` hold a row."""

    def __init__(self, rows: int, width: int) -> None:
        self.taken = 0
        self.written = np.zeros(rows, dtype=bool)
        self.ts = np.empty(rows)
        self.features = np.full((rows, width), 0.0, dtype=np.float32)  # written, so that no request meets a new page
        self._cells = self.features.reshape(-1).data
        self.prediction = np.empty(rows)
        self.texts: list[tuple[str, str, tuple[str, ...]]] = [("", "", ())] * rows

    def put(self, place: int, row: NDArray[np.generic]) -> None:
        """Copy numbers [F] to a place, without a moment at which another thread could take over."""
        width = len(row)
        if row.dtype == np.float32:
            self._cells[place * width : (place + 1) * width] = row.data
            return
        target = self.features[place]
        for at in range(0, width, _PIECE):
            target[at : at + _PIECE] = row[at : at + _PIECE]

    def clear(self) -> None:
        """Give all places back."""
        self.taken = 0
        self.written[:] = False

    def settled(self, model: str, names: tuple[str, ...], segment_names: tuple[str, ...]) -> Rows:
        """The rows, once those that are being written at this moment are there; it waits a second at most.

        They are views until the buffer is cleared, where no row is missing."""
        deadline = time.monotonic() + _SETTLE_S
        while not self.written[: self.taken].all() and time.monotonic() < deadline:
            time.sleep(0.001)
        whole = bool(self.written[: self.taken].all())
        there = slice(self.taken) if whole else np.flatnonzero(self.written[: self.taken])
        texts = self.texts[: self.taken] if whole else [self.texts[place] for place in np.flatnonzero(self.written)]
        return Rows(
            model,
            names,
            segment_names,
            self.ts[there],
            [request_id for request_id, _, _ in texts],
            [snapshot for _, snapshot, _ in texts],
            [segments for _, _, segments in texts],
            self.features[there],
            self.prediction[there],
        )
