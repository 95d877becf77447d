"""What an investigation may do next."""

from dataclasses import dataclass
from typing import Any

from assistant.planner.events import Because, Choice, Verdict


@dataclass(frozen=True)
class Run:
    """Run a tool. A parameter that rests on something unknown is None here."""

    step: str
    tool: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Ask:
    """Ask a question, or go on waiting for its answer."""

    step: str
    question: str
    why: str
    choices: tuple[Choice, ...]
    recommended: str
    recommended_why: str
    because: tuple[Because, ...]


@dataclass(frozen=True)
class Propose:
    """Propose an action, or go on waiting for a person's word on it. `plan` is the tool's dry run."""

    step: str
    tool: str
    plan: dict[str, Any]


@dataclass(frozen=True)
class Go:
    """The step is complete; go to the next."""

    step: str
    to: str
    because: tuple[Because, ...]


@dataclass(frozen=True)
class Conclude:
    """End with a verdict."""

    step: str
    verdict: Verdict


Move = Run | Ask | Propose | Go | Conclude
