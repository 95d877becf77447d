"""Reads and appends the events of investigations. What is folded is exactly what is stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pydantic import TypeAdapter

from assistant.planner.events import Event
from assistant.planner.investigation import State, apply, fold
from knowledge.investigations import ConcurrentWrite

Row = dict[str, Any]
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)
ATTEMPTS = 20
"""How often an append is decided anew because somebody else wrote first."""


class EventLog(Protocol):
    """Where events are kept: rows with `investigation`, `seq` (from 0), `at`, `type` and the rest of the event."""

    def append(self, rows: Sequence[Row]) -> None:
        """All or none. Raises `ConcurrentWrite` where a seq is taken or skipped."""
        ...

    def rows(self, investigation: str, after: int = -1) -> Sequence[Row]:
        """The events with a seq above `after`, in order; empty for an unknown investigation."""
        ...


class UnknownInvestigation(LookupError):
    """No investigation has this id."""


@dataclass(frozen=True)
class Draft:
    """An event that has no number and no time yet."""

    type: type[Any]
    fields: Mapping[str, Any]


def draft(event: type[Any], **fields: Any) -> Draft:
    """An event to be appended."""
    return Draft(event, fields)


Decide = Callable[[State], Sequence[Draft]]


class Journal:
    """The log with its clock. `on_event` hears every event once it is stored."""

    def __init__(
        self, log: EventLog, clock: Callable[[], datetime], on_event: Callable[[Event], None] | None = None
    ) -> None:
        self._log = log
        self._clock = clock
        self._on_event = on_event

    def events(self, investigation: str, after: int = -1) -> list[Event]:
        """The events with a seq above `after`."""
        return [_EVENT.validate_python(row) for row in self._log.rows(investigation, after)]

    def state(self, investigation: str) -> State:
        """The state now. Raises `UnknownInvestigation`."""
        events = self.events(investigation)
        if not events:
            raise UnknownInvestigation(f"there is no investigation {investigation!r}")
        return fold(events)

    def begin(self, investigation: str, opened: Draft) -> State:
        """The first event of a new investigation."""
        event = self._number(opened, investigation, 0, self._clock())
        self._store([event])
        return fold([event])

    def append(self, investigation: str, decide: Decide, follow: Decide) -> State:
        """Append what `decide` says, and in the same write what `follow` says about the state after it.

        Both are asked again when somebody else has written first, so that nothing is decided on an old state; a
        decision that has become void answers with nothing.
        """
        for _ in range(ATTEMPTS):
            state = self.state(investigation)
            at = self._clock()
            events: list[Event] = []
            for ask in (decide, follow):
                for one in ask(state):
                    events.append(self._number(one, investigation, state.seq + 1, at))
                    state = apply(state, events[-1])
                if not events:
                    return state
            try:
                self._store(events)
            except ConcurrentWrite:
                continue
            return state
        raise ConcurrentWrite(f"{investigation} is being written to without a pause; try again")

    def _number(self, one: Draft, investigation: str, seq: int, at: datetime) -> Event:
        """The event as the log will give it back: through JSON, so that state never differs after a restart."""
        event = one.type(investigation=investigation, seq=seq, at=at, **one.fields)
        return _EVENT.validate_python(event.model_dump(mode="json"))

    def _store(self, events: list[Event]) -> None:
        self._log.append([event.model_dump(mode="json") for event in events])
        for event in events:
            if self._on_event is not None:
                self._on_event(event)
