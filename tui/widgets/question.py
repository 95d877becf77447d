"""The question that waits, with its choices; the recommended one is marked, and it can say why it asks."""

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from assistant.wire import Because, Question
from tui.messages import ChoiceMade
from tui.widgets.figures import scalar


def reason(because: Because) -> str:
    """A reason in words: the fact, its value, and the test that it met."""
    fact = because.fact.removeprefix("facts.").replace("_", " ").replace(".", ": ")
    return f"{fact} = {scalar(because.value)} ({because.test})"


def why(question: Question) -> str:
    """Why it is asked, and the facts that the recommendation was drawn from."""
    drawn = [f"- {reason(because)}" for because in question.because]
    return "\n".join([question.why, *(["The recommendation is drawn from:", *drawn] if drawn else [])])


class QuestionPanel(VerticalScroll):
    """Choices are taken with the arrows and enter, or with their digits."""

    can_focus = False

    def __init__(self) -> None:
        super().__init__(id="question")
        self._question: Question | None = None
        self._asked_at: int | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="question-text")
        yield Static(id="question-why")
        yield OptionList(id="choices")

    def show(self, question: Question, asked_at: int) -> None:
        """Ask the question that was put at event `asked_at`; the cursor starts on the recommended choice.

        Where it is shown already, nothing moves. Asked anew after a step back, it has another number and starts afresh.
        """
        if (question, asked_at) == (self._question, self._asked_at):
            return
        self._question, self._asked_at = question, asked_at
        self.query_one("#question-text", Static).update(Content(question.question))
        self.query_one("#question-why", Static).update(Content(why(question)))
        self.query_one("#question-why").display = False
        choices = self._choices
        choices.disabled = False
        choices.set_options(Option(self._label(i), id=c.choice) for i, c in enumerate(question.choices))
        names = [choice.choice for choice in question.choices]
        choices.highlighted = names.index(question.recommended) if question.recommended in names else 0
        choices.focus()

    def reopen(self) -> None:
        """The answer did not arrive: ask again."""
        self._choices.disabled = False
        self._choices.focus()

    def toggle_why(self) -> None:
        """Show or hide why it is asked."""
        text = self.query_one("#question-why")
        text.display = not text.display

    def choose(self, index: int) -> None:
        """Answer with the choice at `index`, from 0; an index without a choice does nothing."""
        if self._question is None or self._choices.disabled or not 0 <= index < len(self._question.choices):
            return
        self._choices.highlighted = index
        self._choices.disabled = True
        self.post_message(ChoiceMade(self._question.step, self._question.choices[index].choice))

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.choose(event.option_index)

    @property
    def _choices(self) -> OptionList:
        return self.query_one("#choices", OptionList)

    def _label(self, index: int) -> Content:
        assert self._question is not None
        choice = self._question.choices[index]
        label = Content(f"{index + 1}  {choice.label}")
        if choice.choice != self._question.recommended:
            return label
        because = self._question.recommended_why
        return Content.assemble(label, ("  recommended" + (f": {because}" if because else ""), "$text-success"))
