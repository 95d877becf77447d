"""The verdict: the cause, how sure it is, how to confirm it, what was ruled out and what was not looked at."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from assistant.wire import Verdict
from tui.widgets.finding import bullets, paragraph


def headline(verdict: Verdict) -> str:
    """The cause and what it happened to."""
    return f"{verdict.cause} {verdict.target}".rstrip()


class VerdictView(Vertical):
    """The end of the walk."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__()
        self._verdict = verdict

    def compose(self) -> ComposeResult:
        verdict = self._verdict
        yield Static(Content("Verdict"), classes="title")
        yield Static(Content(headline(verdict)), classes="headline")
        yield Static(Content(f"confidence {verdict.confidence:.2f}"), classes="figures")
        yield Static(Content(verdict.explanation), classes="claim")
        yield from paragraph("How to confirm it", verdict.how_to_confirm)
        yield from paragraph("What to do", verdict.mitigation)
        yield from bullets("How it was found", verdict.chain)
        yield from bullets("Ruled out", verdict.ruled_out)
        yield from bullets("Not checked", verdict.not_checked)
        yield from bullets("What would settle it", verdict.would_settle)
