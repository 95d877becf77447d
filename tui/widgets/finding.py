"""A finding: its headline, its charts, and every claim with its figures, its window and where it comes from."""

from collections.abc import Iterable, Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from assistant.wire import Evidence, Finding, FindingStatus
from tui.widgets.figures import interval, scalar, tests
from tui.widgets.sparkline import Sparkline

_BEARINGS = {
    "for": ("Speaks for a fault", "$text-warning"),
    "against": ("Speaks against a fault", "$text-success"),
    "context": ("For orientation", "$quiet"),
}
_STATUSES = {
    FindingStatus.no_data: "There was no data for this step.",
    FindingStatus.inconclusive: "This step could not decide.",
    FindingStatus.failed: "This step failed.",
}


def claim(evidence: Evidence, labelled: bool = True) -> Content:
    """One claim that a person can check; `labelled` with what it speaks for, where that is not said above it."""
    label, colour = _BEARINGS[evidence.bearing]
    lines = [Content.assemble((label, colour))] if labelled else []
    lines.append(Content.styled(evidence.claim, "bold"))
    lines += [Content.styled(text, "$quiet") for text in _figures(evidence)]
    return Content("\n").join(lines)


def claims(evidence: Sequence[Evidence]) -> ComposeResult:
    """Claims in their order, with one label for those in a row that speak for the same."""
    before = None
    for item in evidence:
        yield Static(claim(item, labelled=item.bearing != before), classes="claim")
        before = item.bearing


def _figures(evidence: Evidence) -> Iterable[str]:
    if evidence.effect is not None:
        yield f"effect {interval(evidence.effect)}"
    checked = [*tests(evidence), *([evidence.method] if evidence.method else [])]
    if checked:
        yield ", ".join(checked)
    if evidence.window is not None:
        yield f"window {evidence.window}"
    if evidence.sources:
        yield "from " + "; ".join(f"{source.kind.value} {source.ref}" for source in evidence.sources)


def bullets(title: str, items: Sequence[str]) -> ComposeResult:
    """A titled list, each item wrapping on its own; nothing where there are no items."""
    if items:
        yield Static(Content(title), classes="section")
        yield from (Static(Content(f"- {item}"), classes="item") for item in items)


def paragraph(title: str, text: str) -> ComposeResult:
    """A titled text; nothing where there is no text."""
    if text:
        yield Static(Content(title), classes="section")
        yield Static(Content(text), classes="item")


class FindingView(Vertical):
    """All that a tool has to say."""

    def __init__(self, title: str, finding: Finding) -> None:
        super().__init__()
        self._title, self._finding = title, finding

    def compose(self) -> ComposeResult:
        finding = self._finding
        yield Static(Content(self._title), classes="title")
        if finding.status in _STATUSES:
            yield Static(Content(_STATUSES[finding.status]), classes="warning")
        yield Static(Content(finding.headline), classes="headline")
        yield from (Sparkline(chart) for chart in finding.charts)
        yield from claims(finding.evidence)
        yield from bullets("Ruled out", finding.ruled_out)
        yield from bullets("Not checked", finding.not_checked)
        yield from bullets("What would settle it", finding.would_settle)
        yield Static(Content(f"tool {finding.tool}{self._sure()}"), classes="figures")

    def _sure(self) -> str:
        """The tool's confidence, where it declares one."""
        facts = self._finding.facts
        return f", confidence {scalar(facts['confidence'])}" if "confidence" in facts else ""
