"""What every tool is: typed parameters, a few typed facts, a typed result, and one function that answers."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from tools.evidence import Chart, Evidence
from tools.numbers import Num
from tools.ports import Ports

Scalar = bool | int | Num | str | None
"""What a fact may be. None means "not known", and a condition on it is never true."""


class Status(StrEnum):
    """Whether the tool came to an answer. `no_data` is an answer too, and every playbook must route it."""

    answered = "answered"
    no_data = "no_data"
    inconclusive = "inconclusive"
    failed = "failed"


class Params(BaseModel):
    """Base of a tool's parameters: strict about names, so that a misspelt one is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Facts(BaseModel):
    """Base of a tool's facts: scalars that a playbook may branch on, each with a default that means "not known"."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Result(BaseModel):
    """Base of a tool's typed result. Floats in it are `Num`, so that NaN survives the trip through JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(BaseModel):
    """A tool's answer. `facts` and `result` are of the types that the tool declares.

    `ruled_out` and `not_checked` go into the verdict as they stand; `would_settle` says what data or step would
    turn an unsure answer into a sure one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    tool: str
    status: Status
    interesting: bool = False
    headline: str
    facts: dict[str, Scalar] = {}
    result: dict[str, Any] | None = None
    evidence: tuple[Evidence, ...] = ()
    ruled_out: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()
    would_settle: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()


P = TypeVar("P", bound=Params)
F = TypeVar("F", bound=Facts)
R = TypeVar("R", bound=Result)


@dataclass(frozen=True)
class Tool(Generic[P, F, R]):
    """A tool as the registry knows it.

    `question` is the question it answers, in the words of an on-call. `acts` marks a tool whose finding is the
    dry-run plan of an action. `unavailable` says why the tool cannot be run in this version, or is None.
    """

    name: str
    question: str
    params: type[P]
    facts: type[F]
    result: type[R]
    run: Callable[[P, Ports], Finding]
    acts: bool = False
    unavailable: str | None = None

    def finding(
        self,
        status: Status,
        headline: str,
        *,
        facts: F | None = None,
        result: R | None = None,
        interesting: bool = False,
        evidence: tuple[Evidence, ...] = (),
        ruled_out: tuple[str, ...] = (),
        not_checked: tuple[str, ...] = (),
        would_settle: tuple[str, ...] = (),
        charts: tuple[Chart, ...] = (),
    ) -> Finding:
        """A finding of this tool; facts that are left out take the declared "not known" defaults."""
        return Finding(
            tool=self.name,
            status=status,
            interesting=interesting,
            headline=headline,
            facts=(facts or self.facts()).model_dump(),
            result=None if result is None else result.model_dump(mode="json"),
            evidence=evidence,
            ruled_out=ruled_out,
            not_checked=not_checked,
            would_settle=would_settle,
            charts=charts,
        )
