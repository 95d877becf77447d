"""The head of the screen: which alert this is, what state its investigation is in, and trouble with the server."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from assistant.wire import InvestigationView, Status

_STATES = {
    Status.running: "working",
    Status.waiting_for_answer: "waits for your answer",
    Status.waiting_for_approval: "waits for your approval",
    Status.done: "done",
    Status.failed: "stopped",
}


class Banner(Vertical):
    """Two lines, and a third one while the server is away."""

    def compose(self) -> ComposeResult:
        yield Static("HawkEye", id="alert-title")
        yield Static("", id="alert-window", classes="figures")
        yield Static("", id="trouble")

    def on_mount(self) -> None:
        self.query_one("#trouble").display = False

    def show(self, view: InvestigationView) -> None:
        """Take in the investigation as it is now."""
        alert, summary = view.alert, view.summary
        title = Content.assemble("HawkEye  ", (alert.title, "bold"))
        watched = f"{alert.metric} since {alert.window.start:%Y-%m-%d %H:%M} UTC"
        self.query_one("#alert-title", Static).update(title)
        self.query_one("#alert-window", Static).update(
            Content.assemble((_STATES[summary.status], "$text-accent"), f"  {watched}")
        )

    def trouble(self, message: str | None) -> None:
        """Show what is wrong with the connection, or that nothing is."""
        line = self.query_one("#trouble", Static)
        line.display = message is not None
        line.update(Content(message or ""))
