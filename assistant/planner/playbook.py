"""A playbook as its author writes it: a TOML table of steps, each with exactly one kind.

`parse` reads one playbook and reports all that is wrong with its form. What its steps mean together is for `check`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assistant.planner.conditions import Condition
from knowledge.catalogue import PlaybookSource


@dataclass(frozen=True, order=True)
class Fault:
    """Something wrong with a playbook; `step` is empty where it is about the playbook as a whole."""

    playbook: str
    step: str
    message: str

    def __str__(self) -> str:
        return f"{self.playbook}: {f'step {self.step}: ' if self.step else ''}{self.message}"


class FaultyPlaybook(ValueError):
    """A playbook cannot be walked. `faults` are all that were found."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Branch(_Part):
    """Go to a step when a condition holds. Branches are tried in order."""

    when: Condition
    go: str


class ToolStep(_Part):
    """Runs a tool. `inconclusive` and `failed` go where `no_data` goes unless they say otherwise."""

    tool: str
    params: dict[str, Any] = {}
    branches: tuple[Branch, ...] = ()
    otherwise: str
    no_data: str
    inconclusive: str | None = None
    failed: str | None = None

    def targets(self) -> list[str]:
        """Every step that may follow."""
        optional = [target for target in (self.inconclusive, self.failed) if target is not None]
        return [*(branch.go for branch in self.branches), self.otherwise, self.no_data, *optional]


class DecideStep(_Part):
    """Branches on what is known already; `decide` says in words what is decided."""

    decide: str
    branches: Annotated[tuple[Branch, ...], Field(min_length=1)]
    otherwise: str

    def targets(self) -> list[str]:
        """Every step that may follow."""
        return [*(branch.go for branch in self.branches), self.otherwise]


class PossibleAnswer(_Part):
    """An answer to a question: its id, its words, and where it leads."""

    choice: str
    label: str
    go: str


class Recommendation(_Part):
    """Recommends an answer when a condition holds; `because` is the reason in words."""

    when: Condition
    choice: str
    because: str


class QuestionStep(_Part):
    """Asks a person. `why` answers "why do you ask". Texts may hold references in braces."""

    question: str
    why: str
    choices: Annotated[tuple[PossibleAnswer, ...], Field(min_length=2)]
    recommend: tuple[Recommendation, ...] = ()
    recommend_otherwise: str

    def targets(self) -> list[str]:
        """Every step that may follow."""
        return [answer.go for answer in self.choices]


class ProposeStep(_Part):
    """Plans an action with a tool that acts, and waits until a person approves or refuses it."""

    propose: str
    params: dict[str, Any] = {}
    next: str

    def targets(self) -> list[str]:
        """Every step that may follow."""
        return [self.next]


class CallStep(_Part):
    """Walks another playbook. `with` gives its inputs, `on` says where each of its outcomes leads."""

    playbook: str
    with_: dict[str, Any] = Field(default={}, alias="with")
    on: dict[str, str] = {}

    def targets(self) -> list[str]:
        """Every step that may follow."""
        return list(self.on.values())


class ConcludeStep(_Part):
    """Ends with a cause. `confidence` lists the links of the argument: references to facts, or numbers.

    The verdict's confidence is 1 - Σ(1 - link), floored at 0: the union bound on any link being wrong.
    """

    conclude: str
    target: Any
    confidence: tuple[Any, ...] = ()
    says: str = ""

    def targets(self) -> list[str]:
        """Nothing follows a verdict."""
        return []


class ReturnStep(_Part):
    """Goes back to the calling playbook with an outcome."""

    return_: str = Field(alias="return")

    def targets(self) -> list[str]:
        """The caller says what follows."""
        return []


Step = ToolStep | DecideStep | QuestionStep | ProposeStep | CallStep | ConcludeStep | ReturnStep
KINDS: Mapping[str, type[Step]] = {
    "tool": ToolStep,
    "decide": DecideStep,
    "question": QuestionStep,
    "propose": ProposeStep,
    "playbook": CallStep,
    "conclude": ConcludeStep,
    "return": ReturnStep,
}


class Playbook(_Part):
    """A parsed playbook. `inputs` are the names that its caller must give."""

    id: str
    title: str
    version: int
    start: str
    inputs: tuple[str, ...] = ()
    steps: dict[str, Step]


class _Header(_Part):
    id: str
    title: str
    version: int
    start: str
    inputs: tuple[str, ...] = ()
    steps: dict[str, Any]


def parse(source: PlaybookSource) -> Playbook:
    """Read a playbook. Raises `FaultyPlaybook` with every fault of form, bad TOML with its line."""
    try:
        table = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        raise FaultyPlaybook((Fault(source.id, "", f"not valid TOML: {error}"),)) from error
    faults: list[Fault] = []
    header = _header(source.id, table, faults)
    raw_steps = table.get("steps")
    steps = {
        name: step
        for name, body in (raw_steps.items() if isinstance(raw_steps, dict) else ())
        if (step := _step(source.id, name, body, faults)) is not None
    }
    if faults or header is None:
        raise FaultyPlaybook(tuple(sorted(faults)))
    return Playbook.model_construct(**{**dict(header), "steps": steps})


def _header(playbook: str, table: dict[str, Any], faults: list[Fault]) -> _Header | None:
    try:
        header = _Header.model_validate(table)
    except ValidationError as error:
        faults.extend(Fault(playbook, "", message) for message in _messages(error))
        return None
    if header.id != playbook:
        faults.append(Fault(playbook, "", f"its id is {header.id!r} but its file is called {playbook}.toml"))
    return header


def _step(playbook: str, name: str, body: Any, faults: list[Fault]) -> Step | None:
    if "." in name:
        faults.append(Fault(playbook, name, "a step's name may hold no dot: dots lead into called playbooks"))
        return None
    kinds = [kind for kind in KINDS if isinstance(body, dict) and kind in body]
    if len(kinds) != 1:
        found = f"has {' and '.join(kinds)}" if kinds else "has none"
        faults.append(Fault(playbook, name, f"a step has exactly one of {', '.join(KINDS)}; this one {found}"))
        return None
    try:
        return KINDS[kinds[0]].model_validate(body)
    except ValidationError as error:
        faults.extend(Fault(playbook, name, message) for message in _messages(error))
        return None


def _messages(error: ValidationError) -> list[str]:
    """One line for each error: what a missing or unknown key is called, or where a bad value stands."""
    lines = []
    for found in error.errors():
        where = ".".join(str(part) for part in found["loc"])
        if found["type"] == "missing":
            lines.append(f"{where!r} is missing")
        elif found["type"] == "extra_forbidden":
            lines.append(f"{where!r} is not known here")
        else:
            lines.append(f"{where}: {found['msg'].removeprefix('Value error, ')}")
    return lines
