"""Samples predictions inside a serving process. Needs numpy alone, and never makes the caller wait or fail.

A request is kept by a consistent hash of its id, so that every model and process keeps the same ones and a request is
kept whole or not at all. A kept row is copied into a buffer that was allocated at the start; a thread of its own sends
full buffers on. Where there is no room, the row is dropped and counted.
"""

import itertools
import logging
import os
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knowledge.telemetry.rows import Buffer, NeverTaken, Sink

_SPACE = 1 << 64
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Counts:
    """What became of the rows: `sent` are safe in the sink, `waiting` are still here, `dropped` found no room or were
    given up when the sampler was closed, `refused` were not rows of this model or not taken by the sink (reason →
    count)."""

    sent: int
    waiting: int
    dropped: int
    refused: dict[str, int]


class Sampler:
    """Samples the predictions of one model in a serving process; threads may share it, and it survives a fork.

    `share` of the requests is kept. A buffer of `rows` rows is sent on when it is full or `every_s` seconds old; there
    are `buffers` of them, so memory is bounded by 4 · buffers · rows · features bytes and the texts of the rows.
    """

    def __init__(
        self,
        model: str,
        features: Sequence[str],
        sink: Sink,
        *,
        share: float = 0.01,
        segments: Sequence[str] = (),
        rows: int = 1024,
        every_s: float = 10.0,
        buffers: int = 4,
    ) -> None:
        if not 0 < share <= 1 or rows < 1 or buffers < 2 or every_s <= 0:
            raise ValueError("share lies in (0, 1], rows is at least 1, buffers at least 2, and every_s above 0")
        if len(set(features)) != len(features) or not features:
            raise ValueError("a sampler needs the names of the features, each once, in the order of the rows")
        self._model, self._names, self._segments = model, tuple(features), tuple(segments)
        self._shape, self._rows, self._every_s = (len(features),), rows, every_s
        self._below = round(share * _SPACE)
        self._sink = sink
        self._free: deque[Buffer] = deque(Buffer(rows, len(features)) for _ in range(buffers - 1))
        self._full: deque[Buffer] = deque()
        self._now = Buffer(rows, len(features))
        self._place = threading.Lock()
        self._wake, self._closing = threading.Event(), threading.Event()
        self._dropped, self._sent = itertools.count(), 0
        self._refused: Counter[str] = Counter()
        self._start()
        os.register_at_fork(after_in_child=_weakly(self))

    def record(
        self,
        request_id: str,
        snapshot: str,
        features: ArrayLike,
        prediction: float,
        segments: tuple[str, ...] = (),
        ts: float | None = None,
    ) -> None:
        """Sample one prediction. `features` are numbers [F] in the order given at the start; `ts` is unix seconds.

        Never raises and never waits: what is no row of this model is counted as refused, with the reason.
        """
        try:
            if int.from_bytes(blake2b(request_id.encode(), digest_size=8).digest(), "little") >= self._below:
                return
            row = np.asarray(features)
            if row.shape != self._shape:
                self._refuse(f"features of shape {row.shape}, where {self._shape} were announced")
            elif row.dtype.kind not in "fiub":
                self._refuse(f"features of type {row.dtype}, where numbers belong")
            elif len(segments) != len(self._segments):
                self._refuse(f"{len(segments)} segment values, where {len(self._segments)} were announced")
            else:
                self._keep((request_id, snapshot, segments), row, float(prediction), ts)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a row, the request that it is of goes on
            self._refuse(f"{type(error).__name__}: {error}"[:200])

    def counts(self) -> Counts:
        """What became of the rows so far."""
        waiting = self._now.taken + sum(buffer.taken for buffer in tuple(self._full))
        return Counts(self._sent, waiting, _value(self._dropped), dict(self._refused))

    def close(self, timeout_s: float = 10.0) -> Counts:
        """Send what is here and stop. What the sink does not take within the time is dropped and counted."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout_s)
        self._drop(self.counts().waiting)
        self._full.clear()
        self._now.clear()
        return self.counts()

    def _keep(
        self, texts: tuple[str, str, tuple[str, ...]], row: NDArray[np.generic], p: float, ts: float | None
    ) -> None:
        # The lock is held for a few bytecodes; who does not get it at once gives its row up rather than wait.
        if self._closing.is_set() or not self._place.acquire(blocking=False):
            next(self._dropped)
            return
        try:
            buffer, place = self._now, self._now.taken
            if place == self._rows:
                if not self._free:
                    next(self._dropped)
                    return
                self._full.append(buffer)
                buffer, place = self._free.popleft(), 0
                self._now = buffer
            buffer.taken = place + 1
        finally:
            self._place.release()
        buffer.texts[place] = texts
        buffer.put(place, row)
        buffer.prediction[place] = p
        buffer.ts[place] = time.time() if ts is None else ts
        buffer.written[place] = True
        if place + 1 == self._rows:
            self._wake.set()

    def _drop(self, rows: int) -> None:
        for _ in range(rows):
            next(self._dropped)

    def _refuse(self, reason: str, rows: int = 1) -> None:
        if reason not in self._refused:
            if len(self._refused) >= 100:
                reason = "other reasons"
            _log.warning("samples of %s are refused: %s", self._model, reason)
        self._refused[reason] += rows

    def _start(self) -> None:
        self._thread = threading.Thread(target=_run, args=(weakref.ref(self),), name="hawkeye-sampler", daemon=True)
        self._thread.start()

    def _after_fork(self) -> None:
        """The child begins empty: its parent sends what was here."""
        self._place, self._wake = threading.Lock(), threading.Event()
        self._free.extend(self._full)
        self._full.clear()
        for buffer in (self._now, *self._free):
            buffer.clear()
        self._dropped, self._sent = itertools.count(), 0
        self._refused.clear()
        if not self._closing.is_set():
            self._start()

    def _swap(self) -> None:
        """Take the current buffer out, full or not, where another one is free."""
        with self._place:
            if self._now.taken and self._free:
                self._full.append(self._now)
                self._now = self._free.popleft()

    def _send_oldest(self) -> bool:
        """Send the oldest full buffer; whether there was one, and it went."""
        if not self._full:
            return False
        buffer = self._full[0]
        rows = buffer.settled(self._model, self._names, self._segments)
        try:
            refused = self._sink.send(rows)
            for reason, count in refused.items():
                self._refuse(reason, count)
            self._sent += len(rows) - sum(refused.values())
        except NeverTaken as never:
            self._refuse(str(never), len(rows))
        self._full.popleft()
        self._drop(buffer.taken - len(rows))
        buffer.clear()
        self._free.append(buffer)
        return True


def _run(sampler_ref: "weakref.ref[Sampler]") -> None:
    """The sending thread: it ends with its sampler, and after a failure it waits longer each time."""
    pause = _FIRST_PAUSE_S
    while (sampler := sampler_ref()) is not None:
        wake, closing, every_s = sampler._wake, sampler._closing.is_set(), sampler._every_s
        try:
            sampler._swap()
            while sampler._send_oldest():
                pause = _FIRST_PAUSE_S
                if closing:
                    sampler._swap()
        except Exception as error:  # noqa: BLE001 - a sink may fail in any way; its rows stay and are sent again
            _log.warning("samples of %s could not be sent and wait: %s", sampler._model, error)
            every_s, pause = pause, min(2 * pause, _LONGEST_PAUSE_S)
        else:
            if closing:
                return
        del sampler  # so that it can be collected while this thread sleeps
        wake.wait(every_s)
        wake.clear()


def _weakly(sampler: Sampler) -> "_Restart":
    return _Restart(weakref.ref(sampler))


class _Restart:
    """Restarts a sampler in a child process without keeping it alive in the parent."""

    def __init__(self, sampler: "weakref.ref[Sampler]") -> None:
        self._sampler = sampler

    def __call__(self) -> None:
        sampler = self._sampler()
        if sampler is not None:
            sampler._after_fork()


def _value(counter: "itertools.count[int]") -> int:
    """How often `next` was called on it. `next` is one step for the interpreter, so that no count is lost."""
    return int(counter.__reduce__()[1][0])
