"""What happens now, at the foot of the screen: a question, a plan that waits, work in progress, or the end."""

from time import monotonic

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from assistant.wire import InvestigationView, Status
from tui.walk import Walk
from tui.widgets.question import QuestionPanel
from tui.widgets.verdict import headline


class Now(Vertical):
    """Shows a question where one waits, and one line in words everywhere else."""

    def __init__(self) -> None:
        super().__init__(id="now")
        self._view: InvestigationView | None = None
        self._since = monotonic()

    def compose(self) -> ComposeResult:
        yield Static(id="told")
        yield QuestionPanel()
        yield Static("Reading the investigation", id="progress")

    def on_mount(self) -> None:
        self.question.display = False
        self.tell(None)
        self.set_interval(1.0, self._tick)

    @property
    def question(self) -> QuestionPanel:
        return self.query_one(QuestionPanel)

    def show(self, walk: Walk) -> None:
        """Take in the investigation as it is now."""
        view = walk.view
        if self._view is None or view.running_step != self._view.running_step:
            self._since = monotonic()
        self._view = view
        self.question.display = view.question is not None
        self.query_one("#progress").display = view.question is None
        if view.question is not None:
            self.question.show(view.question, walk.asked_at)
        self._tick()

    def tell(self, message: str | None) -> None:
        """Say why something that the reader wanted was not done; None takes it away."""
        line = self.query_one("#told", Static)
        line.display = message is not None
        line.update(Content(message or ""))

    def _tick(self) -> None:
        if self._view is not None and self._view.question is None:
            text = describe(self._view, monotonic() - self._since)
            self.query_one("#progress", Static).update(Content(text))


def describe(view: InvestigationView, running_s: float) -> str:
    """One or two lines on what an investigation without an open question does, `running_s` seconds into its step."""
    if view.summary.status is Status.failed:
        return f"This investigation stopped: {view.detail or 'the server did not say why'}"
    if view.plan is not None:
        return f"Shall this be done: {view.plan.action} {view.plan.target}?\na approve, r refuse"
    if view.summary.status is Status.done:
        return _end(view)
    titles = {step.step: step.title for step in view.trail}
    step = view.running_step
    return "Working" if step is None else f"Working on: {titles.get(step, step)}  {running_s:.0f} s"


def _end(view: InvestigationView) -> str:
    verdict = view.summary.verdict
    said = "done" if verdict is None else f"{headline(verdict)} (confidence {verdict.confidence:.2f})"
    undo = ". u undoes the action" if view.can_undo else ""
    return f"Verdict: {said}{undo}"
