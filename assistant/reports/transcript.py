"""An investigation as a conversation: what was asked, what was looked at, what it showed, and where it led.

`Transcript.show` prints one event, so that a walk can be followed as it happens; `render` is the whole as text.
"""

import io
import math
from collections.abc import Mapping, Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from assistant.reports import figures
from assistant.reports.sparkline import sparkline
from assistant.wire import (
    ActionApproved,
    ActionDone,
    ActionProposed,
    ActionRefused,
    AnswerGiven,
    Because,
    BranchTaken,
    Chart,
    Event,
    Evidence,
    Finding,
    FindingStatus,
    NoteAdded,
    Opened,
    QuestionAsked,
    SteppedBack,
    ToolAnswered,
    ToolCalled,
    Verdict,
    VerdictReached,
)

WIDTH = 100
CHARTS, EVIDENCE = 1, 3
"""How many of each are shown of one finding: a conversation tells what counts, the JSON report has everything."""
_TELLING = ("for", "against", "context")
_BEARING = {"for": ("+", "red"), "against": ("-", "green"), "context": ("·", "")}
_SAID = ("answers.", "action ")
"""Reasons that are what a person said a line before."""
_STATUS = {
    FindingStatus.no_data: "no data",
    FindingStatus.inconclusive: "not conclusive",
    FindingStatus.failed: "could not be run",
}


def verdict_line(verdict: Verdict) -> str:
    """The last line of a transcript, for people and for scripts."""
    target = f" {printable(verdict.target)}" if verdict.target else ""
    return f"verdict: {printable(verdict.cause)}{target} (confidence {verdict.confidence:.2f})"


def render(events: Sequence[Event], questions: Mapping[str, str]) -> str:
    """The whole conversation as plain text, 100 columns wide. `questions` are the tools' own, by tool name."""
    out = io.StringIO()
    transcript = Transcript(Console(file=out, width=WIDTH, highlight=False, markup=False, emoji=False), questions)
    for event in events:
        transcript.show(event)
    transcript.end()
    return out.getvalue()


def console(file: TextIO | None = None) -> Console:
    """A console for a transcript: colours on a terminal, plain text anywhere else, never wider than 100 columns."""
    found = Console(file=file, highlight=False, markup=False, emoji=False)
    found.width = min(found.width, WIDTH) if found.is_terminal else WIDTH
    return found


def printable(text: str) -> str:
    """Text from outside, with nothing in it that would steer the reader's terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _reason(reason: Because) -> str:
    """A branch's reason as a clause; the value is said where the condition does not say it already."""
    fact = reason.fact.removeprefix("facts.")
    is_clear = isinstance(reason.value, bool)
    return f"because {fact} {reason.test}" + ("" if is_clear else f" (it is {figures.number(reason.value)})")


