"""What every part of the wire is made of, and what any request may be answered with."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

PREFIX = "/api/v1"
"""Where the API begins."""


class Wire(BaseModel):
    """Immutable, and strict about names so that a misspelt field is refused rather than lost."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it. `detail` says what to do; `errors` lists each fault of the input."""

    model_config = ConfigDict(frozen=True)
    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str | None = None
    errors: tuple[str, ...] = ()


class Health(Wire):
    """That the service answers, which version it is, and how many investigations it is working on at this moment."""

    status: Literal["ok"] = "ok"
    version: str
    tools: int
    running: int


class ToolInfo(Wire):
    """A tool, with the JSON schemas of its parameters and facts. `unavailable` says why it cannot run, or is None."""

    name: str
    question: str
    acts: bool
    unavailable: str | None
    params: dict[str, Any]
    facts: dict[str, Any]
