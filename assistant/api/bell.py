"""Wakes the long polls: worker threads ring, coroutines of any event loop listen."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, eq=False)
class Listener:
    """One waiting poll. It hears every ring after it was made, also one from before it began to wait."""

    loop: asyncio.AbstractEventLoop
    rung: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, timeout_s: float) -> bool:
        """True when it was rung within `timeout_s`."""
        try:
            await asyncio.wait_for(self.rung.wait(), timeout_s)
        except TimeoutError:
            return False
        return True


class Bell:
    """One bell for every investigation, by id."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)
        self._closed = False

    @contextmanager
    def listening(self, investigation: str) -> Iterator[Listener]:
        """Listen first and look second, so that nothing that happens in between is slept through."""
        listener = Listener(asyncio.get_running_loop())
        with self._guard:
            self._listeners[investigation].add(listener)
            if self._closed:
                listener.rung.set()
        try:
            yield listener
        finally:
            with self._guard:
                self._listeners[investigation].discard(listener)
                if not self._listeners[investigation]:
                    del self._listeners[investigation]

    def ring(self, investigation: str) -> None:
        """Wake all that listen for this investigation. Safe from any thread."""
        with self._guard:
            self._wake(self._listeners.get(investigation, set()))

    def close(self) -> None:
        """Wake everybody, and let nobody wait any more: the service is about to stop."""
        with self._guard:
            self._closed = True
            self._wake({listener for listeners in self._listeners.values() for listener in listeners})

    @staticmethod
    def _wake(listeners: set[Listener]) -> None:
        for listener in listeners:
            if not listener.loop.is_closed():  # a client in process may have ended its loop without a word
                listener.loop.call_soon_threadsafe(listener.rung.set)
