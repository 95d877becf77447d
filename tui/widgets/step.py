"""The step that the reader looks at: its finding, question, plan or verdict, whichever it is."""

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from assistant.wire import AnswerGiven, QuestionAsked, TrailStep
from tui.walk import Walk
from tui.widgets.finding import FindingView, bullets, paragraph
from tui.widgets.plan import PlanView
from tui.widgets.question import reason
from tui.widgets.verdict import VerdictView


class AskedView(Vertical):
    """A question with what was answered; why it was asked stays readable."""

    def __init__(self, asked: QuestionAsked, answer: AnswerGiven | None) -> None:
        super().__init__()
        self._asked, self._answer = asked, answer

    def compose(self) -> ComposeResult:
        asked = self._asked
        yield Static(Content(asked.question), classes="title")
        yield Static(Content(self._given()), classes="headline")
        yield Static(Content(asked.why))
        yield from paragraph(f"Why {self._label(asked.recommended)!r} was recommended", asked.recommended_why)
        yield from bullets("The recommendation was drawn from", [reason(because) for because in asked.because])

    def _given(self) -> str:
        if self._answer is None:
            return f"recommended: {self._label(self._asked.recommended)}"
        return f"{self._answer.actor} answered: {self._label(self._answer.choice)}"

    def _label(self, choice: str) -> str:
        return next((known.label for known in self._asked.choices if known.choice == choice), choice)


class StepPanel(VerticalScroll):
    """Shows one step of the walk. It has no focus of its own: the screen's page keys scroll it."""

    can_focus = False

    def __init__(self) -> None:
        super().__init__(id="step")
        self._walk: Walk | None = None
        self._step: TrailStep | None = None
        self._shown: object = None

    def show(self, walk: Walk, seq: int | None) -> None:
        """Show the step that began at `seq`. What is shown already stays where it was scrolled to."""
        step = walk.step(seq)
        shown = None if step is None else (step, _content(walk, step))
        if shown == self._shown:
            return
        another = self._step is None or step is None or self._step.seq != step.seq
        self._walk, self._step, self._shown = walk, step, shown
        self.refresh(recompose=True)
        if another:
            self.scroll_home(animate=False)

    def compose(self) -> ComposeResult:
        if self._walk is not None and self._step is not None:
            yield from _views(self._walk, self._step)


def _content(walk: Walk, step: TrailStep) -> tuple[object, ...]:
    """All that the views of a step are made from."""
    return (
        walk.finding(step),
        walk.question(step),
        walk.answer(step),
        walk.plan(step),
        walk.done(step),
        walk.verdict(step),
    )


def _views(walk: Walk, step: TrailStep) -> list[Widget]:
    if (verdict := walk.verdict(step)) is not None:
        return [VerdictView(verdict)]
    if (plan := walk.plan(step)) is not None:
        return [PlanView(step, plan, walk.done(step))]
    if (finding := walk.finding(step)) is not None:
        return [FindingView(walk.title(step), finding)]
    if (asked := walk.question(step)) is not None:
        return _question_views(walk, step, asked)
    return [
        Static(Content(step.title), classes="title"),
        Static(Content(step.outcome or "Nothing is known of it yet.")),
    ]


def _question_views(walk: Walk, step: TrailStep, asked: QuestionAsked) -> list[Widget]:
    """An answered question as it was; one that waits stands below in words, so here stands only its evidence."""
    before = walk.evidence_before(step)
    evidence = [] if before is None else [FindingView(walk.title(before[0]), before[1])]
    if walk.answer(step) is None and evidence:
        return [*evidence]
    asked_view = AskedView(asked, walk.answer(step))
    asked_view.set_class(bool(evidence), "apart")
    return [asked_view, *evidence]
