"""Does long work in worker threads, so that a tool that computes for seconds never holds up the API."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_log = logging.getLogger(__name__)


class Background:
    """A bounded pool; an item (an investigation, a check) is in the hands of one worker at most, whatever is asked at
    the same time. `what` names the items in the log."""

    def __init__(
        self, advance: Callable[[str], object], on_rest: Callable[[str], None], at_once: int, what: str = "walk"
    ) -> None:
        """`advance` works on an item until it waits or ends; `on_rest` is told when a worker lets go of one."""
        self._advance, self._on_rest = advance, on_rest
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix=f"hawkeye-{what}")
        self._what = what
        self._guard = threading.Lock()
        self._walking: set[str] = set()
        self._again: set[str] = set()
        self._failures: dict[str, str] = {}
        self._closed = False

    def wake(self, investigation: str) -> None:
        """Walk on. While a worker is at it already, it looks once more before it lets go."""
        with self._guard:
            if self._closed:
                return
            self._failures.pop(investigation, None)
            if investigation in self._walking:
                self._again.add(investigation)
                return
            self._walking.add(investigation)
        self._pool.submit(self._walk, investigation)

    def is_walking(self, investigation: str) -> bool:
        """Whether a worker has it, or it waits for one."""
        with self._guard:
            return investigation in self._walking

    def running(self) -> int:
        """How many investigations workers have at this moment."""
        with self._guard:
            return len(self._walking)

    def failure(self, investigation: str) -> str | None:
        """Why the last walk of it stopped on an error, or None."""
        with self._guard:
            return self._failures.get(investigation)

    def close(self) -> None:
        """Take nothing new, and wait for the workers; what is unfinished is resumed at the next start."""
        with self._guard:
            self._closed = True
            self._again.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _walk(self, investigation: str) -> None:
        while True:
            try:
                self._advance(investigation)
            except Exception as error:  # noqa: BLE001  (whatever a walk stops on is shown to the user, not lost)
                _log.exception("the %s of %s stopped", self._what, investigation)
                self._let_go(investigation, f"{type(error).__name__}: {error}")
                return
            if not self._goes_on(investigation):
                self._on_rest(investigation)
                return

    def _goes_on(self, investigation: str) -> bool:
        with self._guard:
            again = investigation in self._again and not self._closed
            self._again.discard(investigation)
            if not again:
                self._walking.discard(investigation)
            return again

    def _let_go(self, investigation: str, failure: str) -> None:
        with self._guard:
            self._again.discard(investigation)
            self._walking.discard(investigation)
            self._failures[investigation] = failure
        self._on_rest(investigation)