class Transcript:
    """Prints events, each once, in their order."""

    def __init__(self, out: Console, questions: Mapping[str, str]) -> None:
        self._out, self._questions = out, questions
        self._labels: dict[tuple[str, str], str] = {}
        self._verdict: Verdict | None = None

    def show(self, event: Event) -> None:
        """Print what a reader wants to know of one event."""
        match event:
            case Opened():
                self._opened(event)
            case ToolCalled():
                self._line(f"▸ {event.tool}", "bold cyan", above=1)
                self._line(self._questions.get(event.tool, ""), "dim", indent=2)
            case ToolAnswered():
                self._finding(event.finding)
            case QuestionAsked():
                self._question(event)
            case AnswerGiven():
                label = self._labels.get((event.step, event.choice), event.choice)
                self._line(f"▹ {label}   ({event.actor})", "bold", indent=2)
            case BranchTaken():
                self._because(event.because)
            case ActionProposed() | ActionApproved() | ActionRefused() | ActionDone():
                self._action(event)
            case SteppedBack():
                self._line(f"↶ back to event {event.to_seq} ({event.actor})", "yellow", above=1)
            case NoteAdded():
                self._line(f"✎ {event.text}   ({event.actor})", "italic", above=1)
            case VerdictReached():
                self._reached(event.verdict)

    def end(self) -> None:
        """The verdict line, where there is a verdict."""
        if self._verdict is not None:
            self._out.print()
            self._out.print(Text(verdict_line(self._verdict), style="bold"), soft_wrap=True)  # one line, for scripts

    def _line(self, text: str, style: str = "", indent: int = 0, above: int = 0) -> None:
        if text:
            self._out.print("\n" * above, end="")
            self._hang("", text, style, indent)

    def _item(self, sign: str, text: str, style: str = "", indent: int = 2) -> None:
        """One entry of a list: the sign hangs left of the text."""
        self._hang(f"{sign} ", text, style, indent)

    def _hang(self, sign: str, text: str, style: str, indent: int) -> None:
        width = max(self._out.width - indent - len(sign), 20)
        for i, line in enumerate(Text(printable(text), style=style).wrap(self._out, width)):
            line.rstrip()
            margin = " " * indent + (sign if i == 0 else " " * len(sign))
            self._out.print(Text(margin, style=style) + line, soft_wrap=True)

    def _list(self, title: str, entries: Sequence[str], indent: int = 2) -> None:
        if entries:
            self._line(title, "dim", indent=indent)
            for entry in entries:
                self._item("·", entry, indent=indent + 2)

    def _opened(self, event: Opened) -> None:
        alert = event.alert
        self._line(f"■ {alert.title}", "bold red")
        self._line(f"{alert.metric} of {alert.product}, {figures.span(alert.window)}", indent=2)
        self._line(f"compared with {figures.span(alert.baseline)}", indent=2)
        self._line(f"investigation {event.investigation}, playbook {event.playbook}", "dim", indent=2)

    def _finding(self, finding: Finding) -> None:
        status = f"[{_STATUS[finding.status]}] " if finding.status in _STATUS else ""
        self._line(status + finding.headline, "bold" if finding.interesting else "", indent=2)
        for chart in finding.charts[:CHARTS]:
            self._chart(chart)
        telling = sorted(finding.evidence, key=lambda evidence: _TELLING.index(evidence.bearing))
        for evidence in telling[:EVIDENCE]:
            self._evidence(evidence)
        if len(telling) > EVIDENCE:
            self._line(f"and {len(telling) - EVIDENCE} more pieces of evidence", "dim", indent=6)
        self._list("ruled out", finding.ruled_out)
        self._list("could not be checked", finding.not_checked)
        self._list("would settle it", finding.would_settle)

    def _chart(self, chart: Chart) -> None:
        finite = [v for v in chart.values if math.isfinite(v)]
        scale = f"  {figures.number(min(finite))} to {figures.number(max(finite))} {chart.unit}" if finite else ""
        self._line(f"{sparkline(chart.values, chart.mark)}{scale.rstrip()}", indent=4)
        ends = f", {chart.labels[0]} to {chart.labels[-1]}" if len(chart.labels) > 1 else ""
        self._line(chart.title + ends, "dim", indent=4)

    def _evidence(self, evidence: Evidence) -> None:
        sign, style = _BEARING[evidence.bearing]
        self._item(sign, evidence.claim, style, indent=4)
        self._item(" ", figures.support(evidence), "dim", indent=4)

    def _question(self, event: QuestionAsked) -> None:
        self._line(f"? {event.question}", "bold yellow", above=1)
        self._line(f"Why do you ask? {event.why}", "dim", indent=2)
        for i, choice in enumerate(event.choices, start=1):
            self._labels[(event.step, choice.choice)] = choice.label
            recommended = "  (recommended)" if choice.choice == event.recommended else ""
            self._item(f"{i}.", choice.label + recommended, "bold" if recommended else "", indent=4)
        if event.recommended_why:
            self._item("→", f"recommended because {event.recommended_why}", "dim")
        self._because(event.because)

    def _because(self, because: Sequence[Because]) -> None:
        for reason in because:
            if reason.value is not None and not reason.fact.startswith(_SAID):
                self._item("→", _reason(reason), "dim")

    def _action(self, event: ActionProposed | ActionApproved | ActionRefused | ActionDone) -> None:
        match event:
            case ActionProposed(plan=plan):
                self._line(f"! Proposed: {plan.summary}", "bold magenta", above=1)
                self._list("what else it does", plan.effects)
                self._line(f"to be approved before {figures.moment(plan.expires_at)}", "dim", indent=2)
            case ActionApproved():
                self._line(f"approved by {event.actor}: {event.reason}", "bold", indent=2)
            case ActionRefused():
                self._line(f"not approved by {event.actor}: {event.reason}", "bold", indent=2)
            case ActionDone():
                state = ", ".join(f"{name} {value}" for name, value in sorted(event.state_after.items()))
                self._line(f"{'undone' if event.undo else 'done'}; read back: {state}", indent=2)

    def _reached(self, verdict: Verdict) -> None:
        self._verdict = verdict
        self._line(f"■ {verdict.cause} {verdict.target}", "bold green", above=1)
        self._line(verdict.explanation, indent=2)
        self._list("ruled out", verdict.ruled_out)
        self._list("could not be checked", verdict.not_checked)
        self._list("would settle it", verdict.would_settle)
        self._list("to confirm", [verdict.how_to_confirm] if verdict.how_to_confirm else [])
        self._list("proposed mitigation", [verdict.mitigation] if verdict.mitigation else [])
