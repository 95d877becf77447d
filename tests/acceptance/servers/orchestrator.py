"""What a test wants to know of a real orchestrator: as the orchestrator tells it, without any code of ours between."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Seen:
    """A run, its status in the orchestrator's own word, and whether that means that it may still write."""

    run: str
    status: str
    in_flight: bool


class RealOrchestrator(Protocol):
    """A server that runs, with one pipeline that has a run in flight and is due every `every_s` seconds."""

    @property
    def kind(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def pipeline(self) -> str: ...
    @property
    def user(self) -> str | None: ...
    @property
    def secret(self) -> str | None: ...
    @property
    def every_s(self) -> int: ...
    def paused(self) -> bool: ...
    def runs(self) -> list[Seen]: ...
