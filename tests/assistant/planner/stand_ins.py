"""A small platform for the planner's tests: two tools that look, one that acts, a log, an orchestrator, a playbook."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

from assistant.planner.driver import Driver
from assistant.planner.events import Event
from assistant.planner.library import Library
from knowledge.catalogue import Catalogue, Cause, PlaybookSource
from knowledge.ingest.alert import Alert
from knowledge.investigations import ConcurrentWrite
from tools.contract import Facts, Finding, Params, Result, Status, Tool
from tools.numbers import Num
from tools.ports import PortError, Ports
from tools.records import PipelineState, Window

T0 = datetime(2013, 5, 4, 11, tzinfo=UTC)
ALERT = Alert(
    alert="a1",
    product="badge",
    metric="share",
    title="share fell",
    started_at=T0,
    window=Window(start=T0, end=T0 + timedelta(hours=12)),
    baseline=Window(start=T0 - timedelta(days=7), end=T0),
)


class LookParams(Params):
    product: str
    window: Window


class LookFacts(Facts):
    model: str | None = None
    level: Num | None = None
    kind: Literal["nulls", "shift"] | None = None
    clean: bool | None = None
    count: int = 0


class ProbeParams(Params):
    model: str
    depth: Literal["short", "long"] = "short"


class ProbeFacts(Facts):
    confidence: Num | None = None
    pipeline: str | None = None


class PauseParams(Params):
    pipeline: str
    action: Literal["pause", "resume"]


class PauseFacts(Facts):
    possible: bool | None = None
    already: bool | None = None


def look(params: LookParams, ports: Ports) -> Finding:
    facts = LookFacts(model="m1", level=0.8, kind="nulls", clean=False, count=2)
    return LOOK.finding(Status.answered, f"{params.product} looks bad", facts=facts, ruled_out=("the moon",))


def probe(params: ProbeParams, ports: Ports) -> Finding:
    facts = ProbeFacts(confidence=0.9, pipeline="p1")
    return PROBE.finding(Status.answered, f"{params.model} is broken", facts=facts, not_checked=("the sun",))


def pause(params: PauseParams, ports: Ports) -> Finding:
    paused = ports.pipelines.state(params.pipeline).paused
    plan = PausePlan(
        action="pause", target=params.pipeline, summary="pause it", effects=("x",), state_before={"paused": paused}
    )
    return PAUSE.finding(Status.answered, "a plan", facts=PauseFacts(possible=True, already=paused), result=plan)


class PausePlan(Result):
    action: str
    target: str
    summary: str
    effects: tuple[str, ...]
    state_before: dict[str, Any]


LOOK = Tool("look", "how does it look?", LookParams, LookFacts, Result, look)
PROBE = Tool("probe", "what is broken?", ProbeParams, ProbeFacts, Result, probe)
PAUSE = Tool("pipeline_pause", "what if it stops?", PauseParams, PauseFacts, PausePlan, pause, acts=True)
LATER = Tool("later", "what then?", ProbeParams, ProbeFacts, Result, probe, unavailable="comes later")
TOOLS: dict[str, Tool[Any, Any, Any]] = {tool.name: tool for tool in (LATER, LOOK, PAUSE, PROBE)}

WALK = """
id = "walk"
title = "a walk"
version = 1
start = "look"
[steps.look]
tool = "look"
params = { product = "$alert.product", window = "$alert.window" }
branches = [{ when = { fact = "$facts.look.kind", is = "nulls" }, go = "meant" }]
otherwise = "clean"
no_data = "unknown"
[steps.meant]
question = "Was {$facts.look.model} meant to change?"
why = "It matters."
choices = [
    { choice = "yes", label = "Yes", go = "clean" },
    { choice = "no", label = "No", go = "deep" },
    { choice = "unknown", label = "I don't know", go = "deep" },
]
recommend = [{ when = { fact = "$facts.look.level", above = 0.5 }, choice = "no", because = "{$facts.look.level}" }]
recommend_otherwise = "unknown"
[steps.deep]
playbook = "deep"
with = { model = "$facts.look.model" }
on = { broken = "verdict", fine = "clean" }
[steps.verdict]
conclude = "broken"
target = ["$facts.look.model", "$facts.deep.probe.pipeline"]
confidence = ["$facts.deep.probe.confidence", 0.95]
says = "{$facts.look.model} is broken."
[steps.clean]
conclude = "fine"
target = "$alert.product"
confidence = [0.9]
[steps.unknown]
conclude = "inconclusive"
target = "$alert.product"
"""

DEEP = """
id = "deep"
title = "deeper"
version = 1
start = "probe"
inputs = ["model"]
[steps.probe]
tool = "probe"
params = { model = "$input.model" }
otherwise = "later"
no_data = "fine"
[steps.later]
tool = "later"
params = { model = "$input.model" }
otherwise = "pause"
no_data = "pause"
[steps.pause]
propose = "pipeline_pause"
params = { pipeline = "$facts.probe.pipeline", action = "pause" }
next = "broken"
[steps.broken]
return = "broken"
[steps.fine]
return = "fine"
"""


def cause(name: str, accuses: bool = False) -> Cause:
    return Cause(id=name, title=name, explanation="e.", how_to_confirm="c.", mitigation="m.", accuses=accuses)


CAUSES = {name: cause(name, name == "broken") for name in ("broken", "fine", "inconclusive")}


def catalogue(**texts: str) -> Catalogue:
    sources = {name: PlaybookSource(name, f"{name}.toml", text) for name, text in texts.items()}
    return Catalogue(CAUSES, sources)


@dataclass
class ListLog:
    """The event log, in memory; `rows_` are JSON texts, so that nothing but what is stored comes back."""

    rows_: list[str] = field(default_factory=list)
    disturb: Callable[[], None] | None = None

    def append(self, rows: Sequence[dict[str, Any]]) -> None:
        if self.disturb is not None:
            disturb, self.disturb = self.disturb, None
            disturb()
        if rows[0]["seq"] != len(self.rows_):
            raise ConcurrentWrite("taken")
        self.rows_.extend(json.dumps(row, ensure_ascii=False) for row in rows)

    def rows(self, investigation: str, after: int = -1) -> list[dict[str, Any]]:
        found = [json.loads(row) for row in self.rows_]
        return [row for row in found if row["seq"] > after and row["investigation"] == investigation]

    def without_times(self) -> list[dict[str, Any]]:
        """What must be the same for two runs: everything but ids and times."""
        rows = [json.loads(row) for row in self.rows_]
        for row in rows:
            del row["investigation"], row["at"]
            if row["type"] == "ActionProposed":
                del row["plan"]["expires_at"]
        return rows


@dataclass
class Orchestrator:
    """Pipelines with a switch; it counts how often it was used."""

    paused: bool = False
    switched: int = 0
    silent: bool = False

    def pipeline(self, pipeline: str) -> None:
        return None

    def state(self, pipeline: str) -> PipelineState:
        if self.silent:
            raise PortError("the orchestrator does not answer; is it up?")
        return PipelineState(pipeline=pipeline, paused=self.paused, read_at=datetime.now(UTC))

    def set_paused(self, pipeline: str, paused: bool) -> PipelineState:
        self.paused, self.switched = paused, self.switched + 1
        return self.state(pipeline)


@dataclass
class Clock:
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@dataclass
class Platform:
    """All of it together. `driver()` makes a fresh driver on the same log, as after a restart."""

    log: ListLog = field(default_factory=ListLog)
    orchestrator: Orchestrator = field(default_factory=Orchestrator)
    clock: Clock = field(default_factory=Clock)
    tools: dict[str, Tool[Any, Any, Any]] = field(default_factory=lambda: dict(TOOLS))
    playbooks: dict[str, str] = field(default_factory=lambda: {"walk": WALK, "deep": DEEP})
    heard: list[Event] = field(default_factory=list)

    def driver(self) -> Driver:
        ports = cast(Ports, SimpleNamespace(pipelines=self.orchestrator))
        library = Library(catalogue(**self.playbooks), self.tools)
        return Driver(self.log, ports, library, self.tools, self.clock, on_event=self.heard.append, new_id=lambda: "i1")

    def types(self) -> list[str]:
        return [json.loads(row)["type"] for row in self.log.rows_]


def write_playbooks(folder: Path) -> None:
    """The playbooks as files, for tests that read a folder."""
    (folder / "walk.toml").write_text(WALK, encoding="utf-8")
    (folder / "deep.toml").write_text(DEEP, encoding="utf-8")
